"""A guest's page tables, walked from dom0 (Intel SDM volume 3, 4.5; AMD APM volume 2, 5.3): 4 KiB, 2 MiB and 1 GiB, four or five
levels. Hostile input: a walk takes at most five reads, whatever they say.

A PV guest's tables hold machine frames, the others' the guest's own; mapping takes each as it is. A guest may have two tables: PV
always (``cr3`` the kernel's, ``cr1`` its user mode's), others with page table isolation (the user's is the kernel's with bit 12).
"""
import struct
from typing import Any, Iterable, List, Optional, Tuple

from xenmeter.xen.foreign import Unmapped

__all__ = ("Space", "spaces_of", "PAGE")

PAGE = 4096
_ENTRY = struct.Struct("<Q")
_FRAME = 0xffffffffff       # bits 12 to 51, shifted
_PRESENT, _LARGE = 1, 1 << 7
_FIVE_LEVELS, _EXTENSION = 1 << 12, 1 << 5      # of cr4: LA57, PAE
_PAGING = 1 << 31                               # of cr0
_ISOLATION = 1 << 12                            # the user's half of a pair of tables
_WORD = 1 << 64
#: Bytes that one question may ask for.
_MOST = 1 << 24


class Space:
    """A guest's addresses by one or more of its tables, the first that knows one counting.

    :param frames: ``xen.foreign.Frames``, or what gives pages as it does. :param roots: frames of top tables.
    :param levels: 4 or 5.
    """

    def __init__(self, frames: Any, roots: Iterable[int], levels: int = 4) -> None:
        self._frames = frames
        self._roots = list(roots)
        self._shifts = (48, 39, 30, 21, 12)[5 - levels:]

    def frame_of(self, address: int) -> int:
        """The frame of an address; Unmapped where it has none."""
        for root in self._roots:
            found = self._walk(root, address)
            if found is not None:
                return found
        raise Unmapped("0x%x is not mapped" % address)

    def _walk(self, table: int, address: int) -> Optional[int]:
        for shift in self._shifts:
            try:
                page = self._frames.page(table)
            except Unmapped:
                return None
            entry, = _ENTRY.unpack_from(page, (address >> shift & 511) * 8)
            if not entry & _PRESENT:
                return None
            table = entry >> 12 & _FRAME
            if entry & _LARGE and shift in (30, 21):
                inside = (1 << shift - 12) - 1
                return table & ~inside | address >> 12 & inside
        return table

    def read(self, address: int, size: int) -> bytes:
        """So many bytes from an address on; Unmapped where one of them is not there."""
        if not 0 <= size <= _MOST:
            raise Unmapped("%d bytes are more than anything here has" % size)
        parts: List[bytes] = []
        while size:
            address %= _WORD
            begin = address % PAGE
            part = min(size, PAGE - begin)
            parts.append(bytes(self._frames.page(self.frame_of(address))[begin:begin + part]))
            address, size = address + part, size - part
        return b"".join(parts)

    def word(self, address: int) -> int:
        """The 8 bytes at an address."""
        address %= _WORD
        if address % PAGE <= PAGE - 8:
            return int(_ENTRY.unpack_from(self._frames.page(self.frame_of(address)), address % PAGE)[0])
        return int(_ENTRY.unpack(self.read(address, 8))[0])

    def some(self, address: int, size: int) -> bytes:
        """As many of so many bytes as are there."""
        parts: List[bytes] = []
        try:
            while size > 0:
                part = min(size, PAGE - address % PAGE)
                parts.append(self.read(address, part))
                address, size = address + part, size - part
        except Unmapped:
            pass
        return b"".join(parts)


def spaces_of(frames: Any, context: Any, pv: bool) -> Optional[Tuple[Space, Space]]:
    """(the kernel's addresses, the running mode's) of a vCPU; None where it has no paging of 64 bits."""
    if pv:
        kernel = context.cr3 >> 12 & _FRAME
        user = context.cr1 >> 12 & _FRAME
        return Space(frames, [kernel]), Space(frames, [user] if user else [kernel])
    if not context.cr0 & _PAGING or not context.cr4 & _EXTENSION:
        return None
    levels = 5 if context.cr4 & _FIVE_LEVELS else 4
    own = context.cr3 >> 12 & _FRAME
    kernel = (context.cr3 & ~_ISOLATION) >> 12 & _FRAME
    return Space(frames, [own, kernel] if kernel != own else [own], levels), Space(frames, [own], levels)
