"""The statistics page of a domain: a table of counters per vCPU that the hypervisor writes while we read.

This is the whole of the ABI as it is read here; a hypervisor that provides it may be written from this text. It is version
3 of the proposal "Add a new acquire resource to query vcpu statistics" (xen-devel, October 2023), which no Xen release
has, with the counters appended that its review asked for.

**Resource.** ``XENMEM_acquire_resource``, type 3, id 0, any domain but the caller's own. The size query answers
``ceil((offset + max_vcpus * stride) / 4096)`` frames, at most 1024; frames are mapped from 0, read-only. They stay while
the domain lives. A reader unmaps them when the domain is dying: they must not be needed for its end.

**Header**, 16 bytes at 0 of frame 0, little endian, constant from the first mapping on::

    0   u32 magic     0xaabbccdd
    4   u32 offset    of vCPU 0's entry from the start of frame 0; a multiple of 8, 16 or more (128)
    8   u32 size      filled bytes of an entry, from its start: 8 + 8 * (number of counters); 16 or more
    12  u32 stride    from one entry to the next; a multiple of 8, size or more, 65536 or less (128)

**Entry** of vCPU n, at ``offset + n * stride`` (entries may cross from frame to frame, which are mapped in a row)::

    0   u32 seq       odd while the entry is being written; 0: never written
    4   u32 pad       not read
    8   u64 running             ns in that runstate since the vCPU was made, up to its last change of state
    16  u64 runnable            the same
    24  u64 blocked             the same
    32  u64 offline             the same
    40  u64 state entry time    Xen's system time, ns, at which the vCPU entered the runstate that it is in
    48  u64 state               that runstate: 0 running, 1 runnable, 2 blocked, 3 offline

A counter is there if ``size`` reaches its end; more may be appended after the last one, none is ever moved or dropped.
**Bit 63** set in a counter: it is inactive or has overflowed, and is not used; each counter for itself.

**Writing**: ``seq = (seq + 1) | 1``, write barrier, the counters, write barrier, ``seq = seq + 1``; one writer per entry at a
time. **Reading**: seq, read barrier, the counters, read barrier, seq again; good if both are the same and even. All
counters of an entry are then of one moment, and while it stays in its state, running + runnable + blocked + offline is the
vCPU's age at the state entry time.

What follows for the reader: an entry with seq 0 is unknown, for its counters begin at 0 and then jump to the vCPU's whole
life. A vCPU that runs on and on does not advance: what it has been doing since the state entry time is not in the counters
until its state changes. Where the page says since when and which state it is, :func:`completed` adds it.
"""
import platform
import struct
import threading
from typing import Any, List, NamedTuple, Optional, Sequence, Tuple

from xenmeter.core.errors import BadInput

__all__ = ("MAGIC", "COUNTERS", "Layout", "Counters", "PageReader", "layout_of", "completed", "encode")

MAGIC = 0xaabbccdd
COUNTERS = ("running", "runnable", "blocked", "offline", "state_entry_time", "state")
_ENTERED, _STATE = 4, 5     # places in it
#: Readings of an entry before it is given up for this time: the hypervisor writes one in a few instructions.
TRIES = 16

_HEADER = struct.Struct("<IIII")
_FIRST = 8                  # of an entry: where its counters begin
_INACTIVE = 1 << 63
#: Entries are rounded up to cache lines; a page with larger ones than this is not what it says.
_MAX_STRIDE = 1 << 16

#: A vCPU's counters in the order of COUNTERS, as many as the page has; None: not known now.
Counters = Tuple[Optional[int], ...]


class _Layout(NamedTuple):
    offset: int
    size: int
    stride: int


