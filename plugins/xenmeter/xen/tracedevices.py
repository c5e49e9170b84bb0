"""What tracemap does through Xen's libraries, through the kernel's devices alone: where the libraries are not to be found, as on
NixOS, which has them in no folder that the loader knows.

Linux's ``include/uapi/xen/privcmd.h`` and ``evtchn.h``; the same steps as ``tools/libs/foreignmemory/linux.c`` and
``tools/libs/evtchn/linux.c`` take. A mapping does not survive a fork.
"""
import ctypes
import errno
import fcntl
import mmap
import os
import struct
from typing import Any, Callable, List

from xenmeter.core.errors import SourceError
from xenmeter.xen import privcmd
from xenmeter.xen.calls import cannot_open, open_device, os_error
from xenmeter.xen.tracebuf import DOMID_XEN, PAGE

__all__ = ("DeviceFrames", "DeviceTraceEvents", "EVTCHN")

EVTCHN = "/dev/xen/evtchn"

#: ``_IOC(_IOC_NONE, 'E', nr, 4)``: a VIRQ's number goes in, a port's comes out; a port goes in.
IOCTL_BIND_VIRQ, IOCTL_UNBIND = 0x00044500, 0x00044503

_PORT = struct.Struct("=I")
_FAILED = ctypes.c_void_p(-1).value


class DeviceFrames:
    """tracemap.Frames through /dev/xen/privcmd. :param ioctl: the kernel's (tests)."""

    def __init__(self, open_it: Callable[[], int] = open_device, ioctl: Callable[..., int] = fcntl.ioctl) -> None:
        self._fd = open_it()
        self._ioctl = ioctl
        self._memory = ctypes.CDLL(None, use_errno=True)
        self._memory.mmap.restype = ctypes.c_void_p
        self._memory.mmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long)
        self._memory.munmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t)
        self._mapped: List[Any] = []

    def map(self, frames: List[int], writable: bool) -> Any:
        """As tracemap.Frames does."""
        number, size = len(frames), len(frames) * PAGE
        protection = mmap.PROT_READ | (mmap.PROT_WRITE if writable else 0)
        address = self._memory.mmap(None, size, protection, mmap.MAP_SHARED, self._fd, 0)
        if address in (None, _FAILED):
            raise _not_mapped(os_error())
        array, errors = (ctypes.c_uint64 * number)(*frames), (ctypes.c_int * number)()
        try:
            self._ioctl(self._fd, privcmd.IOCTL_MMAPBATCH_V2, bytearray(privcmd.MMAPBATCH_V2.pack(
                num=number, dom=DOMID_XEN, addr=address, arr=ctypes.addressof(array), err=ctypes.addressof(errors))))
            wrong = next(filter(None, errors), 0)
            if wrong:
                raise OSError(abs(wrong), os.strerror(abs(wrong)))
        except OSError as error:
            self._memory.munmap(address, size)
            raise _not_mapped(error)
        self._mapped.append((address, size))
        return (ctypes.c_ubyte * size).from_address(address)

    def close(self) -> None:
        """Whoever still uses a mapping must let go of it before."""
        for address, size in self._mapped:
            self._memory.munmap(address, size)
        del self._mapped[:]
        os.close(self._fd)


def _not_mapped(error: OSError) -> SourceError:
    return SourceError("Xen's trace buffers cannot be mapped: %s" % error.strerror)


class DeviceTraceEvents:
    """tracemap.TraceEvents through /dev/xen/evtchn.

    :param virq: its number. :param ioctl: the kernel's (tests).
    :ivar fd: readable when it was raised.
    """

    def __init__(self, virq: int, path: str = EVTCHN, ioctl: Callable[..., int] = fcntl.ioctl) -> None:
        try:
            self.fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except OSError as error:
            raise cannot_open(error, path)
        self._ioctl = ioctl
        try:
            self._port = ioctl(self.fd, IOCTL_BIND_VIRQ, bytearray(_PORT.pack(virq)))
        except OSError:
            os.close(self.fd)
            raise

    def take(self) -> None:
        """Note that it was raised, and let it be raised again."""
        said = os.read(self.fd, _PORT.size)
        if len(said) == _PORT.size:
            os.write(self.fd, said)

    def close(self) -> None:
        try:
            self._ioctl(self.fd, IOCTL_UNBIND, bytearray(_PORT.pack(self._port)))
        except OSError as error:
            if error.errno != errno.ENOTCONN:       # what the kernel has let go of already
                raise
        finally:
            os.close(self.fd)
