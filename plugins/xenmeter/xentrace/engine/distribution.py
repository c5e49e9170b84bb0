"""A histogram at one moment, as few numbers: only the buckets of ``core.histogram`` that hold something.

What lasts (the engine's rows, a slot of the shared file) and what is worked on (a window's share, percentiles, an
exposition's buckets) meet here. All values are integer nanoseconds.
"""
from bisect import bisect_right
from itertools import accumulate, compress
from typing import Any, Dict, Iterable, List, Optional, Sequence, Tuple

from xenmeter.core import histogram

__all__ = ("Distribution", "EMPTY", "EDGES")

#: Bounds of the OpenMetrics buckets, ns: a microsecond to 17 s, each twice the one before. They are one less than the
#: powers of two, where buckets of ours end: so each count is exact.
EDGES = tuple((1 << power) - 1 for power in range(10, 35))
_PLACES = range(histogram.FIRST, histogram.SIZE)
_LAST_PLACES = tuple(histogram.index(edge) for edge in EDGES)


class Distribution:
    """:param places: of the buckets that hold something, ascending; :param counts: how many values each holds.

    :param most: the largest value; exact for all there ever were, within 3.2 % for a part of them.
    """

    __slots__ = ("sum", "most", "places", "counts", "_totals")

    def __init__(self, total: int, most: int, places: Sequence[int], counts: Sequence[int]) -> None:
        self.sum = total
        self.most = most
        self.places = places
        self.counts = counts
        self._totals: Optional[List[int]] = None

    @classmethod
    def of(cls, row: Sequence[int]) -> "Distribution":
        """A row of ``core.histogram`` as it stands."""
        buckets = row[histogram.FIRST:]
        counts = tuple(filter(None, buckets))       # most are empty, and there are many: no loop of ours
        if not counts:
            return EMPTY
        return cls(row[histogram.SUM], row[histogram.MAX], tuple(compress(_PLACES, buckets)), counts)

    def __eq__(self, other: Any) -> bool:
        return isinstance(other, Distribution) and (self.sum, self.most, *self.places, *self.counts) == (
            other.sum, other.most, *other.places, *other.counts)

    __hash__ = None     # type: ignore[assignment]

    @property
    def count(self) -> int:
        return self._running()[-1] if self.counts else 0

    def _running(self) -> List[int]:
        if self._totals is None:
            self._totals = list(accumulate(self.counts))
        return self._totals

    def plus(self, others: "Iterable[Distribution]") -> "Distribution":
        filled = [one for one in [self] + list(others) if one.counts]
        if len(filled) < 2:
            return filled[0] if filled else EMPTY
        held: Dict[int, int] = {}
        total = most = 0
        for other in filled:
            total += other.sum
            most = max(most, other.most)
            for place, number in zip(other.places, other.counts):
                held[place] = held.get(place, 0) + number
        return _made(total, most, held)

    def since(self, earlier: "Distribution") -> "Distribution":
        """What has been added since ``earlier``, a moment of the same histogram; all of it where it began anew meanwhile,
        as it does when the baker is started again."""
        if not earlier.counts:
            return self
        held = dict(zip(self.places, self.counts))
        for place, number in zip(earlier.places, earlier.counts):
            held[place] = held.get(place, 0) - number
            if not held[place]:
                del held[place]
        if not held:
            return EMPTY
        if min(held.values()) < 0:
            return self
        most = self.most
        if most == earlier.most and max(held) < histogram.SIZE - 1:
            # the largest ever is older: the largest of these lies in the last bucket, if that has an end
            most = min(most, histogram.bounds(max(held))[1])
        return _made(self.sum - earlier.sum, most, held)

    def summary(self) -> Dict[str, Optional[int]]:
        """count, sum, percentiles within 1.6 %, and max; percentiles and max are None where there is nothing."""
        told: Dict[str, Optional[int]] = {"count": self.count, "sum": self.sum}
        for name, thousandths in histogram.PERCENTILES:
            told[name] = self.quantile(thousandths, 1000)
        told["max"] = self.most if self.counts else None
        return told

    def quantile(self, share: int, whole: int) -> Optional[int]:
        """The value that ``share`` of each ``whole`` values do not exceed, within 1.6 %, and all of them exactly; None where
        there is nothing."""
        running = self._running()
        if not running:
            return None
        if share == whole:
            return self.most
        rank = histogram.nearest_rank(running[-1], share, whole)
        return histogram.value_at(self.places[bisect_right(running, rank - 1)], self.most)

    def openmetrics_buckets(self) -> List[Tuple[Optional[int], int]]:
        """(upper bound in ns or None for +Inf, cumulative count), as ``publish.numbers.histogram_lines`` takes them."""
        running = [0] + self._running()
        told: List[Tuple[Optional[int], int]] = [(edge, running[bisect_right(self.places, place)])
                for edge, place in zip(EDGES, _LAST_PLACES)]
        told.append((None, running[-1]))
        return told


def _made(total: int, most: int, held: Dict[int, int]) -> Distribution:
    places = sorted(held)
    return Distribution(total, most, tuple(places), tuple(held[place] for place in places))


EMPTY = Distribution(0, 0, (), ())
