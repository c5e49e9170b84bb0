"""The queues of many pCPUs in the order of time: a vCPU that goes from one to the next tells of each record out of turn."""
import random

import pytest

from helpers import encoding
from xenmeter.xentrace.engine import records
from xenmeter.xentrace.engine.engine import Engine

KHZ = 1000000
T = 10 ** 13
JUMP = 1 << 48


def bake(core, *passes):
    """:param passes: of each what is in it, in the order of time: (ns, pCPU, old, new), and the domid where it is not 1."""
    engine = Engine(KHZ, core=core)
    for told in passes:
        windows = {}
        for ns, pcpu, old, new, *domid in told:
            windows.setdefault(pcpu, []).append(encoding.runstate(T + ns, *(domid or [1]), 0, old, new))
        for pcpu in sorted(windows):
            engine.feed(records.window(pcpu, b"".join(windows[pcpu])))
    return engine.finish()


@pytest.mark.parametrize("pcpus", [1, 2, 3, 5, 63, 64, 65, 129])
def test_a_vcpu_that_goes_round(core, pcpus):
    """Woken on any pCPU, it waits and runs on another; where it is woken and enters at once, the lower number says it first."""
    chance = random.Random(pcpus)
    numbers = sorted(chance.sample(range(1000), pcpus))
    at, told, sums = 0, [(0, numbers[0], 0, 2)], [0, 0, 0]
    for turn in range(2000):
        blocked, waited, ran = chance.randrange(1, 2000), chance.choice((0, 1, 700)), chance.randrange(1, 3000)
        waker, runner = chance.choice(numbers), chance.choice(numbers)
        if waker > runner and not waited:
            waker = runner
        told += [(at + blocked, waker, 2, 1), (at + blocked + waited, runner, 1, 0), (at + blocked + waited + ran, runner, 0, 2)]
        at += blocked + waited + ran
        sums = [one + more for one, more in zip(sums, (ran, waited, blocked))]
    figures = bake(core, told[:2000], told[2000:2600], told[2600:])
    one, = figures["vcpus"]
    assert figures["trace"]["anomalies"] == 0 and figures["trace"]["span_ns"] == at == sum(sums)
    assert [one["running_ns"], one["runnable_ns"], one["blocked_ns"]] == sums


def test_days_between_what_waits(core):
    """More than 2^48 cycles: nine stamps that agree, and both pCPUs' queues go on behind them, in turns."""
    before = [(0, 0, 2, 1), (500, 1, 1, 0)]
    told = [(JUMP + 1000 * place, 0, 2, 3, 2) for place in range(1, 10)]       # of these but the last is believed
    end = JUMP + 20000
    told += [(end, 1, 0, 2)]
    for turn in range(1, 50):
        told += [(end + 1000 * turn, 0, 2, 1), (end + 1000 * turn + 10, 1, 1, 0), (end + 1000 * turn + 110, 1, 0, 2)]
    figures = bake(core, before, told)
    one = figures["vcpus"][0]
    assert figures["trace"]["anomaly_kinds"]["wild_stamps"] == figures["trace"]["anomalies"] == 9
    assert (one["runnable_ns"], one["blocked_ns"]) == (500 + 49 * 10, 1000 + 48 * 890) and one["executions"] == 50
    assert one["running_ns"] == end - 500 + 49 * 100
