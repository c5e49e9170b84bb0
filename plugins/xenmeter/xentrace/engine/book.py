"""The compiled loop's histograms, and the pictures that are told of them: hot_book.inc and hot_tell.inc through ctypes."""
import ctypes
from array import array
from typing import Any

from xenmeter.core import histogram
from xenmeter.core.errors import SourceError
from xenmeter.core.memory import anonymous
from xenmeter.xentrace.engine.cells import CELL, Cells
from xenmeter.xentrace.engine.compiled import address
from xenmeter.xentrace.engine.layout import MEASURED
from xenmeter.xentrace.engine.columns import (KIND_COUNTS, KIND_DOMAINS, KIND_HISTOGRAMS, KIND_PCPUS, KIND_PLACES, KIND_VCPUS,
                                              KIND_WINDOW)
from xenmeter.xentrace.engine.sections import Section, empty
from xenmeter.xentrace.engine.records import IDLE_DOMAIN
from xenmeter.xentrace.engine.window import in_order

__all__ = ("Book", "Histograms", "Teller", "no_histograms")

_POINTER = ctypes.c_void_p
_view = ctypes.pythonapi.PyMemoryView_FromMemory
_view.argtypes, _view.restype = [_POINTER, ctypes.c_ssize_t, ctypes.c_int], ctypes.py_object


class _Head(ctypes.Structure):
    """The beginning of ``struct book`` of hot_book.inc."""

    _fields_ = [("memory", _POINTER), ("used", ctypes.c_int64), ("room", ctypes.c_int64)]


class Book(Cells):
    """The histograms of an engine, and the cells in which they are told: ``struct book`` of hot_book.inc."""

    def __init__(self, library):
        self.library = library
        self.address = library.xenmeter_hot_book()
        if not self.address:
            raise no_histograms()
        self._head = _Head.from_address(self.address)

    @property
    def memory(self):
        """Its cells as they are now; not to be kept, for they move."""
        return _view(self._head.memory, self._head.used * CELL, 0x100)

    @property
    def used(self):     # type: ignore[override]
        return self._head.used

    @property
    def room(self):     # type: ignore[override]
        return self._head.room

    def copy_to(self, target, anew):
        self.library.xenmeter_hot_copy(self.address, ctypes.addressof(ctypes.c_char.from_buffer(target)), int(anew))

    def __del__(self):
        if self.address:
            self.library.xenmeter_hot_end_book(self.address)
            self.address = None


class Histograms:
    """One of each measured state. :ivar first: the number of the first in the book."""

    __slots__ = ("_book", "first")

    def __init__(self, book):
        self._book = book
        self.first = book.library.xenmeter_hot_take(book.address)
        if self.first < 0:
            raise no_histograms()

    def __contains__(self, state):
        return state in MEASURED

    def __getitem__(self, state):
        return Histogram(self._book, self.first + MEASURED.index(state))

    def __del__(self):
        if self._book.address and self.first >= 0:      # the book may go first
            self._book.library.xenmeter_hot_drop(self._book.address, self.first)


class Histogram:
    __slots__ = ("_book", "_number")

    def __init__(self, book, number):
        self._book = book
        self._number = number

    def add(self, value):
        if self._book.library.xenmeter_hot_measure(self._book.address, self._number, value):
            raise no_histograms()

    def flat(self):
        """As a row of ``core.histogram``."""
        row = array("q", bytes(8 * histogram.SIZE))
        if self._book.library.xenmeter_hot_flat(self._book.address, self._number, address(row)):
            raise no_histograms()
        return row


def no_histograms():
    return SourceError("there is no memory for the histograms")


