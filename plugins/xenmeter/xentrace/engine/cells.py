"""Histograms that last, as they are read: cells of 256 bytes, little endian, of which only those change whose values do.

A histogram's own cell: i64 number of values, i64 sum, i64 maximum, u64 check (number + 3 * sum + 7 * maximum, modulo 2**64),
then u32 for each of 28 pieces the number of its cell, 0: nothing is in it; and u32 for each the number of the cell above it, 0:
there is none. A piece's cell: u32 for each of 64 buckets how many values, modulo 2**32, and the one above it how often 2**32; the
first bucket of piece p has the place 2 + 64 * p of ``core.histogram``. Cell 0 is no histogram's.
"""
import struct
from itertools import compress
from typing import Any, Dict, List

from xenmeter.core import histogram
from xenmeter.xentrace.engine.distribution import EMPTY, Distribution
from xenmeter.xentrace.engine.layout import PIECES

__all__ = ("Cells", "CELL", "distribution")

CELL = 256
_HISTOGRAM = struct.Struct("<qqqQ%dI" % (2 * PIECES))
_BUCKETS = 64
_PIECE = struct.Struct("<%dI" % _BUCKETS)
_ABOVE = 32
_WORD = 1 << 64
_FIRST = histogram.FIRST


class Cells:
    """Memory of cells. :ivar used: how many are in use, or were; :ivar room: how many there may be."""

    memory: Any
    used: int
    room: int

    def __init__(self) -> None:
        self.memory = bytearray(CELL)
        self.used = self.room = 1
        self._freed: List[int] = []

    def take(self) -> int:
        if self._freed:
            number = self._freed.pop()
            self.memory[number * CELL:number * CELL + CELL] = bytes(CELL)
            return number
        self.memory += bytes(CELL)
        self.used += 1
        self.room = max(self.room, self.used + self.used // 4)
        return self.used - 1

    def release(self, held: Dict[int, int]) -> None:
        """:param held: as ``tell`` filled it."""
        self._freed += [held[piece] for piece in sorted(held)]

    def tell(self, one: Distribution, held: Dict[int, int]) -> int:
        """The number of a histogram's cell, 0 where it is empty. :param held: piece -> cell, PIECES + piece -> the one above it,
        -1 -> its own; kept by whoever tells it again."""
        if not one.counts:
            return 0
        own = self._cell(held, -1)
        pieces: Dict[int, List[int]] = {}
        for place, number in zip(one.places, one.counts):
            piece, bucket = divmod(place - _FIRST, _BUCKETS)
            pieces.setdefault(piece, [0] * _BUCKETS)[bucket] = number % (1 << _ABOVE)
            if number >> _ABOVE:
                pieces.setdefault(PIECES + piece, [0] * _BUCKETS)[bucket] = number >> _ABOVE
        for piece in sorted(pieces):
            _PIECE.pack_into(self.memory, self._cell(held, piece) * CELL, *pieces[piece])
        count = one.count
        _HISTOGRAM.pack_into(self.memory, own * CELL, count, one.sum, one.most, _check(count, one.sum, one.most),
                             *[held.get(piece, 0) for piece in range(2 * PIECES)])
        return own

    def _cell(self, held: Dict[int, int], piece: int) -> int:
        if piece not in held:
            held[piece] = self.take()
        return held[piece]

    def copy_to(self, target: Any, anew: bool) -> None:
        """What has changed since this was asked last, or all where it is to be written anew, into a memoryview of bytes."""
        target[CELL:self.used * CELL] = memoryview(self.memory)[CELL:self.used * CELL]


def _check(count: int, total: int, most: int) -> int:
    return (count + 3 * total + 7 * most) % _WORD


def distribution(cells: Any, number: int) -> Distribution:
    """Of the histogram in a cell of ``cells``, bytes; ValueError or struct.error where it is damaged."""
    if not number:
        return EMPTY
    count, total, most, check, *numbers = _HISTOGRAM.unpack_from(cells, number * CELL)
    places: List[int] = []
    counts: List[int] = []
    for piece, cell, above in zip(range(PIECES), numbers, numbers[PIECES:]):
        if cell:
            values = _PIECE.unpack_from(cells, cell * CELL)
            if above:
                values = tuple(map(_whole, values, _PIECE.unpack_from(cells, above * CELL)))
            counts += filter(None, values)
            places += compress(range(_FIRST + _BUCKETS * piece, _FIRST + _BUCKETS * (piece + 1)), values)
    if check != _check(count, total, most) or sum(counts) != count or not counts or min(counts) < 0:
        raise ValueError("a histogram is damaged")
    return Distribution(total, most, places, counts)


def _whole(low: int, high: int) -> int:
    return low + (high << _ABOVE)
