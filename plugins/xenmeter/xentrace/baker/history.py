"""Closed windows for readers that come late: those of the present observation, and of the ones before it.

They are kept as they were cut, and made into records when somebody asks: one at a time, of a copy.
"""
from collections import deque
from typing import Any, Deque, Dict, Iterator, List, NamedTuple

from xenmeter.xentrace.engine.telling import domains_of

__all__ = ("HISTORY", "History")

#: Closed windows of each length that are kept.
HISTORY = 600


class Named(NamedTuple):
    """A life without its figures and histograms."""

    domid: int
    generation: int


class History:
    """:param lock: held by whoever changes windows."""

    def __init__(self, lock: Any) -> None:
        self._lock = lock
        self._past: Dict[int, Deque[Any]] = {}   # length -> windows of observations that are over
        self._offset_ns = 0     # of the present observation's beginning

    def end(self, windows: Any, shift: Dict[int, int]) -> None:
        """An observation is over; ``windows`` are its engine's, ``shift`` what its generations are to be counted on by."""
        for length, closed in zip(windows.lengths, windows.closed):
            self._past.setdefault(length, deque(maxlen=HISTORY)).extend(_placed(closed, self._offset_ns, shift))

    def begin(self, offset_ns: int) -> None:
        """The next observation begins, so long after the first one did."""
        self._offset_ns = offset_ns

    def told(self, windows: Any, length: int, last: int, shift: Dict[int, int]) -> Iterator[Dict[str, Any]]:
        """The last windows of a length, oldest first; ``domains`` of each are an iterator.

        The caller holds the lock, for a list of them; it is taken again as each is asked for, for a copy of its figures.
        """
        present = list(windows.closed[windows.lengths.index(length)])[-last:]
        past = list(self._past.get(length, ()))[-(last - len(present)):] if last > len(present) else []
        return self._records(past, present, self._offset_ns, shift)

    def _records(self, past: List[Any], present: List[Any], offset_ns: int, shift: Dict[int, int]) -> Iterator[Dict[str, Any]]:
        for window in past:
            yield _record(window)
        for window in present:
            with self._lock:
                copy = window.copied()
            yield _record(next(_placed([copy], offset_ns, shift)))


def _placed(windows: Any, offset_ns: int, shift: Dict[int, int]) -> Iterator[Any]:
    """On the time line of all observations; windows that follow each other mostly have the same domains."""
    lives: Any
    named: Any
    lives = named = None
    for window in windows:
        if window.lives is not lives:
            lives = window.lives
            named = [Named(life.domid, life.generation + shift.get(life.domid, 0)) for life in lives]
        yield window.placed(offset_ns, named)


def _record(window: Any) -> Dict[str, Any]:
    return {"start_ns": window.start, "length_ns": window.length, "domains": domains_of(window)}
