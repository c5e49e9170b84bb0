"""A connection to the hypervisor: how a question is put to it, in which versions of its interfaces, and what its refusals mean.

Errors are typed, and say what to do. The interface versions are found by asking (``xen.versions``).
"""
import errno
from typing import Any, Dict, Optional, Sequence, Tuple

from xenmeter.core.errors import DomainGone, NoPrivilege, SourceError, Unsupported, VersionMismatch
from xenmeter.xen import structs
from xenmeter.xen.calls import Buffer, open_calls
from xenmeter.xen.cstruct import Structure
from xenmeter.xen.multicall import Multicall
from xenmeter.xen.versions import DOMCTL_VERSIONS, SYSCTL_VERSIONS

__all__ = ("Asker",)


class Asker:
    """For one thread.

    :param calls: ``LibraryCalls`` or ``DeviceCalls``; None: what this machine has.
    :ivar multicall: many questions in one trap (xen.vcpus asks so).
    :raises NotXen, NoPrivilege: when it is made; NoPrivilege, VersionMismatch, Unsupported, SourceError: by each question.
    """

    def __init__(self, calls: Any = None) -> None:
        self._calls = calls if calls is not None else open_calls()
        self.multicall = Multicall(self._calls)
        self._argument: Buffer = self._calls.allocate(256)
        self._view = self._argument.view
        self._array: Optional[Buffer] = None
        self._sysctl = 0            # interface versions; 0: not asked yet
        self._domctl = 0

    @property
    def hypercalls(self) -> int:
        """Made so far."""
        return self._calls.count

    @property
    def way(self) -> str:
        """How the calls are made: a library's name or a device's."""
        return self._calls.name

    def close(self) -> None:
        self.multicall.close()
        for buffer in (self._argument, self._array):
            if buffer is not None:
                self._calls.free(buffer)
        self._array = None
        self._calls.close()

    def allocate(self, size: int) -> Buffer:
        """Memory that a hypercall may read and write, for as long as the connection is open; :meth:`free` it before."""
        return self._calls.allocate(size)

    def free(self, buffer: Buffer) -> None:
        self._calls.free(buffer)

    def version(self) -> Tuple[int, int]:
        """(major, minor): (4, 17). A stable call: it works whatever the interface versions are."""
        try:
            number = self._calls.call(structs.HYPERCALL_VERSION, structs.XENVER_VERSION, 0)
        except OSError as error:
            raise self._trouble(error, "the version of Xen")
        return number >> 16, number & 0xffff

    def interface_versions(self) -> Tuple[int, int]:
        """(sysctl, domctl) as this hypervisor takes them."""
        return self._sysctl_version(), self._domctl_version()

    def sysctl(self, structure: Structure, command: int, what: str, values: Optional[Dict[str, int]] = None) -> Any:
        structure.pack_into(self._view, 0, dict(values or (), cmd=command, interface_version=self._sysctl_version()))
        try:
            self._calls.call(structs.HYPERCALL_SYSCTL, self._argument.address)
        except OSError as error:
            raise self._trouble(error, what)
        return structure.unpack(self._view)

    def _room(self, size: int) -> Buffer:
        if self._array is None or len(self._array.view) < size:
            if self._array is not None:
                self._calls.free(self._array)
                self._array = None
            self._array = self._calls.allocate(size)
        return self._array

    def _sysctl_version(self) -> int:
        if not self._sysctl:
            self._sysctl = self._probe(SYSCTL_VERSIONS, structs.HYPERCALL_SYSCTL, structs.PHYSINFO_LONG,
                                       {"cmd": structs.SYSCTL_PHYSINFO}, "sysctl")
        return self._sysctl

    def _domctl_version(self) -> int:
        if not self._domctl:
            self._domctl = self._probe(DOMCTL_VERSIONS, structs.HYPERCALL_DOMCTL, structs.GETVCPUINFO,
                                       {"cmd": structs.DOMCTL_GETVCPUINFO}, "domctl")
        return self._domctl

    def _probe(self, versions: Sequence[int], hypercall: int, structure: Structure, values: Dict[str, int], name: str) -> int:
        """The newest version that is not answered by EACCES; any other answer comes from behind Xen's version check."""
        for version in versions:
            structure.pack_into(self._view, 0, dict(values, interface_version=version))
            try:
                self._calls.call(hypercall, self._argument.address)
            except OSError as error:
                if error.errno == errno.EACCES:
                    continue
                if error.errno in (errno.EPERM, errno.ENOSYS, errno.EFAULT):
                    raise self._trouble(error, name)
            return version
        raise VersionMismatch("Xen %d.%d takes none of the %s versions 0x%x to 0x%x (or its security policy forbids it); a "
                              "newer xenmeter may know its own" % (self.version() + (name, versions[-1], versions[0])))

    @staticmethod
    def _trouble(error: OSError, what: str) -> SourceError:
        """The typed error for what Xen or the kernel answered."""
        code = error.errno
        if code == errno.EPERM:
            return NoPrivilege("Xen does not let this domain ask for %s; run in dom0, as root" % what)
        if code == errno.EACCES:
            return VersionMismatch("Xen no longer takes the interface version that it took before, for %s; restart" % what)
        if code == errno.ESRCH:
            return DomainGone("%s: the domain is gone" % what)
        if code in (errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTTY):
            return Unsupported("this Xen or this kernel cannot tell %s; use another source" % what)
        return SourceError("Xen does not tell %s: %s" % (what, error.strerror or error))
