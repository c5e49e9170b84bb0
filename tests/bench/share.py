#!/usr/bin/env python3
"""Whether the baker rests on a busy host: by the governor's own accounts, of real rings that a host of 1000 domains fills.

    build/venv/bin/python tests/bench/share.py [--changes N] [--share PERCENT] [--observations N]

The rings and the hypervisor are the tests' (helpers/fake_rings.py), 64 of them, into which 100 000 changes of state a second
are written between two passes. All else is the baker as its daemon makes it: names, the shared file, the compiled loop; but it
passes over the rings ten times a second, and the daemon less often where they are large for what comes (baker/pace.py). The
clock is that of what is written, so that it does not matter how busy this machine is; the CPU time is this thread's, without
what the writing costs. A line for each observation, as the governor judges it; the first window is not judged.
"""
import argparse
import pathlib
import shutil
import sys
import tempfile
import threading

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(TOP / "tests"), str(TOP / "tests" / "bench"), str(TOP / "plugins")]

from helpers import fake_rings  # noqa: E402
from helpers.played_rings import opened  # noqa: E402
from live import KHZ, PASSES, changes  # noqa: E402
from tools.compiler import build_shared  # noqa: E402
from xenmeter.core.clock import thread_cpu_ns  # noqa: E402
from xenmeter.xen.domains import DomainFacts, Snapshot  # noqa: E402
from xenmeter.xentrace.baker.bakery import BEAT_NS, Bakery  # noqa: E402
from xenmeter.xentrace.baker.governor import Governor  # noqa: E402
from xenmeter.xentrace.baker.writing import Writer  # noqa: E402
from xenmeter.xentrace.engine import compiled  # noqa: E402

WINDOWS = (10 ** 9, 10 ** 10)
PCPUS = 64
BEGIN = 10 ** 9


class Host:
    """Rings that are filled between two passes. :ivar now: ns; :ivar spent: on filling them, ns of CPU time."""

    splitter = None

    def __init__(self, xen, rings, rate):
        self._xen, self._rings = xen, rings
        self._told = changes((1000, 4, PCPUS, rate), BEGIN)
        self.now = self.spent = 0

    def passes(self, stop):
        while not stop.is_set():
            began = thread_cpu_ns()
            self.now += 10 ** 9 // PASSES
            for pcpu, records in self._told(self.now * KHZ // 10 ** 6):
                if self._xen.mask:
                    write(self._xen.producers[pcpu], records)
            self.spent += thread_cpu_ns() - began
            yield self._rings._scan()

    def __getattr__(self, name):
        return getattr(self._rings, name)


class Judge(Governor):
    """Tells what it finds of each observation."""

    def __init__(self, host, share, observations, stop):
        super().__init__(int(share * 10000), WINDOWS[-1], lambda: thread_cpu_ns() - host.spent, lambda: host.now)
        self._left, self._stop = observations, stop

    def rest_ns(self):
        took, spent = self._clock_ns() - self._began, self._cpu_ns() - self._spent
        rest = super().rest_ns()
        print("observed %5.1f s, spent %6.1f ms: %5.2f %% of a pCPU; rests %.1f s" % (
            took / 1e9, spent / 1e6, 100 * spent / took, rest / 1e9))
        sys.stdout.flush()
        self._left -= 1
        if not self._left:
            self._stop.set()
        return rest


def write(producer, records):
    """Records of 16 bytes, in pieces up to the ring's end."""
    at = 0
    while at < len(records):
        room = (producer.size - producer.words[1] % producer.size) // 16 * 16
        if room:
            producer._put(records[at:at + room])
            at += room
        else:
            producer._wrap(records[at:at + 16])     # what is left before the end takes no record


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--changes", type=int, default=100000, help="of state, a second (default: 100000)")
    parser.add_argument("--share", type=float, default=2, help="as the baker's option (default: 2)")
    parser.add_argument("--observations", type=int, default=6, help="of 10 s each (default: 6)")
    options = parser.parse_args()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="share-", dir="/dev/shm"))
    try:
        source = TOP / "plugins" / "xenmeter" / "xentrace" / "engine" / "hot.c"
        if not compiled.use(build_shared(source, folder / "_hot.so")):
            raise SystemExit(compiled.reason())
        stop, xen = threading.Event(), fake_rings.Xen(pcpus=PCPUS)
        facts = [DomainFacts(domid, b"guest-%d" % domid, "%08x-0000-0000-0000-000000000000" % domid, None, (), {})
                 for domid in range(1, 1001)]
        host = Host(xen, opened(xen, folder / "state", pages=11), options.changes)
        bakery = Bakery(host, KHZ, WINDOWS, Writer(str(folder / "baker"), BEAT_NS), lambda: Snapshot(list(facts), None), False,
                        Judge(host, options.share, options.observations, stop))
        bakery._wait = lambda rest_ns, _: setattr(host, "now", host.now + rest_ns)
        bakery.run(stop)
        told = bakery.status()
        print("%d records, %d lost, %d anomalies" % (told["records"], told["lost_records"], told["anomalies"]))
        bakery.close()
    finally:
        shutil.rmtree(str(folder))


if __name__ == "__main__":
    main()
