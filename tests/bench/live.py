#!/usr/bin/env python3
"""What the baker costs as it runs, beside an older build of it in the same run: CPU and memory, and what a reading costs.

    build/venv/bin/python tests/bench/live.py [--beside COMMIT] [--seconds N]

The real `xenmeter baker`, compiled, reads traces of hosts of several sizes, as xentrace writes them ten times a second: from a
file, and from a FIFO. CPU time and peak memory are the kernel's (rusage of the process). A baker runs for months: what a second
costs is the difference of two traces, one of which is so much longer. A start takes now 20 ms more, now less: the longer
trace is made longer until that difference is half a second of CPU, or there are 12 million changes in it. The older build may
need more than a second for each: its traces are 2 s and 5 s at first; where that is enough, no window of 10 s ends in them, which
is to its favour. A reading is that of `execd xentrace`, from the shared file to line protocol, by the process's clock; the best
of five.
"""
import argparse
import contextlib
import json
import os
import pathlib
import random
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(TOP / "tests"), str(TOP / "plugins")]

from tools.compiler import build_shared  # noqa: E402

KHZ = 2000000
#: Domains, vCPUs of each, pCPUs, changes of state a second.
HOSTS = ((10, 4, 8, 1000), (10, 4, 8, 100000), (100, 4, 16, 100000), (1000, 4, 64, 6000), (1000, 4, 64, 100000))
#: Passes of xentrace over the rings, a second.
PASSES = 10
#: CPU seconds beside which what a start takes more or less does not count; changes of state in the longest trace.
ENOUGH, MOST = 0.5, 12 * 10 ** 6
#: Of the older build: seconds of the shorter trace, and by which the longer one is longer at first.
OLDER = (2, 3)
READING = """
import sys, time
from xenmeter.core.options import from_pairs
from xenmeter.core.pipeline import Pipeline
from xenmeter.front.output import make_format
from xenmeter.xentrace.plugin import PLUGIN, open_without_start
import threading
options = from_pairs(PLUGIN.options, [("source", ["baker"]), ("shared", [sys.argv[1]])])[0]
pipeline = Pipeline(PLUGIN, options)
form = make_format("influx", pipeline)
pipeline._source = open_without_start(options)
spent = []
for _ in range(6):
    source = open_without_start(options)
    began = time.process_time()
    samples = source.samples(threading.Event(), lambda error: print(error, file=sys.stderr))
    size = len(form.sample(next(samples)))
    spent.append(time.process_time() - began)
    samples.close()
print(1000 * min(spent[1:]), size)
"""


