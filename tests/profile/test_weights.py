"""What samples weigh, against guests whose shares are known: in bursts longer and shorter than the time between looks, beside
neighbours, and with looks that come late. Simulated, with the sampler's own uneven ticks."""
import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xenmeter.profile.sample import NOT_SEEN, Sample
from xenmeter.profile.weights import Weights

SECOND = 10 ** 9
A, B = "first", "then"


def bursts(run, rest, part):
    """It runs for so long, the first part of it in A, and is blocked for so long: time -> (CPU time, awake, where)."""
    def at(time):
        number, inside = divmod(time, run + rest)
        return number * run + min(inside, run), inside < run, A if inside < run * part else B
    return at


def beside_others(phase, turn=0.005):
    """In A it has every other turn of its pCPU, and none that it does not want in B, as long: it is never blocked."""
    def at(time):
        number, inside = divmod(time, 2 * phase)
        if inside >= phase:
            return number * 1.5 * phase + inside - phase / 2, True, B
        turns, place = divmod(inside, 2 * turn)
        return number * 1.5 * phase + turns * turn + min(place, turn), True, A
    return at


def shares(at, seconds, seed, late=0.0, hz=99.0):
    """(A's part of the weights, samples)."""
    chance, time, number = random.Random(seed), 0.0, 0
    weights, found = Weights(0.0, 0), {A: 0, B: 0}
    settled = 0.0
    while time < seconds:
        time += chance.uniform(0.5, 1.5) / hz
        ran, awake, where = at(time)
        if weights.look(time, int(ran * SECOND), awake) and awake:
            weights.add(Sample(0, 1, 0, 0, where, {}, None, ()))
            number += 1
            time += late
        if time >= settled + 2:
            settled = time
            for sample in weights.settled():
                found[sample.mode] += sample.weight_ns
    for sample in weights.settled(True):
        found[sample.mode] += sample.weight_ns
    assert sum(found.values()) + weights.rest() == int(ran * SECOND)
    return found[A] / sum(found.values()), number


def worth(at, seconds=30, turns=12, **options):
    """(the mean of A's part, its standard error) of so many profiles."""
    parts = [shares(at, seconds, seed, **options)[0] for seed in range(turns)]
    mean = sum(parts) / turns
    return mean, math.sqrt(sum((part - mean) ** 2 for part in parts) / (turns - 1) / turns)


@pytest.mark.parametrize("part", [0.1, 0.7, 0.9])
@pytest.mark.parametrize("run, rest", [(0.003, 0.05), (0.015, 0.06), (0.1, 0.3), (0.4, 0.6)])
def test_bursts_have_their_shares(run, rest, part):
    """Three standard errors of twelve profiles, and a hundredth: each is of some seconds that share their CPU time."""
    mean, error = worth(bursts(run, rest, part))
    assert abs(mean - part) < 3 * error + 0.01


@pytest.mark.parametrize("late", [0, 0.0003])
def test_what_stands_at_a_bursts_begin_weighs_as_much_as_what_stands_at_its_end(late):
    """By the CPU time since the sample before, which is what is weighed against: 0.062 of what is 0.1."""
    mean, _ = worth(bursts(0.015, 0.06, 0.1), late=late)
    assert 0.09 < mean < 0.11
    turned = 1 - worth(bursts(0.015, 0.06, 0.9), late=late)[0]
    assert abs(mean - turned) < 0.015


@pytest.mark.parametrize("part, low, high", [(0.1, 0.075, 0.11), (0.7, 0.69, 0.735)])
def test_bursts_as_long_as_the_time_between_looks(part, low, high):
    """The hardest: a look often cannot know that it was blocked in between. Without a bound that is near, 0.059 and 0.656."""
    assert low < worth(bursts(0.01, 0.01, part))[0] < high


@pytest.mark.parametrize("phase", [1, 10])
def test_one_that_waits_for_a_pcpu_weighs_what_it_ran(phase):
    """It ran half as long in A as in B, and is looked at as often: by the time between looks it would be a half."""
    mean, _ = worth(beside_others(phase), seconds=60, turns=2)
    assert abs(mean - 1 / 3) < 0.02


@given(st.lists(st.tuples(st.floats(1e-6, 1), st.integers(-1000, 10 ** 10), st.booleans(), st.booleans()), max_size=40),
       st.integers(0, 5))
def test_they_add_up_whatever_comes(looks, often):
    weights, at, cpu, taken, most = Weights(0.0, 1000), 0.0, 1000, [], 1000
    for number, (wait, grown, awake, has_sample) in enumerate(looks):
        at, cpu = at + wait, max(cpu + grown, 0)
        most = max(most, cpu)
        if weights.look(at, cpu, awake) and has_sample:
            weights.add(Sample(number, 1, 0, 0, NOT_SEEN, {}, None, ()))
        if often and number % often == 0:
            taken += weights.settled()
    taken += weights.settled(True)
    assert all(sample.weight_ns >= 0 for sample in taken)
    assert sum(sample.weight_ns for sample in taken) + weights.rest() == weights.seen_ns == most - 1000
    assert [sample.time_ns for sample in taken] == sorted({sample.time_ns for sample in taken})


def test_what_is_left_out_is_in_no_weight():
    weights = Weights(0.0, 0)
    weights.look(1.0, SECOND, True)
    weights.add(Sample(1, 1, 0, 0, A, {}, None, ()))
    weights.leave_out(11.0, 6 * SECOND)
    weights.look(12.0, 7 * SECOND, True)
    assert [sample.weight_ns for sample in weights.settled(True)] == [2 * SECOND] and weights.seen_ns == 2 * SECOND


def test_an_idle_vcpu_takes_no_memory():
    weights = Weights(0.0, 0)
    for second in range(100):
        weights.look(second + 1.0, 0, False)
        weights.settled()
    assert len(weights._looks) == 1
