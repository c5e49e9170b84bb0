"""A trace of a host with any number of domains, each of which runs as long as no other does: what arrives tells whose it is."""
import json

from helpers import encoding
from xenmeter.xentrace.engine import records
from xenmeter.xentrace.engine.records import BLOCKED, IDLE_DOMAIN, RUNNABLE, RUNNING

__all__ = ("KHZ", "PCPUS", "uuid_of", "name_of", "running_ns", "recording")

KHZ, PCPUS = 2000000, 4
_SECOND = 10 ** 9
#: ns from waking to running.
WAIT = 20000


def uuid_of(domid):
    return "6f5902ac-237a-4de9-9b6b-%012x" % domid


def name_of(domid):
    return "Domain-0" if domid == 0 else "guest-%04d" % domid


def running_ns(domid):
    """What a domain runs in each second."""
    return 500000 + 1000 * domid


def _second(start, pcpu, domains):
    """The records of one pCPU in the second that begins at ``start`` (ns): its domains wake, wait, run and block in turn."""
    found = []
    own = range(pcpu, domains, PCPUS)
    turn = (_SECOND - 10 ** 7) // max(1, len(own))
    assert turn > WAIT + running_ns(domains - 1)

    def put(ns, domid, vcpu, old, new):
        found.append(encoding.runstate(ns * KHZ // 10 ** 6, domid, vcpu, old, new))
    for place, domid in enumerate(own):
        at = start + place * turn
        put(at, domid, 0, BLOCKED, RUNNABLE)
        put(at + WAIT, IDLE_DOMAIN, pcpu, RUNNING, RUNNABLE)
        put(at + WAIT, domid, 0, RUNNABLE, RUNNING)
        put(at + WAIT + running_ns(domid), domid, 0, RUNNING, BLOCKED)
        put(at + WAIT + running_ns(domid), IDLE_DOMAIN, pcpu, RUNNABLE, RUNNING)
    put(start + _SECOND - 1000, IDLE_DOMAIN, pcpu, RUNNING, RUNNABLE)      # something happens until the end of it
    put(start + _SECOND - 500, IDLE_DOMAIN, pcpu, RUNNABLE, RUNNING)
    return b"".join(found)


def recording(folder, domains, seconds):
    """A recording's directory: the trace as xentrace writes it, and the domains' names."""
    folder.mkdir()
    with (folder / "trace.bin").open("wb") as file:
        for second in range(seconds):
            for pcpu in range(PCPUS):
                file.write(records.window(pcpu, _second((100 + second) * _SECOND, pcpu, domains)))
    (folder / "names.jsonl").write_text(json.dumps({"iteration": 0, "vif_order": None, "domains": [
        {"domid": domid, "name": name_of(domid), "uuid": uuid_of(domid), "start_time_ns": None, "vifs": [], "vbds": {}}
        for domid in range(domains)]}) + "\n")
    (folder / "manifest.json").write_text(json.dumps({
        "format": "xenmeter-recording", "version": 1,
        "sources": {"xentrace": {"file": "trace.bin", "cpu_khz": KHZ}, "names": {"file": "names.jsonl"}}}))
    return folder
