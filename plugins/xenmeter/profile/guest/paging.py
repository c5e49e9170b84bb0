"""A guest's page tables, walked from dom0 (Intel SDM volume 3, 4.5; AMD APM volume 2, 5.3): 4 KiB, 2 MiB and 1 GiB, four or five
levels. Hostile input: a walk takes at most five reads, whatever they say.

A PV guest's tables hold machine frames, the others' the guest's own; mapping takes each as it is. A guest may have two tables: PV
always (``cr3`` the kernel's, ``cr1`` its user mode's), others with page table isolation (the user's is the kernel's with bit 12).
"""
import struct
from typing import Any, Iterable, List, NamedTuple, Optional, Tuple

from xenmeter.xen.foreign import Unmapped

__all__ = ("Space", "Page", "spaces_of", "PAGE")

PAGE = 4096
_ENTRY = struct.Struct("<Q")
_FRAME = 0xffffffffff       # bits 12 to 51, shifted
_PRESENT, _WRITABLE, _LARGE, _NO_CODE = 1, 1 << 1, 1 << 7, 1 << 63
_FIVE_LEVELS, _EXTENSION = 1 << 12, 1 << 5      # of cr4: LA57, PAE
_PAGING = 1 << 31                               # of cr0
_ISOLATION = 1 << 12                            # the user's half of a pair of tables
_WORD = 1 << 64
#: Bytes that one question may ask for.
_MOST = 1 << 24
_MOST_PAGES = 1 << 15


class Page(NamedTuple):
    """What a page is mapped to; ``constant`` where nothing may be written there, ``code`` where it may be run."""

    frame: int
    constant: bool
    code: bool


class Space:
    """A guest's addresses by one or more of its tables, the first that knows one counting.

    :param frames: ``xen.foreign.Frames``, or what gives pages as it does. :param roots: frames of top tables.
    :param levels: 4 or 5.
    """

    def __init__(self, frames: Any, roots: Iterable[int], levels: int = 4) -> None:
        self._frames = frames
        self._roots = list(roots)
        self._above = (48, 39, 30, 21)[5 - levels:]

    def frame_of(self, address: int) -> int:
        """The frame of an address; Unmapped where it has none."""
        for root in self._roots:
            found = self._walk(root, address)
            if found is not None:
                return found
        raise Unmapped("0x%x is not mapped" % address)

    def _walk(self, table: int, address: int) -> Optional[int]:
        try:
            frame, _, is_large = self._down(table, address)
            if is_large:
                return frame
            entry, = _ENTRY.unpack_from(self._frames.page(frame), (address >> 12 & 511) * 8)
        except Unmapped:
            return None
        return int(entry) >> 12 & _FRAME if entry & _PRESENT else None

    def _down(self, table: int, address: int) -> Tuple[int, int, bool]:
        """(frame, rights, whether it is a large page's) of what has the entries of pages, or of the page itself; Unmapped.

        Rights are the bits that every entry on the way has, _NO_CODE turned around.
        """
        rights = -1
        for shift in self._above:
            entry, = _ENTRY.unpack_from(self._frames.page(table), (address >> shift & 511) * 8)
            if not entry & _PRESENT:
                raise Unmapped("0x%x is not mapped" % address)
            table, rights = entry >> 12 & _FRAME, rights & (entry ^ _NO_CODE)
            if entry & _LARGE and shift in (30, 21):
                inside = (1 << shift - 12) - 1
                return table & ~inside | address >> 12 & inside, rights, True
        return table, rights, False

    def pages(self, address: int, number: int) -> List[Optional[Page]]:
        """So many pages in a row, each table being read once; None for one that is not there."""
        found: List[Optional[Page]] = [None] * min(number, _MOST_PAGES)
        for root in reversed(self._roots):
            at = 0
            while at < len(found):
                here = (address + at * PAGE) % _WORD
                part = min(512 - (here >> 12 & 511), len(found) - at)
                for place, page in enumerate(self._row(root, here, part)):
                    found[at + place] = page or found[at + place]
                at += part
        return found

    def _row(self, table: int, address: int, number: int) -> List[Optional[Page]]:
        """The same of pages within 2 MiB by one table; none where there is nothing at all."""
        try:
            frame, rights, is_large = self._down(table, address)
            if is_large:
                return [Page(frame + place, not rights & _WRITABLE, bool(rights & _NO_CODE)) for place in range(number)]
            entries = struct.unpack_from("<%dQ" % number, self._frames.page(frame), (address >> 12 & 511) * 8)
        except Unmapped:
            return []
        return [Page(entry >> 12 & _FRAME, not rights & entry & _WRITABLE, bool(rights & (entry ^ _NO_CODE) & _NO_CODE))
                if entry & _PRESENT else None for entry in entries]

    def copied(self, pages: Iterable[Optional[Page]]) -> List[Optional[bytes]]:
        """The bytes of pages, many being mapped with one question."""
        known = list(pages)
        copies = iter(self._frames.copy([page.frame for page in known if page is not None]))
        return [next(copies) if page is not None else None for page in known]

    def much(self, address: int, size: int) -> bytes:
        """As ``read``, for more than some pages: they are copied, and none stays mapped."""
        if not 0 <= size <= _MOST:
            raise Unmapped("%d bytes are more than anything here has" % size)
        begin = address % PAGE
        parts = self.copied(self.pages(address - begin, (begin + size + PAGE - 1) // PAGE))
        if any(part is None for part in parts):
            raise Unmapped("0x%x is not mapped" % address)
        return b"".join([part for part in parts if part is not None])[begin:begin + size]

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
