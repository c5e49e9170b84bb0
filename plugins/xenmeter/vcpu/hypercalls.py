"""The vCPUs of domains by hypercalls: dom0's from what Xen tells each domain of itself, the others' from domctls."""
from itertools import repeat
from typing import Any, List, Optional, Sequence, Tuple

from xenmeter.core.errors import DomainGone, Unsupported
from xenmeter.vcpu.records import DomainVcpus, Vcpu
from xenmeter.xen.roster import Member
from xenmeter.xen.vcpus import Vcpus
from xenmeter.xen.whoami import NOT_DOM0, is_dom0

__all__ = ("HypercallReader",)

_record = tuple.__new__         # a named tuple's own constructor costs twice as much
_NONE = repeat(None)
_GONE: Any = object()       # in the place of a domain's runstates


class HypercallReader:
    """Asks for all domains at once, and remembers what this hypervisor does not tell.

    :param xen: ``xen.hypervisor.Hypervisor``.
    :ivar notices: what to say of it in the log, one line each.
    """

    def __init__(self, xen: Any) -> None:
        self._xen = xen
        self._vcpus = Vcpus(xen)
        self.notices: Tuple[str, ...] = ()
        self._owns: Optional[bool] = None  # whether Xen's word on the asking domain's runstates is dom0's
        self._runstates = True          # until the hypervisor says that it has none

    def read(self, ways: Sequence[Tuple[Member, int]]) -> List[Optional[DomainVcpus]]:
        """Of each (domain, how many vCPUs it has) all its vCPUs, up to now; None where it ended meanwhile."""
        own = [self._own(vcpus) if not member.domid else [] for member, vcpus in ways]
        runstates = [None if states else self._domain_runstates(member) for (member, _), states in zip(ways, own)]
        answers = self._vcpus.ask([(member.domid, vcpus) for member, vcpus in ways])
        columns = (self._vcpus.numbers, answers.cpu_time, _NONE, _NONE, _NONE, answers.online, answers.cpu, _NONE)
        figures = list(map(_record, repeat(Vcpu), zip(*columns)))
        whole = None not in answers.cpu_time
        domains: List[Optional[DomainVcpus]] = []
        at = 0
        for (member, vcpus), states, runstate in zip(ways, own, runstates):
            part = figures[at:at + vcpus]
            at += vcpus
            if member.domid in answers.gone or runstate is _GONE:
                domains.append(None)
            elif states:
                domains.append(_made(member, vcpus, "own_runstate", [
                    Vcpu(vcpu.vcpu, state.running, state.runnable, state.blocked, state.offline, vcpu.online, vcpu.pcpu)
                    for vcpu, state in zip(part, states) if state is not None]))
            else:
                part = part if whole else [vcpu for vcpu in part if vcpu.running is not None]
                domains.append(_made(member, vcpus, "getvcpuinfo" if runstate is None else "runstate_domctl", part, runstate))
        return domains

    def _own(self, vcpus: int) -> List[Any]:
        """dom0's runstates by vCPU, where we are dom0 and Xen tells them; else none."""
        if self._owns is None:
            dom0 = is_dom0(self._xen)
            self._owns = dom0 is True       # on arm64 nobody knows, and nobody is told
            self.notices = (NOT_DOM0,) if dom0 is False else ()
        if not self._owns:
            return []
        states = self._vcpus.own_runstates(vcpus)
        self._owns = any([state is not None for state in states])
        return states if self._owns else []

    def _domain_runstates(self, member: Member) -> Any:
        """A domain's six runstates, None where Xen has none of it, or _GONE."""
        if not self._runstates or not member.info.cpu_time:     # one that has never run has none yet
            return None
        try:
            runstate = self._xen.domain_runstate(member.domid)
        except Unsupported:
            self._runstates = False
            return None
        except DomainGone:
            return _GONE
        return None if runstate is None else tuple(runstate[-6:])


def _made(member: Member, vcpus: int, source: str, figures: List[Vcpu],
          runstates: Optional[Tuple[int, ...]] = None) -> DomainVcpus:
    return _record(DomainVcpus, (member.domid, member.uuid, member.name, member.shared, source, vcpus, member.info.cpu_time,
                                 runstates, figures))
