#!/usr/bin/env python3
"""dom0's side of a boot: runs the named job of `jobs` and keeps what it found in /results."""
import importlib
import pathlib
import signal
import sys
import time

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parents[2])]

from lab.inside import dom0     # noqa: E402


def main(name):
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))       # out of time: what was found so far is kept
    began = time.monotonic()
    try:
        importlib.import_module(f"lab.inside.jobs.{name}").run()
    finally:
        dom0.write_notes()      # before what may hang
        dom0.stop_everything()
        dom0.note("seconds", round(time.monotonic() - began, 1))
        dom0.write_notes()
    (dom0.RESULTS / "finished").write_text(name + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
