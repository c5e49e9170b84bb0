"""What a loop works on. The compiled one: rows that never move, and tables of their addresses; the one in pure Python: lists."""
import ctypes
from array import array

from xenmeter.core import histogram
from xenmeter.xentrace.engine import compiled, telling, windows
from xenmeter.xentrace.engine.book import Book, Histograms, Teller
from xenmeter.xentrace.engine.distribution import Distribution
from xenmeter.xentrace.engine.layout import BY_IDLE, D_CAUSES, D_INDEX, D_SIZE, F_SIZE, MEASURED, V_DOMAIN, V_HIST, V_KEY, V_SIZE
from xenmeter.xentrace.engine.records import MAX_PCPU
from xenmeter.xentrace.engine.window import packed

__all__ = ("Store", "PythonStore")

_POINTER = ctypes.c_void_p


class _Tables(ctypes.Structure):
    """``struct tables`` of hot.c."""

    _fields_ = [("g", _POINTER), ("pcpus", _POINTER), ("domains", _POINTER), ("slots", _POINTER),
                ("size", ctypes.c_int64), ("nobody", _POINTER), ("order", _POINTER), ("windows", ctypes.c_int64),
                ("scratch", _POINTER), ("longest", _POINTER), ("sums", _POINTER), ("book", _POINTER)]


class Store:
    """Rows are ``array('q')``, which never move; the indices are tables of their addresses."""

    def __init__(self):
        self.tables = _Tables()
        self._pcpus = array("Q", bytes(8 * MAX_PCPU))
        self._domains = array("Q", bytes(8 << 16))
        self._rows = {}         # key -> its row
        self.tables.pcpus = self.address(self._pcpus)
        self.tables.domains = self.address(self._domains)
        self.book = Book(compiled.library())
        self.tables.book = self.book.address
        self._no_domain = self.row(D_SIZE)      # where a vCPU's times go that has no domain: written, never read
        self._nobody, self._gone = self.row(V_SIZE), self.row(V_SIZE)
        self._nobody[V_KEY] = self._gone[V_KEY] = -1
        self.tables.nobody = self.address(self._nobody)
        self._resize()

    @staticmethod
    def row(size):
        return array("q", [0]) * size      # no larger than it must be: what the allocator has of that size is aligned

    def histograms(self):
        return Histograms(self.book)

    address = staticmethod(compiled.address)

    def teller(self, accounts):
        return Teller(accounts, self.book)

    @staticmethod
    def cut(which, lives, gone, bases):
        return Cut(which, lives, gone, bases)

    def pack(self, flat):
        """``window.packed``"""
        if not flat:
            return [0] * F_SIZE
        widths, memory = array("q", bytes(8 * F_SIZE)), array("q", bytes(8 * len(flat)))
        compiled.library().xenmeter_hot_pack(self.address(flat), len(flat) // F_SIZE, self.address(widths), self.address(memory))
        columns, at = [], 0
        for width in widths:
            size = width * (len(flat) // F_SIZE) or 8
            part = memoryview(memory).cast("B")[at:at + size]
            columns.append(array("I" if width == 4 else "q", bytes(part)) if width else part.cast("q")[0])
            at += -(-size // 8) * 8
        return columns

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
        row[V_HIST] = vcpu.hist.first << 40 | 1 if vcpu.hist else 0
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
        self._cut = compiled.library().xenmeter_hot_cut
        self._plan = array("q", [which, len(lives), gone])
        for domain, base in zip(lives, bases):
            self._plan.extend([Store.address(domain.row), Store.address(base), len(domain.vcpus)])
            self._plan.extend([Store.address(vcpu.row) for vcpu in domain.vcpus])

    def take(self, border):
        flat = array("q", [0]) * (F_SIZE * len(self.lives))
        self._cut(self._plan.buffer_info()[0], border, flat.buffer_info()[0])
        return flat


class Histogram(list):
    """A row of ``core.histogram``. :ivar cells: in which it is told, None: in none; :ivar held: those that it has."""

    __slots__ = ("cells", "held")

    def __init__(self):
        super().__init__(histogram.new())
        self.cells, self.held = None, {}

    def tell(self, cells):
        """The number of its cell."""
        self.cells = cells
        return cells.tell(Distribution.of(self), self.held)

    def __del__(self):
        if self.cells is not None:
            self.cells.release(self.held)

    def add(self, value):
        histogram.add(self, value)

    def flat(self):
        return self


class PythonStore:
    """Rows are lists; the index maps vCPU keys to what the loop needs of them."""

    def __init__(self):
        self.found = {}       # key -> (row, the domain's row or None, {state: histogram})

    @staticmethod
    def row(size):
        return [0] * size

    @staticmethod
    def address(row):
        return 0

    @staticmethod
    def pack(flat):
        return packed(flat)

    @staticmethod
    def histograms():
        """Measured state -> its histogram."""
        return {state: Histogram() for state in MEASURED}

    cut = windows.Cut
    teller = telling.Teller

    def index(self, key, vcpu):
        if vcpu is None:
            del self.found[key]
        else:
            self.found[key] = (vcpu.row, vcpu.domain.row if vcpu.domain else None, vcpu.hist)

    def index_domain(self, domid, life):
        pass

    def use_causes(self, longest, sums, nobody):
        pass
