"""Hypercalls from dom0's user space: through libxencall, or without it through /dev/xen/privcmd.

libxencall's ABI is stable (``tools/include/xencall.h``, soname libxencall.so.1 since Xen 4.7). Both ways do the same:
they hand a number and up to five words to the kernel, and memory that Xen reads and writes must come from ``allocate``.

Open it in the process and thread that use it: after a fork the child must open its own.
"""
import ctypes
import errno
import fcntl
import mmap
import os
from typing import Any, Iterator, List, Optional

from xenmeter.core.errors import NoPrivilege, NotXen, SourceError
from xenmeter.core.programs import find_program
from xenmeter.xen import privcmd

__all__ = ("Buffer", "LibraryCalls", "DeviceCalls", "open_calls", "load", "silent_logger", "cannot_open", "os_error",
           "LIBRARY")

LIBRARY = "libxencall.so.1"

_FAILED = ctypes.c_void_p(-1).value     # MAP_FAILED
_MADV_DONTFORK = 10


class Buffer:
    """Memory that a hypercall may read and write.

    :ivar address: ``int``, what goes into a struct's pointer.
    :ivar view: writable ``memoryview`` of its bytes; released when the buffer is freed.
    """

    __slots__ = ("address", "view")

    def __init__(self, address: int, size: int) -> None:
        self.address = address
        self.view = memoryview((ctypes.c_ubyte * size).from_address(address)).cast("B")


class _Logger(ctypes.Structure):
    """``struct xentoollog_logger`` of ``xentoollog.h``: without one of ours the libraries write to stderr."""

    _fields_ = [("vmessage", ctypes.c_void_p), ("progress", ctypes.c_void_p), ("destroy", ctypes.c_void_p)]


_IGNORE = ctypes.CFUNCTYPE(None)(lambda: None)      # takes any arguments: C's caller cleans up
_LOGGER = _Logger(*[ctypes.cast(_IGNORE, ctypes.c_void_p)] * 3)


def silent_logger() -> Any:
    """A logger that says nothing: whatever a library has to say is in errno, and told by our own error."""
    return ctypes.byref(_LOGGER)


def load(library: str) -> Any:
    """A shared library by its soname, or None where it is not installed.

    Where the loader does not know it, it is looked for in the folders of ``XENMETER_LIBRARIES`` and beside Xen's own programs:
    NixOS has each package in a folder of its own, and the loader asks none of them.
    """
    for path in _places(library):
        try:
            return ctypes.CDLL(path, use_errno=True)
        except OSError:
            continue
    return None


def _places(library: str) -> Iterator[str]:
    yield library
    if os.path.isabs(library):
        return
    for folder in os.environ.get("XENMETER_LIBRARIES", "").split(os.pathsep):
        if os.path.isabs(folder):
            yield os.path.join(folder, library)
    program = find_program("xl")
    if program is not None:
        yield os.path.join(os.path.dirname(os.path.dirname(os.path.realpath(program))), "lib", library)


def os_error() -> OSError:
    """What the last call of a library left in errno."""
    code = ctypes.get_errno()
    return OSError(code, os.strerror(code))


def cannot_open(error: OSError, device: str = privcmd.DEVICES[0]) -> SourceError:
    """Why Xen's device does not open, and what to do."""
    if error.errno in (errno.EACCES, errno.EPERM):
        return NoPrivilege("%s may not be opened by this user; run as root in dom0" % device)
    if error.errno in (errno.ENOENT, errno.ENODEV, errno.ENXIO, errno.ENOTDIR):
        return NotXen("there is no %s; this must run in a Xen dom0 (see whether the kernel's module xen-%s is loaded)"
                      % (device, os.path.basename(device)))
    return SourceError("%s does not open: %s" % (device, error.strerror))


