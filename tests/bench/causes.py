"""What it costs to keep who made whom wait: records per CPU second of the compiled baker with and without, and of pure Python.

    python3 tests/bench/causes.py [--records N] [--runs N] [--domains N]

The traces are those of ``baker.py``: "runstates" holds nothing but runstate changes, so no other trace can pay more; and
"crowd": a synthetic one of many domains, more vCPUs than pCPUs, in which most wait. With and without take turns in one
process, and each figure is the best of the runs.
"""
import argparse
import lzma
import os
import random
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE]

from baker import BLOCK, FIXTURES, KHZ, ROOT, WINDOWS, Looped, build, runstates_only, seconds_of, thin  # noqa: E402
from helpers import encoding  # noqa: E402
from xenmeter.xentrace.engine import compiled, records    # noqa: E402
from xenmeter.xentrace.engine.engine import Engine  # noqa: E402


def bake(path, core, causes, limit=None):
    engine = Engine(KHZ, WINDOWS, history=1, per_vcpu=False, core=core, causes=causes)
    left = limit
    with open(path, "rb") as stream:
        while left is None or left > 0:
            block = stream.read(BLOCK)
            if not block:
                break
            engine.feed(block)
            left = None if left is None else left - len(block)
    engine.end()
    trace = engine.trace()
    engine.close()
    return trace


def crowd(stream, least, domains, pcpus=16):
    """Round robin: on each pCPU its share of the domains takes turns, and half of them sleep now and then."""
    rng = random.Random(18)
    queues = [[domid for domid in range(1, domains + 1) if domid % pcpus == pcpu] for pcpu in range(pcpus)]
    asleep = [[] for _ in queues]
    running = [None] * pcpus
    held = [[] for _ in queues]
    tsc, total = 10 ** 9, 0
    while total < least:
        for pcpu, queue in enumerate(queues):
            tsc += rng.randint(500, 5000)
            out = held[pcpu]
            if asleep[pcpu] and (rng.random() < 0.5 or not queue):
                woken = asleep[pcpu].pop(rng.randrange(len(asleep[pcpu])))
                out.append(encoding.runstate(tsc, woken, 0, 2, 1))
                queue.append(woken)
            if running[pcpu] is not None:
                new = 2 if rng.random() < 0.5 else 1
                out.append(encoding.runstate(tsc + 100, running[pcpu], 0, 0, new))
                (asleep[pcpu] if new == 2 else queue).append(running[pcpu])
            running[pcpu] = queue.pop(0) if queue else None
            if running[pcpu] is not None:
                out.append(encoding.runstate(tsc + 300, running[pcpu], 0, 1, 0))
        if len(held[0]) > 400:
            total += sum(map(len, held))
            stream.write(b"".join(records.window(pcpu, b"".join(one)) for pcpu, one in enumerate(held)))
            held = [[] for _ in queues]
    return total


def measure(name, make, given):
    with tempfile.NamedTemporaryFile(prefix="causes-", suffix=".bin") as stream:
        made = make(stream)
        stream.flush()
        best = {}
        for _ in range(given.runs):
            for core, limit in (("compiled", None), ("python", os.path.getsize(stream.name) // 20)):
                for causes in (False, True):
                    trace, seconds = seconds_of(lambda: bake(stream.name, core, causes, limit))
                    if trace["anomalies"] and not limit:
                        print("  ANOMALIES: %s" % trace["anomaly_kinds"])
                    key = core, causes
                    best[key] = max(best.get(key, 0), trace["records"] / max(seconds, 1e-6))
    print("%s: %.1f M records" % (name, made / 1e6))
    for core in ("compiled", "python"):
        without, with_ = best[core, False], best[core, True]
        print("  %-10s %8.2f M/s without, %8.2f M/s with: it loses %.1f %%" % (
            core, without / 1e6, with_ / 1e6, 100 - 100 * with_ / without))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=3000000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--domains", type=int, default=1000, help="of the crowd (default: 1000)")
    given = parser.parse_args()
    if not compiled.use(build(os.path.join(ROOT, "plugins", "xenmeter", "xentrace", "engine", "hot.c"), "_hot")):
        sys.exit(compiled.reason())
    with lzma.open(os.path.join(FIXTURES, "narrow-steady", "trace.bin.xz")) as stream:
        loop = Looped(thin(stream.read(), runstates_only))
    measure("runstates", lambda out: loop.write(out, given.records), given)
    for domains in (40, given.domains):
        measure("crowd of %d" % domains, lambda out, domains=domains: crowd(out, given.records // 3, domains), given)


if __name__ == "__main__":
    main()
