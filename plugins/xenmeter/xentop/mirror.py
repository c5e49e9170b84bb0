"""The mirror of xentop: its own rows, columns and direction, as JSON or CSV. Nothing is added up or turned round.

What is published elsewhere is the guest's view; here NETTX is what xentop calls it, dom0's side.
"""
import re
from typing import Any, Dict, List, Optional, Set

from xenmeter.core.identity import Lives
from xenmeter.core.reading import IMPOSSIBLE
from xenmeter.core.select import domain_filter, unfit
from xenmeter.core.source import SampleMirror
from xenmeter.publish import jsonlines
from xenmeter.publish.csvrows import TIMES, CsvWriter
from xenmeter.xen.domains import Unreadable
from xenmeter.xen.whois import text_of
from xenmeter.xentop.direct.rows import DirectRows
from xenmeter.xentop.samples import DirectSample, Sample
from xenmeter.xentop.text.attribute import Joined, attribute
from xenmeter.xentop.text.records import SECTOR, DomainRow

__all__ = ("JsonMirror", "CsvMirror", "COLUMNS", "MEANINGS")

#: Columns of the CSV form, by the keys of the JSON form, and what they mean; ``time`` and identity come first.
MEANINGS = (
    ("time", "of the sample: ISO 8601 in UTC, or seconds since 1970 (`--csv-time epoch`)"),
    ("name", "the domain's; control characters are `_`, and what a spreadsheet would take for a formula has a `'` before it"),
    ("uuid", "the domain's; empty where nothing tells it (xentop's text without xenstore beside it)"),
    ("domid", "its number in this life; empty where `uuid` is"),
    ("state", "xentop's six letters: dying, shutdown, blocked, crashed, paused, running; `-` for each that is not so; empty "
              "where it is not told"),
    ("cpu_seconds", "CPU time of all its vCPUs since it was made, whole seconds"),
    ("cpu_percent", "CPU time since the sample before, percent of one pCPU; empty in a domain's first sample"),
    ("mem_bytes", "memory that it has now"),
    ("mem_percent", "the same in percent of the host's"),
    ("max_mem_bytes", "memory that it may have; empty: no limit"),
    ("max_mem_percent", "the same in percent of the host's"),
    ("vcpus", "configured vCPUs, offline ones too"),
    ("nets", "vifs"),
    ("net_tx_bytes", "bytes **as dom0 sees them**: sent by dom0's end of its vifs to the guest, so what the guest received; in "
                     "steps of 1 KiB where xentop shows no vif by itself"),
    ("net_rx_bytes", "bytes received by dom0's end, so what the guest sent"),
    ("vbds", "disks"),
    ("vbd_oo", "times that a disk's backend was out of requests, of all disks, as the next five"),
    ("vbd_rd", "requests to read"),
    ("vbd_wr", "requests to write"),
    ("vbd_rsect", "sectors of 512 bytes read"),
    ("vbd_wsect", "sectors of 512 bytes written"),
    ("ssid", "its security label's number (XSM)"),
)
COLUMNS = tuple([name for name, _ in MEANINGS])


#: Columns that count sectors, whose bytes must be possible too.
_SECTORS = ("vbd_rsect", "vbd_wsect", "rsect", "wsect")
#: Patterns of domains that could match a UUID: globs of its characters, and any regular expression.
_OF_UUIDS = re.compile(r"/.*/\Z|[0-9a-f*?\[\]!-]*\Z", re.DOTALL)


class _Mirror(SampleMirror):
    """Rows of samples as dictionaries of plain values, in the order xentop printed them."""

    def __init__(self, options: Any) -> None:
        self._unfit = unfit(options)
        self._wanted = domain_filter(options.include, options.exclude, options.dom0)
        self._needs_uuid = any(_OF_UUIDS.match(text) for text in options.exclude)
        self._lives = Lives()
        self._direct = DirectRows()
        self._before: Set[bytes] = set()  # names in the iteration before

    def domains(self, sample: Any) -> List[Dict[str, Any]]:
        rows = self._chosen(sample)
        if not rows and self.trouble is None:
            self.trouble = self._unfit
        return rows

    def _chosen(self, sample: Any) -> List[Dict[str, Any]]:
        self.trouble = None
        if isinstance(sample, DirectSample):
            return [_mirrored(item.row, item.name, item, True) for item in self._direct.joined(sample)
                    if self._wanted is None or self._wanted(item.name, item.uuid, item.domid)]
        rows = sample.iteration.rows
        joined: Dict[int, Joined] = {}
        self.trouble = sample.names.reason if isinstance(sample.names, Unreadable) else None
        if sample.names is not None and not isinstance(sample.names, Unreadable):
            self._lives.begin()
            for item in attribute(rows, sample.names.domains, self._lives)[0]:
                joined[id(item.row)] = item
                self._lives.see(item.key, item.name, item.uuid, item.domid, item.shared, item.row.columns.cpu_seconds,
                                dict(item.row.vcpu_seconds or ()), item.row.columns.vcpus, item.row.columns)
            self._lives.end(complete=not sample.iteration.skipped)
        before, self._before = self._before, {row.name for row in rows}
        chosen = []
        for row in rows:
            whose = joined.get(id(row))
            name = text_of(row.name)
            if self._wanted is not None and not self._wanted(
                    whose.name if whose else name, whose and whose.uuid, whose and whose.domid):
                continue
            if self._needs_uuid and sample.names is not None and (whose is None or whose.uuid is None):
                continue        # it may be one of those that are excluded
            chosen.append(_mirrored(row, name, whose, row.name in before and not sample.first))
        return chosen


