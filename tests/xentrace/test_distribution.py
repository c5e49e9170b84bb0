"""Distributions against the values themselves."""
from hypothesis import given, strategies as st

from xenmeter.core import histogram
from xenmeter.xentrace.engine.distribution import EDGES, EMPTY, Distribution

VALUES = st.lists(st.one_of(st.integers(0, 100), st.integers(0, 1 << 36), st.integers(0, 1 << 44),
                            st.sampled_from([edge + step for edge in EDGES for step in (0, 1)])), max_size=60)


def row_of(values):
    row = histogram.new()
    for value in values:
        histogram.add(row, value)
    return row


@given(VALUES)
def test_the_summary_is_of_the_values(values):
    told = Distribution.of(row_of(values)).summary()
    assert (told["count"], told["sum"], told["max"]) == (len(values), sum(values), max(values) if values else None)
    for name, thousandths in histogram.PERCENTILES if values else ():
        place = histogram.index(sorted(values)[histogram.nearest_rank(len(values), thousandths, 1000) - 1])
        assert told[name] == histogram.value_at(place, max(values)), name


@given(VALUES)
def test_buckets_count_exactly(values):
    buckets = Distribution.of(row_of(values)).openmetrics_buckets()
    assert buckets == [(edge, sum(value <= edge for value in values)) for edge in EDGES] + [(None, len(values))]


@given(VALUES, VALUES)
def test_a_part_of_a_histogram(first, then):
    part = Distribution.of(row_of(first + then)).since(Distribution.of(row_of(first)))
    alone = Distribution.of(row_of(then))
    assert (part.places, part.counts, part.sum) == (alone.places, alone.counts, alone.sum)
    if then:
        assert alone.most <= part.most <= max(first + then) and (
            part.most <= alone.most * 33 // 32 + 1 or alone.most >= 1 << 42)
    for name, _ in histogram.PERCENTILES:
        exact = alone.summary()[name]
        assert part.summary()[name] == exact or exact <= part.summary()[name] <= part.most


def test_a_histogram_that_began_anew_is_all_new():
    """The baker was killed and started again: seen in a dom0, where collectd's reading failed for it."""
    before, after = Distribution.of(row_of([5, 5, 900, 1 << 20])), Distribution.of(row_of([5, 70]))
    assert after.since(before) is after


@given(st.lists(VALUES, max_size=4))
def test_parts_add_up(parts):
    whole = EMPTY.plus([Distribution.of(row_of(part)) for part in parts])
    assert whole == Distribution.of(row_of([value for part in parts for value in part]))


def test_nothing_is_none():
    assert EMPTY.summary() == {"count": 0, "sum": 0, "p50": None, "p90": None, "p99": None, "p999": None, "max": None}
    assert EMPTY.since(EMPTY) is EMPTY and EMPTY.openmetrics_buckets()[-1] == (None, 0)


@given(st.lists(st.integers(0, 10 ** 12), min_size=1, max_size=60), st.integers(1, 10 ** 6))
def test_a_quantile_is_near_the_value(values, ppm):
    held = Distribution.of(row_of(values))
    assert held.quantile(10 ** 6, 10 ** 6) == max(values)
    exact = sorted(values)[histogram.nearest_rank(len(values), ppm, 10 ** 6) - 1]
    assert abs(held.quantile(ppm, 10 ** 6) - exact) <= exact / 60 + 1 or ppm == 10 ** 6


def test_there_is_no_quantile_of_nothing():
    assert EMPTY.quantile(500, 1000) is None
