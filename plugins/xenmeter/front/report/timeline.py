"""Who ran when on which pCPU: intervals, and how they add up in columns of equal width over the whole trace.

An interval has a ``who``: life << 16 | vCPU (life: place in ``Accounts.lives``), or one of IDLE, BETWEEN, LOST,
UNKNOWN. The intervals of a pCPU follow each other without a hole, from the trace's beginning to its end.
"""
from typing import Any, Dict, List, NamedTuple, Tuple

import numpy

from xenmeter.xentrace.engine.records import IDLE_DOMAIN, KIND_CONTINUE, KIND_GAP_BEGIN, KIND_GAP_END

__all__ = ("Timeline", "Grid", "Gap", "Slices", "IDLE", "BETWEEN", "LOST", "UNKNOWN", "MOST_GAPS")

IDLE = -1
#: The scheduler itself: the one has gone, the other has not begun yet.
BETWEEN = -2
#: Records of the pCPU were lost.
LOST = -3
#: Nothing in the trace says who ran, or its records contradict each other.
UNKNOWN = -4
#: Before the pCPU's first record; its owner is told by that record.
_UNSEEN = -5
_ANY = -6
#: Losses that are kept one by one; of further ones only the columns know.
MOST_GAPS = 500


class Gap(NamedTuple):
    pcpu: int
    begin_ns: int
    end_ns: int


class Slices(NamedTuple):
    """Arrays of equal length, ascending: begin, end (ns), who."""

    begin: Any
    end: Any
    who: Any


class Timeline:
    """:param lives: ``Accounts.lives``, which grows. :ivar gaps: the first losses; :ivar more_gaps: how many others."""

    def __init__(self, lives: List[Any]) -> None:
        self._lives = lives
        self._known = 0
        self._of: Dict[int, Tuple[List[int], List[int]]] = {}  # domid -> its lives' begins and places
        self._open: Dict[int, Tuple[int, int]] = {}      # pCPU -> since when, and who
        self._gap: Dict[int, int] = {}      # pCPU -> beginning of a loss that lasts
        self.gaps: List[Gap] = []
        self.more_gaps = 0

    def take(self, batch: Dict[int, Any]) -> Dict[int, Slices]:
        """pCPU -> the intervals that have ended with this batch of ``entries.EntryTap``."""
        self._meet()
        return {pcpu: self._pcpu(pcpu, *entries) for pcpu, entries in batch.items()}

    def finish(self, now: int, pcpus: List[int]) -> Dict[int, Slices]:
        """What is still open ends ``now``, on every one of ``pcpus``."""
        self._meet()
        told = {}
        for pcpu in pcpus:
            since, who = self._open.get(pcpu, (0, _UNSEEN))
            told[pcpu] = self._slices(numpy.array([since]), numpy.array([now]),
                                      numpy.array([UNKNOWN if who == _UNSEEN else who]))
        return told

    def _pcpu(self, pcpu: int, ns: Any, kind: Any, a: Any) -> Slices:
        old, new = kind >> 2, kind & 3
        change = (kind >= 0) & (kind < 16)
        enters, leaves = change & (new == 0), change & (old == 0)
        goes_on = (kind == KIND_CONTINUE) | (enters & leaves)
        begins, ends = kind == KIND_GAP_BEGIN, kind == KIND_GAP_END
        held = enters | leaves | goes_on | begins | ends
        # Who is there from this entry on, and who was there before as far as it tells.
        after = numpy.select([begins, enters | goes_on | ends], [LOST, a], BETWEEN)[held]
        before = numpy.select([begins, ends, goes_on | leaves], [_ANY, LOST, a], BETWEEN)[held]
        if not len(after):
            return self._slices(*[numpy.zeros(0, numpy.int64)] * 3)
        self._note_gaps(pcpu, ns[begins], ns[ends])
        since, who = self._open.get(pcpu, (0, _UNSEEN))
        end = ns[held]
        begin = numpy.concatenate([[since], end[:-1]])
        there = numpy.concatenate([[who], after[:-1]])
        states = numpy.where(there == before, there, UNKNOWN)
        states = numpy.where((before == _ANY) & (there != _UNSEEN), there, states)
        states = numpy.where((there == _UNSEEN) & (before >= 0), before, states)
        self._open[pcpu] = int(end[-1]), int(after[-1])
        return self._slices(begin, end, states)

    def _note_gaps(self, pcpu: int, begins: Any, ends: Any) -> None:
        begins = begins.tolist()
        if pcpu in self._gap:
            begins.insert(0, self._gap.pop(pcpu))
        if len(begins) > len(ends):
            self._gap[pcpu] = begins.pop()      # its end is in a batch to come
        for begin, end in zip(begins, ends.tolist()):
            if len(self.gaps) < MOST_GAPS:
                self.gaps.append(Gap(pcpu, begin, end))
            else:
                self.more_gaps += 1

    def _meet(self) -> None:
        """Lives that have begun since."""
        for place in range(self._known, len(self._lives)):
            begins, places = self._of.setdefault(self._lives[place].domid, ([], []))
            begins.append(self._lives[place].start)
            places.append(place)
        self._known = len(self._lives)

    def _slices(self, begin: Any, end: Any, keys: Any) -> Slices:
        """Domids to lives; what took no time is left out."""
        lasts = end > begin
        begin, end, keys = begin[lasts], end[lasts], keys[lasts]
        who = keys.copy()
        for key in numpy.unique(keys[keys >= 0]):
            domid, vcpu = int(key) >> 16, int(key) & 0xFFFF
            mine = keys == key
            begins, places = self._of.get(domid, ([0], [-1]))
            if domid == IDLE_DOMAIN:
                who[mine] = IDLE
            elif places == [-1]:
                who[mine] = UNKNOWN
            else:
                which = numpy.searchsorted(begins, begin[mine], "right") - 1
                who[mine] = numpy.array(places)[numpy.maximum(which, 0)] << 16 | vcpu
        return Slices(begin, end, who)


