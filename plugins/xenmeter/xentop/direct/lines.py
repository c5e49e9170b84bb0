"""DirectSamples as lines of JSON, one per reading, and back: what ``xenmeter record`` keeps of source direct.

    {"time_ns", "version", "xen_ns", "host": {"total_pages", "free_pages", "nr_cpus"}, "idle_ns": [ns of each pCPU],
     "left_out": {}, "trouble": null,
     "domains": [{"domid", "uuid", "name", "shared", "info": {fields of xen_domctl_getdomaininfo}, "vcpu_ns": [[vCPU, ns]],
                  "vifs": [[devid, emulated, 8 counters, ifindex]],
                  "disks": [[type, dev, 5 counters, 5 of the requests', its node's number]], "facts": {what xenstore says},
                  "backing": {dev: [4 counters, in flight, identity]}, "terms": [cpupool, scheduler, weight, cap, pCPUs, their
                  number], "spent": {who: [ns of the living, ns of those who have ended]}}],
     "vcpus": [online, running, blocked], "dom0": {"memory": [total, available], "spent": as a domain's, "since"}}

with null for what is not known, and where there are any: "notices", lines for the log; "grants", {domid: [frames, most]};
"nodes", [[bytes, free]]; "places", [[core, socket, node]] of each pCPU; "power", of each pCPU [[[MHz, ns, entries]],
[[ns, entries]], degrees, degrees of its package]; backing, terms, spent, vcpus and dom0. Everything that the collector uses is
in it, so a replay gives the same figures. The version changes only where a key's meaning does; the first recordings have none.
A key that is missing, as what later releases add is in older recordings, reads as not known, and one that is not known is passed
over: each release plays the recordings of the others.
"""
import json
from typing import Any, Dict, List, NamedTuple, Optional

from xenmeter.core.playback import count, count_or_none
from xenmeter.xen.backends import Vif
from xenmeter.xen.backing import Backing
from xenmeter.xen.blkback import SECTOR, Disk
from xenmeter.xen.dom0memory import Memory
from xenmeter.xen.recordednames import facts_from_json, facts_to_json
from xenmeter.xen.roster import Member
from xenmeter.xen.scheduling import Terms
from xenmeter.xen.servants import Spent
from xenmeter.xen.tapdisk import RequestTimes
from xenmeter.xen.power import PcpuPower, State
from xenmeter.xen.topology import Place
from xenmeter.xen.vcpus import VcpuCounts
from xenmeter.xentop.samples import Dom0, DirectDomain, DirectSample, Inside

__all__ = ("START", "to_line", "from_json")

#: How each line begins, so that a file of them is known from xentop's text.
START = b'{"time_ns":'

VERSION = 1


class _Host(NamedTuple):
    total_pages: Optional[int]
    free_pages: Optional[int]
    nr_cpus: Optional[int]
    outstanding_pages: Optional[int]


class _Info(NamedTuple):
    """As structs.domaininfo names them."""

    domain: Optional[int]
    flags: Optional[int]
    tot_pages: Optional[int]
    max_pages: Optional[int]
    cpu_time: Optional[int]
    max_vcpu_id: Optional[int]
    ssidref: Optional[int]
    outstanding_pages: Optional[int]
    shr_pages: Optional[int]
    paged_pages: Optional[int]
    handle: bytes


def to_line(sample: DirectSample) -> bytes:
    told = {"time_ns": sample.time_ns, "version": VERSION, "xen_ns": sample.xen_ns,
            "host": {name: getattr(sample.host, name) for name in _Host._fields}, "idle_ns": list(sample.idle_ns),
            "left_out": sample.left_out, "trouble": sample.trouble, "domains": [_domain(one) for one in sample.domains]}
    if sample.vcpus is not None:
        told["vcpus"] = list(sample.vcpus)
    if sample.dom0 is not None:
        told["dom0"] = {"memory": list(sample.dom0.memory), "spent": sample.dom0.spent, "since": sample.dom0.since}
    if sample.notices:
        told["notices"] = list(sample.notices)
    told.update({key: value for key, value in sample.inside._asdict().items() if value})
    if sample.inside.power:
        told["power"] = [[one.pstates, None if one.cstates is None else [list(state)[1:] for state in one.cstates],
                          one.celsius, one.package_celsius] for one in sample.inside.power]
    return (json.dumps(told, separators=(",", ":")) + "\n").encode("ascii")


def _domain(domain: DirectDomain) -> Dict[str, Any]:
    member = domain.member
    info = {name: getattr(member.info, name) for name in _Info._fields}
    info["handle"] = info["handle"].hex()
    told: Dict[str, Any] = {
            "domid": member.domid, "uuid": member.uuid, "name": member.name, "shared": member.shared, "info": info,
            "vcpu_ns": domain.vcpu_ns, "vifs": domain.vifs, "disks": domain.disks,
            "facts": None if member.facts is None else facts_to_json(member.facts)}
    if domain.backing:
        told["backing"] = {str(dev): list(backing) for dev, backing in sorted(domain.backing.items())}
    if domain.terms is not None:
        told["terms"] = list(domain.terms)
    if domain.spent:
        told["spent"] = domain.spent
    return told


