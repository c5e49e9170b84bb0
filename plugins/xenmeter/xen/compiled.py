"""What dom0's kernel counts, read and parsed by compiled code, if it is there (core.compiled)."""
import ctypes
import os
from array import array
from typing import Any, List, Optional, Tuple

from xenmeter.core import compiled

__all__ = ("load", "Counts", "FIGURES", "columns")

ABI = 1
#: Of a line of /proc/net/dev.
FIGURES = 16
#: No line of it has fewer bytes.
_SHORTEST = 2 * FIGURES


def load(path: Any = None) -> "Optional[Counts]":
    """The compiled part, or None where it is not there or is not this release's.

    :param path: of another object (tests).
    """
    library = compiled.load(os.path.dirname(os.path.abspath(__file__)), "counts", ABI, path)
    if library is None:
        return None
    files, net_dev = library.xenmeter_counts_files, library.xenmeter_counts_net_dev
    files.restype = net_dev.restype = ctypes.c_int64
    pointer, number = ctypes.c_void_p, ctypes.c_int64
    files.argtypes = (pointer, number, pointer, pointer)
    net_dev.argtypes = (pointer, number, pointer, number, pointer, pointer)
    return Counts(files, net_dev)


class Counts:
    """Its two functions, with the arrays that they write to."""

    def __init__(self, files: Any, net_dev: Any) -> None:
        self._files = files
        self._net_dev = net_dev
        self._out = array("Q")
        self._names = bytearray()

    def files(self, descriptors: Any) -> Tuple[Any, Any]:
        """The numbers that open files say from their beginnings (an array), and a byte for each, not 0 where it says none.

        :param descriptors: ``array("i")``.
        """
        number = len(descriptors)
        out = self._room(number)
        bad = bytearray(number)
        if number:
            self._files(descriptors.buffer_info()[0], number, out.buffer_info()[0], _address(bad))
        return out, bad

    def net_dev(self, data: bytes, start: int) -> Optional[Tuple[bytes, Any, int]]:
        """What follows ``start`` in the text of /proc/net/dev: the names, each ended by a line feed; an array with FIGURES of
        each; how many there are. None where not all of it is as Linux prints it.
        """
        length = len(data) - start
        room = length // _SHORTEST + 1
        out = self._room(FIGURES * room)
        if len(self._names) < length + 1:
            self._names = bytearray(length + 1)
        used = ctypes.c_int64()
        # the bytes outlive the call: our caller holds them
        address = ctypes.cast(ctypes.c_char_p(data), ctypes.c_void_p).value or 0
        lines = self._net_dev(address + start, length, out.buffer_info()[0], room, _address(self._names), ctypes.byref(used))
        return None if lines < 0 else (bytes(self._names[:used.value]), out, lines)

    def _room(self, number: int) -> Any:
        if len(self._out) < number:
            self._out = array("Q", bytes(8 * number))
        return self._out


def _address(buffer: bytearray) -> int:
    return ctypes.addressof((ctypes.c_char * len(buffer)).from_buffer(buffer)) if buffer else 0


def columns(out: Any, number: int, width: int) -> List[Any]:
    """The columns of a table that lies in an array row by row."""
    return [out[place:number * width:width] for place in range(width)]
