"""What the hypervisor says of its host, its domains and their vCPUs, by sysctl, domctl, vcpu_op and xen_version.

Nothing here waits or keeps figures; each method is one question, ``domains`` one per thousand domains. Errors are typed,
and say what to do. The interface versions are found by asking (``xen.versions``), and the size of a domain's record by
looking how much of a buffer Xen wrote.

Some Xen of 2018 and 2019 (4.11.0 to .2, 4.12.0 and .1) let the flag of an update, bit 63, into a vCPU's running time. No time is
as long, so that bit is dropped from each, and from the sum of a domain's: whatever the flags add up to is a multiple of it.
"""
import errno
from typing import Any, Dict, List, Optional, Sequence, Set, Tuple

from xenmeter.core.errors import DomainGone, NoPrivilege, SourceError, Unsupported, VersionMismatch
from xenmeter.xen import structs
from xenmeter.xen.calls import Buffer, open_calls
from xenmeter.xen.cstruct import Structure
from xenmeter.xen.multicall import MOST, Multicall
from xenmeter.xen.versions import DOMCTL_VERSIONS, SYSCTL_VERSIONS, domaininfo_size, physinfo_is_long

__all__ = ("Hypervisor", "MAX_VCPUS", "PATIENCE", "UPDATE", "is_domain_runstate", "is_time", "without_flag")

#: No Xen takes more vCPUs per domain (8192 for PV, fewer for HVM); more in an answer means that it was misread.
MAX_VCPUS = 8192
#: Domains that one question asks for. 1024 of them need 112 KiB.
CHUNK = 1024
MAX_PCPUS = 1 << 14
#: After so many domains without an answer, this Xen is taken not to have that domctl.
PATIENCE = 3

_CPUPOOL_INFO = 3
_LAST_DOMID = 0x7fef
_UNTOUCHED = 0xa5
#: The flag that does not belong into a time (see above).
UPDATE = 1 << 63
#: ns that no state has lasted: ten years.
_TOO_LONG = 10 * 366 * 86400 * 10 ** 9


