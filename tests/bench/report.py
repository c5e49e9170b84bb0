#!/usr/bin/env python3
"""What a report costs: seconds of CPU and bytes, of traces of 20 MB made by repeating real captures.

    build/venv/bin/python tests/bench/report.py
"""
import os
import pathlib
import resource
import subprocess
import sys
import tempfile
import time

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(TOP / "tests"), str(TOP / "plugins")]

from tools.compiler import build_shared  # noqa: E402
from helpers.captures import KHZ, capture # noqa: E402
from helpers.traces import lengthened # noqa: E402

CASES = ("sched-steady", "narrow-churn", "loss-sched-churn")


def main():
    with tempfile.TemporaryDirectory() as folder:
        hot = build_shared(TOP / "plugins" / "xenmeter" / "xentrace" / "engine" / "hot.c", os.path.join(folder, "_hot.so"))
        env = dict(os.environ, XENMETER_COMPILED=hot, PYTHONPATH=str(TOP / "plugins"))
        print("%-18s %9s %9s %9s %12s" % ("capture, repeated", "trace MB", "CPU s", "wall s", "report MB"))
        for case in CASES:
            trace, page = os.path.join(folder, "trace.bin"), os.path.join(folder, "report.html")
            with open(trace, "wb") as file:
                file.write(lengthened(capture(case), 20000000))
            before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
            subprocess.run([sys.executable, "-m", "xenmeter", "report", trace, "--cpu-khz", str(KHZ), "-o", page], env=env,
                           check=True)
            wall, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
            cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            print("%-18s %9.1f %9.2f %9.2f %12.2f" % (case, os.path.getsize(trace) / 1e6, cpu, wall,
                                                      os.path.getsize(page) / 1e6))


if __name__ == "__main__":
    main()
