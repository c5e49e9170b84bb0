"""Histograms: bounds, and the error of what is told of them."""
from hypothesis import given, strategies as st

from xenmeter.core import histogram
from xenmeter.xentrace.engine.distribution import Distribution

values = st.lists(st.integers(0, 1 << 41) | st.integers(0, 100000) | st.integers(1 << 42, (1 << 59) - 1), min_size=1,
                  max_size=200)


def summary(numbers):
    row = histogram.new()
    for number in numbers:
        histogram.add(row, number)
    return Distribution.of(row).summary()


@given(value=st.integers(0, (1 << 59) - 1))
def test_a_bucket_is_narrow_and_holds_its_values(value):
    low, high = histogram.bounds(histogram.index(value))
    assert low <= value <= high and (high - low) * 32 <= max(low, 0)


def test_buckets_follow_each_other_without_a_gap():
    edges = [histogram.bounds(place) for place in range(histogram.FIRST, histogram.SIZE)]
    assert edges[0] == (0, 0) and all(low == before[1] + 1 for before, (low, _) in zip(edges, edges[1:]))
    assert edges[-1][1] == (1 << 59) - 1


@given(numbers=values)
def test_percentiles_are_within_two_percent(numbers):
    told = summary(numbers)
    assert (told["count"], told["sum"], told["max"]) == (len(numbers), sum(numbers), max(numbers))
    ordered = sorted(numbers)
    for name, thousandths in histogram.PERCENTILES:
        exact = ordered[-(-len(ordered) * thousandths // 1000) - 1]
        assert abs(told[name] - exact) * 50 <= exact, name


def test_an_empty_one_knows_nothing():
    assert summary([]) == {"count": 0, "sum": 0, "p50": None, "p90": None, "p99": None, "p999": None, "max": None}


def test_what_is_too_long_for_it_keeps_its_maximum():
    told = summary([5, 1 << 61])
    assert told["max"] == told["p99"] == 1 << 61 and told["p50"] == 5


def test_hours_are_no_worse_than_microseconds():
    minutes = 60 * 10 ** 9
    told = summary([80 * minutes] * 9 + [600 * minutes])
    assert abs(told["p50"] - 80 * minutes) * 50 <= 80 * minutes and told["max"] == 600 * minutes
