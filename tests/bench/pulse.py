#!/usr/bin/env python3
"""What the baker does in a second in which little happens: steps of Python, looks into the rings, system calls, CPU time.

    build/venv/bin/python tests/bench/pulse.py [--domains N] [--changes N] [--top N]

The baker is as its daemon makes it, with the compiled loop: rings (helpers/fake_rings.py), names of a xenstored, the shared file;
without the socket, which nobody asks. The clock is that of what is written into the rings while it sleeps, so the figures are the
same on a busy machine, but for the CPU time. A step is an instruction of Python's own, as in steps.py; system calls of its thread
are counted by strace, where it is installed, without the clock's, which are none on most machines. Counted is from second 20 on.
"""
import argparse
import collections
import contextlib
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import types

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(TOP / "tests"), str(TOP / "tests" / "bench"), str(TOP / "plugins")]

from helpers import fake_rings  # noqa: E402
from helpers.fake_xenstored import FakeXenstored, host as xenstore_of   # noqa: E402
from helpers.played_rings import opened  # noqa: E402
from live import KHZ, changes  # noqa: E402
from share import write  # noqa: E402
from steps import steps_of  # noqa: E402
from tools.compiler import build_shared  # noqa: E402
from xenmeter.core import clock     # noqa: E402
from xenmeter.xen import domains    # noqa: E402
from xenmeter.xen.names import LiveNames    # noqa: E402
from xenmeter.xen.xenstore import Xenstore  # noqa: E402
from xenmeter.xentrace.baker import bakery, directory, rings    # noqa: E402
from xenmeter.xentrace.baker.governor import Governor   # noqa: E402
from xenmeter.xentrace.baker.mute import Watch  # noqa: E402
from xenmeter.xentrace.baker.writing import Writer  # noqa: E402
from xenmeter.xentrace.engine import compiled   # noqa: E402

WINDOWS = (10 ** 9, 10 ** 10)
PCPUS = 2
WARM = 20
#: Written to nobody where what is counted begins and ends, for strace to show.
BEGIN, END = "/begin-of-what-is-counted", "/end-of-what-is-counted"


class Host:
    """:ivar now: ns of what is written; :ivar looks: into the rings; :ivar spent: ns of CPU time that the writing cost."""

    def __init__(self, folder, options):
        self.now = self.looks = self.spent = 0
        self._until, self._tracer = 0, None
        self._stop = threading.Event()
        self._told = changes((options.domains, 2, PCPUS, options.changes), 10 ** 9)
        self._xen, self._polled = fake_rings.Xen(pcpus=PCPUS), rings.polled
        rings.polled = self._wait
        rings.steady_ns = bakery.steady_ns = clock.steady_ns = lambda: self.now
        bakery.time = directory.time = domains.time = types.SimpleNamespace(monotonic=lambda: self.now / 1e9)
        self._store = FakeXenstored(xenstore_of(options.domains), str(folder / "xenstored"))
        self._store.__enter__()
        names = LiveNames(Xenstore(self._store.path), devices=False)
        # 1 000 000 % of a pCPU: it is asked as often as with a bound, and never rests
        self.bakery = bakery.Bakery(opened(self._xen, folder / "state", pages=32), KHZ, WINDOWS,
                                    Writer(str(folder / "baker"), bakery.BEAT_NS), names.snapshot, False,
                                    Governor(10 ** 10, WINDOWS[-1], clock_ns=lambda: self.now), None, lambda: None, print,
                                    Watch(lambda: [self.now // 2] * PCPUS, None, lambda: self.now))

    def _wait(self, waiting, seconds):
        tracer = sys.gettrace()
        sys.settrace(None)
        began = time.thread_time()
        self.looks += 1
        self.now += int(seconds * 1e9)
        for pcpu, held in self._told(self.now * KHZ // 10 ** 6):
            write(self._xen.producers[pcpu], held)
        if self.now >= self._until:
            self._stop.set()
        ready = self._polled(waiting, 0)
        self.spent += time.thread_time() - began
        sys.settrace(tracer)
        return ready

    def run(self, seconds):
        self._stop.clear()
        self._until = self.now + seconds * 10 ** 9
        self.bakery._source._control.disable = lambda: None     # it goes on afterwards
        self.bakery._baking.finish = lambda: None
        self.bakery.run(self._stop)

    def close(self):
        self._store.__exit__(None, None, None)


def counted(options):
    """(steps by function, looks, CPU seconds) in so many seconds; marks them for strace."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="pulse-", dir="/dev/shm"))
    try:
        source = TOP / "plugins" / "xenmeter" / "xentrace" / "engine" / "hot.c"
        if not compiled.use(build_shared(source, folder / "_hot.so")):
            raise SystemExit(compiled.reason())
        host = Host(folder, options)
        host.run(WARM)
        before = host.looks
        steps = collections.Counter() if options.untraced else steps_of(lambda: host.run(options.seconds))
        looks, host.spent = host.looks - before, 0
        _mark(BEGIN)
        began = time.thread_time()
        host.run(options.seconds)
        spent = time.thread_time() - began - host.spent
        _mark(END)
        host.close()
        return steps, looks, spent
    finally:
        shutil.rmtree(str(folder))


def _mark(path):
    with contextlib.suppress(OSError):
        open(path).close()


def system_calls(options):
    """{name: how many} of the same in a process of its own."""
    with tempfile.NamedTemporaryFile() as log:
        subprocess.run(["strace", "-f", "-o", log.name, sys.executable, __file__, "--untraced", "--seconds", str(options.seconds),
                        "--domains", str(options.domains), "--changes", str(options.changes)],
                       check=True, stdout=subprocess.DEVNULL)
        told = log.read().decode("utf-8", "replace")
    thread = told.split(None, 1)[0]     # the first; another one is xenstored
    lines = told.split(BEGIN)[1].split(END)[0].splitlines()[1:-1]
    calls = [re.match(thread + r" +(\w+)\(", line) for line in lines]
    return collections.Counter(call.group(1) for call in calls if call and call.group(1) != "clock_gettime")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--domains", type=int, default=5, help="of 2 vCPUs (default: 5)")
    parser.add_argument("--changes", type=int, default=1000, help="of state, a second (default: 1000)")
    parser.add_argument("--seconds", type=int, default=20, help="that are counted (default: 20)")
    parser.add_argument("--top", type=int, default=0, metavar="N", help="the functions with the most steps (default: none)")
    parser.add_argument("--untraced", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    steps, looks, spent = counted(options)
    if options.untraced:
        return
    print("a second, Python %s: %d steps, %.1f looks, %.2f ms of CPU" % (
        sys.version.split()[0], sum(steps.values()) / options.seconds, looks / options.seconds, 1000 * spent / options.seconds))
    for function, number in steps.most_common(options.top):
        print("%10.1f  %s" % (number / options.seconds, function))
    if shutil.which("strace"):
        calls = system_calls(options)
        print("system calls: %.1f; %s" % (sum(calls.values()) / options.seconds, ", ".join(
            "%s %.1f" % (name, number / options.seconds) for name, number in calls.most_common())))


if __name__ == "__main__":
    main()
