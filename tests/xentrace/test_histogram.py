"""Histograms: bounds, error, merging, OpenMetrics buckets."""
from array import array

from hypothesis import given, strategies as st

from xenmeter.core import histogram

values = st.lists(st.integers(0, 1 << 41) | st.integers(0, 100000) | st.integers(1 << 42, (1 << 59) - 1), min_size=1,
                  max_size=200)


def filled(numbers):
    row = histogram.new()
    for number in numbers:
        histogram.add(row, number)
    return row


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
    told = histogram.summary(filled(numbers))
    assert (told["count"], told["sum"], told["max"]) == (len(numbers), sum(numbers), max(numbers))
    ordered = sorted(numbers)
    for name, thousandths in histogram.PERCENTILES:
        exact = ordered[-(-len(ordered) * thousandths // 1000) - 1]
        assert abs(told[name] - exact) * 50 <= exact, name


def test_an_empty_one_knows_nothing():
    assert histogram.summary(histogram.new()) == {"count": 0, "sum": 0, "p50": None, "p90": None, "p99": None,
                                                  "p999": None, "max": None}


def test_what_is_too_long_for_it_keeps_its_maximum():
    told = histogram.summary(filled([5, 1 << 61]))
    assert told["max"] == told["p99"] == 1 << 61 and told["p50"] == 5


def test_hours_are_no_worse_than_microseconds():
    minutes = 60 * 10 ** 9
    told = histogram.summary(filled([80 * minutes] * 9 + [600 * minutes]))
    assert abs(told["p50"] - 80 * minutes) * 50 <= 80 * minutes and told["max"] == 600 * minutes


@given(one=values, other=values)
def test_merging_is_as_good_as_adding(one, other):
    assert histogram.merge(filled(one), [filled(other)]) == filled(one + other)
    assert histogram.merge(array("q", filled(one)), [filled(other)]) == array("q", filled(one + other))


@given(numbers=values, powers=st.sets(st.integers(0, 58), min_size=1))
def test_openmetrics_buckets_are_exact_at_powers_of_two(numbers, powers):
    edges = sorted((1 << power) - 1 for power in powers)
    told = histogram.cumulative(filled(numbers), edges)
    assert told == [sum(1 for number in numbers if number <= edge) for edge in edges] + [len(numbers)]
