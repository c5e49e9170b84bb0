"""What one reading of the hypervisor says of the vCPUs, as records and as lines of JSON: one line per reading.

The JSON form is what ``xenmeter vcpu --format json`` writes and what its source takes back, so it is a recording too::

    {"time_ns", "domains": [{"domid", "uuid", "name", "shared", "source", "configured", "cpu_time_ns", "runstates": [6 x ns],
     "mean_ns": [ready, running, running off its soft affinity], "missed_changes",
     "vcpus": [{"vcpu", "running_ns", "runnable_ns", "blocked_ns", "offline_ns", "online", "pcpu",
                "state_entry_time_ns"}, ...]}, ...]}

with null for what the source does not know. ``mean_ns`` and ``missed_changes`` are there only where Xen tells them; recordings of
before ``state_entry_time_ns`` was known lack it.
"""
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

from xenmeter.core.playback import count, count_or_none

__all__ = ("Vcpu", "DomainVcpus", "Sample", "SOURCES", "to_json", "from_json")

#: As info metrics name them; see the catalogue.
SOURCES = ("resource", "getvcpuinfo", "own_runstate", "runstate_domctl", "vcpu_runstates")
#: Times of a domain that are the mean of its vCPUs: ready, running, running off its soft affinity.
MEANS = 3


class Vcpu(NamedTuple):
    vcpu: int
    running: Optional[int]
    runnable: Optional[int]
    blocked: Optional[int]
    offline: Optional[int]
    online: Optional[int]    # 0 or 1
    pcpu: Optional[int]
    entered: Optional[int] = None    # Xen's system time, ns, at which it entered its present state


class DomainVcpus(NamedTuple):
    domid: int
    uuid: Optional[str]
    name: str
    shared: bool    # another live domain bears the same name
    source: str    # one of SOURCES
    vcpus: int    # configured ones
    cpu_time: int    # of all vCPUs, ns, up to now: tells one life of a domain from the next
    runstates: Optional[Tuple[int, ...]]    # full run, full contention, concurrency hazard, blocked, partial ...
    figures: List[Vcpu]
    means: Optional[Tuple[int, ...]] = None    # of its vCPUs, ns: ready, running, running off its soft affinity
    missed: Optional[int] = None    # changes that are not in ``runstates``


class Sample(NamedTuple):
    time_ns: int
    domains: List[DomainVcpus]
    left_out: Dict[str, int]    # what is missing from it, by reason
    trouble: Optional[str]    # why, in one line
    notices: Tuple[str, ...] = ()    # what else to say of it in the log, one line each; not recorded

    @property
    def remark(self) -> None:
        """What the source says of itself stands in ``trouble`` and ``notices``, and the collector tells it."""
        return None


_KEYS = ("vcpu", "running_ns", "runnable_ns", "blocked_ns", "offline_ns", "online", "pcpu", "state_entry_time_ns")


def to_json(sample: Sample) -> Dict[str, Any]:
    return {"time_ns": sample.time_ns, "domains": [_domain(domain) for domain in sample.domains]}


def _domain(domain: DomainVcpus) -> Dict[str, Any]:
    told: Dict[str, Any] = {
        "domid": domain.domid, "uuid": domain.uuid, "name": domain.name, "shared": domain.shared, "source": domain.source,
        "configured": domain.vcpus, "cpu_time_ns": domain.cpu_time,
        "runstates": None if domain.runstates is None else list(domain.runstates)}
    if domain.means is not None:
        told["mean_ns"] = list(domain.means)
    if domain.missed is not None:
        told["missed_changes"] = domain.missed
    told["vcpus"] = [dict(zip(_KEYS, vcpu)) for vcpu in domain.figures]
    return told


def from_json(record: Any) -> Sample:
    """ValueError, KeyError or TypeError where it is not what ``to_json`` writes."""
    domains = []
    for item in record["domains"]:
        runstates, uuid = item["runstates"], item["uuid"]
        figures = [Vcpu(count(figure["vcpu"]), *([count_or_none(figure[key]) for key in _KEYS[1:-1]] +
                                                    [count_or_none(figure.get(_KEYS[-1]))])) for figure in item["vcpus"]]
        if item["source"] not in SOURCES or not isinstance(item["name"], str) or not isinstance(item["shared"], bool) \
                or not (uuid is None or isinstance(uuid, str)):
            raise ValueError("domain %.200r" % (item,))
        runstates, means = _times(runstates, 6), _times(item.get("mean_ns"), MEANS)
        domains.append(DomainVcpus(count(item["domid"]), uuid, item["name"], item["shared"], item["source"],
                                   count(item["configured"]), count(item["cpu_time_ns"]), runstates, figures, means,
                                   count_or_none(item.get("missed_changes"))))
    return Sample(count(record["time_ns"]), domains, {}, None)


def _times(values: Any, number: int) -> Optional[Tuple[int, ...]]:
    if values is None:
        return None
    if len(values) != number:
        raise ValueError("%d times where there are %d" % (len(values), number))
    return tuple([count(value) for value in values])
