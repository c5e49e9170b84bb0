"""Who made whom wait: of each completed wait, which domains ran on the pCPU that the vCPU got, while it waited, and how long.

The pCPU that it got is the one that it runs on when the wait is over, also where it stood in another one's queue before: what
ran there is what it could not run in the place of, and where that is nobody (``idle``), it waited in the wrong queue or for a
wake-up that was slow. A domain has a pCPU from its entry until the next one's: the switch counts for the one that leaves.
A wait that ends on no pCPU, or while records are lost, is unknown; so is what lies further back than LINE changes of hands.

So what a domain's cells hold together is its waiting time without the waits that last, to the nanosecond.

Bounds: 8 KiB for each domain (BY_MOST cells), 8 KiB for each pCPU (LINE changes). Of domains that live at once, those
beyond the 1020th are ``other`` as causes. ``hot_causes.inc`` is the same compiled.
"""
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

from xenmeter.xentrace.engine.domains import Domain
from xenmeter.xentrace.engine.layout import (BEFORE, BY_FIRST, BY_GONE, BY_IDLE, BY_MOST, BY_OTHER, BY_UNKNOWN, D_CAUSES, D_INDEX,
                                             L_ENTRIES, L_HEAD, L_PCPU, LINE, LONGEST, P_LINE, W_BEGAN, W_CAUSES, W_DOMAIN, W_KEY,
                                             W_LENGTH, W_PCPU, W_SIZE)
from xenmeter.xentrace.engine.records import IDLE_DOMAIN

__all__ = ("Causes", "Wait")

_LAST = LINE - 1
#: Causes that a long wait is kept with.
_KEPT = (W_SIZE - W_CAUSES) // 2


class Wait(NamedTuple):
    """One of the longest. ``causes``: (number of a cell, ns), the heaviest first, and the rest."""

    length_ns: int
    began_ns: int
    key: int            # domid << 16 | vcpu
    cell: int           # the domain's own
    pcpu: int
    causes: List[Tuple[int, int]]


