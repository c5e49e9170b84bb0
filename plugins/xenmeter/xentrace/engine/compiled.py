"""The compiled hot loop through ctypes, if it is there.

Why ctypes and plain C: one shared object without Python's headers serves every Python from 3.6 on, collectd's embedded
one too, and a package that lacks it (no compiler, another architecture) works all the same, only slower. Per call it
costs some microseconds, but a call takes in a whole block of the stream. ``setup.py`` builds it as ``_hot.so`` beside
this file; an object of another ABI number, or with other row sizes, is not used.

``XENMETER_COMPILED``: ``0`` for the pure Python path, or the path of an object to use instead.
"""
import ctypes
import os
from array import array
from typing import Any

from xenmeter.core.errors import SourceError
from xenmeter.xentrace.engine.book import Book, Histograms, Teller, no_histograms
from xenmeter.xentrace.engine.layout import (ABI, BY_IDLE, D_CAUSES, D_INDEX, DOMAIN, DONE, ENGINE, F_SIZE, FULL, G_E_A, G_E_B,
                                             G_E_CPU, G_E_KIND, G_E_TSC, G_NOW, HISTOGRAM, NO_MEMORY, PCPU, SLOW, STAMP_LIMIT,
                                             V_DOMAIN, V_HIST, V_KEY, VCPU)
from xenmeter.xentrace.engine.passes import Windows, address_of
from xenmeter.xentrace.engine.records import MAX_PCPU

__all__ = ("available", "library", "use", "Store", "Core", "reason")

_POINTER = ctypes.c_void_p
_library: Any = None     # None: not looked for yet; False: there is none
_reason = "not looked for yet"


class _Tables(ctypes.Structure):
    """``struct tables`` of hot.c."""

    _fields_ = [("g", _POINTER), ("pcpus", _POINTER), ("domains", _POINTER), ("slots", _POINTER),
                ("size", ctypes.c_int64), ("nobody", _POINTER), ("order", _POINTER), ("windows", ctypes.c_int64),
                ("scratch", _POINTER), ("longest", _POINTER), ("sums", _POINTER), ("book", _POINTER)]


def available():
    """Whether the compiled loop can be used; looks for it once."""
    global _library
    if _library is None:
        path = os.environ.get("XENMETER_COMPILED", "")
        if path == "0":
            _fail("switched off by XENMETER_COMPILED")
        else:
            use(path or os.path.join(os.path.dirname(os.path.abspath(__file__)), "_hot.so"))
    return _library is not False


def library():
    """The object, None where it is not used."""
    return _library if available() else None


def reason():
    """Why it is not used; empty where it is."""
    return "" if available() else _reason


