"""Records per second of the baker, compiled and pure Python, beside xenalyze and a bare loop, on the same file.

    python3 tests/bench/baker.py [--records N] [--xenalyze PATH] [--runs N] [--trace FILE]

Two traces, made by repeating a capture with its time stamps moved on, and at each seam the runstate changes that take
every vCPU from where the copy before left it to where the next begins: valid from end to end. "runstates" holds the
runstate changes of a capture only; "mixed" is a capture with every event class. Windows of 1 s and 10 s are cut all the
while; they are not made into records at the end, for xenalyze's summary has none.

Two limits stand beside it, over the same bytes in memory: the bare loop, compiled, only steps from header to header; the
sum adds up all words, as fast as memory delivers them. The programs take turns, so that a clock that varies is the same
to all; every figure is the best of the runs, in CPU seconds of one process.
"""
import argparse
import ctypes
import lzma
import os
import resource
import struct
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path[:0] = [os.path.join(ROOT, "plugins"), os.path.join(ROOT, "tests")]

from helpers import encoding  # noqa: E402
from tools import provision  # noqa: E402
from tools.compiler import build_shared  # noqa: E402
from xenmeter.xentrace.engine import compiled, records    # noqa: E402
from xenmeter.xentrace.engine.engine import Engine  # noqa: E402

FIXTURES = os.path.join(ROOT, "fixtures", "xentrace")
KHZ = 2596120
WINDOWS = (10 ** 9, 10 ** 10)
BLOCK = 1 << 18

LIMITS = r"""
#include <stdint.h>
#include <string.h>
int64_t bare(const unsigned char *p, int64_t size)
{
    int64_t count = 0, at = 0, sum = 0;
    while (at < size) {
        uint32_t h;
        memcpy(&h, p + at, 4);
        sum += h;
        at += 4 + (h >> 31) * 8 + (h >> 28 & 7) * 4;
        count++;
    }
    return count + (sum == 42);
}
int64_t sum(const unsigned char *p, int64_t size)
{
    uint64_t total = 0, word;
    for (int64_t at = 0; at + 8 <= size; at += 8) {
        memcpy(&word, p + at, 8);
        total += word;
    }
    return (int64_t)(total >> 1);
}
"""


def walk(data):
    """(pcpu, offset, header, length, tsc or None) of every record, and the windows' sizes as (pcpu, offset, size)."""
    at = 0
    while at < len(data):
        _, pcpu, size = struct.unpack_from("<III", data, at)
        at += 12
        end = at + size
        found = []
        while at < end:
            header = struct.unpack_from("<I", data, at)[0]
            length = 4 * records.classify(header)[0]
            tsc = struct.unpack_from("<Q", data, at + 4)[0] if header >> 31 else None
            found.append((at, header, length, tsc))
            at += length
        yield pcpu, found


def thin(data, wanted):
    """The stream with only the records whose header ``wanted`` takes."""
    return b"".join(records.window(pcpu, b"".join(data[at:at + length] for at, header, length, _ in found
                                                  if wanted(header))) for pcpu, found in walk(data))


def runstates_only(header):
    return header & 0x0FFFFCCF == records.RUNSTATE_CHANGE


class Looped:
    """A capture that can be repeated: offsets of its stamps, and the records for the seam."""

    def __init__(self, data):
        self.data = data
        self.stamps = []
        self.count = 0
        begin, end = {}, {}
        low, high = None, None
        moves = []
        for pcpu, found in walk(data):
            for at, header, length, tsc in found:
                self.count += 1
                if tsc is None or header & 0x0FFFFFFF == records.WRAP_BUFFER:
                    continue
                self.stamps.append(at + 4)
                low, high = min(low or tsc, tsc), max(high or tsc, tsc)
                if runstates_only(header):
                    moves.append((tsc, pcpu, header, struct.unpack_from("<I", data, at + 12)[0]))
        for tsc, pcpu, header, who in sorted(moves):
            old, new = header >> 8 & 3, header >> 4 & 3
            begin.setdefault(who, (old, pcpu))
            where = pcpu if new == 0 else end.get(who, (0, pcpu))[1]
            end[who] = (new, where)
        self.begin, self.end = begin, end
        self.step = high - low + 100000
        self.high = high

    def seam(self, shift):
        """Windows, ascending pCPUs, that bring every vCPU from its last state to its first."""
        tsc = self.high + shift + 1000
        per = {}
        # Those that run leave their pCPU; the rest move; those that run next come last.
        order = sorted(self.begin, key=lambda who: (self.begin[who][0] == 0, self.end[who][0] != 0))
        for who in order:
            (old, was), (new, will) = self.end[who], self.begin[who]
            if (old, was) == (new, will) or (old == new and old != 0):
                continue
            path = [old, new] if old != new else [0, 1, 0]
            if old != 0 and new == 0 and old != 1:
                path = [old, 1, 0]
            for before, after in zip(path, path[1:]):
                tsc += 10
                pcpu = was if before == 0 else will
                per.setdefault(pcpu, []).append(
                    encoding.runstate(tsc, who >> 16, who & 0xFFFF, before, after))
        return b"".join(records.window(pcpu, b"".join(per[pcpu])) for pcpu in sorted(per)), sum(map(len, per.values()))

    def write(self, stream, least):
        """At least ``least`` records to ``stream``; returns how many."""
        total, copy = 0, 0
        while total < least:
            shift = copy * self.step
            data = bytearray(self.data)
            for at in self.stamps:
                struct.pack_into("<Q", data, at, struct.unpack_from("<Q", data, at)[0] + shift)
            stream.write(data)
            seam, count = self.seam(shift)
            stream.write(seam)
            total += self.count + count
            copy += 1
        return total


