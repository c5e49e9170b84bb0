"""All pages in one pass of compiled code, if it is there (core.compiled); else each is read by Python, to the same figures."""
import ctypes
import os
import struct
from array import array
from typing import Any, List

from xenmeter.core import compiled

__all__ = ("load", "rows_made", "Plan")

ABI, TIMES_ABI = 2, 1
BAD = 2         # of pages.c's status; 0 is the same as before, 1 is changed
UNKNOWN = (1 << 64) - 1

_PAGE = struct.Struct("=Q4I3q2q")       # struct page of pages.c
_WORDS = _PAGE.size // 8
_STATUS, _TORN = _WORDS - 2, _WORDS - 1


def load(path: Any = None) -> Any:
    """The compiled reader, or None where it is not there or is not this release's.

    :param path: of another object (tests).
    """
    library = compiled.load(os.path.dirname(os.path.abspath(__file__)), "pages", ABI << 32 | _PAGE.size, path)
    if library is None:
        return None
    read = library.xenmeter_pages_read
    read.restype, read.argtypes = ctypes.c_int64, (ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p)
    return read


def rows_made(path: Any = None) -> Any:
    """What makes rows of vCPUs whose times go on (times.c), for ``core.compiled.in_turns``; None where it is not there.

    :param path: of another object (tests).
    """
    library = compiled.load(os.path.dirname(os.path.abspath(__file__)), "times", TIMES_ABI, path, objects=True)
    if library is None:
        return None
    rows = library.xenmeter_times_rows
    rows.restype, rows.argtypes = ctypes.c_int64, (ctypes.py_object, ctypes.c_int64, ctypes.py_object)
    return rows


class Plan:
    """The mapped pages as the compiled reader takes them, and the array that it writes their figures to.

    :param read: what :func:`load` gave.
    :param pages: objects with ``mapping`` (xen.resource.Mapping) and ``reader`` (page.PageReader).
    """

    def __init__(self, read: Any, pages: List[Any]) -> None:
        self._read = read
        self._widths: List[Any] = []
        rows, at = [], 0
        for page in pages:
            reader = page.reader
            width, entries = reader.layout.counters, reader.entries
            rows.append(_PAGE.pack(page.mapping.address, *(tuple(reader.header) + (entries, width, at, 0, 0))))
            self._widths.append((at, at + width * entries, width))
            at += width * entries
        self._rows = array("Q", b"".join(rows))
        self._out = array("Q", [UNKNOWN]) * at
        self._fresh = True
        self._where = self._rows.buffer_info()[0], len(pages), self._out.buffer_info()[0]

    def read(self) -> List[int]:
        """The places of the pages that say something else than in the last reading; at first, of all."""
        different = self._read(*self._where)
        if self._fresh:
            self._fresh = False
            return list(range(self._where[1]))
        if not different:
            return []
        return [number for number, status in enumerate(self._rows[_STATUS::_WORDS]) if status]

    def is_bad(self, number: int) -> bool:
        """Whether a page's header is no longer the one that it had."""
        return self._rows[number * _WORDS + _STATUS] == BAD

    def torn(self) -> int:
        """Entries that were given up in the last reading because they changed at each try."""
        return sum(self._rows[_TORN::_WORDS])

    def said(self, number: int) -> List[Any]:
        """The counters of a page's vCPUs, as ``page.PageReader.read`` gives them."""
        start, end, width = self._widths[number]
        words = self._out[start:end]
        rows = list(zip(*[iter(words)] * width))
        if words and max(words) == UNKNOWN:
            rows = [row if UNKNOWN not in row else _known(row) for row in rows]
        return rows


def _known(row: Any) -> Any:
    known = tuple([None if word == UNKNOWN else word for word in row])
    return known if known.count(None) < len(known) else ()
