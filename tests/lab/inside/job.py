#!/usr/bin/env python3
"""dom0's side of a boot: runs the named job of `jobs` and keeps what it found in /results."""
import importlib
import pathlib
import signal
import sys
import threading
import time

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parents[2])]

from lab.inside import dom0     # noqa: E402


QUIET = 120


def tell_what_is_waited_for(thread):
    """On the console, where nothing else was said for some time: which step the job is in, and what that step waits for."""
    while True:
        time.sleep(QUIET / 10)
        if time.monotonic() < dom0.marked() + QUIET:
            continue
        frame, steps = sys._current_frames().get(thread), []
        while frame:
            if "/lab/inside/" in frame.f_code.co_filename:
                known = [repr(frame.f_locals[name]) for name in ("what", "argv", "child") if name in frame.f_locals]
                steps.append("{} line {}{}".format(frame.f_code.co_name, frame.f_lineno, " " * bool(known) + " ".join(known)))
            frame = frame.f_back
        dom0.mark("still in " + " < ".join(steps)[:300])


def main(name):
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))       # out of time: what was found so far is kept
    threading.Thread(target=tell_what_is_waited_for, args=(threading.get_ident(),), daemon=True).start()
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
