"""Histograms of durations: log-linear, integer, of fixed size.

A row is a flat run of integers: sum, max, then the buckets. Values below 32 have a bucket
each; above, every power of two is cut into 32. A bucket's middle is at most 1/64 (1.6 %) from any value in it.
The last bucket also takes everything from 2**59 on: for nanoseconds 18 years, beyond which the trace engine's time does
not go. The maximum is kept exactly anyway.
"""
from typing import List, MutableSequence, Tuple

__all__ = ("SIZE", "new", "add", "nearest_rank", "value_at", "bounds", "PERCENTILES")

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


def nearest_rank(total: int, share: int, whole: int) -> int:
    """Which of ``total`` ascending values, from 1 on, ``share`` of each ``whole`` of them do not exceed."""
    return max(1, -(-total * share // whole))


def value_at(place: int, most: int) -> int:
    """What is told of a value in a bucket: its middle, and never more than the largest value there was."""
    if place == SIZE - 1:
        return most
    low, high = bounds(place)
    return min((low + high) // 2, most)
