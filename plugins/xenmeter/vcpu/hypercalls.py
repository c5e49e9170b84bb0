"""The vCPUs of a domain by hypercalls: dom0's from what Xen tells each domain of itself, the others' from domctls."""
from typing import Any, List, Optional, Tuple

from xenmeter.core.errors import Unsupported
from xenmeter.vcpu.records import DomainVcpus, Vcpu
from xenmeter.xen.roster import Member
from xenmeter.xen.whoami import NOT_DOM0, is_dom0

__all__ = ("Asked",)


class Asked:
    """Asks for one domain after the other, and remembers what this hypervisor does not tell.

    :param xen: ``xen.hypervisor.Hypervisor``.
    :ivar notices: what to say of it in the log, one line each.
    """

    def __init__(self, xen: Any) -> None:
        self._xen = xen
        self.notices: Tuple[str, ...] = ()
        self._owns: Optional[bool] = None  # whether Xen's word on the asking domain's runstates is dom0's
        self._runstates = True          # until the hypervisor says that it has none

    def read(self, member: Member, vcpus: int) -> DomainVcpus:
        """All of a domain's vCPUs, up to now; DomainGone where it ended meanwhile."""
        if not member.domid and self._owns is None:
            dom0 = is_dom0(self._xen)
            self._owns = dom0 is True       # on arm64 nobody knows, and nobody is told
            self.notices = (NOT_DOM0,) if dom0 is False else ()
        if not member.domid and self._owns:
            own = self._own(vcpus)
            self._owns = bool(own)
            if own:
                return _made(member, vcpus, "own_runstate", own)
        runstates = self._domain_runstates(member)
        return _made(member, vcpus, "getvcpuinfo" if runstates is None else "runstate_domctl",
                     self._by_hypercall(member.domid, vcpus), runstates)

    def _own(self, vcpus: int) -> List[Vcpu]:
        found = []
        for number in range(vcpus):
            state = self._xen.own_runstate(number)
            if state is not None:
                info = self._xen.vcpu(0, number)
                found.append(Vcpu(number, state.running, state.runnable, state.blocked, state.offline,
                                  None if info is None else int(info.online != 0), None if info is None else info.cpu))
        return found

    def _by_hypercall(self, domid: int, vcpus: int) -> List[Vcpu]:
        found = []
        for number in range(vcpus):
            info = self._xen.vcpu(domid, number)
            if info is not None:
                found.append(Vcpu(number, info.cpu_time, None, None, None, int(info.online != 0), info.cpu))
        return found

    def _domain_runstates(self, member: Member) -> Optional[Tuple[int, ...]]:
        if not self._runstates or not member.info.cpu_time:     # one that has never run has none yet
            return None
        try:
            found = self._xen.domain_runstate(member.domid)
        except Unsupported:
            self._runstates = False
            return None
        return None if found is None else tuple(found[-6:])


def _made(member: Member, vcpus: int, source: str, figures: List[Vcpu],
          runstates: Optional[Tuple[int, ...]] = None) -> DomainVcpus:
    return DomainVcpus(member.domid, member.uuid, member.name, member.shared, source, vcpus, member.info.cpu_time,
                       runstates, figures)
