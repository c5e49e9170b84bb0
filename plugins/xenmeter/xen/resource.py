"""Acquire-resource: pages of the hypervisor, or of another domain's making, mapped read-only into this process.

Through libxenforeignmemory (``xenforeignmemory_map_resource``, soname libxenforeignmemory.so.1, since Xen 4.11), or
without it through privcmd's MMAP_RESOURCE. Xen never gives a domain a resource of its own: dom0 asking for dom0 is EPERM.

A mapping stays readable after its domain has died, with its last contents. It does not survive a fork.
"""
import ctypes
import errno
import fcntl
import mmap
import os
from typing import Any, Callable, Optional

from xenmeter.core.errors import DomainGone, NoPrivilege, SourceError, Unsupported
from xenmeter.xen import privcmd
from xenmeter.xen.calls import cannot_open, load, open_device, os_error, silent_logger

__all__ = ("Mapping", "LibraryMemory", "DeviceMemory", "open_memory", "GRANT_TABLE", "STATS_TABLE", "LIBRARY")

LIBRARY = "libxenforeignmemory.so.1"

#: ``XENMEM_resource_*`` of Xen's ``memory.h``. The statistics table is a proposal: no release of Xen has it, and 3 may yet
#: become something else there.
GRANT_TABLE, STATS_TABLE = 1, 3

_FAILED = ctypes.c_void_p(-1).value
_MOST, _NO_KIND = 32, 0xffff
_MAX_ERRNO = 4095


class Mapping:
    """Mapped pages.

    :ivar view: read-only ``memoryview`` of them, until :meth:`close`; nobody may keep a part of it.
    """

    __slots__ = ("address", "view", "_release")

    def __init__(self, address: int, frames: int, release: Callable[[], Any]) -> None:
        self.address = address
        size = frames * privcmd.PAGE_SIZE
        view = memoryview((ctypes.c_ubyte * size).from_address(address)).cast("B")
        self.view = getattr(view, "toreadonly", lambda: view)()     # Python 3.8; before, a write is a fault of ours
        self._release: Optional[Callable[[], Any]] = release

    def close(self) -> None:
        release, self._release = self._release, None
        if release is not None:
            self.view.release()
            release()


