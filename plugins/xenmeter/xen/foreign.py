"""Frames of another domain's memory, mapped read-only into this process: a PV guest's by machine frame, another's by its own.

Through libxenforeignmemory (``xenforeignmemory_map``, soname libxenforeignmemory.so.1, ``tools/include/xenforeignmemory.h``), or
without it through privcmd's MMAPBATCH_V2, as the library does it (``tools/libs/foreignmemory/linux.c``).

A mapping keeps its page, and so a dead domain stays in Xen's list (``(null)``) until it is closed: there are few of them, and
whoever has seen DomainGone closes them all.
"""
import collections
import ctypes
import errno
import fcntl
import mmap
import os
from typing import Any, Callable, Tuple

from xenmeter.core.errors import NoPrivilege, SourceError
from xenmeter.xen import privcmd
from xenmeter.xen.calls import cannot_open, load, open_device, os_error, silent_logger
from xenmeter.xen.resource import LIBRARY

__all__ = ("Frames", "Unmapped", "open_mapper")

#: Pages that are mapped at one time; a page costs the kernel some hundred bytes, and the domain that is dying its end.
MOST = 256
_FAILED = ctypes.c_void_p(-1).value
#: More than any machine has: 52 bits of a physical address.
_LAST = 1 << 40


class Unmapped(LookupError):
    """The domain has no such frame, or it may not be mapped."""


class _Library:
    def __init__(self, library: Any) -> None:
        handle = ctypes.c_void_p
        library.xenforeignmemory_open.restype = handle
        library.xenforeignmemory_open.argtypes = (ctypes.c_void_p, ctypes.c_uint)
        library.xenforeignmemory_close.argtypes = (handle,)
        self._map = library.xenforeignmemory_map
        self._map.restype = ctypes.c_void_p
        self._map.argtypes = (handle, ctypes.c_uint32, ctypes.c_int, ctypes.c_size_t, ctypes.c_void_p, ctypes.c_void_p)
        self._unmap = library.xenforeignmemory_unmap
        self._unmap.argtypes = (handle, ctypes.c_void_p, ctypes.c_size_t)
        self._close = library.xenforeignmemory_close
        self._handle = library.xenforeignmemory_open(silent_logger(), 0)
        if not self._handle:
            raise cannot_open(os_error())

    def map(self, domid: int, frame: int) -> int:
        """The address of a page; OSError where it is not to be had."""
        number, error = ctypes.c_uint64(frame), ctypes.c_int(0)
        address = self._map(self._handle, domid, mmap.PROT_READ, 1, ctypes.addressof(number), ctypes.addressof(error))
        if address and error.value:
            self._unmap(self._handle, address, 1)
        if not address or error.value:
            raise os_error() if not error.value else OSError(abs(error.value), os.strerror(abs(error.value)))
        return int(address)

    def unmap(self, address: int) -> None:
        self._unmap(self._handle, address, 1)

    def close(self) -> None:
        handle, self._handle = self._handle, None
        if handle:
            self._close(handle)


class _Device:
    def __init__(self) -> None:
        self._fd = open_device()
        self._memory = ctypes.CDLL(None, use_errno=True)
        self._memory.mmap.restype = ctypes.c_void_p
        self._memory.mmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long)
        self._memory.munmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t)
        self._argument = bytearray(privcmd.MMAPBATCH_V2.size)

    def map(self, domid: int, frame: int) -> int:
        address = self._memory.mmap(None, privcmd.PAGE_SIZE, mmap.PROT_READ, mmap.MAP_SHARED, self._fd, 0)
        if address in (None, _FAILED):
            raise os_error()
        number, error = ctypes.c_uint64(frame), ctypes.c_int(0)
        privcmd.MMAPBATCH_V2.pack_into(self._argument, 0, {
            "num": 1, "dom": domid, "addr": address, "arr": ctypes.addressof(number), "err": ctypes.addressof(error)})
        try:
            fcntl.ioctl(self._fd, privcmd.IOCTL_MMAPBATCH_V2, self._argument)
            if error.value:
                raise OSError(abs(error.value), os.strerror(abs(error.value)))
        except OSError:
            self._memory.munmap(address, privcmd.PAGE_SIZE)
            raise
        return int(address)

    def unmap(self, address: int) -> None:
        self._memory.munmap(address, privcmd.PAGE_SIZE)

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
    :ivar mapped: pages mapped so far.
    """

    def __init__(self, domid: int, mapper: Any, most: int = MOST, view: Callable[[int], Any] = lambda address: memoryview(
            (ctypes.c_ubyte * privcmd.PAGE_SIZE).from_address(address)).cast("B")) -> None:
        self._domid = domid
        self._mapper = mapper
        self._most = most
        self._view = view
        self._pages: Any = collections.OrderedDict()      # frame -> (address, view)
        self.mapped = 0

    def page(self, frame: int) -> Any:
        """The 4096 bytes of a frame, until the next question; Unmapped where there is none, NoPrivilege where dom0 may not."""
        known = self._pages.get(frame)
        if known is not None:
            self._pages.move_to_end(frame)
            return known[1]
        if not 0 <= frame < _LAST:
            raise Unmapped("no machine has a frame 0x%x" % frame)
        try:
            address = self._mapper.map(self._domid, frame)
        except OSError as error:
            # of one that has let us in, a frame that may not be mapped is a device's: the guest's tables can name any
            if error.errno in (errno.EPERM, errno.EACCES) and not self.mapped:
                raise NoPrivilege("the memory of domain %d may not be mapped: run as root in dom0 (%s)" % (
                    self._domid, error.strerror))
            if error.errno in (errno.ENOTTY, errno.ENOSYS):
                raise SourceError("this kernel cannot map another domain's memory (privcmd's MMAPBATCH_V2)")
            raise Unmapped("domain %d has no frame 0x%x" % (self._domid, frame))
        self._pages[frame] = address, self._view(address)
        self.mapped += 1
        if len(self._pages) > self._most:
            self._drop(self._pages.popitem(last=False)[1])
        return self._pages[frame][1]

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
