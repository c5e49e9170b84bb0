"""Damaged places of a trace: bytes are missing, or are no records. What contradicts itself because of one is no sign of
anything else.

When the scanner comes upon one, records of any pCPU may be missing: those that this pass of xentrace over the pCPUs would
have brought, or that came before and were taken for something else. All up to G_SAFE has been delivered; and what is
missing was written before the next pass began, so it is not later than what that brings. From the one to the other a vCPU's
records may contradict each other, and after it each vCPU's first one may. The end of a trace is such a place too: of the
pCPUs that would have come next, records are missing.
"""
from collections import deque
from typing import Deque, List, Optional

from xenmeter.xentrace.engine.layout import G_BASE, G_HURT, G_HURT_TO, G_KHZ, G_SAFE, G_WINDOW_AT, MENDING, SOUND

__all__ = ("Damage",)


class Damage:
    """:param g: the engine's row. :ivar first: byte at which the window begins in which, or behind which, the first damaged
    place of a stream is; None: there is none.
    """

    def __init__(self, g: List[int]) -> None:
        self.g = g
        self.first: Optional[int] = None
        self._places: Deque[List[Optional[int]]] = deque()      # [first TSC, last TSC or None: it lasts], ascending

    def found(self, stream: bool = True) -> None:
        """The scanner is at a damaged place. :param stream: whether of a stream, where it has a position."""
        self.look()
        if self.first is None and stream:
            self.first = self.g[G_WINDOW_AT]
        if not self._places or self._places[-1][1] is not None:
            self._places.append([self.g[G_SAFE], None])
        self.g[G_HURT] = MENDING

    def look(self) -> None:
        """Whether the pass after that with the last damaged place is over: asked before more is accounted."""
        if self.g[G_HURT] == SOUND and self._places and self._places[-1][1] is None:
            self._places[-1][1] = self.g[G_HURT_TO]

    def rest(self) -> None:
        """What comes next has nothing to do with what was."""
        self._places.clear()

    def end(self, known: int, cut: bool) -> None:
        """The stream ends. :param known: TSC up to which each pCPU has told its records; :param cut: within a window."""
        if cut:
            self.found()
        else:
            self.look()
            self._places.append([max(known, self.g[G_SAFE]), None])
            self.g[G_HURT] = MENDING

    def explains(self, ns: int, began: int) -> bool:
        """Whether a vCPU's record of ``ns`` may contradict its last one, of ``began``, because of a damaged place."""
        places = self._places
        while len(places) > 1 and self._ns(places[1][0]) < ns:
            places.popleft()
        if not places or self._ns(places[0][0]) >= ns:
            return False
        end = places[0][1]
        return end is None or began <= self._ns(end)

    def _ns(self, tsc: Optional[int]) -> int:
        """-1 for what is before all."""
        g = self.g
        return -1 if tsc is None or tsc < g[G_BASE] else (tsc - g[G_BASE]) * 1000000 // g[G_KHZ]
