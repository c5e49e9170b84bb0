"""The engine's queues as arrays: what is about to be accounted, pCPU by pCPU, before the hot loop takes it.

The hot loop keeps sums, not intervals. Who ran when is in its queues for a moment, decoded and in order; it is read
there, so that a report need not decode the trace a second time.
"""
import ctypes
from bisect import bisect_left
from typing import Any, Callable, Dict

import numpy

from xenmeter.xentrace.engine.layout import ENTRY, ENTRY_KIND, G_BASE, G_DMAX, G_KHZ, G_NOWT, P_BUF, P_COUNT, P_HEAD

__all__ = ("EntryTap",)

_ENTRY = numpy.dtype(list(ENTRY))


class EntryTap:
    """Stands in the place of an engine's core, and shows each batch to ``look(batch)`` when the accounts have had it.

    A batch is pCPU -> (ns, kind, a), arrays of one length; ``kind`` and ``a`` as in ``scan``, except of slices.
    """

    def __init__(self, core: Any, g: Any, look: Callable[[Dict[int, Any]], None]) -> None:
        self._core = core
        self._g = g
        self._look = look

    def __getattr__(self, name: str) -> Any:
        return getattr(self._core, name)

    def drain(self, limit: int, accounts: Any) -> None:
        g = self._g
        now = g[G_NOWT]
        batch = {}
        for number in sorted(self._core.rows):
            queued = self._queued(number, limit)
            if queued is not None:
                tsc, kind, a = queued
                batch[number] = self._nanoseconds(tsc, now), kind, a
        self._core.drain(limit, accounts)
        self._look(batch)

    def _queued(self, number: int, limit: int) -> Any:
        if hasattr(self._core, "queues"):
            queue = self._core.queues[number]
            rows = queue[:bisect_left(queue, (limit + 1,))]
            if not rows:
                return None
            tsc, kind, a = numpy.array([(tsc, kind, a) for tsc, _, kind, a, _ in rows], numpy.int64).T
        else:
            row = self._core.rows[number]
            if not row[P_COUNT]:
                return None
            size = row[P_COUNT] * _ENTRY.itemsize
            memory = (ctypes.c_char * size).from_address(row[P_BUF] + row[P_HEAD] * _ENTRY.itemsize)
            held = numpy.frombuffer(memory, _ENTRY)
            held = held[:numpy.searchsorted(held["tsc"], limit, "right")]
            if not len(held):
                return None
            tsc, a, head = [held[name].astype(numpy.int64) for name in ("tsc", "word", "head")]
            kind = numpy.where(head >= ENTRY_KIND, head & 0xFF, head >> 6 | head >> 4 & 3)
        sane = tsc - self._g[G_BASE] <= self._g[G_DMAX]      # what the accounts leave out as a wild stamp
        return (tsc, kind, a) if sane.all() else (tsc[sane], kind[sane], a[sane])

    def _nanoseconds(self, tsc: Any, now: int) -> Any:
        """(tsc - base) * 10^6 // khz, as the accounts reckon, without leaving 64 bits; late ones are put at ``now``."""
        khz = self._g[G_KHZ]
        periods, rest = numpy.divmod(numpy.maximum(tsc, now) - self._g[G_BASE], khz)
        return periods * 1000000 + rest * 1000000 // khz