def _possible(value: Any) -> Any:
    """A value, with null for each figure in it that is impossible, as everywhere."""
    if isinstance(value, dict):
        return {key: None if key in _SECTORS and inner is not None and inner * SECTOR >= IMPOSSIBLE else _possible(inner)
                for key, inner in value.items()}
    if isinstance(value, list):
        return [_possible(inner) for inner in value]
    return None if isinstance(value, int) and value >= IMPOSSIBLE else value


def _percent(permille: Optional[int]) -> Optional[float]:
    return None if permille is None else permille / 10


def _mirrored(row: DomainRow, name: str, item: Optional[Joined], was_there: bool) -> Dict[str, Any]:
    """One row in the contract's keys. CPU % of a first reading is always 0.0, and a wrapped one is not a rate: null."""
    columns = row.columns
    rate = columns.cpu_permille
    if not was_there or (rate is not None and rate > 1050 * (columns.vcpus or 0)):
        rate = None
    exact = bool(row.networks) and len(row.networks) == columns.nets
    domain: Dict[str, Any] = {
        "name": name, "state": row.state.decode("ascii") or None, "cpu_seconds": columns.cpu_seconds,
        "cpu_percent": _percent(rate), "mem_bytes": None if columns.mem_kib is None else columns.mem_kib << 10,
        "mem_percent": _percent(columns.mem_permille),
        "max_mem_bytes": None if columns.maxmem_kib is None else columns.maxmem_kib << 10,
        "max_mem_percent": _percent(columns.maxmem_permille), "vcpus": columns.vcpus, "nets": columns.nets,
        "net_tx_bytes": sum(net.tx_bytes for net in row.networks) if exact else columns.nettx_kib << 10,
        "net_rx_bytes": sum(net.rx_bytes for net in row.networks) if exact else columns.netrx_kib << 10,
        "vbds": columns.vbds, "vbd_oo": columns.vbd_oo, "vbd_rd": columns.vbd_rd, "vbd_wr": columns.vbd_wr,
        "vbd_rsect": columns.vbd_rsect, "vbd_wsect": columns.vbd_wsect, "ssid": columns.ssid,
    }
    if item is not None and item.uuid is not None:
        domain["uuid"] = item.uuid
        domain["domid"] = item.domid
    if row.vcpu_seconds is not None:
        domain["vcpu_seconds"] = {str(vcpu): seconds for vcpu, seconds in row.vcpu_seconds}
    if row.networks or not columns.nets:
        domain["networks"] = [net._asdict() for net in row.networks]
    if row.vbds or not columns.vbds:
        domain["vbd_devices"] = [vbd._asdict() for vbd in row.vbds]
    return _possible(domain)


class JsonMirror(_Mirror):
    """One JSON object per line and iteration: ``{"time_ns", "domains": [...]}``."""

    def sample(self, sample: Sample) -> bytes:
        return jsonlines.encode({"time_ns": sample.time_ns, "domains": self.domains(sample)})


class CsvMirror(_Mirror):
    """One row per domain and iteration; the time is ISO 8601 or seconds since the epoch."""

    def __init__(self, options: Any) -> None:
        super().__init__(options)
        self._time = TIMES[options.csv_time]
        self._writer = CsvWriter(COLUMNS, trusted=("time", "state"))

    def header(self) -> bytes:
        return self._writer.header()

    def sample(self, sample: Sample) -> bytes:
        stamp = self._time(sample.time_ns)
        return self._writer.rows([[stamp] + [domain.get(column) for column in COLUMNS[1:]]
                                  for domain in self.domains(sample)])
