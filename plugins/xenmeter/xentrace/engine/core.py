"""The two loops of hot.c: bytes to entries, and entries into the accounts."""
import ctypes
from array import array

from xenmeter.core.errors import SourceError
from xenmeter.xentrace.engine import compiled
from xenmeter.xentrace.engine.book import no_histograms
from xenmeter.xentrace.engine.compiled import address
from xenmeter.xentrace.engine.layout import (DONE, FULL, G_E_A, G_E_B, G_E_CPU, G_E_KIND, G_E_TSC, G_NOW, NO_MEMORY, P_COUNT,
                                             P_HEAD, SLOW, STAMP_LIMIT)
from xenmeter.xentrace.engine.passes import Windows, address_of

__all__ = ("Core",)


class Core:
    """What ``hot.PythonCore`` is, with the two loops in C. :ivar rows: pCPU number -> its row."""

    def __init__(self, g, store):
        self.g = g
        self.store = store
        self.rows = {}
        self._order = self._scratch = array("Q")
        store.tables.g = store.address(g)
        self._tables = ctypes.byref(store.tables)
        self._library = compiled.library()

    def new_pcpu(self, number, row):
        self.rows[number] = row
        self.store.index_pcpu(number, row)
        self._order = array("Q", [self.store.address(self.rows[one]) for one in sorted(self.rows)])
        self._scratch = array("Q", bytes(40 * len(self.rows)))     # struct lane and the losers
        self.store.tables.order = self.store.address(self._order)
        self.store.tables.scratch = self.store.address(self._scratch)

    def scan(self, data, start, end):
        answer = self._library.xenmeter_hot_scan(self._tables, data if isinstance(data, bytes) else address_of(data), start, end)
        if answer == NO_MEMORY:
            raise _no_memory()
        return answer

    @staticmethod
    def windows(pass_):
        """A pass as the functions below take it."""
        return pass_ if isinstance(pass_, Windows) else Windows(pass_)

    @staticmethod
    def numbers(windows):
        return windows.numbers

    def odd(self, windows):
        """Whether the first stamp of one is out of the ordinary."""
        return bool(self._library.xenmeter_hot_odd(self._tables, len(windows), *map(address, (
            windows.numbers, windows.where, windows.sizes))))

    def scan_rings(self, windows, start):
        """``scan`` of those from ``start`` on, up to the first that has something wrong; its number, or how many there are."""
        done = self._library.xenmeter_hot_rings(self._tables, start, len(windows), *map(address, (
            windows.numbers, windows.where, windows.sizes)))
        if done < 0:
            raise _no_memory()
        return done

    def filled(self, windows):
        """``fullrings.filled``; None where none of them is."""
        flags = bytearray(len(windows) + 1)
        found = self._library.xenmeter_hot_filled(self._tables, len(windows), address(windows.numbers), address(windows.sizes),
                                             address_of(flags))
        return flags if found else None

    def bear_out(self):
        self._library.xenmeter_hot_bear_out(self._tables)

    def drain(self, limit, accounts):
        """Account the entries up to ``limit``; what the loop will not do is done here, one entry at a time."""
        g = self.g
        self.store.tables.windows = len(accounts.windows.lengths)
        drain = self._library.xenmeter_hot_drain
        limit = min(limit, STAMP_LIMIT)
        while True:
            answer = drain(self._tables, limit)
            if answer == DONE:
                return
            if answer == FULL:
                raise no_histograms()
            if answer == SLOW:
                accounts.handle(g[G_NOW], g[G_E_CPU], g[G_E_KIND], g[G_E_A] & 0xFFFFFFFF, g[G_E_B] & 0xFFFFFFFF)
            else:
                accounts.windows.cross(g[G_E_TSC])

    def forget(self):
        """What waits is not to be accounted."""
        for row in self.rows.values():
            row[P_HEAD] = row[P_COUNT] = 0

    def close(self):
        for row in self.rows.values():
            self._library.xenmeter_hot_free(self.store.address(row))

    def __del__(self):
        if self._library:
            self.close()


def _no_memory():
    return SourceError("there is no memory for the records that wait until all pCPUs have told theirs")