class Hypervisor:
    """A connection to the hypervisor; for one thread.

    :param calls: ``LibraryCalls`` or ``DeviceCalls``; None: what this machine has.
    :ivar multicall: many of these questions in one trap (xen.vcpus asks so).
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
        self._domaininfo: Optional[Structure] = None
        self._dead_numbers: Set[int] = set()  # domctls that this hypervisor does not have
        self._doubts: Dict[int, Set[int]] = {}  # domctl -> domains that it did not answer for
        self._proven: Set[int] = set()  # domctls that did answer

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

    def host(self) -> Any:
        """``struct xen_sysctl_physinfo``: nr_cpus, max_cpu_id, cpu_khz, total_pages, free_pages and more."""
        layout = structs.PHYSINFO_LONG if physinfo_is_long(self._sysctl_version()) else structs.PHYSINFO_SHORT
        return self.sysctl(layout, structs.SYSCTL_PHYSINFO, "the host's figures")

    def scheduler(self) -> int:
        """The scheduler of the boot pool: 5 credit, 6 credit2, 7 arinc653, 8 rtds, 9 null."""
        return self.sysctl(structs.SCHED_ID, structs.SYSCTL_SCHED_ID, "the scheduler").sched_id

    def idle_ns(self, host: Any = None) -> List[int]:
        """Idle time of each pCPU by its id, ns since it came up; 0 for one that is offline.

        :param host: what :meth:`host` said, where it was asked already.
        """
        number = (self.host() if host is None else host).max_cpu_id + 1
        if number > MAX_PCPUS:
            raise VersionMismatch("Xen names %d pCPUs, so its answer was misread; report its release" % number)
        array = self._room(8 * number)
        answer = self.sysctl(structs.GETCPUINFO, structs.SYSCTL_GETCPUINFO, "the pCPUs' idle times",
                                  {"max_cpus": number, "info": array.address})
        return array.view[:8 * min(answer.nr_cpus, number)].cast("Q").tolist()

    def domains(self) -> List[Any]:
        """``struct xen_domctl_getdomaininfo`` of every domain, each once, by ascending domid."""
        record = self._domaininfo or self._measure()
        infos: List[Any] = []
        first = 0
        while first <= _LAST_DOMID:
            array = self._room(CHUNK * record.size)
            answer = self._list(first, CHUNK, array)
            part = record.unpack_array(array.view, answer)
            domids = [info.domain for info in part]
            # xentop's library goes on at first + number, and so meets some domains twice
            if domids != sorted(set(domids)) or (domids and domids[0] < first):
                raise VersionMismatch("Xen's list of domains is out of order, so it was misread; report its release")
            infos.extend(part)
            if answer < CHUNK:
                break
            first = domids[-1] + 1
        for info in infos:
            if info.max_vcpu_id >= MAX_VCPUS and info.max_vcpu_id != structs.NO_VCPU:
                raise VersionMismatch("domain %d has vCPU %d by Xen's answer, so it was misread; report its release"
                                      % (info.domain, info.max_vcpu_id))
        return [info if info.cpu_time < UPDATE else info._replace(cpu_time=info.cpu_time - UPDATE) for info in infos]

    def domain(self, domid: int) -> Any:
        """``struct xen_domctl_getdomaininfo`` of one domain; DomainGone where there is none of this number."""
        record = self._domaininfo or self._measure()
        array = self._room(record.size)
        if self._list(domid, 1, array):
            info = record.unpack(array.view)
            if info.domain == domid:
                return info if info.cpu_time < UPDATE else info._replace(cpu_time=info.cpu_time - UPDATE)
        raise DomainGone("domain %d: the domain is gone" % domid)

    def vcpu(self, domid: int, vcpu: int) -> Any:
        """``struct xen_domctl_getvcpuinfo``: online, blocked, running, cpu_time (ns, up to now), cpu. None where there is
        no such vCPU; DomainGone where there is no such domain (told by its vCPU 0, which every domain has).
        """
        version = self._domctl or self._domctl_version()
        structs.GETVCPUINFO.pack_into(self._view, 0, {
            "cmd": structs.DOMCTL_GETVCPUINFO, "interface_version": version, "domain": domid, "vcpu": vcpu})
        try:
            self._calls.call(structs.HYPERCALL_DOMCTL, self._argument.address)
        except OSError as error:
            if error.errno in (errno.EINVAL, errno.ENOENT) or (error.errno == errno.ESRCH and vcpu):
                return None     # ENOENT for a vCPU since 4.22, ESRCH before, EINVAL beyond the last one
            raise self._trouble(error, "vCPU %d of domain %d" % (vcpu, domid))
        state = structs.GETVCPUINFO.unpack(self._view)
        return state if state.cpu_time < UPDATE else state._replace(cpu_time=state.cpu_time - UPDATE)

    def context(self, domid: int, vcpu: int) -> Any:
        """The registers of a vCPU, ``structs.VCPU_CONTEXT``; None where there is no such vCPU, where it was never started, or is
        the one that asks. DomainGone where there is no such domain.

        Xen pauses this one vCPU while it copies them, wherever it runs, and no other (``do_domctl``,
        ``XEN_DOMCTL_getvcpucontext``). x86 only: the struct is another one on arm64.
        """
        array = self._room(structs.VCPU_CONTEXT.size)
        structs.VCPUCONTEXT.pack_into(self._view, 0, {
            "cmd": structs.DOMCTL_GETVCPUCONTEXT, "interface_version": self._domctl_version(), "domain": domid, "vcpu": vcpu,
            "ctxt": array.address})
        try:
            self._calls.call(structs.HYPERCALL_DOMCTL, self._argument.address)
        except OSError as error:
            if error.errno in (errno.EINVAL, errno.ENODATA, errno.ENOENT):
                return None
            raise self._trouble(error, "the registers of vCPU %d of domain %d" % (vcpu, domid))
        return structs.VCPU_CONTEXT.unpack(array.view)

    def address_size(self, domid: int) -> int:
        """32 or 64: how wide a PV guest is; of the others Xen says 64 whatever they run. DomainGone where it is gone."""
        structs.ADDRESS_SIZE.pack_into(self._view, 0, {
            "cmd": structs.DOMCTL_GET_ADDRESS_SIZE, "interface_version": self._domctl_version(), "domain": domid})
        try:
            self._calls.call(structs.HYPERCALL_DOMCTL, self._argument.address)
        except OSError as error:
            raise self._trouble(error, "the width of domain %d" % domid)
        return structs.ADDRESS_SIZE.unpack(self._view).size

    def cpupool_scheduler(self, cpupool: int) -> Optional[int]:
        """The scheduler of a cpupool, numbered as :meth:`scheduler` does; None where there is none, or Xen does not say."""
        try:
            answer = self.sysctl(structs.CPUPOOL_OP, structs.SYSCTL_CPUPOOL_OP, "a cpupool",
                                 {"op": _CPUPOOL_INFO, "cpupool_id": cpupool})
        except SourceError:
            return None
        return answer.sched_id if answer.cpupool_id == cpupool else None

    def domctls(self, images: Sequence[bytes]) -> List[Optional[bytes]]:
        """Make a domctl of each struct, in one trap for a thousand; what Xen wrote into it, None where that was an error."""
        answers: List[Optional[bytes]] = []
        for at in range(0, len(images), MOST):
            some = images[at:at + MOST]
            told = self.multicall.ask(structs.HYPERCALL_DOMCTL, len(some[0]), b"".join(some))
            if told is None:
                answers.extend(map(self._domctl_alone, some))
                continue
            size = len(some[0])
            answers.extend([None if result else bytes(told[1][place * size:(place + 1) * size])
                            for place, result in enumerate(told[0])])
        return answers

    def _domctl_alone(self, image: bytes) -> Optional[bytes]:
        self._view[:len(image)] = image
        try:
            self._calls.call(structs.HYPERCALL_DOMCTL, self._argument.address)
        except OSError:
            return None
        return bytes(self._view[:len(image)])

    def unique_id(self, domid: int) -> Optional[int]:
        """What Xen gives each domain's life of its own, unique while the host is up: the same domid with another one is
        another domain. None where this Xen (before 4.21) does not say; DomainGone where there is no such domain.
        """
        if structs.DOMCTL_GET_DOMAIN_STATE in self._dead_numbers:
            return None
        structs.GET_DOMAIN_STATE.pack_into(self._view, 0, {"cmd": structs.DOMCTL_GET_DOMAIN_STATE, "domain": domid})
        try:
            self._calls.call(structs.HYPERCALL_DOMCTL, self._argument.address)
        except OSError as error:
            if error.errno in (errno.ESRCH, errno.ENOENT):
                raise DomainGone("domain %d is gone" % domid)
            self._dead_numbers.add(structs.DOMCTL_GET_DOMAIN_STATE)     # EACCES: a Xen that knows no version 0
            return None
        answer = structs.GET_DOMAIN_STATE.unpack(self._view)
        return answer.unique_id or None if answer.domain == domid else None

    def own_runstate(self, vcpu: int) -> Any:
        """``struct vcpu_runstate_info`` of a vCPU of the calling domain, up to now; None where there is no such vCPU, or
        where Xen does not tell it (arm64).
        """
        self._view[:structs.RUNSTATE_INFO.size] = bytes(structs.RUNSTATE_INFO.size)
        try:
            self._calls.call(structs.HYPERCALL_VCPU, structs.VCPUOP_GET_RUNSTATE_INFO, vcpu, self._argument.address)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.EINVAL):
                return None
            raise self._trouble(error, "the runstates of dom0's vCPU %d" % vcpu)
        return without_flag(structs.RUNSTATE_INFO.unpack(self._view))

    def domain_runstate(self, domid: int) -> Any:
        """XenServer's and XCP-ng's runstates of a whole domain (``structs.DOMAIN_RUNSTATE``); Unsupported elsewhere.

        None where there is no answer for this domain now (one that has never run). Another Xen may one day give such a number to
        another command, or a security policy may forbid it: an answer counts only where it can be one, and there is no
        harm in none.
        """
        for number in structs.DOMCTL_RUNSTATE_NUMBERS:
            if number not in self._dead_numbers:
                answer = self._try_domain_runstate(domid, number)
                if answer is not None:
                    return answer
        if self._dead_numbers.issuperset(structs.DOMCTL_RUNSTATE_NUMBERS):
            raise Unsupported("this Xen has no runstates of domains; XenServer's and XCP-ng's has")
        return None

    @property
    def runstate_domctl(self) -> int:
        """The number by which this Xen has told runstates of a domain; 0 while it has not."""
        return next((number for number in structs.DOMCTL_RUNSTATE_NUMBERS if number in self._proven), 0)

    def _try_domain_runstate(self, domid: int, number: int) -> Any:
        structs.DOMAIN_RUNSTATE.pack_into(self._view, 0, {
            "cmd": number, "interface_version": self._domctl_version(), "domain": domid})
        try:
            self._calls.call(structs.HYPERCALL_DOMCTL, self._argument.address)
        except OSError as error:
            if error.errno == errno.ESRCH:
                raise self._trouble(error, "the runstates of domain %d" % domid)
            # EPERM: a policy that does not know the number forbids it, and has each try in Xen's log
            self._doubt(number, domid, error.errno in (errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM))
            return None
        answer = structs.DOMAIN_RUNSTATE.unpack(self._view)
        if is_domain_runstate(answer, number, domid):
            self._proven.add(number)
            return answer
        self._doubt(number, domid)
        return None

    def _doubt(self, number: int, domid: int, dead: bool = False) -> None:
        """A domctl gave no answer: that may be for this domain, but not for several if there never was one."""
        doubts = self._doubts.setdefault(number, set())
        doubts.add(domid)
        if dead or len(doubts) >= PATIENCE and number not in self._proven:
            self._dead_numbers.add(number)

    def sysctl(self, structure: Structure, command: int, what: str, values: Optional[Dict[str, int]] = None) -> Any:
        structure.pack_into(self._view, 0, dict(values or (), cmd=command, interface_version=self._sysctl_version()))
        try:
            self._calls.call(structs.HYPERCALL_SYSCTL, self._argument.address)
        except OSError as error:
            raise self._trouble(error, what)
        return structure.unpack(self._view)

    def _list(self, first: int, number: int, array: Buffer) -> int:
        answer = self.sysctl(structs.GETDOMAININFOLIST, structs.SYSCTL_GETDOMAININFOLIST, "the list of domains",
                                  {"first_domain": first, "max_domains": number, "buffer": array.address})
        if answer.num_domains > number:
            raise VersionMismatch("Xen gave %d domains where %d were asked for, so its answer was misread; report its "
                                  "release" % (answer.num_domains, number))
        return answer.num_domains

    def _measure(self) -> Structure:
        """How long a domain's record is: as much as Xen writes of a buffer when it is asked for one domain."""
        size = domaininfo_size(self._sysctl_version())
        room = 512
        array = self._room(room)
        array.view[:room] = bytes([_UNTOUCHED]) * room
        if self._list(0, 1, array):
            size = len(bytes(array.view[:room]).rstrip(bytes([_UNTOUCHED])))
        if size not in structs.DOMAININFO_SIZES:
            raise VersionMismatch("Xen's record of a domain has %d bytes by what it wrote, which cannot be. Report its release"
                                  % size)
        self._domaininfo = structs.domaininfo(size)
        return self._domaininfo

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


def is_time(times: Sequence[int]) -> bool:
    """Whether these can be times in ns of something that has lasted; ten years in one state, or nothing at all, are none."""
    return max(times) < _TOO_LONG and sum(times) > 0


def is_domain_runstate(answer: Any, number: int, domid: int) -> bool:
    """Whether a ``structs.DOMAIN_RUNSTATE`` is an answer to our question."""
    return (answer.cmd == number and answer.domain == domid and answer.state < 6 and is_time(answer[6:12])
            and max(answer[12:15]) < _TOO_LONG)


def without_flag(runstate: Any) -> Any:
    """A ``structs.RUNSTATE_INFO`` with bit 63 dropped from each time."""
    if max(runstate[1:]) < UPDATE:
        return runstate
    return runstate._make(runstate[:1] + tuple([time % UPDATE for time in runstate[1:]]))