def use(path):
    """Load the object at ``path``; False, and the pure Python path from then on, where it will not do."""
    global _library
    try:
        library = ctypes.CDLL(path)
        for name in ("abi", "sizes", "histogram", "scan", "bear_out", "drain", "cut", "free", "odd", "rings", "tell",
                     "tell_window", "flat", "measure", "copy", "book", "end_book", "tell_of", "take", "drop", "split",
                     "filled", "tell_pcpus"):
            getattr(library, "xenmeter_hot_" + name).restype = ctypes.c_int64
    except (OSError, AttributeError) as error:
        return _fail(str(error))
    sizes = ENGINE["SIZE"] << 48 | VCPU["SIZE"] << 24 | DOMAIN["SIZE"] << 12 | PCPU["SIZE"]
    if (library.xenmeter_hot_abi(), library.xenmeter_hot_sizes(), library.xenmeter_hot_histogram()) != (
            ABI, sizes, HISTOGRAM["SIZE"]):
        return _fail("%s was built for another release" % path)
    library.xenmeter_hot_scan.argtypes = [_POINTER, _POINTER, ctypes.c_int64, ctypes.c_int64]
    library.xenmeter_hot_bear_out.argtypes = [_POINTER]
    library.xenmeter_hot_bear_out.restype = None
    library.xenmeter_hot_odd.argtypes = [_POINTER, ctypes.c_int64, _POINTER, _POINTER, _POINTER]
    library.xenmeter_hot_rings.argtypes = [_POINTER, ctypes.c_int64, ctypes.c_int64, _POINTER, _POINTER, _POINTER]
    library.xenmeter_hot_split.argtypes = [_POINTER, ctypes.c_int64, ctypes.c_int64, _POINTER, _POINTER, _POINTER, ctypes.c_int64]
    library.xenmeter_hot_filled.argtypes = [_POINTER, ctypes.c_int64, _POINTER, _POINTER, _POINTER]
    library.xenmeter_hot_drain.argtypes = [_POINTER, ctypes.c_int64]
    library.xenmeter_hot_cut.argtypes = [_POINTER, ctypes.c_int64, _POINTER]
    library.xenmeter_hot_cut.restype = None
    library.xenmeter_hot_free.argtypes = library.xenmeter_hot_end_book.argtypes = library.xenmeter_hot_take.argtypes = [_POINTER]
    library.xenmeter_hot_drop.argtypes = library.xenmeter_hot_tell_of.argtypes = [_POINTER, ctypes.c_int64]
    library.xenmeter_hot_copy.argtypes = [_POINTER, _POINTER, ctypes.c_int64]
    library.xenmeter_hot_tell_pcpus.argtypes = [_POINTER, ctypes.c_int64, _POINTER]
    for name in ("free", "end_book", "drop", "tell_of", "copy", "tell_pcpus"):
        getattr(library, "xenmeter_hot_" + name).restype = None
    library.xenmeter_hot_book.restype = _POINTER
    library.xenmeter_hot_tell.argtypes = [_POINTER, ctypes.c_int64, _POINTER, _POINTER, _POINTER]
    library.xenmeter_hot_tell_window.argtypes = [_POINTER] * 5
    library.xenmeter_hot_flat.argtypes = [_POINTER, ctypes.c_int64, _POINTER]
    library.xenmeter_hot_measure.argtypes = [_POINTER, ctypes.c_int64, ctypes.c_int64]
    _library = library
    return True


def _fail(why):
    global _library, _reason
    _library, _reason = False, why
    return False


class Store:
    """Rows are ``array('q')``, which never move; the indices are tables of their addresses."""

    def __init__(self):
        self.tables = _Tables()
        self._pcpus = array("Q", bytes(8 * MAX_PCPU))
        self._domains = array("Q", bytes(8 << 16))
        self._rows = {}         # key -> its row
        self.tables.pcpus = self.address(self._pcpus)
        self.tables.domains = self.address(self._domains)
        self.book = Book(_library)
        self.tables.book = self.book.address
        self._no_domain = self.row(DOMAIN["SIZE"])      # where a vCPU's times go that has no domain: written, never read
        self._nobody, self._gone = self.row(VCPU["SIZE"]), self.row(VCPU["SIZE"])
        self._nobody[V_KEY] = self._gone[V_KEY] = -1
        self.tables.nobody = self.address(self._nobody)
        self._resize()

    @staticmethod
    def row(size):
        return array("q", bytes(8 * size))

    def histograms(self):
        return Histograms(self.book)

    @staticmethod
    def address(row):
        return row.buffer_info()[0]

    def teller(self, accounts):
        return Teller(accounts, self.book)

    @staticmethod
    def cut(which, lives, gone, bases):
        return Cut(which, lives, gone, bases)

    def use_causes(self, longest, sums, nobody):
        """Who makes whom wait is kept. :param nobody: cells of the idle vCPUs, which nobody reads."""
        self.tables.longest, self.tables.sums = self.address(longest), self.address(sums)
        self._no_domain[D_CAUSES], self._no_domain[D_INDEX] = self.address(nobody), BY_IDLE

    def index(self, key, vcpu):
        """``vcpu`` lives under ``key`` from now on; None: nobody does any longer."""
        at = self._at(key)
        if vcpu is None:
            # A tombstone: later keys of this probe chain are found through it.
            self._slots[at] = self.address(self._gone)
            del self._rows[key]
            return
        row = vcpu.row
        row[V_KEY] = key
        row[V_DOMAIN] = self.address(vcpu.domain.row if vcpu.domain else self._no_domain)
        row[V_HIST] = vcpu.hist.first << 40 if vcpu.hist else 0
        self._rows[key] = row
        if self._keys[at] is None and (self._used + 1) * 2 > self.tables.size:
            self._resize()
        else:
            self._place(key, at)

    def _resize(self):
        """A table of those who live, with room for as many."""
        size = 256
        while size < 4 * len(self._rows):
            size *= 2
        self._slots = array("Q", [self.tables.nobody]) * size
        self.tables.slots = self.address(self._slots)
        self.tables.size = size
        self._keys = [None] * size
        self._used = 0
        for key in self._rows:
            self._place(key, self._at(key))

    def _place(self, key, at):
        self._used += self._keys[at] is None
        self._keys[at] = key
        self._slots[at] = self.address(self._rows[key])

    def _at(self, key):
        """Where the key is or belongs, as find_vcpu looks: multiplicative hash, then the next that is free."""
        size = self.tables.size
        at = (key * 0x9E3779B1 & 0xFFFFFFFF) * size >> 32
        while self._keys[at] not in (None, key):
            at = (at + 1) & (size - 1)
        return at

    def index_domain(self, domid, life):
        self._domains[domid] = self.address(life.row) if life else 0

    def index_pcpu(self, number, row):
        self._pcpus[number] = self.address(row)