class LibraryMemory:
    """Resources through libxenforeignmemory.

    :param library: an object of :func:`xen.calls.load` that has ``map_resource``.
    :ivar count: questions to the kernel so far, each of them a hypercall there.
    """

    name = "libxenforeignmemory"

    def __init__(self, library: Any) -> None:
        handle, number = ctypes.c_void_p, ctypes.c_uint
        library.xenforeignmemory_open.restype = handle
        library.xenforeignmemory_open.argtypes = (ctypes.c_void_p, number)
        library.xenforeignmemory_close.argtypes = (handle,)
        self._map = library.xenforeignmemory_map_resource
        self._map.restype = ctypes.c_void_p
        self._map.argtypes = (handle, ctypes.c_uint16, number, number, ctypes.c_ulong, ctypes.c_ulong,
                              ctypes.POINTER(ctypes.c_void_p), ctypes.c_int, ctypes.c_int)
        self._unmap = library.xenforeignmemory_unmap_resource
        self._unmap.argtypes = (handle, ctypes.c_void_p)
        self._size = getattr(library, "xenforeignmemory_resource_size", None)   # since Xen 4.15
        if self._size is not None:
            self._size.argtypes = (handle, ctypes.c_uint16, number, number, ctypes.POINTER(ctypes.c_size_t))
        self._library = library
        self._handle = library.xenforeignmemory_open(silent_logger(), 0)
        self.count = 0
        if not self._handle:
            raise cannot_open(os_error())

    def frames(self, domid: int, kind: int, number: int = 0) -> Optional[int]:
        """How many pages the resource has; None where that cannot be asked, and only mapping tells."""
        if self._size is None:
            return None
        size = ctypes.c_size_t()
        self.count += 1
        if self._size(self._handle, domid, kind, number, ctypes.byref(size)):
            _see_why_no_size(os_error(), domid, kind)
            return None
        return _checked(size.value // privcmd.PAGE_SIZE, domid, kind)

    def map(self, domid: int, kind: int, number: int = 0, frames: int = 1) -> Mapping:
        """The resource's first pages; Unsupported, NoPrivilege, DomainGone or SourceError where it is not to be had."""
        address = ctypes.c_void_p()
        self.count += 1
        resource = self._map(self._handle, domid, kind, number, 0, frames, ctypes.byref(address), mmap.PROT_READ, 0)
        if not resource:
            raise _trouble(os_error(), domid, kind)
        return Mapping(address.value or 0, frames, lambda: self._unmap(self._handle, resource))

    def close(self) -> None:
        """Close the mappings before."""
        handle, self._handle = self._handle, None
        if handle:
            self._library.xenforeignmemory_close(handle)


class DeviceMemory:
    """The same through the kernel's device alone, as the library does it (``tools/libs/foreignmemory/linux.c``)."""

    name = privcmd.DEVICES[0]

    def __init__(self) -> None:
        self.count = 0
        self._fd = open_device()
        self._memory = ctypes.CDLL(None, use_errno=True)
        self._memory.mmap.restype = ctypes.c_void_p
        self._memory.mmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int,
                                      ctypes.c_long)
        self._memory.munmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t)

    def frames(self, domid: int, kind: int, number: int = 0) -> Optional[int]:
        try:
            frames = self._ioctl(domid, kind, number, 0, 0)
        except OSError as error:
            _see_why_no_size(error, domid, kind)
            return None
        if frames == _MOST and self._is_no_size(domid):
            return None
        return _checked(frames, domid, kind)

    def _is_no_size(self, domid: int) -> bool:
        """Xen 4.14 answers each question for a length with what one call takes at most, whatever the resource and whether the
        domain is there: of a kind that no release has, too."""
        try:
            return self._ioctl(domid, _NO_KIND, 0, 0, 0) == _MOST
        except OSError:
            return False

    def map(self, domid: int, kind: int, number: int = 0, frames: int = 1) -> Mapping:
        size = frames * privcmd.PAGE_SIZE
        address = self._memory.mmap(None, size, mmap.PROT_READ, mmap.MAP_SHARED, self._fd, 0)
        if address in (None, _FAILED):
            raise _trouble(os_error(), domid, kind)
        try:
            self._ioctl(domid, kind, number, frames, address)
        except OSError as error:
            self._memory.munmap(address, size)
            raise _trouble(error, domid, kind)
        return Mapping(address, frames, lambda: self._memory.munmap(address, size))

    def _ioctl(self, domid: int, kind: int, number: int, frames: int, address: int) -> int:
        argument = bytearray(privcmd.MMAP_RESOURCE.pack(dom=domid, type=kind, id=number, num=frames, addr=address))
        self.count += 1
        fcntl.ioctl(self._fd, privcmd.IOCTL_MMAP_RESOURCE, argument)
        return privcmd.MMAP_RESOURCE.unpack(argument).num

    def close(self) -> None:
        descriptor, self._fd = self._fd, -1
        if descriptor >= 0:
            os.close(descriptor)


def open_memory(library: str = LIBRARY) -> Any:
    """The library where it is installed and can do it, the device where not."""
    loaded = load(library)
    return LibraryMemory(loaded) if hasattr(loaded, "xenforeignmemory_map_resource") else DeviceMemory()


def _checked(frames: int, domid: int, kind: int) -> int:
    """Xen 4.15 to 4.17, 4.18.0-.4 and 4.19.0-.1 answer "how long is a resource of an unknown type" with success, and
    with an error code where the number of pages belongs: 0xffffffa1 is -EOPNOTSUPP in 32 bits.
    """
    if 1 << 32 > frames >= (1 << 32) - _MAX_ERRNO:
        raise _trouble(OSError((1 << 32) - frames, ""), domid, kind)
    return frames


def _see_why_no_size(error: OSError, domid: int, kind: int) -> None:
    """Raises, unless it is EINVAL, which has two reasons: the kernel cannot be asked for sizes, or Xen does not know the
    resource; mapping tells which."""
    if error.errno != errno.EINVAL:
        raise _trouble(error, domid, kind)


def _trouble(error: OSError, domid: int, kind: int) -> SourceError:
    code = error.errno
    if code == errno.ESRCH:
        return DomainGone("resource %d of domain %d: the domain is gone" % (kind, domid))
    if code == errno.EPERM:
        return NoPrivilege("resource %d of domain %d: Xen refuses it; it gives no domain its own, and needs root in dom0 "
                           "for another's" % (kind, domid))
    if code in (errno.EOPNOTSUPP, errno.ENOSYS, errno.ENOTTY, errno.EINVAL):
        return Unsupported("resource %d of domain %d: this Xen or this kernel does not have it; use another source"
                           % (kind, domid))
    return SourceError("resource %d of domain %d cannot be mapped: %s" % (kind, domid, os.strerror(code or 0)))
