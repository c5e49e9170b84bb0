"""What a sample says, as JSON (which is a recording, too) and as CSV with one row per vCPU."""
from typing import Any

from xenmeter.core.select import domain_filter, unfit
from xenmeter.core.source import SampleMirror
from xenmeter.publish import jsonlines
from xenmeter.publish.csvrows import TIMES, CsvWriter
from xenmeter.vcpu.records import Sample, to_json

__all__ = ("JsonMirror", "CsvMirror", "COLUMNS", "MEANINGS")

#: Columns of the CSV form, and what they mean.
MEANINGS = (
    ("time", "of the sample: ISO 8601 in UTC, or seconds since 1970 (`--csv-time epoch`)"),
    ("domain", "the domain's name"),
    ("uuid", "the domain's UUID"),
    ("domid", "its number in this life"),
    ("source", "where the row's figures are from, as `xen_vcpu_source_info` names it"),
    ("vcpu", "number of the vCPU"),
    ("running_ns", "time on a pCPU since the vCPU was made, ns"),
    ("runnable_ns", "time ready and waiting for a pCPU, ns"),
    ("blocked_ns", "time waiting for an event or a timer, ns"),
    ("offline_ns", "time paused, unplugged or throttled by its cap, ns"),
    ("online", "1: the guest has it online; 0: not"),
    ("pcpu", "the pCPU that it is on, or was on last"),
    ("state_entry_time_ns", "time since Xen's start at which it entered its present state, ns"),
)
COLUMNS = tuple([name for name, _ in MEANINGS])


class _Mirror(SampleMirror):
    """Of the domains that the filters leave."""

    def __init__(self, options: Any) -> None:
        self._unfit = unfit(options)
        self._wanted = domain_filter(options.include, options.exclude, options.dom0)

    def _chosen(self, sample: Sample) -> Sample:
        wanted = self._wanted
        if wanted is None:
            return sample
        chosen = [domain for domain in sample.domains if wanted(domain.name, domain.uuid, domain.domid)]
        self.trouble = None if chosen else self._unfit
        return sample._replace(domains=chosen)


class JsonMirror(_Mirror):
    """One JSON object per line and sample; see vcpu.records."""

    def sample(self, sample: Sample) -> bytes:
        return jsonlines.encode(to_json(self._chosen(sample)))


class CsvMirror(_Mirror):
    """One row per vCPU and sample; the time is ISO 8601 or seconds since the epoch."""

    def __init__(self, options: Any) -> None:
        super().__init__(options)
        self._time = TIMES[options.csv_time]
        self._writer = CsvWriter(COLUMNS, trusted=("time",))

    def header(self) -> bytes:
        return self._writer.header()

    def sample(self, sample: Sample) -> bytes:
        stamp = self._time(sample.time_ns)
        return self._writer.rows([[stamp, domain.name, domain.uuid, domain.domid, domain.source] + list(vcpu)
                                  for domain in self._chosen(sample).domains for vcpu in domain.figures])
