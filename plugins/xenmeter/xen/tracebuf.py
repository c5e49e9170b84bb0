"""Xen's trace buffers: the sysctl that controls them, where their pages are, and the consumer's side of a ring.

Mirrors ``struct xen_sysctl_tbuf_op`` (``xen/include/public/sysctl.h``, the same from 4.11 to 4.23), ``struct t_info`` and
``struct t_buf`` (``public/trace.h``), and what ``tools/xentrace/xentrace.c`` does with them. There is one consumer per
host: its pointer is shared with everybody, so whoever else reads takes records away.
"""
import ctypes
import errno
import platform
import struct
from typing import Any, Dict, List, Tuple

from xenmeter.core.errors import NoPrivilege, SourceError, Unsupported, VersionMismatch
from xenmeter.xen.cstruct import Structure
from xenmeter.xen.structs import HYPERCALL_SYSCTL

__all__ = ("TraceControl", "Ring", "geometry", "t_info_frames", "check_machine", "TBUF_OP", "DOMID_XEN", "PAGE")

DOMID_XEN = 0x7FF2
PAGE = 4096
#: Sysctl ``tbuf_op`` and its own commands.
SYSCTL_TBUF_OP = 2
GET_INFO, SET_CPU_MASK, SET_EVT_MASK, SET_SIZE, ENABLE, DISABLE = range(6)

TBUF_OP = Structure("xen_sysctl", 136, (
    ("operation", "I", 8), ("bitmap", "Q", 16), ("nr_bits", "I", 24), ("evt_mask", "I", 32), ("buffer_mfn", "Q", 40),
    ("size", "I", 48)), "u.tbuf_op.", (("cmd", "I", 0), ("interface_version", "I", 4)))

_T_INFO_HEAD = struct.Struct("<H")
#: A pCPU's offset in t_info is 16 bits of words, so t_info cannot be longer.
_LONGEST_INFO = 4 * 65536


