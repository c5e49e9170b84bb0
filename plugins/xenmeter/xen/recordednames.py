"""Names and UUIDs that stand in a recording beside what was recorded: ``names.jsonl``, or one listing of xenstore.

A line of ``names.jsonl`` holds from the iteration of xentop on that it names: a snapshot, or why xenstore did not answer.
Where it also has ``time_ns``, that is when; recordings of before have the stamps of xentop's iterations for that.
"""
import json
from bisect import bisect_right
from typing import Any, Callable, Dict, List, NamedTuple, Optional

from xenmeter.core.errors import SourceError
from xenmeter.core.playback import count, count_or_none
from xenmeter.core.recording import Recording
from xenmeter.core.unpacking import lines
from xenmeter.xen.domains import DomainDirectory, DomainFacts, Snapshot
from xenmeter.xen.storage import Volume
from xenmeter.xen.storedump import DumpStore, parse_dump

__all__ = ("NameNote", "noted_names", "names_by_iteration", "names_by_time", "snapshot_to_json", "snapshot_from_json",
           "facts_to_json", "facts_from_json")


class NameNote(NamedTuple):
    """From ``iteration`` on; ``snapshot`` is None and ``unreadable`` says why where xenstore did not answer."""

    iteration: int
    snapshot: Optional[Snapshot]
    unreadable: Optional[str]
    time_ns: Optional[int] = None


#: Device numbers that are noted where there are any.
_LISTS = ("qdisks", "empty", "vifs_elsewhere", "vbds_elsewhere")


def names_by_iteration(noted: List[NameNote]) -> Callable[[int], Optional[NameNote]]:
    """What held at an iteration, counted from 0; None where the recording has nothing of xenstore at all.

    :param noted: of :func:`noted_names`.
    """
    if not noted:
        return lambda number: None
    starts = [note.iteration for note in noted]
    return lambda number: noted[max(0, bisect_right(starts, number) - 1)]


def names_by_time(recording: Recording) -> Callable[[int], Optional[Snapshot]]:
    """What xenstore said at a time (wall clock, ns); None where the recording has nothing of it.

    Where a note has no time, the stamps of xentop's iterations give it; what was noted first also holds before.
    """
    noted = [note for note in noted_names(recording) if note.snapshot is not None]
    if not noted:
        return lambda time_ns: None
    stamps = recording.stamps(recording.source("xentop")) if recording.has("xentop") else []
    times: List[int] = []
    for note in noted:
        at = note.time_ns if note.time_ns is not None else stamps[note.iteration] if note.iteration < len(stamps) else 0
        times.append(max(at, times[-1] if times else 0))
    return lambda time_ns: noted[max(0, bisect_right(times, time_ns) - 1)].snapshot


def noted_names(recording: Recording) -> List[NameNote]:
    """All that a recording has of xenstore, in its order."""
    if recording.has("names"):
        with recording.open(recording.source("names")["file"]) as file:
            try:
                return [_note(json.loads(line.decode("utf-8"))) for line in lines(file) if line.strip()]
            except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
                raise SourceError("%s: its names file is damaged: %s: %s" % (recording.path, type(error).__name__, error))
    if recording.has("xenstore"):
        with recording.open(recording.source("xenstore")["file"]) as file:
            return [NameNote(0, DomainDirectory(DumpStore(parse_dump(file.read()))).snapshot(), None)]
    return []


def _note(record: Dict[str, Any]) -> NameNote:
    time_ns = count_or_none(record.get("time_ns"))
    if "unreadable" in record:
        return NameNote(count(record["iteration"]), None, str(record["unreadable"]), time_ns)
    return NameNote(count(record["iteration"]), snapshot_from_json(record), None, time_ns)


def snapshot_to_json(snapshot: Snapshot) -> Dict[str, Any]:
    """A snapshot as plain JSON values."""
    return {"domains": [facts_to_json(facts) for facts in snapshot.domains],
            "vif_order": None if snapshot.vif_order is None else {
                str(domid): list(labels) for domid, labels in sorted(snapshot.vif_order.items())}}


def facts_to_json(facts: DomainFacts) -> Dict[str, Any]:
    """One domain's facts; its name is latin-1 text, so that any bytes survive. Of block devices and processes in dom0 nothing is
    noted: they are read while the host is there."""
    record: Dict[str, Any] = {"domid": facts.domid, "name": facts.name.decode("latin-1"), "uuid": facts.uuid,
            "start_time_ns": facts.start_time_ns, "vifs": list(facts.vifs),
            "vbds": {str(dev): name for dev, name in sorted(facts.vbds.items())}}
    if facts.device_model_of:
        record["device_model_of"] = facts.device_model_of
    for name in _LISTS:
        if getattr(facts, name):
            record[name] = list(getattr(facts, name))
    if facts.storage:
        record["storage"] = {str(dev): list(volume) for dev, volume in sorted(facts.storage.items())}
    if facts.bridges:
        record["bridges"] = {str(devid): bridge for devid, bridge in sorted(facts.bridges.items())}
    if facts.memory_target_kib is not None:
        record["memory_target_kib"] = facts.memory_target_kib
    return record


def snapshot_from_json(record: Dict[str, Any]) -> Snapshot:
    """The reverse of :func:`snapshot_to_json`."""
    order = record["vif_order"]
    return Snapshot([facts_from_json(item) for item in record["domains"]],
                    None if order is None else {int(domid): labels for domid, labels in order.items()})


def facts_from_json(item: Dict[str, Any]) -> DomainFacts:
    """The reverse of :func:`facts_to_json`."""
    texts = [item["name"], item["uuid"], item.get("device_model_of")] + list(item["vbds"].values())
    storage, bridges = item.get("storage", {}), item.get("bridges", {})
    texts += [text for volume in storage.values() for text in volume[:3]] + list(bridges.values())
    if not all(text is None or isinstance(text, str) for text in texts):
        raise ValueError("domain %.200r" % (item,))
    devices: Dict[str, Any] = {name: tuple([count(dev) for dev in item.get(name, ())]) for name in _LISTS}
    return DomainFacts(count(item["domid"]), item["name"].encode("latin-1"), item["uuid"],
                       count_or_none(item["start_time_ns"]), tuple([count(vif) for vif in item["vifs"]]),
                       {int(dev): name for dev, name in item["vbds"].items()}, item.get("device_model_of"),
                       storage={int(dev): Volume(*volume[:3]) for dev, volume in storage.items()},
                       bridges={int(devid): bridge for devid, bridge in bridges.items()},
                       memory_target_kib=count_or_none(item.get("memory_target_kib")), **devices)
