"""Intervals that are written down before they are counted: whatever is sorted when, the pictures are those of pure Python."""
import ctypes
import struct

import pytest

from helpers import encoding
from helpers.paths import PLUGINS
from helpers.simulator import KHZ, Machine, Tracer
from tools.compiler import build_shared
from xenmeter.core.histogram import FIRST
from xenmeter.xentrace.engine import compiled
from xenmeter.xentrace.engine.cells import CELL, distribution
from xenmeter.xentrace.engine.layout import S_RUNNING
from xenmeter.xentrace.engine.columns import DOMAIN_CELLS
from xenmeter.xentrace.engine.windowed import Baking

#: ns that do not fit beside an interval's histogram.
FAR = 1 << 40
WIDE = 1 << 32


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """The compiled loop with room for few intervals, and for few times that they were sorted."""
    source = PLUGINS / "xenmeter" / "xentrace" / "engine" / "hot.c"
    return build_shared(source, tmp_path_factory.mktemp("hot") / "_hot.so", "-DMANY_INTERVALS=8", "-DFEW_INTERVALS=3",
                        "-DMOST_RUNS=3")


def pictures(core, passes, khz, windows, per_vcpu):
    baking = Baking(khz, windows, per_vcpu=per_vcpu, core=core)
    for one in passes:
        for pcpu, held in one:
            baking.engine.feed_rings([(pcpu, held)])
        baking.engine.pass_done()
    baking.finish()
    whole = baking.engine.snapshot(windows=False)
    baking.close()
    return [b"".join(picture.parts() + [picture.cells]) for picture in baking.taken], whole


@pytest.mark.parametrize("per_vcpu", [False, True])
@pytest.mark.parametrize("slow", [1, KHZ], ids=["fast", "slow"])
def test_small_rooms_are_like_none(small, shared_object, per_vcpu, slow):
    """A slow clock makes the intervals long: hours, which no trace of seconds has."""
    longest = 0
    for seed in range(12):
        tracer = Tracer(Machine(seed, pcpus=3, domains=4, vcpus=3, steps=600, churn=bool(seed & 1)), 40, 1 << 20, seed)
        case = tracer.passes, KHZ // slow, [slow * 10 ** 7, slow * 10 ** 8, slow * 10 ** 9], per_vcpu
        expected = pictures("python", *case)
        for library in (small, shared_object):
            assert compiled.use(library), compiled.reason()
            assert pictures("compiled", *case) == expected, seed
        longest = max([longest] + [told.most for one in expected[1]["domains"] for told in one["histograms"].values()])
    assert compiled.use(shared_object)
    assert (longest > FAR) == (slow > 1)


def test_counts_beyond_32_bits_stand_in_a_cell_above(core):
    """Such take weeks to come to: here a count is set to the last that 32 bits hold."""
    baking = Baking(10 ** 6, [1000], core=core)
    for tsc in range(0, 4000, 10):
        baking.engine.feed_rings([(0, encoding.runstate(10 ** 9 + tsc, 1, 0, tsc // 10 & 1, 1 - (tsc // 10 & 1)))])
    for _ in range(3):
        baking.engine.pass_done()
    number = baking.taken[-1].domain_rows()[0][DOMAIN_CELLS][0]
    before = distribution(baking._teller.cells.memory, number)
    assert before.counts and before.most == 10
    if core == "compiled":
        cells = baking._teller.cells.memory
        at = CELL * int.from_bytes(cells[number * CELL + 32:number * CELL + 36], "little") + 4 * 10
        ctypes.memset(baking._teller.cells._head.memory + at, 255, 4)
    else:
        baking.engine.accounts.domains[1].hist[S_RUNNING][FIRST + 10] = WIDE - 1
    for tsc in range(4000, 8000, 10):
        baking.engine.feed_rings([(0, encoding.runstate(10 ** 9 + tsc, 1, 0, tsc // 10 & 1, 1 - (tsc // 10 & 1)))])
    for _ in range(3):
        baking.engine.pass_done()
    raw = bytes(baking._teller.cells.memory)
    count, total, most = struct.unpack_from("<qqq", raw, number * CELL)
    if core == "compiled":      # its own number of values knows nothing of what was set here
        added = count - before.count
        count += WIDE - 1 - before.count
        raw = bytearray(raw)
        struct.pack_into("<qqqQ", raw, number * CELL, count, total, most, (count + 3 * total + 7 * most) % (1 << 64))
        assert count == WIDE - 1 + added
    told = distribution(raw, number)
    assert told.counts[0] > WIDE and list(told.places) == [FIRST + 10] and told.count == count
    row = baking.engine.accounts.domains[1].hist[S_RUNNING].flat()
    assert row[FIRST + 10] >= told.counts[0]        # and what has ended since the border
    baking.close()
