"""Histograms of durations: log-linear, integer, mergeable, of fixed size.

A row is a flat run of integers (a list or ``array('q')``): sum, max, then the buckets. Values below 32 have a bucket
each; above, every power of two is cut into 32. A bucket's middle is at most 1/64 (1.6 %) from any value in it.
The last bucket also takes everything from 2**59 on: for nanoseconds 18 years, beyond which the trace engine's time does
not go. The maximum is kept exactly anyway.
"""
from array import array
from operator import add as plus
from typing import Dict, Iterable, List, MutableSequence, Optional, Sequence, Tuple

__all__ = ("SIZE", "new", "add", "merge", "count", "summary", "quantile", "nearest_rank", "value_at",
           "cumulative", "bounds", "PERCENTILES")

SUB_BITS = 5
_SUB = 1 << SUB_BITS
_TOP = 59
BUCKETS = _SUB + (_TOP - SUB_BITS) * _SUB
SUM, MAX, FIRST = 0, 1, 2
SIZE = FIRST + BUCKETS

#: name -> parts of a thousand
PERCENTILES = (("p50", 500), ("p90", 900), ("p99", 990), ("p999", 999))


def new() -> List[int]:
    return [0] * SIZE


def index(value: int) -> int:
    """Which bucket of a row takes ``value`` (>= 0)."""
    if value < _SUB:
        return FIRST + value
    exponent = value.bit_length() - 1
    if exponent >= _TOP:
        return SIZE - 1
    shift = exponent - SUB_BITS
    # value >> shift lies in 32 ... 63, so this is 32 + shift * 32 + (that - 32)
    return FIRST + (shift << SUB_BITS) + (value >> shift)


def bounds(place: int) -> Tuple[int, int]:
    """Smallest and largest value of the bucket at ``place`` of a row."""
    bucket = place - FIRST
    if bucket < _SUB:
        return bucket, bucket
    shift = (bucket >> SUB_BITS) - 1
    low = (bucket - (shift << SUB_BITS)) << shift
    return low, low + (1 << shift) - 1


def add(row: MutableSequence[int], value: int) -> None:
    row[SUM] += value
    if value > row[MAX]:
        row[MAX] = value
    row[index(value)] += 1


def merge(into: MutableSequence[int], rows: Iterable[Sequence[int]]) -> MutableSequence[int]:
    """Add other rows to ``into``, as if their values had been added there."""
    for row in rows:
        if row[SUM] or any(row):
            most = max(into[MAX], row[MAX])
            total = map(plus, into, row)
            into[:] = array("q", total) if isinstance(into, array) else list(total)
            into[MAX] = most
    return into


def count(row: Sequence[int]) -> int:
    return sum(row[FIRST:SIZE])


def quantile(row: Sequence[int], thousandths: int, total: Optional[int] = None) -> Optional[int]:
    """The value that ``thousandths`` of all values do not exceed (nearest rank), within 1.6 %; None when empty."""
    if total is None:
        total = count(row)
    if not total:
        return None
    rank = nearest_rank(total, thousandths, 1000)
    seen = 0
    for place in range(FIRST, SIZE):
        seen += row[place]
        if seen >= rank:
            return value_at(place, row[MAX])
    return row[MAX]


def nearest_rank(total: int, share: int, whole: int) -> int:
    """Which of ``total`` ascending values, from 1 on, ``share`` of each ``whole`` of them do not exceed."""
    return max(1, -(-total * share // whole))


def value_at(place: int, most: int) -> int:
    """What is told of a value in a bucket: its middle, and never more than the largest value there was."""
    if place == SIZE - 1:
        return most
    low, high = bounds(place)
    return min((low + high) // 2, most)


def summary(row: Sequence[int]) -> Dict[str, Optional[int]]:
    """count, sum, the percentiles and max; percentiles and max are None where nothing was counted."""
    total = count(row)
    figures: Dict[str, Optional[int]] = {"count": total, "sum": row[SUM]}
    for name, thousandths in PERCENTILES:
        figures[name] = quantile(row, thousandths, total)
    figures["max"] = row[MAX] if total else None
    return figures


def cumulative(row: Sequence[int], edges: Sequence[int]) -> List[int]:
    """OpenMetrics buckets: how many values are <= each of the ascending ``edges``, then how many there are at all.

    A bucket of ours that an edge cuts counts for the next edge: exact for edges that end a bucket, such as
    2**k - 1, and late by at most 3.2 % of the edge for others.
    """
    told = []
    seen = 0
    place = FIRST
    for edge in edges:
        while place < SIZE and bounds(place)[1] <= edge:
            seen += row[place]
            place += 1
        told.append(seen)
    told.append(count(row))
    return told
