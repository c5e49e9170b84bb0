"""Two sets of runs compared by ranks: nothing is assumed of how they are distributed, and no run is thrown away.

Mann-Whitney's test is exact, with ties too: all ways to part the values in two are counted. The shift is Hodges and
Lehmann's, the median of all differences, with the exact interval that belongs to the test. All in whole numbers until the
last division, so the same on every machine.
"""
from typing import Dict, List, NamedTuple, Sequence, Tuple

__all__ = ("median", "p_value", "smallest_p", "shift", "Shift")


class Shift(NamedTuple):
    """``shift``: by how much the second set is larger; from ``low`` to ``high`` with ``confidence``, which with few runs is less
    than what was asked for.
    """

    shift: float
    low: float
    high: float
    confidence: float


def median(values: Sequence[float]) -> float:
    """The middle one, or the mean of the two in the middle; ValueError where there is none."""
    ordered = sorted(values)
    if not ordered:
        raise ValueError("no value has no median")
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2


def choose(total: int, taken: int) -> int:
    """The number of ways to take some of several (math.comb is Python 3.8's)."""
    ways = 1
    for number in range(min(taken, total - taken)):
        ways = ways * (total - number) // (number + 1)
    return ways


def doubled_ranks(values: Sequence[float]) -> List[int]:
    """Twice each value's rank from 1 on; equal values share the mean of theirs, so twice of it is whole."""
    order = sorted(range(len(values)), key=lambda index: values[index])
    ranks = [0] * len(values)
    first = 0
    while first < len(order):
        last = first
        while last + 1 < len(order) and values[order[last + 1]] == values[order[first]]:
            last += 1
        for place in range(first, last + 1):
            ranks[order[place]] = first + last + 2
        first = last + 1
    return ranks


def p_value(before: Sequence[float], after: Sequence[float]) -> float:
    """How often chance alone parts these values as far as they are: two-sided, exact.

    :raises ValueError: one of the sets is empty.
    """
    if not before or not after:
        raise ValueError("a set without runs cannot be compared")
    ranks = doubled_ranks(list(before) + list(after))
    number, runs = len(before), len(ranks)
    # the sums that so many of the ranks can have, and in how many ways
    ways: List[Dict[int, int]] = [{} for _ in range(number + 1)]
    ways[0][0] = 1
    for rank in ranks:
        for taken in range(number - 1, -1, -1):
            for total, count in ways[taken].items():
                ways[taken + 1][total + rank] = ways[taken + 1].get(total + rank, 0) + count
    # distance from the expected sum, times the number of runs, so that it is whole
    expected = number * sum(ranks)
    seen = abs(sum(ranks[:number]) * runs - expected)
    as_far = sum(count for total, count in ways[number].items() if abs(total * runs - expected) >= seen)
    return as_far / choose(runs, number)


def smallest_p(before: int, after: int) -> float:
    """The least p that so many runs can ever have: where no value of one set lies among the other's."""
    return min(1.0, 2 / choose(before + after, before))


def arrangements(before: int, after: int) -> List[int]:
    """In how many arrangements U is 0, 1, ... before * after: the Gaussian binomial coefficient's own coefficients."""
    counts = [1]
    for number in range(1, before + 1):
        grown = [0] * (len(counts) + after + number)
        for place, count in enumerate(counts):
            grown[place] += count
            grown[place + after + number] -= count
        for place in range(number, len(grown)):
            grown[place] += grown[place - number]
        counts = grown[:number * after + 1]
    return counts


def shift(before: Sequence[float], after: Sequence[float], confidence: float = 0.95) -> Shift:
    """By how much ``after`` is larger than ``before``, and between which bounds that lies.

    :raises ValueError: one of the sets is empty.
    """
    differences = sorted(new - old for old in before for new in after)
    middle = median(differences)
    counts, total = arrangements(len(before), len(after)), choose(len(before) + len(after), len(before))
    out, place = _cut(counts, total, 1 - confidence)
    if place == 0:
        return Shift(middle, differences[0], differences[-1], max(0.0, 1 - 2 / total))
    return Shift(middle, differences[place - 1], differences[-place], 1 - 2 * out / total)


def _cut(counts: Sequence[int], total: int, allowed: float) -> Tuple[int, int]:
    """How many arrangements may lie outside at either end, and how many places that are."""
    out = place = 0
    while place < len(counts) and 2 * (out + counts[place]) <= allowed * total:
        out += counts[place]
        place += 1
    return out, place
