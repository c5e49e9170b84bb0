"""Rows of xentop's text by compiled code, if it is there (core.compiled): those of domains of which everything is told.

The rest of the text is the parser's own, line by line. Columns, Net and Vbd are what lines.py makes of the same lines.
"""
import ctypes
import os
import struct
from array import array
from typing import Any, List, Optional, Tuple

from xenmeter.core.compiled import load
from xenmeter.xentop.text.lines import disks
from xenmeter.xentop.text.records import Columns, Net, Vbd

__all__ = ("MOST", "Batches", "PlainRow", "batches")

#: Of one call: rows, and of each kind of lines that follow them as many as one row may have.
MOST, _MORE = 256, 1024
_COLUMNS, _NET, _VBD, _VCPU = len(Columns._fields), len(Net._fields), 7, 2


class _Batch(ctypes.Structure):
    """``struct batch`` of rows.c."""

    _fields_ = [("text", ctypes.c_char_p), ("at", ctypes.c_int64), ("end", ctypes.c_int64), ("rows", ctypes.c_int64),
                ("vcpus", ctypes.c_int64), ("nets", ctypes.c_int64), ("vbds", ctypes.c_int64), ("row", ctypes.c_void_p),
                ("columns", ctypes.c_void_p), ("vcpu", ctypes.c_void_p), ("net", ctypes.c_void_p), ("vbd", ctypes.c_void_p)]


_ROW = struct.Struct("=5q")
_ABI = 2 << 32 | _ROW.size << 16 | ctypes.sizeof(_Batch)


#: A domain's row of which everything could be read, with what follows it: where its line begins in the text; what stands before
#: the columns; these; its vCPUs, Net and VBD lines; where the first line begins that is not its own.
PlainRow = Tuple[int, bytes, Columns, Optional[List[Tuple[int, int]]], List[Net], List[Vbd], int]


class Batches:
    """:param library: of core.compiled."""

    def __init__(self, library: Any) -> None:
        self._read = library.xenmeter_rows_read
        self._read.restype, self._read.argtypes = ctypes.c_int64, (ctypes.POINTER(_Batch),)
        self._records = library.xenmeter_rows_records
        self._records.restype = ctypes.c_int64
        self._records.argtypes = (ctypes.POINTER(_Batch), ctypes.py_object, ctypes.py_object, ctypes.py_object)
        self._rows = array("q", bytes(MOST * _ROW.size))
        self._columns, self._vcpus, self._nets, self._vbds = [
            array("Q", bytes(8 * number)) for number in (MOST * _COLUMNS, _MORE * _VCPU, _MORE * _NET, _MORE * _VBD)]

    def rows(self, text: bytes, at: int, end: int, most: int) -> List[PlainRow]:
        """The rows from a line's beginning on, up to the first line that is not as expected.

        :param end: behind the end of a line; :param most: so many rows at most, and no more than MOST.
        """
        arrays = (self._rows, self._columns, self._vcpus, self._nets, self._vbds)
        batch = _Batch(text, at, end, min(most, MOST), _MORE, _MORE, _MORE, *[values.buffer_info()[0] for values in arrays])
        self._read(ctypes.byref(batch))
        found: List[PlainRow] = []
        self._records(ctypes.byref(batch), (Columns, Net, Vbd), disks, found)
        return found


def batches(path: Optional[str] = None) -> Optional[Batches]:
    """The compiled reader of rows, or None. ``path``: of another object (tests)."""
    library = load(os.path.dirname(os.path.abspath(__file__)), "rows", _ABI, path, objects=True)
    return None if library is None else Batches(library)
