"""Columns of figures to text by compiled code, if it is there (core.compiled): what line protocol and expositions spend their
time on. What it cannot write to the same bytes as Python does, it leaves to that.
"""
import ctypes
import mmap
import os
from array import array
from itertools import accumulate
from typing import Any, Callable, NamedTuple, Optional, Sequence, Tuple

from xenmeter.core.compiled import load
from xenmeter.core.memory import anonymous
from xenmeter.core.reading import IMPOSSIBLE, Row

__all__ = ("COUNT", "INFO", "PARTS", "SECONDS", "Cells", "Column", "Texts", "Unfit", "Writer", "writer")

#: Fewer rows are not worth the way there.
LEAST_ROWS = 16

COUNT, SECONDS, PARTS, INFO = range(4)
_KNOWN, _SOME_UNKNOWN, _UNFIT = 1, 2, 4     # of a column's figures


class _Column(ctypes.Structure):
    _fields_ = [("values", ctypes.c_void_p), ("name", ctypes.c_char_p), ("size", ctypes.c_int64), ("kind", ctypes.c_int64),
                ("divisor", ctypes.c_uint64), ("least", ctypes.c_int64), ("unknown", ctypes.c_int64)]


class _Table(ctypes.Structure):
    _fields_ = [("rows", ctypes.c_int64), ("columns", ctypes.c_int64), ("texts", ctypes.c_char_p), ("ends", ctypes.c_void_p),
                ("column", ctypes.POINTER(_Column)), ("tail", ctypes.c_char_p), ("tail_size", ctypes.c_int64)]


#: Characters of a number with what may stand around it.
_LONGEST = 32
_ABI = 2 << 32 | ctypes.sizeof(_Column) << 16 | ctypes.sizeof(_Table)


class Unfit(Exception):
    """Not for compiled code: Python writes it."""


class Column(NamedTuple):
    """How a figure is written."""

    place: int      # in a row's values
    name: bytes     # what stands before the number
    kind: int       # COUNT, SECONDS (of ns), PARTS (of the divisor) or INFO
    divisor: int = 1
    least: int = -IMPOSSIBLE    # what is smaller is left out


class Texts:
    """The rows' own texts, one after the other, kept while the rows are of the same whos and labels."""

    def __init__(self, make: Callable[[Any, Tuple[str, ...]], str]) -> None:
        self.joined = b""
        self.ends = array("q")
        self.distinct = True
        self._make = make       # a row's text of its who and labels
        self._keys: Tuple[Tuple[Any, ...], Tuple[Any, ...]] = ((), ())

    def of(self, cells: "Cells") -> "Texts":
        """For these rows. ``distinct``: no two of them have the same text."""
        if cells.keys != self._keys:
            begins = [0] + self.ends.tolist()
            kept = {key: self.joined[begin:end] for key, begin, end in zip(zip(*self._keys), begins, begins[1:])}
            texts = [kept[key] if key in kept else self._make(*key).encode("utf-8") for key in zip(*cells.keys)]
            self._keys = cells.keys
            self.joined = b"".join(texts)
            self.ends = array("q", accumulate(map(len, texts)))
            self.distinct = len(set(texts)) == len(texts)
        return self


class Cells:
    """A table's rows by column. ``keys``: the whos and the labels of all rows.

    :param words: the library's function that makes machine words of them.
    """

    def __init__(self, rows: Sequence[Row], words: Any) -> None:
        whos, labels, values = zip(*rows)
        self.keys = (whos, labels)
        self.number = len(rows)
        width = len(values[0])
        self._words = array("q", (0,)) * (self.number * width)
        self._kinds = (ctypes.c_int64 * width)()
        self._fit = words(values, self.number, width, self._words.buffer_info()[0], self._kinds) == 0

    def words(self, place: int) -> Tuple[Optional[int], bool]:
        """Where a column lies, None where nothing of it is known; and whether some are unknown. Raises Unfit."""
        kind = self._kinds[place]
        if not self._fit or kind & _UNFIT:      # histograms, among others
            raise Unfit
        at = self._words.buffer_info()[0] + place * self.number * self._words.itemsize
        return at if kind & _KNOWN else None, bool(kind & _SOME_UNKNOWN)


class Writer:
    """For one publisher: what it writes to is used again.

    :param library: of core.compiled.
    """

    def __init__(self, library: Any) -> None:
        self._lines, self._samples = library.xenmeter_writer_lines, library.xenmeter_writer_samples
        self._words = library.xenmeter_writer_words
        self._words.restype = ctypes.c_int64
        self._words.argtypes = (ctypes.py_object, ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p, ctypes.POINTER(ctypes.c_int64))
        for function in (self._lines, self._samples):
            function.restype = ctypes.c_int64
            function.argtypes = (ctypes.POINTER(_Table), ctypes.c_void_p, ctypes.c_int64)
        self._room = 0
        self._memory: Any = None
        self._address = 0

    def cells(self, rows: Sequence[Row]) -> Optional[Cells]:
        """The rows' cells, or None where there are so few that Python is as quick."""
        return Cells(rows, self._words) if len(rows) >= LEAST_ROWS else None

    def lines(self, texts: Texts, columns: Sequence[Column], cells: Cells, tail: bytes) -> bytes:
        """Line protocol of a table: each row's text, its known figures, the tail. Raises Unfit."""
        return self._write(self._lines, texts, columns, cells, tail)

    def samples(self, texts: Texts, column: Column, cells: Cells, tail: bytes) -> bytes:
        """Samples of an exposition: the name, the row's labels with the constant ones in ``tail``, the figure. Raises Unfit."""
        return self._write(self._samples, texts, [column], cells, tail)

    def _write(self, function: Any, texts: Texts, columns: Sequence[Column], cells: Cells, tail: bytes) -> bytes:
        known = [(column, words, some) for column in columns for words, some in [cells.words(column.place)] if words is not None]
        if not known or not cells.number:
            return b""
        written: Any = [(words, column.name, len(column.name), column.kind, column.divisor, column.least, some)
                        for column, words, some in known]
        table = _Table(cells.number, len(known), texts.joined, texts.ends.buffer_info()[0], (_Column * len(known))(*written),
                       tail, len(tail))
        self._make_room(len(texts.joined) + cells.number * (
            len(tail) + sum([len(column.name) + _LONGEST for column, _, _ in known])))
        size = function(ctypes.byref(table), self._address, self._room)
        if size < 0:
            raise Unfit
        return self._memory[:size]

    def _make_room(self, size: int) -> None:
        """Memory of which nothing is used that is not written to."""
        if size > self._room:
            self._room = -(-size // mmap.PAGESIZE) * mmap.PAGESIZE
            self._memory = anonymous(self._room)
            self._address = ctypes.addressof(ctypes.c_char.from_buffer(self._memory))


def writer(path: Optional[str] = None) -> Optional[Writer]:
    """A writer, or None where there is no compiled code. ``path``: of another object (tests)."""
    library = load(os.path.dirname(os.path.abspath(__file__)), "writer", _ABI, path, objects=True)
    return None if library is None else Writer(library)
