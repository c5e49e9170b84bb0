"""Time stamps that cannot be, as the scanner meets them: which are taken, which wait for the pCPU's next one, and which are none.

``hot_stamps.inc`` is the same compiled.
"""
from typing import Any, Dict, List

from xenmeter.xentrace.engine.layout import (APART, G_BACKWARDS, G_CUR, G_HURT, G_MAXT, G_MINT, G_WILD, G_WILDS, G_WILD_CPU,
                                             G_WILD_TSC, JUMP, LEAP, MENDING, P_HELD, P_LAST, STAMP_LIMIT, WILD_RUN, WOUND)

__all__ = ("Stamps",)


class Stamps:
    """:ivar rows: pCPU number -> its row; :ivar queues: pCPU number -> its entries, ascending in TSC."""

    def __init__(self, g: List[int]) -> None:
        self.g = g
        self.rows: Dict[int, Any] = {}
        self.queues: Dict[int, List[Any]] = {}

    def _hurt(self):
        if self.g[G_HURT] != MENDING:
            self.g[G_HURT] = WOUND

    def _odd_stamp(self, tsc, last):
        """A TSC that goes back, or leaps. Returns the one to use instead, -1 for none; both are counted.

        G_WILDS is 0 after one that the others vouch for.
        """
        g = self.g
        most = g[G_MAXT]
        if tsc >= STAMP_LIMIT or last - tsc > JUMP:
            g[G_WILD] += 1
            self._hurt()
            g[G_WILDS] = 0
            return -1
        if tsc < last:
            g[G_BACKWARDS] += 1
            self._hurt()
            g[G_WILDS] = 0
            if last - LEAP <= tsc < g[G_MINT]:
                g[G_MINT] = tsc
            return last
        if most < 0 or (tsc - most <= JUMP and (last >= 0 or most - tsc <= JUMP)):
            g[G_WILDS] = 0
            return tsc              # the first of all has nothing to be compared with
        before = g[G_WILD_TSC]
        agrees = abs(tsc - before) <= JUMP and (tsc ^ before) & 0xFFFFFFFF and (
            tsc > before or g[G_CUR] != g[G_WILD_CPU])
        g[G_WILD] += 1
        self._hurt()
        g[G_WILDS] = g[G_WILDS] + 1 if agrees else 1
        g[G_WILD_TSC], g[G_WILD_CPU] = tsc, g[G_CUR]
        return tsc if g[G_WILDS] > WILD_RUN else -1

    def _judge(self, queue, row, tsc):
        """The pCPU's stamp after one that leapt: it goes on from there, or that one is taken back."""
        held = row[P_HELD]
        if held - LEAP <= tsc <= held + JUMP and (tsc ^ held) & 0xFFFFFFFF and abs(tsc - held) >= APART:
            self._bear_out(queue, row)
        else:
            row[P_HELD] = -1
            self.g[G_WILD] += 1
            self._hurt()
            while queue and queue[-1][0] == held:
                queue.pop()

    def _bear_out(self, queue, row):
        g = self.g
        held = row[P_HELD]
        if row[P_LAST] < 0:
            self._first_stamp(queue, held)
        row[P_LAST] = held
        row[P_HELD] = -1
        if held > g[G_MAXT]:
            g[G_MAXT] = held

    def bear_out(self):
        """The stream has ended, and nothing says that the last stamps are wrong."""
        for number, row in self.rows.items():
            if row[P_HELD] >= 0:
                self._bear_out(self.queues[number], row)

    def _first_stamp(self, queue, tsc):
        """A pCPU's first TSC: the smallest of its stream, and that of the stampless records before it."""
        g = self.g
        if g[G_MINT] < 0 or tsc < g[G_MINT]:
            g[G_MINT] = tsc
        for place, entry in enumerate(queue):
            queue[place] = (tsc,) + entry[1:]
