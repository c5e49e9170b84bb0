"""A pass over the pCPUs' rings as the compiled loop takes it: windows that lie in few pieces of memory."""
import ctypes
from array import array
from typing import Any, FrozenSet, Iterable, Iterator, List, Tuple

__all__ = ("Windows", "Taker", "address_of")

#: Windows of a stream that are looked for at once.
_MOST = 512
_NONE: FrozenSet[int] = frozenset()


def address_of(data: Any) -> int:
    """Of the first byte of bytes that are held elsewhere; 0 where there are none."""
    if isinstance(data, bytes):
        return ctypes.cast(ctypes.c_char_p(data), ctypes.c_void_p).value or 0
    return ctypes.addressof(ctypes.c_char.from_buffer(data)) if len(data) else 0


class Windows:
    """What a list of (pCPU, bytes) is. :ivar numbers: of the pCPUs; :ivar where: addresses; :ivar sizes: bytes."""

    __slots__ = ("numbers", "where", "sizes", "_held")

    def __init__(self, windows: Iterable[Tuple[int, bytes]] = ()) -> None:
        self.numbers, self.where, self.sizes = array("q"), array("Q"), array("q")
        self._held: List[bytes] = []
        for one in windows:
            self.append(one)

    def __len__(self) -> int:
        return len(self.numbers)

    def __iter__(self) -> Iterator[Tuple[int, bytes]]:
        for pcpu, where, size in zip(self.numbers, self.where, self.sizes):
            yield pcpu, ctypes.string_at(where, size)

    def __eq__(self, other: Any) -> bool:
        return isinstance(other, (list, Windows)) and list(self) == list(other)

    @classmethod
    def of(cls, pcpus: Iterable[int], sizes: Iterable[int], held: Any) -> "Windows":
        """Of pCPUs whose bytes lie one behind the other in ``held``; those of 0 bytes are left out."""
        made = cls()
        made._held.append(held)
        at = address_of(held)
        for pcpu, size in zip(pcpus, sizes):
            if size:
                made.numbers.append(pcpu)
                made.where.append(at)
                made.sizes.append(size)
                at += size
        return made

    def append(self, window: Tuple[int, bytes]) -> None:
        held = bytes(window[1])
        self._held.append(held)
        self.numbers.append(window[0])
        self.where.append(address_of(held))
        self.sizes.append(len(held))

    def extend(self, library: Any, data: bytearray, at: int, last: int) -> int:
        """Those at ``data[at:]`` that are whole and in order, of pCPUs above ``last``. Bytes that they take."""
        numbers, places, sizes = [array("q", bytes(8 * _MOST)) for _ in range(3)]
        count = library.xenmeter_hot_split(address_of(data) + at, len(data) - at, last, *[
            one.buffer_info()[0] for one in (numbers, places, sizes)], _MOST)
        if not count:
            return 0
        end = places[count - 1] + sizes[count - 1]
        with memoryview(data) as view:
            held = bytes(view[at:at + end])
        self._held.append(held)
        start = address_of(held)
        self.numbers += numbers[:count]
        self.where.extend([start + place for place in places[:count]])
        self.sizes += sizes[:count]
        return end


class Taker:
    """What is in all of a host's rings, at one go. :param rings: of ``xen.tracebuf``; their memory stays where it is.

    :ivar most: bytes in the fullest one.
    """

    def __init__(self, library: Any, rings: Any) -> None:
        self._library = library
        self._pcpus = [ring.pcpu for ring in rings]
        self._rings = array("q", [number for ring in rings for number in (ring.address, ring.size)])
        self._unread, self._fills = [array("q", bytes(8 * len(rings))) for _ in range(2)]
        self._sizes = [ring.size for ring in rings]
        self._smallest = min(self._sizes)
        self.most = 0

    def take(self, least: int) -> Any:
        """(Windows, the pCPUs whose rings had less than ``least`` bytes free); None where a ring is damaged."""
        rings, unread, fills = [one.buffer_info()[0] for one in (self._rings, self._unread, self._fills)]
        size = self._library.xenmeter_hot_unread(rings, len(self._pcpus), unread)
        if size < 0:
            return None
        held = bytearray(size)
        self._library.xenmeter_hot_take_rings(rings, len(self._pcpus), unread, address_of(held), fills)
        self.most = max(self._fills)
        full = _NONE if self.most <= self._smallest - least else frozenset(
            pcpu for pcpu, fill, size in zip(self._pcpus, self._fills, self._sizes) if fill > size - least)
        return Windows.of(self._pcpus, self._unread, held), full