def from_json(record: Any) -> DirectSample:
    """ValueError, KeyError, TypeError or AttributeError where it is not what ``to_line`` writes."""
    version = count(record.get("version", VERSION))
    if version > VERSION:
        raise ValueError("it is of version %d, and this xenmeter knows version %d" % (version, VERSION))
    told = record.get("host", {})
    host = _Host(*[count_or_none(told.get(name)) for name in _Host._fields])
    return DirectSample(count(record["time_ns"]), count(record.get("xen_ns", 0)),
                        [_direct(item) for item in record["domains"]],
                        host, [count(value) for value in record.get("idle_ns", ())],
                        {_text(kind): count(number) for kind, number in record.get("left_out", {}).items()},
                        _text_or_none(record.get("trouble")), tuple([_text(line) for line in record.get("notices", ())]),
                        _inside(record),
                        VcpuCounts(*_counts(record["vcpus"][:3], 3)) if "vcpus" in record else None,
                        _dom0(record["dom0"]) if "dom0" in record else None)


def _inside(record: Any) -> Inside:
    return Inside(
        {count(int(domid)): (count(frames), count(most)) for domid, (frames, most) in record.get("grants", {}).items()},
        [None if node is None else (count(node[0]), count(node[1])) for node in record.get("nodes", ())],
        [None if place is None else Place(count(place[0]), count(place[1]), count_or_none(place[2]))
         for place in record.get("places", ())],
        [PcpuPower(None if pstates is None else [State(*_counts(state, 3)) for state in pstates],
                   None if cstates is None else [State(None, *_counts(state, 2)) for state in cstates],
                   _degrees(core), _degrees(package)) for pstates, cstates, core, package in record.get("power", ())])


def _degrees(value: Any) -> Optional[int]:
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or abs(value) > 1000):
        raise ValueError("%.60r degrees" % (value,))
    return value


def _direct(item: Any) -> DirectDomain:
    told, shared = item["info"], item.get("shared", False)
    handle = bytes.fromhex(told["handle"])
    if len(handle) != 16 or not isinstance(shared, bool):
        raise ValueError("domain %.200r" % (item,))
    info = _Info(*([count_or_none(told.get(name)) for name in _Info._fields[:-1]] + [handle]))     # type: ignore[arg-type]
    facts, vifs, disks = [item.get(name) for name in ("facts", "vifs", "disks")]
    member = Member(info, count(item["domid"]), _text_or_none(item.get("uuid")), _text(item["name"]), shared,
                    None if facts is None else facts_from_json(facts))
    return DirectDomain(member, [(count(vcpu), count(time_ns)) for vcpu, time_ns in item.get("vcpu_ns", ())],
                        None if vifs is None else [_vif(*vif) for vif in vifs],
                        None if disks is None else [_disk(*disk) for disk in disks],
                        {int(dev): Backing(*_counts(told[:6], 6)) for dev, told in item.get("backing", {}).items()},
                        _terms(*item["terms"]) if "terms" in item else None, _spent(item.get("spent", {})))


def _terms(cpupool: Any, scheduler: Any, weight: Any = None, cap: Any = None, cpus: Any = None, number: Any = None,
           *_: Any) -> Terms:
    return Terms(count(cpupool), _text_or_none(scheduler), count_or_none(weight), count_or_none(cap), _text_or_none(cpus),
                 count_or_none(number))


def _spent(told: Any) -> Dict[str, Spent]:
    return {_text(who): Spent(*_counts(times[:2], 2)) for who, times in told.items()}


def _dom0(told: Any) -> Dom0:
    return Dom0(Memory(*[count_or_none(value) for value in told["memory"][:2]]), _spent(told["spent"]), count(told["since"]))


def _vif(devid: Any, emulated: Any, counters: Any, ifindex: Any = None, *_: Any) -> Vif:
    return Vif(count(devid), bool(emulated), tuple(_counts(counters, 8)), count_or_none(ifindex))     # type: ignore[arg-type]


def _disk(kind: Any, dev: Any, counters: Any, served: Any = None, identity: Any = None, *_: Any) -> Disk:
    if counters is not None:
        if len(counters) != 5:
            raise ValueError("%d counters" % len(counters))
        counters = (count_or_none(counters[0]),) + tuple(_counts(counters[1:3], 2) + [_bytes(value) for value in counters[3:]])
    return Disk(_text(kind), count(dev), counters, None if served is None else RequestTimes(*_counts(served, 5)),
                count_or_none(identity))


def _bytes(value: Any) -> int:
    """As many as 64 bits of sectors are, however impossible."""
    if isinstance(value, int) and value % SECTOR == 0:
        return count(value // SECTOR) * SECTOR
    return count(value)


def _counts(values: Any, number: int) -> List[int]:
    if len(values) != number:
        raise ValueError("%d counters" % len(values))
    return [count(value) for value in values]


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("%.60r is no text" % (value,))
    return value


def _text_or_none(value: Any) -> Optional[str]:
    return None if value is None else _text(value)