class Cut:
    """What ``windows.Cut`` is, in C."""

    def __init__(self, which, lives, gone, bases):
        self.lives = lives
        self._held = bases
        self._plan = array("q", [which, len(lives), gone])
        for domain, base in zip(lives, bases):
            self._plan.extend([Store.address(domain.row), Store.address(base), len(domain.vcpus)])
            self._plan.extend([Store.address(vcpu.row) for vcpu in domain.vcpus])

    def take(self, border):
        flat = array("q", bytes(8 * F_SIZE * len(self.lives)))
        _library.xenmeter_hot_cut(Store.address(self._plan), border, Store.address(flat))
        return flat


class Core:
    """What ``hot.PythonCore`` is, with the two loops in C. :ivar rows: pCPU number -> its row."""

    def __init__(self, g, store):
        self.g = g
        self.store = store
        self.rows = {}
        self._order = self._scratch = array("Q")
        store.tables.g = store.address(g)
        self._tables = ctypes.byref(store.tables)

    def new_pcpu(self, number, row):
        self.rows[number] = row
        self.store.index_pcpu(number, row)
        self._order = array("Q", [self.store.address(self.rows[one]) for one in sorted(self.rows)])
        self._scratch = array("Q", bytes(32 * len(self.rows)))     # struct lane and the heap
        self.store.tables.order = self.store.address(self._order)
        self.store.tables.scratch = self.store.address(self._scratch)

    def scan(self, data, start, end):
        answer = _library.xenmeter_hot_scan(self._tables, data if isinstance(data, bytes) else address_of(data), start, end)
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
        return bool(_library.xenmeter_hot_odd(self._tables, len(windows), _address(windows.numbers), _address(windows.where),
                                              _address(windows.sizes)))

    def scan_rings(self, windows, start):
        """``scan`` of those from ``start`` on, up to the first that has something wrong; its number, or how many there are."""
        done = _library.xenmeter_hot_rings(self._tables, start, len(windows), _address(windows.numbers), _address(windows.where),
                                           _address(windows.sizes))
        if done < 0:
            raise _no_memory()
        return done

    def filled(self, windows):
        """``fullrings.filled``; None where none of them is."""
        flags = bytearray(len(windows) + 1)
        found = _library.xenmeter_hot_filled(self._tables, len(windows), _address(windows.numbers), _address(windows.sizes),
                                             address_of(flags))
        return flags if found else None

    def bear_out(self):
        _library.xenmeter_hot_bear_out(self._tables)

    def drain(self, limit, accounts):
        """Account the entries up to ``limit``; what the loop will not do is done here, one entry at a time."""
        g = self.g
        self.store.tables.windows = len(accounts.windows.lengths)
        drain = _library.xenmeter_hot_drain
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

    def close(self):
        for row in self.rows.values():
            _library.xenmeter_hot_free(self.store.address(row))

    def __del__(self):
        if _library:
            self.close()


def _no_memory():
    return SourceError("there is no memory for the records that wait until all pCPUs have told theirs")


def _address(row):
    return row.buffer_info()[0]
