"""Intervals that are written down before they are counted: whatever is sorted when, the pictures are those of pure Python."""
import pytest

from helpers.paths import PLUGINS
from helpers.simulator import KHZ, Machine, Tracer
from tools.compiler import build_shared
from xenmeter.xentrace.engine import compiled
from xenmeter.xentrace.engine.windowed import Baking

#: ns that do not fit beside an interval's histogram.
FAR = 1 << 40


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
            baking.engine.feed_ring(pcpu, held)
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
        longest = max([longest] + [row[1] for one in expected[1]["domains"] for row in one["histograms"].values()])
    assert compiled.use(shared_object)
    assert (longest > FAR) == (slow > 1)