class Layout(_Layout):
    """The header's words, checked."""

    __slots__ = ()

    @property
    def counters(self) -> int:
        """How many of COUNTERS an entry has."""
        return min(len(COUNTERS), (self.size - _FIRST) // 8)

    def capacity(self, mapped: int) -> int:
        """Entries that lie wholly within so many bytes."""
        return 0 if self.offset + self.size > mapped else (mapped - self.offset - self.size) // self.stride + 1

    def needed(self, vcpus: int) -> int:
        """Bytes from the page's start to the end of the last of so many entries."""
        return self.offset + (vcpus - 1) * self.stride + self.size if vcpus else _HEADER.size


def layout_of(data: Any) -> Layout:
    """The layout by the header of a page; BadInput where it is none, or one that cannot be read without harm."""
    if len(data) < _HEADER.size:
        raise BadInput("statistics page of %d bytes has no header" % len(data), 0)
    magic, offset, size, stride = _HEADER.unpack_from(data)
    if magic != MAGIC:
        raise BadInput("statistics page with magic 0x%08x, expected 0x%08x" % (magic, MAGIC), 0)
    if offset < _HEADER.size or offset % 8:
        raise BadInput("statistics page whose first entry is at %d" % offset, 4)
    if size < _FIRST + 8:
        raise BadInput("statistics page whose entries of %d bytes hold no counter" % size, 8)
    if stride < size or stride % 8 or stride > _MAX_STRIDE:
        raise BadInput("statistics page with %d bytes from entry to entry of %d" % (stride, size), 12)
    return Layout(offset, size, stride)


def _no_barrier() -> None:
    """x86 does not reorder loads with loads."""


def _lock_barrier() -> None:
    """Elsewhere: no load before a lock's release passes a load after its next acquisition."""
    lock = threading.Lock()
    lock.acquire()
    lock.release()
    lock.acquire()


_barrier = _no_barrier if platform.machine() in ("x86_64", "i686", "i586") else _lock_barrier


class PageReader:
    """Consistent readings of a mapped page.

    :param view: ``memoryview`` of the mapped pages.
    :param vcpus: how many vCPUs the domain may have; entries beyond the mapping are not read.
    :ivar torn: entries that were given up because they changed at each try.
    :ivar header: the header's four words.
    :raises BadInput: when it is made, see :func:`layout_of`; by :meth:`read` where the header is no longer the same.
    """

    def __init__(self, view: Any, vcpus: int) -> None:
        self.layout = layout_of(view)
        self.entries = min(vcpus, self.layout.capacity(len(view)))
        self.torn = 0
        offset, size, stride = self.layout
        number = self.layout.counters
        used = _FIRST + 8 * number
        entry = "I4x%dQ" % number
        self._width = 1 + number
        self._all = struct.Struct("<" + ("%dx" % (stride - used)).join([entry] * self.entries))
        self._one = struct.Struct("<" + entry)
        self.header = (MAGIC,) + tuple(self.layout)
        self._header = _HEADER.pack(*self.header)
        self._head = view[:_HEADER.size]
        self._body = view[offset:offset + self._all.size]
        self._last = b""                # a reading that was consistent, and what it said
        self._said: List[Counters] = []

    def read(self) -> List[Counters]:
        """The counters of each vCPU, by its number; an empty tuple for one of which nothing can be told now."""
        if self._head.tobytes() != self._header:
            raise BadInput("statistics page whose header changed while it was mapped", 0)
        before = self._body.tobytes()
        if before == self._last:        # the same sequence numbers: nothing was written, this is the same reading
            return self._said
        _barrier()
        data = self._body.tobytes()
        _barrier()
        after = self._body.tobytes()
        words = self._all.unpack(data)
        width = self._width
        old, new = (words, words) if before == data == after else (self._all.unpack(before), self._all.unpack(after))
        said: List[Counters] = []
        whole = True
        for at in range(0, len(words), width):
            seq = old[at]
            if seq & 1 or seq != new[at]:
                whole = False
                said.append(self._again(at // width))
            else:
                said.append(_known(seq, words[at + 1:at + width]))
        self._last, self._said = (data, said) if whole and before == data == after else (b"", [])
        return said

    def _again(self, entry: int) -> Counters:
        """One entry by itself, which was written in the middle of the reading."""
        start = entry * self.layout.stride
        part = self._body[start:start + self._one.size]
        try:
            for _ in range(TRIES):
                before = part.tobytes()
                _barrier()
                data = part.tobytes()
                _barrier()
                after = part.tobytes()
                seq = self._one.unpack(before)[0]
                if not seq & 1 and seq == self._one.unpack(after)[0]:
                    return _known(seq, self._one.unpack(data)[1:])
        finally:
            part.release()
        self.torn += 1
        return ()

    def close(self) -> None:
        """Let go of the mapping, which may be unmapped then."""
        self._head.release()
        self._body.release()


def _known(seq: int, counters: Tuple[int, ...]) -> Counters:
    if not seq:
        return ()
    if max(counters) < _INACTIVE:
        return counters
    known = tuple([None if value & _INACTIVE else value for value in counters])
    return known if known.count(None) < len(known) else ()


def completed(counters: Counters, now: int) -> Counters:
    """Counters with what the vCPU has been doing since it entered its state; as they are where that is not known.

    :param now: Xen's system time, ns, not ahead of Xen's own.
    """
    if len(counters) <= _STATE:
        return counters
    state, entered = counters[_STATE], counters[_ENTERED]
    if state is None or state >= _ENTERED or entered is None or entered > now or counters[state] is None:
        return counters
    return counters[:state] + (counters[state] + now - entered,) + counters[state + 1:]    # type: ignore[operator]


def encode(entries: Sequence[Tuple[int, ...]], size: Optional[int] = None, offset: int = 128, stride: int = 128,
           magic: int = MAGIC) -> bytes:
    """A page as the hypervisor writes it.

    :param entries: per vCPU its seq, then its counters.
    :param size: filled bytes of an entry, as the header says it; None: of the first one.
    """
    if size is None:
        size = _FIRST + 8 * (len(entries[0]) - 1 if entries else 1)
    page = bytearray(max(_HEADER.size, offset + stride * len(entries)))
    _HEADER.pack_into(page, 0, magic, offset, size, stride)
    for number, (seq, *counters) in enumerate(entries):
        struct.pack_into("<I4x%dQ" % len(counters), page, offset + stride * number, seq, *counters)
    return bytes(page)
