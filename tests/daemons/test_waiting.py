"""How the end-to-end tests wait: a machine that stands still is no failure, a program that never does it is one."""
import itertools
import time

import pytest

from tools import process


def looks(*seconds):
    """A look that takes these seconds and sees nothing, one after the other, and then sees what was waited for."""
    left = list(seconds)

    def look():
        if not left:
            return "seen"
        time.sleep(left.pop(0))
        return None
    return look


def test_a_stall_costs_one_look():
    """Half a second of standing still, twice, within a wait that has less patience than that."""
    assert process.poll(looks(0.5, 0.5), 0.4, AssertionError) == "seen"


def test_what_never_comes_fails():
    count = itertools.count()
    with pytest.raises(AssertionError, match="not within 0.2 s of looking"):
        process.poll(lambda: next(count) < 0, 0.2, AssertionError)
    assert next(count) >= 3


def test_looks_that_take_long_have_an_end_by_the_clock(monkeypatch):
    monkeypatch.setattr(process, "SLOWEST", 2)
    with pytest.raises(AssertionError, match="by the clock"):
        process.poll(looks(*[0.3] * 4), 0.5, AssertionError)
