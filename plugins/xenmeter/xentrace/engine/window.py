"""A closed window: XenMon's table of one length of time, small for as long as somebody may ask for it."""
from array import array
from typing import Any, Dict, Iterator, List, Tuple

from xenmeter.xentrace.engine.columns import window_record
from xenmeter.xentrace.engine.layout import F_SIZE, F_SLICE_MIN

__all__ = ("Window", "packed", "in_order")

#: What a domain has that was not there: nothing, and no limits of slices.
_NOTHING = [0] * F_SLICE_MIN + [-1] * (F_SIZE - F_SLICE_MIN)


def packed(flat: Any) -> List[Any]:
    """The columns of figures at the places F_* of layout: an integer where all domains have the same, else an array, of 4 bytes
    for each where that is enough. ``store.Store.pack`` is the same compiled."""
    return [_column(flat[place::F_SIZE]) for place in range(F_SIZE)]


def in_order(lives: List[Any]) -> List[int]:
    """Their places in the list, by domid and generation."""
    return sorted(range(len(lives)), key=[life.place for life in lives].__getitem__)


def _column(values: Any) -> Any:
    low, high = (min(values), max(values)) if values else (0, 0)
    if low == high:
        return low
    return array("I" if low >= 0 and high < 1 << 32 else "q", values)


class Window:
    """:param lives: its domains; :param flat: their figures, one domain after the other. :ivar start, length: ns of the time that
    is accounted; :ivar offset: how much more has passed, ns.

    :ivar columns: None as long as it is kept as it was cut; then there is no ``flat``.
    """

    __slots__ = ("start", "length", "lives", "flat", "columns", "offset")

    def __init__(self, start: int, length: int, lives: List[Any], flat: Any, offset: int = 0, columns: Any = None) -> None:
        self.start = start
        self.length = length
        self.lives = lives
        self.flat: Any = flat if columns or isinstance(flat, array) else array("q", flat)
        self.columns = columns
        self.offset = offset

    def pack(self, store: Any) -> None:
        self.columns, self.flat = store.pack(self.flat), None

    def ordered(self) -> Iterator[Tuple[Any, List[int]]]:
        """(domain, its list of figures at the places F_* of layout), by domid and generation; each made as it is asked for."""
        columns = self.columns
        for place in in_order(self.lives):
            if columns is None:
                yield self.lives[place], list(self.flat[place * F_SIZE:(place + 1) * F_SIZE])
            else:
                yield self.lives[place], [one if isinstance(one, int) else one[place] for one in columns]

    def records(self) -> Iterator[Dict[str, Any]]:
        """Of its domains, in the same order; each made as it is asked for."""
        for life, figures in self.ordered():
            yield window_record([life.domid, life.generation] + figures)

    def copied(self) -> "Window":
        """As it stands now, whatever is learnt later."""
        if self.columns is None:
            return Window(self.start, self.length, self.lives, self.flat[:], self.offset)
        return Window(self.start, self.length, self.lives, None, self.offset,
                      [one if isinstance(one, int) else one[:] for one in self.columns])

    def add(self, number: int, place: int, value: int) -> None:
        """To the figure at ``place`` of the domain ``lives[number]``."""
        if self.columns is None:
            self.flat[number * F_SIZE + place] += value
            return
        column = self.columns[place]
        if isinstance(column, int):
            column = array("q", [column]) * len(self.lives)
        elif not 0 <= column[number] + value < 1 << 32:
            column = array("q", column)
        column[number] += value
        self.columns[place] = column

    def widen(self, lives: List[Any]) -> None:
        """It gets one domain more, which is the last of ``lives``."""
        self.lives = lives
        if self.columns is None:
            self.flat.extend(_NOTHING)
        else:
            self.columns = [_longer(column, nothing, len(lives)) for column, nothing in zip(self.columns, _NOTHING)]


def _longer(column: Any, more: int, count: int) -> Any:
    if isinstance(column, int):
        if column == more:
            return column
        column = [column] * (count - 1)
    return array("q", column) + array("q", [more])
