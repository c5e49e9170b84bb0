"""Which causes of a domain's waits are told by name: few, and each for as long as both domains live.

A counter must not fall, and what all causes add up to must be the waiting time. So a cause that has a name keeps it, and its
counter has what it has caused since; what others cause is added to ``other``, each time that figures are told, and begins anew:
a cause that becomes one of the heaviest begins with what it has caused since the last time. What a domain has caused that
ends goes to ``gone`` where it had a name, for ``other`` has it already where not.

Names are given to the heaviest first. The first half of them to whoever has caused anything, so that on a small host each has
its own; a quarter to those for which somebody waits a hundredth of the time, and the last to a tenth of it: a neighbour that
gets noisy after months finds one that is free.
"""
from array import array
from typing import Any, Collection, Dict, List

from xenmeter.xentrace.engine.causes import Causes
from xenmeter.xentrace.engine.causing import lasting
from xenmeter.xentrace.engine.domains import Domain
from xenmeter.xentrace.engine.layout import BY_FIRST, BY_OTHER
from xenmeter.xentrace.engine.columns import BY_LASTING, KIND_CAUSES, WIDTHS
from xenmeter.xentrace.engine.sections import Section

__all__ = ("Naming", "NAMED")

#: How many causes of each domain have a name where nobody says another number.
NAMED = 8


class Naming:
    """:param most: how many causes of each domain have a name at most."""

    def __init__(self, causes: Causes, most: int) -> None:
        self._causes = causes
        self._most = most
        self._named: Dict[Domain, List[int]] = {}       # cells, in the order in which they got their names
        self._told_at = 0

    def named(self, life: Domain) -> Collection[int]:
        return self._named.get(life, ())

    def forget(self, life: Domain, cell: int) -> None:
        """Nobody asks for it any longer; its cell may be another's."""
        self._named.pop(life, None)
        for named in self._named.values():
            if cell in named:
                named.remove(cell)

    def section(self, lives: List[Domain], now: int) -> Section:
        """Columns CAUSE of picture.py: for each life what has no name, what lasts, and each cause with a name."""
        rows = array("q")
        elapsed, self._told_at = now - self._told_at, now
        for life in lives:
            cells = self._causes.cells[life]
            named = self._name(life, cells, elapsed)
            head = (life.domid, life.generation)
            for cell in range(BY_FIRST):
                if cells[cell]:
                    rows.extend(head + (-1 - cell, -1, cells[cell]))
            waits = lasting(life, now)
            if waits:
                rows.extend(head + (BY_LASTING, -1, waits))
            for cell in named:
                by = self._causes.lives[cell]
                if by is not None:
                    rows.extend(head + (by.domid, by.generation, cells[cell]))
        width = WIDTHS[KIND_CAUSES]
        return Section(KIND_CAUSES, width, 8 * len(rows) // width, rows)

    def _name(self, life: Domain, cells: Any, elapsed: int) -> List[int]:
        """Those that have names now; what others have caused since the last time is ``other``."""
        named = self._named.setdefault(life, [])
        fresh = cells[BY_FIRST:self._causes.used]
        for cell in named:
            fresh[cell - BY_FIRST] = 0
        if not any(fresh):
            return named
        while len(named) < self._most:
            heaviest = max(fresh)
            if heaviest < self._needed(len(named), elapsed):
                break
            place = fresh.index(heaviest)
            fresh[place] = 0
            named.append(place + BY_FIRST)
        cells[BY_OTHER] += sum(fresh)
        for place, length in enumerate(fresh):
            if length:
                cells[place + BY_FIRST] = 0
        return named

    def _needed(self, used: int, elapsed: int) -> int:
        """ns that a cause must have made a domain wait since the last time to get a name, where so many have one."""
        if used < self._most // 2:
            return 1
        return max(1, elapsed // (100 if used < self._most - self._most // 4 else 10))
