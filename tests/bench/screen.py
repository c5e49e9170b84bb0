#!/usr/bin/env python3
"""What the screen costs: CPU time to take in one of the baker's samples and to draw it, 80x24.

    build/venv/bin/python tests/bench/screen.py
"""
import pathlib
import sys
import time

TESTS = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS), str(TESTS.parent / "plugins")]

from helpers.screen_samples import sample_of  # noqa: E402
from xenmeter.front.screen.history import History  # noqa: E402
from xenmeter.front.screen.layout import Status, draw  # noqa: E402
from xenmeter.front.screen.text import Glyphs  # noqa: E402
from xenmeter.front.screen.view import View  # noqa: E402

STEPS = 60


def cost(number):
    """Milliseconds of CPU time per second of screen for so many domains of one vCPU: (take in, draw, a key)."""
    made = [sample_of(step, ["guest-%d" % domid for domid in range(number)]) for step in range(1, STEPS + 1)]
    history, view, status, glyphs = History(), View(), Status("bench", "", "", 0), Glyphs(True)
    spent = [0.0, 0.0, 0.0]
    for sample in made:
        began = time.process_time()
        history.add(sample)
        taken = time.process_time()
        draw(history, view, status, 80, 24, glyphs)
        drawn = time.process_time()
        draw(history, view, status, 80, 24, glyphs)
        for place, (begin, end) in enumerate(((began, taken), (taken, drawn), (drawn, time.process_time()))):
            spent[place] += (end - begin) * 1000 / STEPS
    return spent


if __name__ == "__main__":
    print("%8s %10s %10s %10s %16s" % ("domains", "take ms", "draw ms", "key ms", "% of one CPU"))
    for domains in (10, 100, 1000):
        parts = cost(domains)
        print("%8d %10.2f %10.2f %10.2f %16.2f" % ((domains,) + tuple(parts) + (sum(parts[:2]) / 10,)))
