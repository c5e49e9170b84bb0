"""A recording or a pipe on its way into the engine: pieces of any length, and what may be wrong where they meet."""
from typing import Any, Callable, Optional

from xenmeter.xentrace.engine.layout import (DRAIN, GARBAGE, HURT, G_CUR, G_DRAIN_AT, G_LOOKED, G_MAXT, G_NOW, G_ORIGIN,
                                             G_PENDING, G_POS, G_QUIET, G_RESYNC, G_SAFE, G_SKIPPED, NEW_PCPU, P_FULL, P_LAST,
                                             SEAM)
from xenmeter.xentrace.engine.scan import next_header
from xenmeter.xentrace.engine.seams import interrupted, older, pass_at, silent_until

__all__ = ("Stream", "PATIENCE")

#: Entries that are let pile up before a file's are merged: pCPUs that lag behind by less are in order exactly.
PATIENCE = 32768
#: More than any record and any window's header.
_PIECE = 256


class Stream:
    """The part of ``Engine`` that takes a stream. :ivar given: bytes of it so far."""

    # what it takes of Engine
    accounts: Any
    core: Any
    g: Any
    _account: Callable[[int], None]
    _drain: Callable[[int], None]
    _new_pcpu: Callable[[int], None]

    def __init__(self) -> None:
        self.given = 0
        self._tail = b""
        self._skipping = False
        self._more = False          # whether what is left waits for the rest of a pass
        self._interruptions = 0
        self._left_out_from: Optional[int] = None   # the byte at which another trace begins

    def feed(self, data):
        """The next bytes of a recording or pipe, of any length."""
        if self._left_out_from is not None:
            return
        start = 0
        if self._tail and not self._more and len(data) > _PIECE:
            # What was left is less than a record: a piece that surely completes it, and the rest without a copy.
            self.feed(data[:_PIECE])
            if self._more or self._left_out_from is not None:
                self.feed(data[_PIECE:])
                return
            start = _PIECE - len(self._tail)
            self.given += len(data) - _PIECE
        else:
            self.given += len(data)
            data = self._tail + bytes(data) if self._tail else data
        self._more = False
        self._walk(data, start)

    def _walk(self, data, position, final=False):
        end = len(data)
        while True:
            if self._skipping:
                position = self._resynchronise(data, position)
                if self._skipping:
                    break
            self.g[G_ORIGIN] = self.given - end
            answer = self.core.scan(data, position, end)
            position = self.g[G_POS]
            if answer == DRAIN:
                self._settle()
            elif answer == NEW_PCPU:
                self._new_pcpu(self.g[G_CUR])
            elif answer == GARBAGE:
                self.g[G_RESYNC] += 1
                self._skipping = True
                self.accounts.damage.found()
            elif answer == HURT:
                self.accounts.damage.found()
            elif answer == SEAM:
                if not self._look(data, position, final):
                    break
            else:
                break
        self._tail = b"" if self._left_out_from is not None else bytes(data[position:])

    def _look(self, data, position, final):
        """A window that may be another recording's: False where it is, or where more of the pass is needed to know."""
        windows = pass_at(data, position, final)
        if windows is None:
            self._more = True
            return False
        rows = self.core.rows
        if older(windows, rows):
            self._left_out_from = self.given - len(data) + position
            return False
        self._look_for_silence(windows)
        self.g[G_LOOKED] = 1
        return True

    def _look_for_silence(self, windows):
        """A time in which nothing was recorded, and not because the host slept, is unknown."""
        until = silent_until(windows, self.g, self.g[G_QUIET])
        if until is not None:
            self._drain(self.g[G_MAXT])
            if interrupted(windows, self.accounts):
                self._interrupt(until)

    def _interrupt(self, until):
        """From the last record of all to the TSC ``until`` nothing was recorded: as if each pCPU had lost all of it."""
        self._interruptions += 1
        self._account(self.g[G_MAXT])
        for ends in (False, True):
            for pcpu in sorted(self.core.rows):
                self.accounts.presume(self.g[G_NOW], pcpu, ends)
            self._account(until)

    def _resynchronise(self, data, position):
        """Go to the next place that can be a window's header; as far as that is sure, the bytes before are dropped."""
        found = next_header(data, position)
        self._skipping = found + 12 > len(data)
        self.g[G_SKIPPED] += found - position
        return found

    def _settle(self):
        """Merge what is safe, and more than that only when a pCPU's silence would make the queues grow for ever."""
        g = self.g
        lasts = [row[P_LAST] for row in self.core.rows.values()]
        self._drain(min(g[G_SAFE], min(lasts) - 1))
        if g[G_PENDING] >= 4 * PATIENCE:
            full = [row[P_LAST] - 1 for row in self.core.rows.values() if row[P_FULL]]
            self._drain(min([g[G_SAFE]] + full))
        if g[G_PENDING] >= 16 * PATIENCE:
            self._drain(g[G_SAFE])
        if g[G_PENDING] >= 64 * PATIENCE:
            self._drain(g[G_MAXT])
        g[G_DRAIN_AT] = g[G_PENDING] + PATIENCE
