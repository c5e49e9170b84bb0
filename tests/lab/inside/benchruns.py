"""Benchmarks under watch: known work of a guest, copies through a vif, weights under contention, and the same again and again.

What runs is a shell or busybox: emulated, each start of Python takes longer than what would be measured.
"""
import time

from lab.inside import dom0, guests

__all__ = ("measure",)

#: Seconds over which the burner's cost is taken; it burns 300 ms of each.
BURNT = 15
#: Bytes of a copy, to where the io guest takes it.
COPIED, SINK = 1 << 20, "10.77.0.2 5001"
COPY = f"head -c {COPIED} /dev/zero | busybox nc {SINK} && echo copied {COPIED} byte"
TOLD = r"copied (?P<value>(?P<work>\d+)) (?P<work_unit>byte)"
#: Runs of each side; and of the same command: 10 tries of 4 and 4.
SIDES, SAME = 5, 80


def measure():
    """dom0's vCPU 1 and the burner have pCPU 1, all else of dom0 has pCPU 0; put back at the end."""
    _set("pin-guest", "vcpu-pin", "burner", "all", "1")
    _set("pin-dom0", "vcpu-pin", "Domain-0", "all", "0")
    _set("pause", "pause", "two vcpus")
    _bench("burner", "--", "sleep", BURNT)
    _bench("copy", "--idle", 3, "--runs", SIDES, "--a", "true", "--b", "true", "--reader", TOLD, "--", "sh", "-c", COPY)
    dom0.run("bench-copy-compared", *dom0.xenmeter("compare", dom0.RESULTS / "bench-copy.jsonl"))
    _set("pin-dom0-too", "vcpu-pin", "Domain-0", "1", "1")
    turns = _turns_of_a_second()
    weight = "xl sched-credit2 -d burner -w %d"
    _bench("weights", "--runs", SIDES, "--a", weight % guests.WEIGHT, "--b", weight % 32768, "--restore", weight % guests.WEIGHT,
           "--", *_loop(3 * turns))
    dom0.run("bench-weights-compared", *dom0.xenmeter("compare", dom0.RESULTS / "bench-weights.jsonl", "--worse", "5"))
    _set("pause-burner", "pause", "burner")
    _bench("same", "--runs", SAME, "--", *_loop(turns // 20))
    _bench("blind", "--runs", SIDES, "--blind", "--", *_loop(turns // 2))
    dom0.run("bench-blind-compared", *dom0.xenmeter("compare", dom0.RESULTS / "bench-blind.jsonl"))
    _set("unpause-burner", "unpause", "burner")
    _set("unpause", "unpause", "two vcpus")
    _set("unpin-dom0", "vcpu-pin", "Domain-0", "all", "all")
    _set("unpin-guest", "vcpu-pin", "burner", "all", "all")


def _set(name, *words):
    dom0.run(f"bench-{name}", "xl", *words)


def _bench(name, *arguments):
    """Its runs are bench-NAME.jsonl."""
    idle = () if "--idle" in arguments else ("--idle", 0)
    dom0.run(f"bench-{name}", *dom0.xenmeter("bench", "--source", "direct", "--no-trace", *idle, "-o",
                                             dom0.RESULTS / f"bench-{name}.jsonl", *arguments), timeout=900)
    dom0.mark(f"bench {name} done")


def _loop(turns):
    """So many turns on dom0's second vCPU."""
    return ["taskset", "-c", "1", "sh", "-c", f"i=0; while [ $i -lt {turns} ]; do i=$((i+1)); done"]


def _turns_of_a_second(tried=50000):
    began = time.monotonic()
    dom0.fetch(*_loop(tried))
    return max(1000, int(tried / (time.monotonic() - began)))