class _Shelf(ctypes.Structure):
    """``struct shelf``: where histograms go. Its memory is not there before it is needed, and lasts."""

    _fields_ = [("rows", _POINTER), ("counts", _POINTER), ("places", _POINTER), ("used", ctypes.c_int64),
                ("room", ctypes.c_int64)]

    memory: Any = (b"", b"")

    def grow(self, buckets):
        self.memory = [anonymous(-(-buckets * size // 4096) * 4096) for size in (8, 2)]
        self.counts, self.places = [ctypes.addressof(ctypes.c_char.from_buffer(one)) for one in self.memory]
        self.room = buckets


class Teller:
    """What ``telling.Teller`` is, in C: sections of a picture, in memory that the next ones are told in too."""

    def __init__(self, accounts, book):
        self._accounts = accounts
        self.cells = book
        book.library.xenmeter_hot_tell_of(book.address, len(accounts.windows.lengths))
        self._made = None           # of which state of the lives the plans are
        self._plan: Any = None
        self._told: Any = None
        self._pcpus: Any = (None, array("q"), empty(KIND_PCPUS, 0))     # of which state of the pCPUs, plan, PCPUS
        self._windows = {}          # number of a length -> (lives of the window, plan, WINDOW, HISTOGRAMS)
        self._shelves = {}

    def _renew(self):
        accounts = self._accounts
        if self._made != accounts.windows.changes:
            self._made = accounts.windows.changes
            self._windows = {}
            lives = accounts.in_order()
            self._plan = plan = array("q", [len(lives), int(accounts.per_vcpu)])
            for life in lives:
                mine, sets = life.in_order(), life.histograms()
                plan.extend((life.domid, life.generation, life.start, -1 if life.end is None else life.end,
                             address(life.row), address(life.past), len(mine), len(sets)))
                plan.extend([one.first for one in sets])
                plan.extend([address(vcpu.row) for vcpu in mine])
            self._told = [empty(KIND_DOMAINS, len(lives)), empty(KIND_VCPUS, sum(len(life.vcpus) for life in lives))]

    def pcpus(self, now):
        """PCPUS."""
        accounts = self._accounts
        state = accounts.windows.changes, len(accounts.pcpus)
        if self._pcpus[0] != state:
            plan = array("q", [len(accounts.pcpus)])
            for number in sorted(accounts.pcpus):
                idle = accounts.vcpus.get(IDLE_DOMAIN << 16 | number)
                plan.extend((address(accounts.pcpus[number]), 0 if idle is None else address(idle.row), 0))
            self._pcpus = state, plan, empty(KIND_PCPUS, len(accounts.pcpus))
        _, plan, told = self._pcpus
        if accounts.lost_ns or accounts.gaps:
            plan[3::3] = array("q", [accounts.lost_for(number, now) for number in sorted(accounts.pcpus)])
        self.cells.library.xenmeter_hot_tell_pcpus(address(plan), now, address(told.data))
        return told

    def cumulative(self, now):
        """DOMAINS and VCPUS; what their histograms hold is in the cells."""
        self._renew()
        domains, vcpus = [address(section.data) for section in self._told]
        if self.cells.library.xenmeter_hot_tell(address(self._plan), now, domains, vcpus, self.cells.address):
            raise no_histograms()
        return self._told

    def window(self, which, window):
        """WINDOW and its histograms, of one that ends now."""
        self._renew()
        lives, plan, told, heads = self._windows.get(which, (None,) * 4)
        if lives is not window.lives:
            plan = array("q", [which, len(window.lives)])
            for place in in_order(window.lives):
                life = window.lives[place]
                sets = life.histograms()
                plan.extend((place, life.domid, life.generation, len(sets)))
                plan.extend([one.first for one in sets])
            told, heads = empty(KIND_WINDOW, len(window.lives)), empty(KIND_HISTOGRAMS, len(MEASURED) * len(window.lives))
            self._windows[which] = window.lives, plan, told, heads
        shelf = self._shelves.setdefault(which, _Shelf())
        while True:
            shelf.rows = address(heads.data)
            used = self.cells.library.xenmeter_hot_tell_window(address(plan), address(window.flat), address(told.data),
                                                     ctypes.byref(shelf), self.cells.address)
            if used >= 0:
                break
            shelf.grow(-used + -used // 4)
        return [told._replace(length_ns=window.length, start_ns=window.start), heads,
                Section(KIND_COUNTS, 8, used, shelf.memory[0]), Section(KIND_PLACES, 2, used, shelf.memory[1])]
