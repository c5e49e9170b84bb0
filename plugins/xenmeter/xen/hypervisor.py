"""What the hypervisor says of its host, its domains and their vCPUs, by sysctl, domctl, vcpu_op and xen_version.

Nothing here waits or keeps figures; each method is one question, ``domains`` one per thousand domains. How it is put is
``xen.asker``'s matter, runstates are ``xen.runstateasker``'s. The size of a domain's record is found by looking how much of a
buffer Xen wrote.
"""
import errno
from typing import Any, List, Optional, Sequence

from xenmeter.core.errors import DomainGone, SourceError, VersionMismatch
from xenmeter.xen import structs
from xenmeter.xen.calls import Buffer
from xenmeter.xen.cstruct import Structure
from xenmeter.xen.multicall import MOST
from xenmeter.xen.runstateasker import UPDATE, RunstateAsker
from xenmeter.xen.versions import domaininfo_size, physinfo_is_long

__all__ = ("Hypervisor", "MAX_PCPUS", "MAX_VCPUS")

#: No Xen takes more vCPUs per domain (8192 for PV, fewer for HVM); more in an answer means that it was misread.
MAX_VCPUS = 8192
#: Domains that one question asks for. 1024 of them need 112 KiB.
CHUNK = 1024
MAX_PCPUS = 1 << 14

_CPUPOOL_INFO = 3
_LAST_DOMID = 0x7fef
_UNTOUCHED = 0xa5


class Hypervisor(RunstateAsker):
    """A connection to the hypervisor; for one thread. The parameters and errors of ``xen.asker.Asker``."""

    def __init__(self, calls: Any = None) -> None:
        super().__init__(calls)
        self._domaininfo: Optional[Structure] = None

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
