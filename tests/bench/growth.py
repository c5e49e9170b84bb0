#!/usr/bin/env python3
"""What collectd's resident memory grows by with our plugins at 1000 domains, beside an older build of them in the same run.

    python3 tests/bench/growth.py [--beside COMMIT] [--domains N] [--only xentop,vcpu,xentrace] [--interval S] [--threads N]

The real collectd, each time a new one, with no writer: alone, with its python plugin and nothing in it, with all three plugins
of ours, and where it is asked for with each. What is configured is as shipped, the interval of 10 s too; six readings and more.
All figures move each second: the hypervisor (with pages of statistics) and xenstored are faked; a table and files stand in place
of /proc/net/dev and sysfs, whose two paths are written anew in the copies of the plugins; the baker is the copy's own, on a trace
of the same domains. Memory is the kernel's (smaps) when it has stopped growing; Pss is Rss without what others have a share in.

Every value list that collectd has ever been given is remembered by collectd itself. What that is of the growth is measured too:
the very same lists (LISTVAL) given to a collectd without Python, by PUTVAL. What waits for collectd's write threads is in its
memory, too: "behind" is by how many seconds nine in ten lists are at most behind the clock. More than two intervals are a
queue that does not empty, and one without a bound (WriteQueueLimitHigh) is growth without an end.
"""
import argparse
import collections
import contextlib
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(TOP / "tests"), str(TOP / "tests" / "bench"), str(TOP / "plugins")]

from direct import Machine      # noqa: E402
from helpers.fake_xenstored import FakeXenstored, host as xenstore_of   # noqa: E402
from live import KHZ, Build, make_trace, other_tree     # noqa: E402
from tools import provision     # noqa: E402
from tools.collectd_daemon import Collectd      # noqa: E402
from tools.network_collectd import Sender, Sink     # noqa: E402
from xenmeter.vcpu.page import encode   # noqa: E402

AIM = 45        # MiB, of 1000 domains
#: In a second collectd does not get rid of the value lists of 1000 domains on a busy machine: its queue would be measured.
INTERVAL, THREADS = 10, 5
OPTIONS = {"xentop": 'Source "direct"', "vcpu": "", "xentrace": 'Shared "SHARED"'}
MODULE = """\
<Plugin python>
  Import "xenmeter.collectd.{0}"
  <Module {0}>
    Interval {2}
    {1}
  </Module>
</Plugin>
"""
SOCKET = 'LoadPlugin unixsock\n<Plugin unixsock>\n  SocketFile "%s"\n</Plugin>\n'
#: Seconds of trace that the baker has before anything is measured, by then all lengths of windows have had a border, and more.
WARM, TRACE = 12, 300
#: Seconds that a collectd runs at least; for how many it must not have grown by so many MiB; and at most.
LEAST, STILL, MIB, MOST = 55, 11, 1, 90


class Moving(Machine):
    """The host of direct.py, with UUIDs as its xenstored has them and pages of statistics, of which a second is a step."""

    def at(self, step):
        found = super().at(step)
        for one in found[1:]:
            one.handle = bytes.fromhex("%08x000040008000%012x" % (one.domid, one.domid))
            ran = 10 ** 9 * step
            one.stats = encode([(2 * step, ran, 1000, 10 ** 12, 0, 10 ** 12 + ran + 1000, 2)] * 2)
        return found


class Seconds:
    """Calls ``each(number)`` every second, in a thread, until it is left."""

    def __init__(self, each):
        self._each, self._stop = each, threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self):
        number = 1
        while not self._stop.wait(1):
            number += 1
            self._each(number)

    def __enter__(self):
        self._thread.start()

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()


