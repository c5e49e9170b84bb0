"""Stamps while somebody sets the clock, against a model that knows the true time."""
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xenmeter.core.timeline import PATIENCE_NS, Timeline

S = 10 ** 9
WAITS = 3 * PATIENCE_NS
START = 1800000000 * S


def told(readings):
    """(true time, stamp) of the samples that are told, and the timeline."""
    timeline = Timeline()
    return [(real, wall) for real, wall in readings if timeline.takes(wall, real)], timeline


#: How far the clock is set before a reading: mostly not at all, or slewed a little; then by any amount.
moves = st.one_of(st.just(0), st.integers(-5 * 10 ** 5, 5 * 10 ** 5), st.integers(-20 * S, 20 * S),
                  st.integers(-2 * PATIENCE_NS, 2 * PATIENCE_NS), st.integers(-10 ** 5 * S, 10 ** 5 * S))


@st.composite
def histories(draw):
    """[(true time, the wall clock's then)] of readings at an interval that is kept about, as the clock is set between them."""
    interval = draw(st.sampled_from([S // 10, S, 10 * S, 60 * S]))
    real, ahead, readings = 0, 0, []
    for _ in range(draw(st.integers(2, 40))):
        real += draw(st.integers(interval, interval * 13 // 10))
        ahead += draw(moves)
        readings.append((real, START + real + ahead))
    for _ in range(WAITS // interval + 5 if interval >= 10 * S else 0):      # then nobody sets it any more
        real += interval
        readings.append((real, START + real + ahead))
    return interval, readings


@settings(max_examples=400)
@given(histories())
def test_whatever_the_clock_is_set_to(history):
    interval, readings = history
    found, timeline = told(readings)
    assert found[0] == readings[0] and set(found) <= set(readings)      # each has the clock's own time
    for (before, one), (now, other) in zip(found, found[1:]):
        passed, real = other - one, now - before
        assert abs(passed) >= S // 100                                  # nothing is 1 us apart
        if passed > 0:      # a rate is true, or too low as the clock went forward, or at most half too high
            assert 2 * real <= 3 * passed or passed >= PATIENCE_NS
        else:               # by so much that nobody waits: what is told with a time to come is told no more
            assert real - passed > PATIENCE_NS
    if interval >= 10 * S:
        assert readings[-1] == found[-1]
    if len(found) < len(readings):
        assert timeline.steps


@given(st.lists(st.integers(-5 * 10 ** 5, 5 * 10 ** 5), max_size=50), st.sampled_from([S // 10, S, 10 * S]))
def test_a_clock_that_is_slewed_costs_nothing(slews, interval):
    real, ahead, readings = 0, 0, []
    for slew in slews:
        real += interval
        ahead += slew
        readings.append((real, START + real + ahead))
    found, timeline = told(readings)
    assert found == readings and (timeline.steps, timeline.remark) == (0, None)


def every(interval, *aheads):
    """Readings at an interval; the clock is so much ahead at each."""
    return [(number * interval, START + number * interval + ahead) for number, ahead in enumerate(aheads)]


def test_set_back_by_an_hour_the_new_time_is_told_at_once():
    readings = every(2 * S, *[3600 * S] * 5 + [0] * 5)
    found, timeline = told(readings)
    assert found == readings and timeline.steps == 1
    assert timeline.remark.startswith("the clock was set back by 3600 s: figures go on with the new time")


@pytest.mark.parametrize("back, gap", [(1, 1), (3, 1), (4, 2), (10, 3), (60, 18), (300, 90)])
def test_set_back_by_a_little_there_is_a_gap(back, gap):
    """In readings; none for less than a third of the interval."""
    readings = every(10 * S, *[back * S] * 3 + [0] * 100)
    found, timeline = told(readings)
    assert found == readings[:3] + readings[2 + gap:] and timeline.steps == (gap > 1)
    if gap > 1:
        assert timeline.remark == ("the clock was set back by %d s: no figures for some time, until rates can be right again"
                                   % back)


def test_set_forward_it_is_said_and_nothing_is_left_out():
    readings = every(10 * S, *[0] * 3 + [3600 * S] * 3)
    found, timeline = told(readings)
    assert found == readings
    assert timeline.remark == "the clock was set forward by 3600 s: rates from before to after it are too low"


def test_what_is_said_does_not_change_while_it_waits():
    timeline, remarks = Timeline(), set()
    for real, wall in every(10 * S, *[60 * S] * 3 + [0] * 15):
        timeline.takes(wall, real)
        remarks.add(timeline.remark)
    assert len(remarks) == 2 and timeline.steps == 1