class Causes:
    """:param store: makes the rows. :ivar lives: number of a cell -> the life that it belongs to, None: nobody's."""

    def __init__(self, store: Any) -> None:
        self._store = store
        self.lives: List[Optional[Domain]] = [None] * BY_MOST
        self.cells: Dict[Domain, Any] = {}
        self.used = BY_FIRST        # cells that are or were somebody's
        self._free: List[int] = []
        self._lines: Dict[int, Any] = {}
        self._whose: Dict[int, Tuple[Any, int]] = {IDLE_DOMAIN: (None, BY_IDLE)}
        self._longest = store.row(1 + LONGEST * W_SIZE)
        self._nobody = store.row(BY_MOST)   # written by the compiled loop, never read
        self._sums = store.row(BY_MOST)     # its own
        store.use_causes(self._longest, self._sums, self._nobody)

    # -- who there is ----------------------------------------------------------------------------------------------
    def add_pcpu(self, number: int, row: Any) -> None:
        line = self._lines[number] = self._store.row(L_ENTRIES + 2 * LINE)
        line[L_ENTRIES], line[L_ENTRIES + 1] = BEFORE, BY_UNKNOWN
        line[L_PCPU] = number
        row[P_LINE] = self._store.address(line)

    def born(self, life: Domain) -> None:
        if self._free:
            index = self._free.pop()
        elif self.used < BY_MOST:
            index, self.used = self.used, self.used + 1
        else:
            index = BY_OTHER
        cells = self.cells[life] = self._store.row(BY_MOST)
        life.row[D_CAUSES], life.row[D_INDEX] = self._store.address(cells), index
        if index >= BY_FIRST:
            self.lives[index] = life
        self._whose[life.domid] = cells, index

    def forget(self, life: Domain, named: Any) -> int:
        """Nobody asks for it any longer; the number of its cell.

        :param named: ``named(other)`` gives the cells that are told by name of a life: what it caused there goes to ``gone``,
            else it was ``other`` before.
        """
        if self._whose[life.domid][0] is self.cells.pop(life):
            del self._whose[life.domid]
        if life not in self.lives:
            return BY_OTHER
        index = self.lives.index(life)
        for other, cells in self.cells.items():
            if cells[index]:
                cells[BY_GONE if index in named(other) else BY_OTHER] += cells[index]
                cells[index] = 0
        for line in self._lines.values():
            if line.count(index):
                for place in range(L_ENTRIES + 1, L_ENTRIES + 2 * LINE, 2):
                    if line[place] == index:
                        line[place] = BY_GONE
        for start in range(1, len(self._longest), W_SIZE):
            for place in range(start + W_CAUSES, start + W_SIZE, 2):
                if self._longest[place] == index:
                    self._longest[place] = BY_GONE
            if self._longest[start + W_DOMAIN] == index:
                self._longest[start + W_DOMAIN] = BY_GONE
        self.lives[index] = None
        self._free.append(index)
        return index

    # -- what happens ----------------------------------------------------------------------------------------------
    def entered(self, key: int, pcpu: int, ns: int, began: int) -> None:
        """A vCPU has got the pCPU, for which it has waited since ``began``; ``ns``: it has not waited."""
        cells, index = self._whose[key >> 16]
        line = self._lines[pcpu]
        append(line, index, ns)
        if began < ns and cells is not None:
            head = line[L_HEAD]
            self._blame(cells, line, head - (line[L_ENTRIES + 2 * (head & _LAST)] >= ns), ns, began)
            if ns - began > self._longest[0]:
                self._remember(key, index, line, ns, began)

    @staticmethod
    def _blame(cells: Any, line: Any, head: int, ns: int, began: int) -> None:
        oldest = head - (LINE - 1)
        while True:
            place = L_ENTRIES + 2 * (head & _LAST)
            start = line[place]
            if start <= began:
                cells[line[place + 1]] += ns - began
                return
            if head == oldest:
                cells[BY_UNKNOWN] += ns - began
                return
            cells[line[place + 1]] += ns - start
            ns = start
            head -= 1

    def _remember(self, key: int, index: int, line: Any, ns: int, began: int) -> None:
        """A wait that is longer than the shortest of the longest takes its place."""
        longest = self._longest
        sums: Dict[int, int] = {}
        head, until = line[L_HEAD], ns
        oldest = head - (LINE - 1)
        while until > began:
            start, cause = line[L_ENTRIES + 2 * (head & _LAST):][:2] if head > oldest else (began, BY_UNKNOWN)
            start = max(start, began)
            sums[cause] = sums.get(cause, 0) + until - start
            until = start
            head -= 1
        starts = range(1, len(longest), W_SIZE)
        at = min(starts, key=lambda start: longest[start + W_LENGTH])
        longest[at + W_LENGTH], longest[at + W_BEGAN], longest[at + W_KEY] = ns - began, began, key
        longest[at + W_DOMAIN], longest[at + W_PCPU] = index, line[L_PCPU]
        heaviest = sorted((-time, cause) for cause, time in sums.items() if time)[:_KEPT]
        for number in range(_KEPT):
            time, cause = heaviest[number] if number < len(heaviest) else (0, 0)
            longest[at + W_CAUSES + 2 * number], longest[at + W_CAUSES + 2 * number + 1] = cause, -time
        longest[0] = min(longest[start + W_LENGTH] for start in starts)

    def unexplained(self, key: int, length: int) -> None:
        """A wait of so many ns has ended on no pCPU that is known."""
        self._whose[key >> 16][0][BY_UNKNOWN] += length

    def lost(self, pcpu: int, ns: int) -> None:
        """Who has the pCPU from now on is not known."""
        if pcpu in self._lines:
            append(self._lines[pcpu], BY_UNKNOWN, ns)

    def found(self, pcpu: int, key: int, since: int, ns: int) -> None:
        """The vCPU has the pCPU, and has had it since then, as far as nobody else is known to have had it."""
        line = self._lines[pcpu]
        place = L_ENTRIES + 2 * (line[L_HEAD] & _LAST)
        index = self._whose[key >> 16][1]
        append(line, index, max(since, line[place]) if line[place + 1] == BY_UNKNOWN else ns)

    def doubted(self, pcpu: int, key: int, began: int) -> None:
        """The vCPU seemed to have the pCPU since then, and that was wrong."""
        line = self._lines[pcpu]
        place = L_ENTRIES + 2 * (line[L_HEAD] & _LAST)
        if line[place + 1] == self._whose[key >> 16][1]:
            if line[place] < began:
                append(line, BY_UNKNOWN, began)
            else:
                line[place + 1] = BY_UNKNOWN

    def generation(self, index: int) -> Optional[int]:
        """Of the life that a cell belongs to; None where it is not known any longer."""
        life = self.lives[index]
        return None if life is None else life.generation

    def longest(self) -> List[Wait]:
        """The longest waits that are over, the longest first."""
        told = []
        for start in range(1, len(self._longest), W_SIZE):
            row = self._longest[start:start + W_SIZE]
            if row[W_LENGTH]:
                causes = [(row[place], row[place + 1]) for place in range(W_CAUSES, W_SIZE, 2) if row[place + 1]]
                rest = row[W_LENGTH] - sum(length for _, length in causes)
                causes += [(BY_OTHER, rest)] if rest else []
                told.append(Wait(row[W_LENGTH], row[W_BEGAN], row[W_KEY], row[W_DOMAIN], row[W_PCPU], causes))
        return sorted(told, key=lambda wait: (-wait.length_ns, wait.began_ns, wait.key))


def append(line: Any, index: int, ns: int) -> None:
    """From now on another has the pCPU."""
    head = line[L_HEAD]
    if line[L_ENTRIES + 1 + 2 * (head & _LAST)] != index:
        line[L_HEAD] = head = head + 1
        place = L_ENTRIES + 2 * (head & _LAST)
        line[place], line[place + 1] = ns, index