class Grid:
    """Time of each life in columns of equal width; the width doubles when the trace outgrows ``most`` columns.

    :ivar width: ns; :ivar cells: pCPU -> life, or one of the negative numbers above -> ns per column.
    """

    def __init__(self, most: int = 1024, width: int = 1 << 16) -> None:
        self.most = most
        self.width = width
        self.cells: Dict[int, Dict[int, Any]] = {}

    def add(self, pcpu: int, slices: Slices) -> None:
        if not len(slices.end):
            return
        while slices.end[-1] > self.most * self.width:
            self.fold()
        lives = numpy.where(slices.who >= 0, slices.who >> 16, slices.who)
        mine = self.cells.setdefault(pcpu, {})
        for life in numpy.unique(lives):
            here = lives == life
            if int(life) not in mine:
                mine[int(life)] = numpy.zeros(self.most, numpy.int64)
            self._spread(mine[int(life)], slices.begin[here], slices.end[here])

    def _spread(self, sums: Any, begin: Any, end: Any) -> None:
        width = self.width
        first, last = begin // width, (end - 1) // width
        one = first == last
        # Whole numbers below 2**53 stay whole as weights.
        sums += numpy.bincount(first[one], (end - begin)[one], self.most).astype(numpy.int64)
        if one.all():
            return
        begin, end, first, last = begin[~one], end[~one], first[~one], last[~one]
        sums += numpy.bincount(first, (first + 1) * width - begin, self.most).astype(numpy.int64)
        sums += numpy.bincount(last, end - last * width, self.most).astype(numpy.int64)
        whole = numpy.bincount(first + 1, None, self.most + 1) - numpy.bincount(last, None, self.most + 1)
        sums += numpy.cumsum(whole[:self.most]) * width

    def fold(self) -> None:
        """Two columns become one."""
        self.width *= 2
        for mine in self.cells.values():
            for life, sums in mine.items():
                mine[life] = numpy.concatenate([sums[0::2] + sums[1::2], numpy.zeros(self.most // 2, numpy.int64)])

    def count(self, without: Tuple[int, ...] = ()) -> int:
        """Cells that hold something."""
        return sum(int(numpy.count_nonzero(sums)) for mine in self.cells.values()
                   for life, sums in mine.items() if life not in without)
