"""Frames of another domain's memory, mapped read-only into this process: a PV guest's by machine frame, another's by its own.

Through libxenforeignmemory (``xenforeignmemory_map``, soname libxenforeignmemory.so.1, ``tools/include/xenforeignmemory.h``), or
without it through privcmd's MMAPBATCH_V2, as the library does it (``tools/libs/foreignmemory/linux.c``).

A mapping keeps its page, and so a dead domain stays in Xen's list (``(null)``) until it is closed: there are few of them, and
whoever has seen DomainGone closes them all.
"""
import abc
import collections
import ctypes
import errno
import fcntl
import mmap
import os
from typing import Any, Callable, List, Optional, Sequence, Tuple

from xenmeter.core.errors import NoPrivilege, SourceError
from xenmeter.xen import privcmd
from xenmeter.xen.calls import cannot_open, load, open_device, os_error, silent_logger
from xenmeter.xen.resource import LIBRARY

__all__ = ("Frames", "Unmapped", "open_mapper", "BATCH")

#: Pages that are mapped at one time; a page costs the kernel some hundred bytes, and the domain that is dying its end.
MOST = 256
#: Pages that are mapped with one question, to be copied: 2 MiB.
BATCH = 512
_FAILED = ctypes.c_void_p(-1).value
#: More than any machine has: 52 bits of a physical address.
_LAST = 1 << 40


class Unmapped(LookupError):
    """The domain has no such frame, or it may not be mapped."""


class _Mapper(abc.ABC):
    """Pages of a domain, mapped in one question; how is the library's matter or the device's."""

    @abc.abstractmethod
    def _mapped(self, domid: int, frames: Sequence[int]) -> Tuple[int, Any]:
        """Where they lie, one after the other, and an errno for each that is not to be had; OSError where none is."""

    @abc.abstractmethod
    def _unmap(self, address: int, pages: int) -> None:
        """Give back pages that lie one after the other from there."""

    def map(self, domid: int, frame: int) -> int:
        """The address of a page; OSError where it is not to be had."""
        address, errors = self._mapped(domid, [frame])
        if errors[0]:
            self.unmap(address)
            raise OSError(abs(errors[0]), os.strerror(abs(errors[0])))
        return address

    def copy(self, domid: int, frames: Sequence[int]) -> List[Optional[bytes]]:
        """The bytes of some pages, which are mapped with one question and given back; None for one that is not to be had."""
        address, errors = self._mapped(domid, frames)
        try:
            return [None if error else ctypes.string_at(address + privcmd.PAGE_SIZE * number, privcmd.PAGE_SIZE)
                    for number, error in enumerate(errors)]
        finally:
            self._unmap(address, len(frames))

    def unmap(self, address: int) -> None:
        self._unmap(address, 1)


class _Library(_Mapper):
    def __init__(self, library: Any) -> None:
        handle = ctypes.c_void_p
        library.xenforeignmemory_open.restype = handle
        library.xenforeignmemory_open.argtypes = (ctypes.c_void_p, ctypes.c_uint)
        library.xenforeignmemory_map.restype = ctypes.c_void_p
        library.xenforeignmemory_map.argtypes = (handle, ctypes.c_uint32, ctypes.c_int, ctypes.c_size_t, ctypes.c_void_p,
                                                 ctypes.c_void_p)
        library.xenforeignmemory_unmap.argtypes = (handle, ctypes.c_void_p, ctypes.c_size_t)
        library.xenforeignmemory_close.argtypes = (handle,)
        self._library = library
        self._handle = library.xenforeignmemory_open(silent_logger(), 0)
        if not self._handle:
            raise cannot_open(os_error())

    def _mapped(self, domid: int, frames: Sequence[int]) -> Tuple[int, Any]:
        numbers, errors = (ctypes.c_uint64 * len(frames))(*frames), (ctypes.c_int * len(frames))()
        address = self._library.xenforeignmemory_map(self._handle, domid, mmap.PROT_READ, len(frames),
                                                     ctypes.addressof(numbers), ctypes.addressof(errors))
        if not address:
            raise os_error()
        return int(address), errors

    def _unmap(self, address: int, pages: int) -> None:
        self._library.xenforeignmemory_unmap(self._handle, address, pages)

    def close(self) -> None:
        handle, self._handle = self._handle, None
        if handle:
            self._library.xenforeignmemory_close(handle)