class Quiet(Collectd):
    """collectd without the csv writer, of which a file per value list would be most of the work, and with a socket to ask."""

    def __init__(self, workdir, config, python_path=(), pace=(INTERVAL, THREADS, None), **options):
        self.path = str(workdir) + ".sock"
        interval, threads, most = pace
        super().__init__(workdir, SOCKET % self.path + config, python_path, interval, **options)
        text = re.sub(r"LoadPlugin csv\n<Plugin csv>.*?</Plugin>\n", "", self.conf.read_text(), flags=re.S)
        bound = "" if most is None else "WriteQueueLimitHigh %d\nWriteQueueLimitLow %d\n" % (most, most)
        self.conf.write_text(re.sub(r"WriteThreads \d+\n", "WriteThreads %d\n%s" % (threads, bound), text))

    def lists(self):
        """([(plugin, its instance, type, its instance)] of all that it remembers, by how many seconds a tenth is behind)."""
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(120)
            client.connect(self.path)
            client.sendall(b"LISTVAL\n")
            with client.makefile("r") as answer:
                number = int(answer.readline().split()[0])
                stamps, told = zip(*[answer.readline().rstrip("\n").split(" ", 1) for _ in range(number)]) if number else ((), ())
        behind = time.time() - sorted(map(float, stamps))[len(stamps) // 10] if stamps else 0
        return [(*_halves(plugin), *_halves(kind)) for _, plugin, kind in (one.split("/") for one in told)], behind


def _halves(text):
    name, _, instance = text.partition("-")
    return name, instance


def memory(pid, fake=None):
    """(Rss, Pss) of a process, MiB, without what it maps of a faked hypervisor's file: the real one's pages are not dom0's."""
    sums, counts = {"Rss": 0, "Pss": 0}, True
    for line in pathlib.Path("/proc/%d/smaps" % pid).read_text().splitlines():
        words = line.split()
        if "-" in words[0]:
            counts = fake is None or words[-1] != fake
        elif counts and words[0][:-1] in sums:
            sums[words[0][:-1]] += int(words[1])
    return sums["Rss"] / 1024, sums["Pss"] / 1024


def settled(pid, seconds=LEAST, fake=None):
    """Its memory when it has not grown for a while."""
    kept, began = collections.deque(maxlen=STILL + 1), time.monotonic()
    while time.monotonic() - began < MOST:
        kept.append(memory(pid, fake))
        if time.monotonic() - began > seconds and len(kept) > STILL and kept[-1][0] - kept[0][0] < MIB:
            return kept[-1]
        time.sleep(1)
    print("(it still grows after %d s)" % MOST)
    return kept[-1]


@contextlib.contextmanager
def baking(plugins, domains, folder):
    """The shared file of a baker, of these plugins, that reads a second of trace each second."""
    trace, fifo, shared = folder / "trace", str(folder / "fifo"), str(folder / "baker")
    make_trace(trace, (domains - 1, 2, 8, 6000), WARM + TRACE)
    data = trace.read_bytes()
    second = len(data) // (WARM + TRACE)
    os.mkfifo(fifo)
    command = [sys.executable, "-m", "xenmeter", "baker", "--source", fifo, "--cpu-khz", str(KHZ), "--shared", shared]
    baker = subprocess.Popen(command, env=dict(os.environ, PYTHONPATH=str(plugins)), stderr=subprocess.DEVNULL)
    with contextlib.suppress(BrokenPipeError), open(fifo, "wb", buffering=0) as file:
        file.write(data[:WARM * second])
        with Seconds(lambda number: file.write(data[(WARM + number - 2) * second:(WARM + number - 1) * second])):
            yield shared
    os.unlink(fifo)
    baker.terminate()
    baker.wait()


def measured(title, base, folder, config, plugins=(), env=None, seconds=LEAST, **options):
    """Show the memory of a collectd and what it is more than ``base``; that, and the value lists."""
    workdir = folder / title.replace(" ", "-").replace(",", "")
    with Quiet(workdir, config, plugins, env=dict(env or {}, XENMETER_COUNTERS=""), **options) as collectd:
        held = settled(collectd.pid, seconds, fake=(env or {}).get("FAKE_HYPERVISOR"))
        lists, behind = collectd.lists()
        for line in re.findall(r"\[error\] (.*xenmeter.*)", collectd.log_text())[:3]:
            print("(%s)" % line)
    tell(title, held, base, lists, behind)
    return held, lists


def tell(title, held, base, lists, behind=0):
    grown = [now - before for now, before in zip(held, base or held)]
    print("%-42s %9.1f %9.1f %9.1f %9.1f %9d %9.1f" % (title, *held, *grown, len(lists), behind), flush=True)


def remembered(title, lists, folder):
    """What collectd alone holds for these value lists."""
    types = {}
    for line in (provision.root_of("collectd") / "usr/share/collectd/types.db").read_text().splitlines():
        if line.strip() and not line.startswith("#"):
            types[line.split()[0]] = line.count(":") // 3
    with Sink() as sink, Sender(folder / title.replace(" ", "-"), ("127.0.0.1", sink.port)) as sender:
        before = memory(sender.pid)
        for plugin in sorted({one[0] for one in lists}):
            sender.put(plugin, [(one[1], one[2], one[3], (1,) * types[one[2]]) for one in lists if one[0] == plugin])
        tell(title, settled(sender.pid, STILL), before, lists)


def rewrite(plugins, path, now):
    """Let a copy of the plugins read another path."""
    found = 0
    for file in (plugins / "xenmeter" / "xen").glob("*.py"):
        text = file.read_text()
        changed = re.sub('= ?"%s"' % path, lambda match: "= %r" % now, text)
        found += changed != text
        file.write_text(changed)
    if found != 1:
        raise SystemExit("%s stands in %d places of %s" % (path, found, plugins))


def measure(name, plugins, options, folder, base):
    """One build's rows."""
    place = folder / ("of-" + name)
    place.mkdir()
    machine = Moving(str(place), options.domains)
    rewrite(plugins, "/sys/bus/xen-backend/devices", machine.sysfs)
    rewrite(plugins, "/proc/net/dev", machine.net_dev)
    with machine.host, FakeXenstored(xenstore_of(options.domains - 1), str(place / "store")) as store, \
            baking(plugins, options.domains, place) as shared, Seconds(machine.move):
        env = {key: value for key, value in machine.host.preload(XENSTORED_PATH=store.path).items()
               if key in ("LD_PRELOAD", "XENSTORED_PATH", "FAKE_HYPERVISOR")}
        each = {one: MODULE.format(one, text.replace("SHARED", shared), options.interval) for one, text in OPTIONS.items()}
        pace = options.interval, options.threads, options.queue
        for one in options.only:
            measured("%s: %s" % (name, one), base, place, each[one], [plugins], env, pace=pace)
        if options.each_alone:
            return
        _, lists = measured("%s: all three" % name, base, place, "".join(each.values()), [plugins], env, pace=pace)
    remembered("%s: the same value lists alone" % name, lists, place)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--beside", default="bc15658", metavar="COMMIT", help="the older build (default: bc15658), or none")
    parser.add_argument("--domains", type=int, default=1000)
    parser.add_argument("--only", type=lambda text: [one for one in text.split(",") if one], default=[],
                        help="plugins of which each has a row of its own, too (a minute each)")
    parser.add_argument("--each-alone", action="store_true", help="no row of all three")
    parser.add_argument("--interval", type=int, default=INTERVAL, help="seconds between two readings (default: %d)" % INTERVAL)
    parser.add_argument("--threads", type=int, default=THREADS, help="collectd's WriteThreads (its own default: %d)" % THREADS)
    parser.add_argument("--queue", type=int, default=None, help="collectd's WriteQueueLimitHigh and Low (its own default: none)")
    options = parser.parse_args()
    provision.ensure("libxen-dev")
    folder = pathlib.Path(tempfile.mkdtemp(prefix="growth-"))
    try:
        print("%d domains with 2 vCPUs, 1 vif, 1 vbd; MiB; load %.1f\n" % (options.domains, os.getloadavg()[0]))
        print("%-42s %9s %9s %9s %9s %9s %9s" % ("collectd", "Rss", "Pss", "grown Rss", "Pss", "lists", "behind"))
        base, _ = measured("alone", None, folder, "", load_python=False, seconds=STILL)
        measured("with an idle python plugin", base, folder, "<Plugin python>\n</Plugin>\n", seconds=STILL)
        with contextlib.ExitStack() as stack:
            builds = [("now", TOP)]
            if options.beside != "none":
                builds.append((options.beside, stack.enter_context(other_tree(options.beside, folder))))
            for name, top in builds:
                Build(name, top, folder)
                measure(name, folder / name, options, folder, base)
        print("\nThe aim for all three is %d MiB of growth." % (AIM * options.domains / 1000))
    finally:
        shutil.rmtree(str(folder))


if __name__ == "__main__":
    main()
