"""Endurance: `make endure`, an hour on two cores, or as long as it is told; prints tables, and fails where a limit is not kept.

    python3 tests/endure/run.py [--seconds N] [--seed N] [--readings FOLDER] [churn] [faults] [load]

It ends in that time, also on a machine that has other work: load and faults have a share each and try less where there is
less time, which is told; churn has what is left, and steps as often as fits. Where there is an hour there are 1000 domains;
shorter runs have 200, so that there are steps enough for a slope.
"""
import argparse
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parents[1] / "plugins")]

from endure import churn, faults, load  # noqa: E402
from endure.objects import objects  # noqa: E402
from endure.table import Results    # noqa: E402

#: What it does, and its share of an hour and of the five-minute form; churn, which fits itself to what is left, is the last.
PARTS = {"load": (load.run, 0.05, 0.11, "Load on the endpoint"), "faults": (faults.run, 0.2, 0.36, "Faults"),
         "churn": (churn.run, 1.0, 1.0, "Churn: domains come and go")}
#: Seconds of a run from which on the shares are those of an hour; those that the end of the last part may take.
LONG, END = 1200, 5


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", metavar="PART", choices=[[], *PARTS], help="all, or some of: " + ", ".join(PARTS))
    parser.add_argument("--seconds", type=float, default=3600)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--readings", type=pathlib.Path, metavar="FOLDER", help="for what churn's processes held, as CSV")
    options = parser.parse_args()
    seed = _seed() if options.seed is None else options.seed
    parts = [name for name in PARTS if name in (options.parts or PARTS)]
    print("seed %d, %g s, load of the machine %.1f" % (seed, options.seconds, os.getloadavg()[0]), flush=True)
    failures, until = [], time.monotonic() + options.seconds - END
    objects()
    for name in parts:
        run, long, short, title = PARTS[name]
        results, began = Results(title), time.monotonic()
        share = options.seconds * (long if options.seconds >= LONG else short)
        with tempfile.TemporaryDirectory(prefix="endure-") as folder:
            done = run(pathlib.Path(folder), until - began if name == parts[-1] else min(share, until - began), seed, results)
            if options.readings and isinstance(done, churn.Churn):
                options.readings.mkdir(parents=True, exist_ok=True)
                for held in done.held:
                    held.keep(options.readings / (held.name.replace(" ", "-") + ".csv"))
        results.figure("seconds that it took; load of the machine", "%.0f; %.1f" % (time.monotonic() - began, os.getloadavg()[0]))
        print(results.text(), flush=True)
        failures += results.failures
    for text in failures:
        print("FAILED:", text, file=sys.stderr)
    return 1 if failures else 0


def _seed():
    """Any; in CI that of the commit: it is the same whenever this commit runs, and each one has its own part of the faults."""
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=str(HERE), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                            check=False).stdout if os.environ.get("CI") else b""
    return int(commit[:8], 16) if commit else random.SystemRandom().getrandbits(32)


if __name__ == "__main__":
    sys.exit(main())