def changes(host, start):
    """Each pCPU runs its vCPUs one after the other: woken, it waits, runs and blocks again, for times by chance. Gives a
    function: up to a TSC, counted from ``start`` on, the records of each pCPU that has some, which were not told yet."""
    domains, vcpus, pcpus, rate = host
    chance = random.Random(1)
    step = KHZ * 1000 * 3 * pcpus // rate
    turns = [0] * pcpus

    def told(until):
        for pcpu in range(pcpus):
            mine = range(pcpu, domains * vcpus, pcpus)
            held = []
            while turns[pcpu] * step < until:
                number = mine[turns[pcpu] % len(mine)]
                key = (1 + number // vcpus) << 16 | number % vcpus
                tsc = start + turns[pcpu] * step
                for old, new in ((2, 1), (1, 0), (0, 2)):
                    tsc += 1 + int(step / 4 * chance.random() ** 3)
                    held.append(struct.pack("<IQI", 0x90021001 | old << 8 | new << 4, tsc, key))
                turns[pcpu] += 1
            if held:
                yield pcpu, b"".join(held)
    return told


def make_trace(path, host, seconds):
    with open(str(path), "wb") as file:
        told = changes(host, 10 ** 9)
        for border in range(1, seconds * PASSES + 1):
            for pcpu, records in told(border * KHZ * 1000 // PASSES):
                file.write(struct.pack("<III", 0x2001F003, pcpu, len(records)) + records)


class Build:
    """A tree of the project with its compiled parts beside it, as setup.py makes them."""

    def __init__(self, name, top, folder):
        self.name = name
        shutil.copytree(str(top / "plugins"), str(folder / name))
        for source in (folder / name).rglob("*.c"):
            build_shared(source, source.parent / ("_%s.so" % source.stem))
        self._environment = dict(os.environ, PYTHONPATH=str(folder / name))
        self._environment.pop("XENMETER_COMPILED", None)

    def bake(self, trace, shared, fifo=False):
        """(CPU seconds, peak MiB, ms of a reading) of a baker that has read all of a trace."""
        source = str(trace)
        if fifo:
            source = str(shared) + ".fifo"
            os.mkfifo(source)
            feeder = subprocess.Popen(["sh", "-c", 'cat "$1" > "$2"', "sh", str(trace), source])
        command = [sys.executable, "-m", "xenmeter", "baker", "--source", source, "--cpu-khz", str(KHZ), "--shared", str(shared),
                   "--stay"]
        process = subprocess.Popen(command, env=self._environment, stderr=subprocess.PIPE)
        try:
            if fifo:
                feeder.wait()
            wait(process, str(shared) + ".sock", trace.stat().st_size)
            reading = None if fifo else self._read(shared)
        finally:
            process.terminate()
            said = process.stderr.read()
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = status
            if fifo:
                feeder.kill()
                feeder.wait()
                os.unlink(source)
        if status:
            raise SystemExit(said.decode())
        return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, reading

    def _read(self, shared):
        ran = subprocess.run([sys.executable, "-c", READING, str(shared)], env=self._environment, stdout=subprocess.PIPE,
                             check=True)
        return float(ran.stdout.split()[0])


def wait(process, path, size):
    """Until the baker has read so many bytes of trace: what is left then is less than a pass over the pCPUs."""
    while process.poll() is None:
        with contextlib.suppress(OSError, ValueError), socket.socket(socket.AF_UNIX) as client:
            client.connect(path)
            client.sendall(b'{"get": "status"}\n')
            with client.makefile("rb") as stream:
                status = json.loads(stream.readline().decode())
            if status["source_ended"] or 16 * status["records"] > 0.98 * size:
                return
        time.sleep(0.5)


@contextlib.contextmanager
def other_tree(commit, folder):
    """The files of another commit."""
    top = folder / "beside"
    top.mkdir()
    archive = subprocess.Popen(["git", "-C", str(TOP), "archive", commit, "plugins"], stdout=subprocess.PIPE)
    subprocess.run(["tar", "x", "-C", str(top)], stdin=archive.stdout, check=True)
    if archive.wait():
        raise SystemExit("there is no commit %s here" % commit)
    yield top


def of_a_second(build, folder, host, fifo, times, runs):
    """(CPU seconds, (peak MiB, ms of a reading)) of a build on a host. :param times: as OLDER."""
    def best(seconds):
        trace = folder / ("%d-%d-%d-%d" % host + "-%d.bin" % seconds)
        if not trace.exists():
            make_trace(trace, host, seconds)
        return min(build.bake(trace, folder / "baker", fifo) for _ in range(runs))

    warm, seconds = times
    short = best(warm)
    while True:
        long = best(warm + seconds)
        spent, most = long[0] - short[0], max(times[1], MOST // host[3])
        if spent >= ENOUGH or seconds >= most:
            return spent / seconds, long[1:]
        seconds = min(most, int(seconds * max(2, min(30, 1.2 * ENOUGH / max(spent, 0.001)))))


def measure(builds, folder, hosts, options):
    print("%-24s %-10s %12s %12s %10s %10s" % ("domains x vCPUs, pCPUs,", "build", "file", "FIFO", "memory", "reading"))
    print("%-24s %-10s %12s %12s %10s %10s" % ("changes a second", "", "ms of CPU", "a second", "MiB", "ms of CPU"))
    for host in hosts:
        for build in builds:
            parts = []
            times = (options.warm, options.seconds) if build.name == "now" else OLDER
            for fifo in (False, True):
                cost, told = of_a_second(build, folder, host, fifo, times, options.runs)
                parts.append(1000 * cost)
                if not fifo:
                    memory, reading = told
            print("%-24s %-10s %12.2f %12.2f %10.1f %10.1f" % ("%d x %d, %d, %d" % host, build.name, *parts, memory, reading))
            sys.stdout.flush()
        for trace in folder.glob("*.bin"):
            trace.unlink()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--beside", default="bc15658", metavar="COMMIT", help="the older build (default: bc15658)")
    parser.add_argument("--seconds", type=int, default=20, help="by which the longer trace of this build is longer at first "
                                                                "(default: 20)")
    parser.add_argument("--warm", type=int, default=11, help="seconds of the shorter one, in which all domains become known and "
                                                             "all lengths of windows have a border (default: 11)")
    parser.add_argument("--runs", type=int, default=3, help="of which the best counts: starting a Python takes now more, now "
                                                            "less (default: 3)")
    parser.add_argument("--hosts", default="01234", help="which of the hosts, by their numbers (default: all)")
    options = parser.parse_args()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="live-", dir="/dev/shm" if os.path.isdir("/dev/shm") else None))
    try:
        with other_tree(options.beside, folder) as top:
            builds = [Build(options.beside, top, folder), Build("now", TOP, folder)]
            measure(builds, folder, [HOSTS[int(number)] for number in options.hosts], options)
    finally:
        shutil.rmtree(str(folder))


if __name__ == "__main__":
    main()
