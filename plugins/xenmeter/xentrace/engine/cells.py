"""Histograms that last, as they are read: cells of 256 bytes, little endian, of which only those change whose values do.

A histogram's own cell: i64 number of values, i64 sum, i64 maximum, u64 check (number + 3 * sum + 7 * maximum, modulo 2**64),
then u32 for each of 55 pieces the number of its cell, 0: nothing is in it. A piece's cell: i64 for each of 32 buckets how many
values; the first bucket of piece p has the place 2 + 32 * p of ``core.histogram``. Cell 0 is no histogram's.
"""
import ctypes
import struct
from array import array
from itertools import compress
from typing import Any, Callable, Dict, List, Optional

from xenmeter.core import histogram
from xenmeter.core.memory import anonymous
from xenmeter.xentrace.engine.distribution import EMPTY, Distribution
from xenmeter.xentrace.engine.layout import PIECES

__all__ = ("Cells", "CELL", "distribution")

CELL = 256
_HISTOGRAM = struct.Struct("<qqqQ%dI" % PIECES)
_PIECE = struct.Struct("<32q")
_WORD = 1 << 64
_FIRST = histogram.FIRST


class Cells(ctypes.Structure):
    """Memory of cells: ``struct cells`` of hot_tell.inc. :ivar used: how many are in use, or were."""

    _fields_ = [("address", ctypes.c_void_p), ("used", ctypes.c_int64), ("room", ctypes.c_int64),
                ("freed_at", ctypes.c_void_p), ("free", ctypes.c_int64), ("changed_at", ctypes.c_void_p),
                ("changes", ctypes.c_int64)]
    used: int
    room: int
    free: int
    changes: int

    def __init__(self) -> None:
        super().__init__()
        self.memory: Any = None
        self.copy: Optional[Callable[[Any, int], Any]] = None      # the compiled loop's
        self._freed = self._changed = array("q")
        self.used = 1
        self._make(64)

    def _make(self, room: int) -> None:
        memory = anonymous(room * CELL)
        if self.used > 1:
            memory[:self.used * CELL] = self.memory[:self.used * CELL]
        self.memory = memory
        self.address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
        more = array("q", bytes(8 * (room - self.room)))
        self._freed, self._changed = self._freed + more, self._changed + more
        self.freed_at, self.changed_at = self._freed.buffer_info()[0], self._changed.buffer_info()[0]
        self.room = room
        self.changes = room     # where they are read, all is new

    def reserve(self, more: int) -> None:
        if more > self.room - self.used + self.free:
            self._make(max(2 * self.room, self.used + more))

    def take(self) -> int:
        if self.free:
            self.free -= 1
            number = self._freed[self.free]
        else:
            number = self.used
            self.used += 1
        self.memory[number * CELL:number * CELL + CELL] = bytes(CELL)
        return number

    def release(self, held: Dict[int, int]) -> None:
        """:param held: as ``tell`` filled it."""
        for piece in sorted(held):
            self._freed[self.free] = held[piece]
            self.free += 1

    def tell(self, one: Distribution, held: Dict[int, int]) -> int:
        """The number of a histogram's cell, 0 where it is empty. :param held: piece -> cell, -1 -> its own; kept by whoever
        tells it again."""
        if not one.counts:
            return 0
        self.reserve(PIECES + 1)
        own = self._cell(held, -1)
        pieces: Dict[int, List[int]] = {}
        for place, number in zip(one.places, one.counts):
            piece, bucket = divmod(place - _FIRST, 32)
            pieces.setdefault(piece, [0] * 32)[bucket] = number
        for piece in sorted(pieces):
            _PIECE.pack_into(self.memory, self._cell(held, piece) * CELL, *pieces[piece])
        count = one.count
        _HISTOGRAM.pack_into(self.memory, own * CELL, count, one.sum, one.most, _check(count, one.sum, one.most),
                             *[held.get(piece, 0) for piece in range(PIECES)])
        self.changes = self.room
        return own

    def _cell(self, held: Dict[int, int], piece: int) -> int:
        if piece not in held:
            held[piece] = self.take()
        return held[piece]

    def copy_to(self, target: Any, anew: bool) -> None:
        """What has changed since this was asked last, or all, into a memoryview of bytes."""
        if anew or self.changes >= self.room or self.copy is None:
            target[CELL:self.used * CELL] = memoryview(self.memory)[CELL:self.used * CELL]
        else:
            self.copy(ctypes.byref(self), ctypes.addressof(ctypes.c_char.from_buffer(target)))
        self.changes = 0


def _check(count: int, total: int, most: int) -> int:
    return (count + 3 * total + 7 * most) % _WORD


def distribution(cells: Any, number: int) -> Distribution:
    """Of the histogram in a cell of ``cells``, bytes; ValueError or struct.error where it is damaged."""
    if not number:
        return EMPTY
    count, total, most, check, *pieces = _HISTOGRAM.unpack_from(cells, number * CELL)
    places: List[int] = []
    counts: List[int] = []
    for piece, cell in enumerate(pieces):
        if cell:
            values = _PIECE.unpack_from(cells, cell * CELL)
            counts += filter(None, values)
            places += compress(range(_FIRST + 32 * piece, _FIRST + 32 * piece + 32), values)
    if check != _check(count, total, most) or sum(counts) != count or not counts or min(counts) < 0:
        raise ValueError("a histogram is damaged")
    return Distribution(total, most, places, counts)
