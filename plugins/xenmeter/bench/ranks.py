"""Two sets of runs compared by ranks: nothing is assumed of how they are distributed, and no run is thrown away.

Mann-Whitney's test is exact, with ties too: all ways to part the values in two are counted. The shift is Hodges and
Lehmann's, the median of all differences, with the exact interval that belongs to the test. All in whole numbers until the
last division, so the same on every machine. The ways grow with the fourth power of the runs: where there are more than ``EXACT``
the normal distribution stands for them, with the correction for ties and for continuity.
"""
import math
from typing import List, NamedTuple, Sequence, Tuple

__all__ = ("EXACT", "median", "p_value", "smallest_p", "shift", "Shift")

#: Runs of both sets together up to which ways are counted: some 20 ms.
EXACT = 100


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
    """How often chance alone parts these values as far as they are: two-sided, exact up to ``EXACT`` runs.

    :raises ValueError: one of the sets is empty.
    """
    if not before or not after:
        raise ValueError("a set without runs cannot be compared")
    small, large = sorted((before, after), key=len)     # what is far for one of them is as far for the other
    ranks = doubled_ranks(list(small) + list(large))
    number, runs = len(small), len(ranks)
    # distance from the expected sum, times the number of runs, so that it is whole
    expected = number * sum(ranks)
    seen = abs(sum(ranks[:number]) * runs - expected)
    if runs > EXACT:
        return _far(max(0.0, seen / runs / 2 - 0.5), _deviation(ranks, number))
    as_far = sum(count for total, count in enumerate(_ways(ranks, number)) if abs(total * runs - expected) >= seen)
    return as_far / choose(runs, number)


def _ways(ranks: Sequence[int], number: int) -> List[int]:
    """In how many ways so many of the ranks have the sum 0, 1, ...: places of one large number for each, added all at once."""
    size = choose(len(ranks), number).bit_length() // 8 + 1     # bytes of a place: no count is more than all of them
    ways = [1] + [0] * number
    for rank in ranks:
        for taken in range(number - 1, -1, -1):
            ways[taken + 1] += ways[taken] << 8 * size * rank
    told = ways[number].to_bytes(size * (sum(sorted(ranks)[-number:]) + 1), "little")
    return [int.from_bytes(told[at:at + size], "little") for at in range(0, len(told), size)]


def _deviation(ranks: Sequence[int], number: int) -> float:
    """The standard deviation of Mann and Whitney's U where chance alone parts these doubled ranks; ties make it less."""
    runs, middle = len(ranks), len(ranks) + 1
    spread = sum((rank - middle) ** 2 for rank in ranks) / 4
    return math.sqrt(number * (runs - number) * spread / (runs * (runs - 1)))


def _far(distance: float, deviation: float) -> float:
    """How often what is distributed normally is so far from its mean, or farther."""
    return math.erfc(distance / deviation / math.sqrt(2)) if deviation else 1.0


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
    if len(before) + len(after) > EXACT:
        place, out = _cut_far(len(before), len(after), 1 - confidence)
        return Shift(middle, differences[place - 1], differences[-place], 1 - out)
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


def _cut_far(before: int, after: int, allowed: float) -> Tuple[int, float]:
    """How many places may lie outside at either end where there are many runs, one at least, and the share that both hold."""
    deviation = math.sqrt(before * after * (before + after + 1) / 12)
    low, high = 1, max(1, before * after // 2)
    while low < high:       # the last place that does not hold too much
        place = (low + high + 1) // 2
        if _far(before * after / 2 - place + 0.5, deviation) <= allowed:
            low = place
        else:
            high = place - 1
    return low, _far(before * after / 2 - low + 0.5, deviation)