class LibraryCalls:
    """Hypercalls through libxencall.

    :param library: an object of :func:`load`.
    :ivar count: hypercalls made so far.
    :raises NotXen, NoPrivilege: when it is made.
    """

    name = "libxencall"

    def __init__(self, library: Any) -> None:
        handle, word = ctypes.c_void_p, ctypes.c_uint64
        library.xencall_open.restype = handle
        library.xencall_open.argtypes = (ctypes.c_void_p, ctypes.c_uint)
        library.xencall_close.argtypes = (handle,)
        library.xencall3.argtypes = (handle, ctypes.c_uint, word, word, word)
        library.xencall_alloc_buffer.restype = ctypes.c_void_p
        library.xencall_alloc_buffer.argtypes = (handle, ctypes.c_size_t)
        library.xencall_free_buffer.restype = None
        library.xencall_free_buffer.argtypes = (handle, ctypes.c_void_p)
        self._library = library
        self._call = library.xencall3
        self._handle = library.xencall_open(silent_logger(), 0)
        self.count = 0
        if not self._handle:
            raise cannot_open(os_error())

    def call(self, number: int, a: int = 0, b: int = 0, c: int = 0) -> int:
        """The hypercall's result, which is not negative; OSError with Xen's errno otherwise."""
        self.count += 1
        result = self._call(self._handle, number, a, b, c)
        if result < 0:
            raise os_error()
        return result

    def allocate(self, size: int) -> Buffer:
        address = self._library.xencall_alloc_buffer(self._handle, size)
        if not address:
            raise SourceError("no memory for a hypercall's buffer of %d bytes: %s" % (size, os_error().strerror))
        return Buffer(address, size)

    def free(self, buffer: Buffer) -> None:
        buffer.view.release()
        self._library.xencall_free_buffer(self._handle, buffer.address)

    def close(self) -> None:
        """Free the buffers before: the library keeps no list of them."""
        handle, self._handle = self._handle, None
        if handle:
            self._library.xencall_close(handle)


class DeviceCalls:
    """Hypercalls through the kernel's device alone, as libxencall makes them (``tools/libs/call/linux.c``)."""

    name = privcmd.DEVICES[0]

    def __init__(self) -> None:
        self.count = 0
        self._fd = open_device()
        self._argument = bytearray(privcmd.HYPERCALL.size)
        self._sizes: dict = {}
        self._memory = ctypes.CDLL(None, use_errno=True)
        self._memory.mmap.restype = ctypes.c_void_p
        self._memory.mmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int,
                                      ctypes.c_long)
        self._memory.munmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t)
        self._memory.mlock.argtypes = (ctypes.c_void_p, ctypes.c_size_t)
        self._memory.madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
        try:
            self._pages: Optional[int] = os.open(privcmd.BUFFER_DEVICE, os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            self._pages = None

    def call(self, number: int, a: int = 0, b: int = 0, c: int = 0) -> int:
        self.count += 1
        privcmd.HYPERCALL.pack_into(self._argument, 0, {"op": number, "arg0": a, "arg1": b, "arg2": c})
        return fcntl.ioctl(self._fd, privcmd.IOCTL_HYPERCALL, self._argument)

    def allocate(self, size: int) -> Buffer:
        """Pages of the kernel's own device for it, or else pages that are locked, as libxencall takes them."""
        length = (size + mmap.PAGESIZE - 1) & -mmap.PAGESIZE
        if self._pages is not None:
            flags, descriptor = mmap.MAP_SHARED, self._pages
        else:
            flags, descriptor = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, -1
        address = self._memory.mmap(None, length, mmap.PROT_READ | mmap.PROT_WRITE, flags, descriptor, 0)
        if address in (None, _FAILED):
            raise SourceError("no memory for a hypercall's buffer of %d bytes: %s" % (size, os_error().strerror))
        if descriptor < 0:
            # a fork would make the pages copy-on-write in the middle of a hypercall; one that is not in memory is EFAULT
            self._memory.madvise(address, length, _MADV_DONTFORK)
            self._memory.mlock(address, length)
        # arm64's kernel maps a page that nobody has written to read-only until somebody does, and Xen's write is then EFAULT
        ctypes.memset(address, 0, length)
        self._sizes[address] = length
        return Buffer(address, size)

    def free(self, buffer: Buffer) -> None:
        buffer.view.release()
        self._memory.munmap(buffer.address, self._sizes.pop(buffer.address))

    def close(self) -> None:
        descriptors, self._fd, self._pages = (self._fd, self._pages), -1, None
        for descriptor in descriptors:
            if descriptor is not None and descriptor >= 0:
                os.close(descriptor)


def open_device() -> int:
    """A descriptor of the kernel's device; NotXen or NoPrivilege where there is none for us."""
    errors: List[OSError] = []
    for path in privcmd.DEVICES:
        try:
            return os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except OSError as error:
            errors.append(error)
    denied = [error for error in errors if error.errno in (errno.EACCES, errno.EPERM)]
    raise cannot_open((denied or errors)[0])


def open_calls(library: str = LIBRARY) -> Any:
    """The library where it is installed, the device where it is not."""
    loaded = load(library)
    return LibraryCalls(loaded) if loaded is not None else DeviceCalls()
