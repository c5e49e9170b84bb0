"""DirectSamples as lines of JSON, one per reading, and back: what ``xenmeter record`` keeps of source direct.

    {"time_ns", "xen_ns", "host": {"total_pages", "free_pages", "nr_cpus"}, "idle_ns": [ns of each pCPU], "left_out": {},
     "trouble": null, "domains": [{"domid", "uuid", "name", "shared", "info": {fields of xen_domctl_getdomaininfo},
     "vcpu_ns": [[vCPU, ns]], "vifs": [[devid, emulated, 8 counters]], "disks": [[type, dev, 5 counters, 5 of the requests']],
     "facts": {what xenstore says}}]}

with null for what is not known, and "notices", lines for the log, where there are any. Everything that the collector uses is
in it, so a replay gives the same figures.
"""
import json
from typing import Any, Dict, List, NamedTuple, Optional

from xenmeter.core.playing import count, count_or_none
from xenmeter.xen.backends import Disk, Vif
from xenmeter.xen.recordednames import facts_from_json, facts_to_json
from xenmeter.xen.roster import Member
from xenmeter.xen.tapdisk import Served
from xenmeter.xentop.direct import DirectDomain, DirectSample

__all__ = ("START", "to_line", "from_json")

#: How each line begins, so that a file of them is known from xentop's text.
START = b'{"time_ns":'

_Host = NamedTuple("_Host", [("total_pages", int), ("free_pages", int), ("nr_cpus", int)])
#: As structs.domaininfo names them.
_Info = NamedTuple("_Info", [
    ("domain", int), ("flags", int), ("tot_pages", int), ("max_pages", int), ("cpu_time", int), ("max_vcpu_id", int),
    ("ssidref", int), ("handle", bytes)])


def to_line(sample):
    # type: (DirectSample) -> bytes
    told = {"time_ns": sample.time_ns, "xen_ns": sample.xen_ns,
            "host": {name: getattr(sample.host, name) for name in _Host._fields}, "idle_ns": list(sample.idle_ns),
            "left_out": sample.left_out, "trouble": sample.trouble, "domains": [_domain(one) for one in sample.domains]}
    if sample.notices:
        told["notices"] = list(sample.notices)
    return (json.dumps(told, separators=(",", ":")) + "\n").encode("ascii")


def _domain(domain):
    # type: (DirectDomain) -> Dict[str, Any]
    member = domain.member
    info = {name: getattr(member.info, name) for name in _Info._fields}
    info["handle"] = info["handle"].hex()
    return {"domid": member.domid, "uuid": member.uuid, "name": member.name, "shared": member.shared, "info": info,
            "vcpu_ns": domain.vcpu_ns, "vifs": domain.vifs, "disks": domain.disks,
            "facts": None if member.facts is None else facts_to_json(member.facts)}


def from_json(record):
    # type: (Any) -> DirectSample
    """ValueError, KeyError, TypeError or AttributeError where it is not what ``to_line`` writes."""
    host = _Host(*[count(record["host"][name]) for name in _Host._fields])
    return DirectSample(count(record["time_ns"]), count(record["xen_ns"]), [_direct(item) for item in record["domains"]],
                        host, [count(value) for value in record["idle_ns"]],
                        {_text(kind): count(number) for kind, number in record["left_out"].items()},
                        _text_or_none(record["trouble"]), tuple([_text(line) for line in record.get("notices", ())]))


def _direct(item):
    # type: (Any) -> DirectDomain
    told = item["info"]
    handle = bytes.fromhex(told["handle"])
    if len(handle) != 16 or not isinstance(item["shared"], bool):
        raise ValueError("domain %.200r" % (item,))
    info = _Info(*([count(told[name]) for name in _Info._fields[:-1]] + [handle]))     # type: ignore
    member = Member(info, count(item["domid"]), _text_or_none(item["uuid"]), _text(item["name"]), item["shared"],
                    None if item["facts"] is None else facts_from_json(item["facts"]))
    return DirectDomain(member, [(count(vcpu), count(time_ns)) for vcpu, time_ns in item["vcpu_ns"]],
                        None if item["vifs"] is None else [_vif(*vif) for vif in item["vifs"]],
                        None if item["disks"] is None else [_disk(*disk) for disk in item["disks"]])


def _vif(devid, emulated, counters):
    # type: (Any, Any, Any) -> Vif
    return count(devid), bool(emulated), tuple(_counts(counters, 8))    # type: ignore


def _disk(kind, dev, counters, served):
    # type: (Any, Any, Any, Any) -> Disk
    if counters is not None:
        oo, rest = counters[0], _counts(counters[1:], 4)
        counters = (count_or_none(oo),) + tuple(rest)
    return Disk(_text(kind), count(dev), counters, None if served is None else Served(*_counts(served, 5)))


def _counts(values, number):
    # type: (Any, int) -> List[int]
    if len(values) != number:
        raise ValueError("%d counters" % len(values))
    return [count(value) for value in values]


def _text(value):
    # type: (Any) -> str
    if not isinstance(value, str):
        raise ValueError("%.60r is no text" % (value,))
    return value


def _text_or_none(value):
    # type: (Any) -> Optional[str]
    return None if value is None else _text(value)