def build(source, name, *flags):
    return build_shared(source, os.path.join(tempfile.mkdtemp(prefix="baker-bench-"), name + ".so"), *flags)


def limits():
    """The two loops of LIMITS, each ``loop(data, size)``."""
    source = os.path.join(tempfile.mkdtemp(prefix="baker-bench-"), "limits.c")
    with open(source, "w") as stream:
        stream.write(LIMITS)
    library = ctypes.CDLL(build(source, "limits", "-O3"))
    for loop in (library.bare, library.sum):
        loop.restype = ctypes.c_int64
        loop.argtypes = [ctypes.c_char_p, ctypes.c_int64]
    return library.bare, library.sum


def seconds_of(work, who=resource.RUSAGE_SELF):
    """(what ``work`` returns, CPU seconds it took this process or its children)."""
    before = resource.getrusage(who)
    answer = work()
    after = resource.getrusage(who)
    return answer, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def bake(path, core, limit=None):
    engine = Engine(KHZ, WINDOWS, core=core)
    left = limit
    with open(path, "rb") as stream:
        while left is None or left > 0:
            block = stream.read(BLOCK)
            if not block:
                break
            engine.feed(block)
            left = None if left is None else left - len(block)
    figures = engine.finish(windows=False)
    engine.close()
    return figures["trace"]


def xenalyze(program, path):
    subprocess.run([program, "--cpu-hz", "2596120K", "--summary", path], stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)


def race(path, data, given):
    """Who -> records per CPU second, and the bytes per second of the sum; the best of the runs, in turns."""
    best = {}

    def note(who, count, seconds):
        best[who] = max(best.get(who, 0), count / max(seconds, 1e-6))

    bare, total = limits()
    count = bare(data, 0)
    for _ in range(given.runs):
        trace, seconds = seconds_of(lambda: bake(path, "compiled"))
        if trace["anomalies"]:
            print("  ANOMALIES: %s" % trace["anomaly_kinds"])
        count = trace["records"]
        note("compiled", count, seconds)
        trace, seconds = seconds_of(lambda: bake(path, "python", len(data) // 20))
        note("python", trace["records"], seconds)
        if given.xenalyze:
            note("xenalyze", count, seconds_of(lambda: xenalyze(given.xenalyze, path), resource.RUSAGE_CHILDREN)[1])
        found, seconds = seconds_of(lambda: bare(data, len(data)))
        note("bare", found, seconds)
        note("sum", len(data), seconds_of(lambda: total(data, len(data)))[1])
    return count, best


def measure(name, loop, given):
    with tempfile.NamedTemporaryFile(prefix="baker-", suffix=".bin") as stream:
        made = loop.write(stream, given.records)
        stream.flush()
        with open(stream.name, "rb") as again:
            data = again.read()
        print("%s: %.1f M records, %.0f MB" % (name, made / 1e6, len(data) / 1e6))
        count, best = race(stream.name, data, given)
        assert count == made, (count, made)
    theirs, rate = best.get("xenalyze"), best["compiled"]
    for who, title in (("compiled", "compiled"), ("python", "pure Python"), ("xenalyze", "xenalyze")):
        if who in best:
            ratio = "  %6.2f times xenalyze" % (best[who] / theirs) if theirs and who != "xenalyze" else ""
            print("  %-12s %8.2f M/s%s" % (title, best[who] / 1e6, ratio))
    print("  %-12s %8.2f M/s  the compiled baker reaches %.0f %% of it" % ("bare loop", best["bare"] / 1e6,
                                                                        100 * rate / best["bare"]))
    memory = best["sum"] * made / len(data)
    print("  %-12s %8.2f M/s  %.1f GB/s; the compiled baker reaches %.1f %% of it"
          % ("memory read", memory / 1e6, best["sum"] / 1e9, 100 * rate / memory))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=10000000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--xenalyze", help="the program; without it Debian's is fetched and unpacked under build/")
    parser.add_argument("--trace", help="another mixed trace than the capture all-steady")
    given = parser.parse_args()
    given.xenalyze = given.xenalyze or provision.program("xenalyze", "usr/bin/xenalyze")
    if not compiled.use(build(os.path.join(ROOT, "plugins", "xenmeter", "xentrace", "engine", "hot.c"), "_hot")):
        sys.exit(compiled.reason())
    with lzma.open(os.path.join(FIXTURES, "narrow-steady", "trace.bin.xz")) as stream:
        measure("runstates", Looped(thin(stream.read(), runstates_only)), given)
    with lzma.open(os.path.join(FIXTURES, "all-steady", "trace.bin.xz")) as stream:
        data = stream.read()
    if given.trace:
        with open(given.trace, "rb") as other:
            data = other.read()
    measure("mixed", Looped(data), given)


if __name__ == "__main__":
    main()
