"""Endurance: `make endure`, an hour on two cores, or as long as it is told; prints tables, and fails where a limit is not kept.

    python3 tests/endure/run.py [--seconds N] [--seed N] [churn] [faults] [load]

Of the time churn takes three quarters, faults most of the rest, load what is left. Where there is an hour a week of 1000 domains
fits into it; shorter runs have 200, so that there are steps enough for a slope.
"""
import argparse
import pathlib
import random
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parents[1] / "plugins")]

from endure import churn, faults, load  # noqa: E402
from endure.table import Results    # noqa: E402

PARTS = {"churn": (churn.run, 0.75, "Churn: domains come and go"), "faults": (faults.run, 0.18, "Faults"),
         "load": (load.run, 0.07, "Load on the endpoint")}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help="all, or some of: " + ", ".join(PARTS))
    parser.add_argument("--seconds", type=float, default=3600)
    parser.add_argument("--seed", type=int, default=None)
    options = parser.parse_args()
    seed = random.SystemRandom().getrandbits(32) if options.seed is None else options.seed
    parts = options.parts or list(PARTS)
    whole = sum(PARTS[name][1] for name in parts)
    print("seed %d" % seed, flush=True)
    failures = []
    for name in parts:
        run, share, title = PARTS[name]
        results, began = Results(title), time.monotonic()
        with tempfile.TemporaryDirectory(prefix="endure-") as folder:
            run(pathlib.Path(folder), options.seconds * share / whole, seed, results)
        results.figure("seconds that it took", "%.0f" % (time.monotonic() - began))
        print(results.text(), flush=True)
        failures += results.failures
    for text in failures:
        print("FAILED:", text, file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
