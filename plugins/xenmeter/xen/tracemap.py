"""Other domains' frames in our memory, and Xen's hint that a trace ring fills: libxenforeignmemory and libxenevtchn, or the
kernel's devices where the libraries are not to be found.

Both libraries' ABIs are stable (sonames .so.1). Mappings of foreign frames do not survive a fork; open all of this in the
process that uses it.
"""
import ctypes
import errno
import mmap
from typing import Any, List, Optional

from xenmeter.core.errors import SourceError
from xenmeter.xen.calls import cannot_open, load, os_error, silent_logger
from xenmeter.xen.tracebuf import DOMID_XEN, PAGE
from xenmeter.xen.tracedevices import DeviceFrames, DeviceTraceEvents

__all__ = ("Frames", "TraceEvents", "open_frames", "open_events", "MEMORY", "EVENTS", "VIRQ_TBUF")

MEMORY, EVENTS = "libxenforeignmemory.so.1", "libxenevtchn.so.1"
VIRQ_TBUF = 4


def open_frames(library: str = MEMORY) -> Any:
    """The library where it is installed, the device where it is not."""
    loaded = load(library)
    return Frames(loaded) if loaded is not None else DeviceFrames()


def open_events(library: str = EVENTS) -> Any:
    """The same for the interrupt."""
    loaded = load(library)
    if loaded is not None:
        return TraceEvents(loaded)
    try:
        return DeviceTraceEvents(VIRQ_TBUF)
    except OSError as error:
        raise _not_bound(error)


def _not_bound(error: OSError) -> SourceError:
    if error.errno in (errno.EEXIST, errno.EBUSY):
        return SourceError("something else reads Xen's trace rings already (xentrace, xenbaked or another baker); "
                           "two readers would take records from each other. End it first")
    return SourceError("Xen does not give its trace interrupt: %s" % error.strerror)


class Frames:
    """Maps frames of DOMID_XEN, which stay valid for as long as the host runs.

    :param library: an object of ``calls.load``.
    """

    def __init__(self, library: Any) -> None:
        library.xenforeignmemory_open.restype = ctypes.c_void_p
        library.xenforeignmemory_open.argtypes = (ctypes.c_void_p, ctypes.c_uint)
        library.xenforeignmemory_close.argtypes = (ctypes.c_void_p,)
        library.xenforeignmemory_map.restype = ctypes.c_void_p
        library.xenforeignmemory_map.argtypes = (ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int, ctypes.c_size_t,
                                                 ctypes.POINTER(ctypes.c_uint64), ctypes.POINTER(ctypes.c_int))
        library.xenforeignmemory_unmap.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)
        self._library = library
        self._handle = library.xenforeignmemory_open(silent_logger(), 0)
        self._mapped: List[Any] = []
        if not self._handle:
            raise cannot_open(os_error())

    def map(self, frames: List[int], writable: bool) -> Any:
        """A ctypes array of the frames' bytes, one after the other. t_info must be mapped read-only."""
        array = (ctypes.c_uint64 * len(frames))(*frames)
        protection = mmap.PROT_READ | (mmap.PROT_WRITE if writable else 0)
        address = self._library.xenforeignmemory_map(self._handle, DOMID_XEN, protection, len(frames), array, None)
        if not address:
            raise SourceError("Xen's trace buffers cannot be mapped: %s" % os_error().strerror)
        self._mapped.append((address, len(frames)))
        return (ctypes.c_ubyte * (len(frames) * PAGE)).from_address(address)

    def close(self) -> None:
        """Whoever still uses a mapping must let go of it before."""
        for address, pages in self._mapped:
            self._library.xenforeignmemory_unmap(self._handle, address, pages)
        del self._mapped[:]
        self._library.xenforeignmemory_close(self._handle)


class TraceEvents:
    """VIRQ_TBUF: raised once when a ring becomes half full. Its binding is exclusive, so it is also the lock.

    :ivar fd: readable when it was raised.
    """

    def __init__(self, library: Any) -> None:
        handle = ctypes.c_void_p
        library.xenevtchn_open.restype = handle
        library.xenevtchn_open.argtypes = (ctypes.c_void_p, ctypes.c_uint)
        for name in ("fd", "pending", "close"):
            getattr(library, "xenevtchn_" + name).argtypes = (handle,)
        for name in ("bind_virq", "unmask", "unbind"):
            getattr(library, "xenevtchn_" + name).argtypes = (handle, ctypes.c_uint)
        self._library = library
        self._handle = library.xenevtchn_open(silent_logger(), 0)
        if not self._handle:
            raise cannot_open(os_error())
        self._port: Optional[int] = library.xenevtchn_bind_virq(self._handle, VIRQ_TBUF)
        if self._port < 0:
            error = os_error()
            library.xenevtchn_close(self._handle)
            raise _not_bound(error)
        self.fd = library.xenevtchn_fd(self._handle)

    def take(self) -> None:
        """Note that it was raised, and let it be raised again."""
        port = self._library.xenevtchn_pending(self._handle)
        if port >= 0:
            self._library.xenevtchn_unmask(self._handle, port)

    def close(self) -> None:
        self._library.xenevtchn_unbind(self._handle, self._port)
        self._library.xenevtchn_close(self._handle)
