"""Xen's clock from stamps: never ahead, never backwards, as near as the freshest stamp."""
from hypothesis import given
from hypothesis import strategies as st

from xenmeter.xen.systemtime import SPAN_NS, SystemTime


class Clocks:
    """Xen's and ours: the same pace but for a drift, another zero."""

    def __init__(self, offset, drift_ppm=0):
        self.ours, self._offset, self._drift = 5 * 10 ** 9, offset, drift_ppm

    @property
    def xen(self):
        return self.ours + self._offset + (self.ours - 5 * 10 ** 9) * self._drift // 10 ** 6

    def __call__(self):
        return self.ours


def test_nothing_is_told_before_a_stamp():
    assert SystemTime(Clocks(7)).now() is None


@given(st.integers(0, 2 ** 60), st.lists(st.tuples(st.integers(0, 3 * 10 ** 9), st.integers(0, 10 ** 9)), min_size=1))
def test_never_ahead_of_xen_and_never_backwards(offset, steps):
    clocks = Clocks(offset)
    told, seen, best = SystemTime(clocks), 0, None
    for passed, age in steps:
        clocks.ours += passed
        told.saw(clocks.xen - age)
        best = age if best is None else min(best, age)
        now = told.now()
        assert seen <= now <= clocks.xen
        if clocks.ours < 5 * 10 ** 9 + SPAN_NS:
            assert clocks.xen - now == best
        seen = now


@given(st.integers(-50, 50), st.integers(0, 10 ** 6))
def test_drift_does_not_add_up(ppm, age):
    clocks = Clocks(10 ** 15, ppm)
    told, seen = SystemTime(clocks), 0
    for _ in range(600):
        clocks.ours += 10 ** 9
        told.saw(clocks.xen - age)
        assert told.now() >= seen
        seen = told.now()
    assert abs(seen - clocks.xen) <= age + 2 * SPAN_NS * abs(ppm) // 10 ** 6 + 2


def test_what_is_no_stamp():
    """Xen is older than dom0, but not by much."""
    told = SystemTime(alive=lambda: 10 ** 15)
    assert 10 ** 15 + 60 * 10 ** 9 < told.latest() < 10 ** 15 + 3600 * 10 ** 9
    assert SystemTime(alive=lambda: 0).latest() > 60 * 10 ** 9


def test_a_lie_is_forgotten():
    clocks = Clocks(10 ** 15)
    told = SystemTime(clocks)
    told.saw(clocks.xen)
    told.saw(clocks.xen + 500 * 10 ** 9)
    assert told.now() == clocks.xen + 500 * 10 ** 9
    for _ in range(3):
        clocks.ours += SPAN_NS
        told.saw(clocks.xen - 5)
    assert told.now() == clocks.xen - 5


def test_the_clock_of_this_machine_goes_forward():
    told = SystemTime()
    told.saw(10 ** 9)
    first = told.now()
    assert 10 ** 9 <= first <= told.now()