class _Device(_Mapper):
    def __init__(self) -> None:
        self._fd = open_device()
        self._memory = ctypes.CDLL(None, use_errno=True)
        self._memory.mmap.restype = ctypes.c_void_p
        self._memory.mmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long)
        self._memory.munmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t)
        self._argument = bytearray(privcmd.MMAPBATCH_V2.size)

    def _mapped(self, domid: int, frames: Sequence[int]) -> Tuple[int, Any]:
        address = self._memory.mmap(None, len(frames) * privcmd.PAGE_SIZE, mmap.PROT_READ, mmap.MAP_SHARED, self._fd, 0)
        if address in (None, _FAILED):
            raise os_error()
        numbers, errors = (ctypes.c_uint64 * len(frames))(*frames), (ctypes.c_int * len(frames))()
        privcmd.MMAPBATCH_V2.pack_into(self._argument, 0, {
            "num": len(frames), "dom": domid, "addr": address, "arr": ctypes.addressof(numbers), "err": ctypes.addressof(errors)})
        try:
            fcntl.ioctl(self._fd, privcmd.IOCTL_MMAPBATCH_V2, self._argument)
        except OSError as error:
            if error.errno != errno.ENOENT or not any(errors):      # pages that are paged out: each says so itself
                self._unmap(address, len(frames))
                raise
        return int(address), errors

    def _unmap(self, address: int, pages: int) -> None:
        self._memory.munmap(address, pages * privcmd.PAGE_SIZE)

    def close(self) -> None:
        descriptor, self._fd = self._fd, -1
        if descriptor >= 0:
            os.close(descriptor)


def open_mapper(library: str = LIBRARY) -> Any:
    """The library where it is installed, the device where it is not."""
    loaded = load(library)
    return _Library(loaded) if loaded is not None and hasattr(loaded, "xenforeignmemory_map") else _Device()


class Frames:
    """The memory of one domain, page by page.

    :param mapper: what :func:`open_mapper` gives; closed with it. :param most: pages that are mapped at one time; the one that
        was not asked for longest goes first.
    :ivar mapped: pages mapped so far; :ivar questions: and with how many questions, each a call or two of the system's.
    """

    def __init__(self, domid: int, mapper: Any, most: int = MOST, view: Callable[[int], Any] = lambda address: memoryview(
            (ctypes.c_ubyte * privcmd.PAGE_SIZE).from_address(address)).cast("B")) -> None:
        self._domid = domid
        self._mapper = mapper
        self._most = most
        self._view = view
        self._pages: Any = collections.OrderedDict()      # frame -> (address, view)
        self.mapped = self.questions = 0

    def page(self, frame: int) -> Any:
        """The 4096 bytes of a frame, until the next question; Unmapped where there is none, NoPrivilege where dom0 may not."""
        known = self._pages.get(frame)
        if known is not None:
            self._pages.move_to_end(frame)
            return known[1]
        if not 0 <= frame < _LAST:
            raise Unmapped("no machine has a frame 0x%x" % frame)
        self.questions += 1
        try:
            address = self._mapper.map(self._domid, frame)
        except OSError as error:
            raise self._refused(error, frame)
        self._pages[frame] = address, self._view(address)
        self.mapped += 1
        if len(self._pages) > self._most:
            self._drop(self._pages.popitem(last=False)[1])
        return self._pages[frame][1]

    def copy(self, frames: Sequence[int]) -> List[Optional[bytes]]:
        """The bytes of many frames, of which none stays mapped; None for one that may not be mapped. NoPrivilege as ``page``."""
        found: List[Optional[bytes]] = []
        for begin in range(0, len(frames), BATCH):
            batch = [frame for frame in frames[begin:begin + BATCH] if 0 <= frame < _LAST]
            self.questions += 1
            try:
                copied = dict(zip(batch, self._mapper.copy(self._domid, batch) if batch else ()))
            except OSError as error:
                refused = self._refused(error, batch[0])
                if not isinstance(refused, Unmapped):
                    raise refused
                copied = {}
            self.mapped += sum(1 for data in copied.values() if data is not None)
            found += [copied.get(frame) for frame in frames[begin:begin + BATCH]]
        return found

    def _refused(self, error: OSError, frame: int) -> Exception:
        # of one that has let us in, a frame that may not be mapped is a device's: the guest's tables can name any
        if error.errno in (errno.EPERM, errno.EACCES) and not self.mapped:
            return NoPrivilege("the memory of domain %d may not be mapped: run as root in dom0 (%s)" % (
                self._domid, error.strerror))
        if error.errno in (errno.ENOTTY, errno.ENOSYS):
            return SourceError("this kernel cannot map another domain's memory (privcmd's MMAPBATCH_V2)")
        return Unmapped("domain %d has no frame 0x%x" % (self._domid, frame))

    def _drop(self, page: Tuple[int, Any]) -> None:
        page[1].release()
        self._mapper.unmap(page[0])

    def forget(self) -> None:
        """Unmap all: what stays mapped keeps a domain that has ended in Xen's list."""
        while self._pages:
            self._drop(self._pages.popitem()[1])

    def close(self) -> None:
        self.forget()
        self._mapper.close()
