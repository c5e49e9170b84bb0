"""Who made whom wait, over several observations: rows of a picture (CAUSE), joined by life.

A cause that has once had a name keeps it. Of those with a name only later there are no more than may have one: what the others
cause is ``other``. A wait that an observation's end cuts short is never over: it is ``unknown``.
"""
from array import array
from typing import Any, Collection, Dict, Iterable, List, Optional, Tuple

from xenmeter.xentrace.engine.picture import (BY_GONE, BY_LASTING, BY_OTHER, BY_UNKNOWN, KIND_CAUSES, WIDTHS, Picture, Section)

__all__ = ("Blamed",)

_Life = Tuple[int, int]
_Rows = Dict[_Life, Dict[_Life, int]]


class Blamed:
    """:param most: how many causes of each domain have a name at most."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._before: _Rows = {}

    def leave_behind(self, gone: Collection[int]) -> None:
        """Domids that are nobody's now, or another's."""
        self._before = {life: _without(causes, lambda by: by[0] in gone) for life, causes in self._before.items()
                        if life[0] not in gone}

    def add(self, picture: Picture, shift: Dict[int, int]) -> Optional[Section]:
        """All observations up to now; None where nobody keeps it. :param shift: domid -> what generations are counted on by."""
        if not any(one.kind == KIND_CAUSES for one in picture.sections):
            return None
        told = {life: dict(causes) for life, causes in self._before.items()}
        for domid, generation, by, by_generation, length in picture.rows(KIND_CAUSES):
            mine = told.setdefault((domid, generation + shift.get(domid, 0)), {})
            cause = (by, by_generation + shift.get(by, 0)) if by >= 0 else (by, -1)
            if by >= 0 and cause not in mine and sum(one[0] >= 0 for one in mine) >= self._most:
                cause = (BY_OTHER, -1)
            mine[cause] = mine.get(cause, 0) + length
        return _section(told)

    def end(self, section: Optional[Section], alive: Collection[Tuple[int, ...]]) -> None:
        """The present observation is over. :param section: of its last figures, as ``add`` gave it; :param alive: lives."""
        self._before = {}
        for domid, generation, by, by_generation, length in Picture([section]).rows(KIND_CAUSES) if section else ():
            if (domid, generation) in alive:
                cause = (BY_UNKNOWN, -1) if by == BY_LASTING else (by, by_generation)
                mine = self._before.setdefault((domid, generation), {})
                mine[cause] = mine.get(cause, 0) + length
        self._before = {life: _without(causes, lambda by: by[0] >= 0 and by not in alive)
                        for life, causes in self._before.items()}


def _without(causes: Dict[_Life, int], ended: Any) -> Dict[_Life, int]:
    """What those have caused that have ended is ``gone``."""
    told: Dict[_Life, int] = {}
    for by, length in causes.items():
        cause = (BY_GONE, -1) if ended(by) else by
        told[cause] = told.get(cause, 0) + length
    return told


def _section(told: _Rows) -> Section:
    rows = array("q")
    for life in sorted(told):
        for by, length in _ordered(told[life].items()):
            rows.extend(life + by + (length,))
    return Section(KIND_CAUSES, WIDTHS[KIND_CAUSES], 8 * len(rows) // WIDTHS[KIND_CAUSES], rows)


def _ordered(causes: Iterable[Tuple[_Life, int]]) -> List[Tuple[_Life, int]]:
    """What has no name first, from ``idle`` on."""
    return sorted(causes, key=lambda one: (one[0][0] >= 0, abs(one[0][0]), one[0][1]))