class TraceControl:
    """The sysctl. :param calls: of ``xen.calls``; :param version: the sysctl interface version of this hypervisor."""

    def __init__(self, calls: Any, version: int) -> None:
        self._calls = calls
        self._version = version
        self._argument = calls.allocate(256)

    def _do(self, operation: int, what: str, **values: int) -> Any:
        TBUF_OP.pack_into(self._argument.view, 0, dict(
            values, cmd=SYSCTL_TBUF_OP, interface_version=self._version, operation=operation))
        try:
            self._calls.call(HYPERCALL_SYSCTL, self._argument.address)
        except OSError as error:
            raise _trouble(error, what)
        return TBUF_OP.unpack(self._argument.view)

    def info(self) -> Tuple[int, int, int]:
        """(event mask, first MFN of t_info or 0 where there are no buffers yet, bytes of t_info)."""
        buffers = self._do(GET_INFO, "what is traced")
        return buffers.evt_mask, buffers.buffer_mfn, buffers.size

    def set_event_mask(self, mask: int) -> None:
        self._do(SET_EVT_MASK, "the event mask", evt_mask=mask)

    def set_cpu_mask(self, pcpus: List[int]) -> None:
        """Trace on these pCPUs alone. The mask persists from whoever set it last, and cannot be read back."""
        size = max(pcpus) // 64 * 8 + 8
        bits = self._calls.allocate(size)
        try:
            for pcpu in pcpus:
                bits.view[pcpu // 8] |= 1 << pcpu % 8
            self._do(SET_CPU_MASK, "the CPU mask", bitmap=bits.address, nr_bits=size * 8)
        finally:
            self._calls.free(bits)

    def allocate(self, pages: int) -> None:
        """Make the buffers and start tracing; where there are some, they stay as they are, until the host reboots."""
        if self.info()[1]:
            self.enable()
            return
        self._do(SET_SIZE, "%d pages of trace buffer per pCPU" % pages, size=pages)
        self.enable()

    def enable(self) -> None:
        self._do(ENABLE, "the start of tracing")

    def disable(self) -> None:
        """Xen stops writing; what is in the rings stays, and losses that were not told yet are forgotten."""
        self._do(DISABLE, "the end of tracing")

    def close(self) -> None:
        self._calls.free(self._argument)


def _trouble(error: OSError, what: str) -> SourceError:
    if error.errno == errno.EPERM:
        return NoPrivilege("Xen does not let this domain set %s; run in dom0, as root" % what)
    if error.errno == errno.EACCES:
        return VersionMismatch("Xen takes no tracing calls of this interface version; restart after an upgrade of Xen")
    if error.errno in (errno.ENOSYS, errno.EOPNOTSUPP):
        return Unsupported("this Xen was built without trace buffers")
    if error.errno == errno.ENOMEM:
        return SourceError("Xen has no memory for %s; ask for fewer" % what)
    return SourceError("Xen does not take %s: %s" % (what, error.strerror))


def t_info_frames(mfn: int, size: int) -> List[int]:
    """The frames of t_info, which lies in one piece."""
    if not 0 < size <= _LONGEST_INFO:
        raise VersionMismatch("Xen says that t_info has %d bytes; this cannot be" % size)
    return [mfn + number for number in range(-(-size // PAGE))]


def geometry(info: Any, pcpus: int) -> Dict[int, List[int]]:
    """Frames of each pCPU's ring out of t_info's bytes; a pCPU that was offline when buffers were made has none.

    :param pcpus: how many pCPU ids there are (physinfo's max_cpu_id + 1).
    """
    pages = _T_INFO_HEAD.unpack_from(info, 0)[0]
    rings: Dict[int, List[int]] = {}
    for pcpu in range(min(pcpus, (len(info) - 2) // 2)):
        word, = struct.unpack_from("<H", info, 2 + 2 * pcpu)
        if not word:
            continue
        if not pages or word * 4 + pages * 4 > len(info):
            raise VersionMismatch("t_info names %d pages at word %d for pCPU %d, beyond its end" % (pages, word, pcpu))
        rings[pcpu] = list(struct.unpack_from("<%dI" % pages, info, word * 4))
    return rings


def check_machine() -> None:
    """Unsupported where loads and stores do not keep the order that ``Ring.take`` needs: Python has no fences to give."""
    if platform.machine() not in ("x86_64", "AMD64"):
        raise Unsupported("reading trace rings needs memory fences on %s, which Python has not; "
                          "use `xenmeter baker --source xentrace`" % (platform.machine() or "this machine"))


class Ring:
    """One pCPU's ring, over any writable buffer of its pages: u32 cons, u32 prod, then X bytes of data.

    Both pointers run modulo 2X, so that a full ring (prod - cons = X) differs from an empty one; a pointer's place in the
    data is its value modulo X. Records never cross X: Xen fills up with WRAP_BUFFER.

    :ivar address: of its first byte; :ivar fill: the most bytes that can have been in it until it was emptied last.
    """

    def __init__(self, pcpu: int, buffer: Any) -> None:
        self.pcpu = pcpu
        view = memoryview(buffer).cast("B")
        self.size = len(view) - 8
        self.fill = 0
        self.address = ctypes.addressof(ctypes.c_char.from_buffer(buffer))
        self._cons = ctypes.c_uint32.from_buffer(buffer, 0)
        self._prod = ctypes.c_uint32.from_buffer(buffer, 4)
        self._data = view[8:]

    def pointers(self) -> Tuple[int, int]:
        """(cons, bytes unread); raises SourceError where the ring is none."""
        # Each .value is one aligned 32-bit load, which is atomic. prod is loaded before any data is: on x86 loads are
        # not reordered with loads, and Xen stores prod after the record (write barrier), so what lies before prod is
        # whole. cons is stored by nobody but us.
        cons = self._cons.value
        prod = self._prod.value
        unread = (prod - cons) % (2 * self.size)
        if cons & 3 or prod & 3 or cons >= 2 * self.size or prod >= 2 * self.size or unread > self.size:
            raise SourceError("pCPU %d's trace ring is damaged: cons %d, prod %d, %d bytes; does something else read it?"
                              % (self.pcpu, cons, prod, self.size))
        return cons, unread

    def take(self) -> bytes:
        """All records that wait, in order, and the room given back to Xen."""
        cons, unread = self.pointers()
        self.fill = unread
        if not unread:
            return b""
        start = cons % self.size
        data = bytes(self._data[start:min(start + unread, self.size)])
        if len(data) < unread:
            data += bytes(self._data[:unread - len(data)])
        # The copy must be over before Xen may write there again: on x86 a store is not reordered with earlier loads, and
        # this is one aligned 32-bit store. prod is not read again: what has come meanwhile is the next pass's.
        self._cons.value = (cons + unread) % (2 * self.size)
        # What came while we copied lay there together with what we took.
        self.fill = max(unread, (self._prod.value - cons) % (2 * self.size))
        return data

    def discard(self) -> None:
        """Leave out what was traced before we came: it was selected by another mask."""
        cons, unread = self.pointers()
        self._cons.value = (cons + unread) % (2 * self.size)

    def release(self) -> None:
        """Let go of the memory before it is unmapped."""
        self._cons = self._prod = ctypes.c_uint32()
        self._data.release()
