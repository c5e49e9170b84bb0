"""Cycles to nanoseconds: both loops round down exactly, at any rate and over any distance."""
import pytest
from hypothesis import given, settings, strategies as st

from helpers import encoding
from xenmeter.xentrace.engine import layout, records
from xenmeter.xentrace.engine.engine import Engine

#: From one far too slow to one far too fast; the borders of the compiled loop's reckoning (10^6, 2^24) between them.
RATES = (1, 7, 999, 62500, 999999, 1000000, 1000001, 2596120, 3000000, 4194303, (1 << 24) - 1, (1 << 24) + 1, 1 << 33)
STEPS = st.lists(st.one_of(st.integers(0, 5000), st.integers(0, 1 << 33), st.integers((1 << 40) - 3, (1 << 40) + 3)),
                 min_size=1, max_size=40)


@pytest.mark.parametrize("khz", RATES)
@settings(deadline=None, max_examples=60)
@given(first=st.integers(0, 1 << 50), steps=STEPS)
def test_rounded_down(core, khz, first, steps):
    tsc, sums, since, moves = first, [0, 0], 0, [encoding.continue_running(first, 1, 0)]
    leapt = False
    for place, step in enumerate(steps):
        # after a leap, a record that is as near as none can be, or has the same lower half, would take it back
        step = max(step, layout.APART) + (not step & 0xFFFFFFFF) if leapt else step
        leapt = step > layout.LEAP
        tsc += step
        moves.append(encoding.runstate(tsc, 1, 0, place & 1, ~place & 1))
        now = (tsc - first) * 1000000 // khz
        if now > (1 << 59):
            return
        sums[place & 1] += now - since
        since = now
    engine = Engine(khz, core=core)
    engine.feed(records.window(0, b"".join(moves)))
    figures = engine.finish()
    assert [figures["vcpus"][0][name] for name in ("running_ns", "runnable_ns")] == sums
    assert figures["trace"]["span_ns"] == since and figures["trace"]["anomalies"] == 0
