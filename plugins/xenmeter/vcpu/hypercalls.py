"""The vCPUs of domains by hypercalls: dom0's from what Xen tells each domain of itself, the others' from domctls."""
from itertools import repeat
from typing import Any, Dict, List, Optional, Sequence, Tuple

from xenmeter.core.errors import Unsupported
from xenmeter.vcpu.records import DomainVcpus, Vcpu
from xenmeter.xen.roster import Member
from xenmeter.xen.runstates import GONE, DomainRunstates, VcpuRunstates
from xenmeter.xen.vcpus import Vcpus
from xenmeter.xen.whoami import NOT_DOM0, is_dom0

__all__ = ("HypercallReader",)

_record = tuple.__new__         # a named tuple's own constructor costs twice as much
_NONE = repeat(None)


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
        self._runstates: Optional[DomainRunstates] = DomainRunstates(xen)   # until the hypervisor says that it has none
        self._waits = VcpuRunstates(xen)

    def read(self, ways: Sequence[Tuple[Member, int]]) -> List[Optional[DomainVcpus]]:
        """Of each (domain, how many vCPUs it has) all its vCPUs, up to now; None where it ended meanwhile."""
        own = [self._own(vcpus) if not member.domid else [] for member, vcpus in ways]
        runstates = self._domain_runstates([member for (member, _), states in zip(ways, own) if not states])
        waits = self._waits.ask([(member.domid, vcpus) for (member, vcpus), states in zip(ways, own)
                                 if not states]) if self._waits.refused is None else {}
        answers = self._vcpus.ask([(member.domid, vcpus) for member, vcpus in ways])
        columns = (self._vcpus.numbers, answers.cpu_time, _NONE, _NONE, _NONE, answers.online, answers.cpu, _NONE)
        figures = list(map(_record, repeat(Vcpu), zip(*columns)))
        whole = None not in answers.cpu_time
        domains: List[Optional[DomainVcpus]] = []
        at = 0
        for (member, vcpus), states in zip(ways, own):
            part = figures[at:at + vcpus]
            at += vcpus
            runstate = runstates.get(member.domid)
            if member.domid in answers.gone or runstate is GONE:
                domains.append(None)
            elif states:
                domains.append(_made(member, vcpus, "own_runstate", [
                    Vcpu(vcpu.vcpu, state.running, state.runnable, state.blocked, state.offline, vcpu.online, vcpu.pcpu)
                    for vcpu, state in zip(part, states) if state is not None]))
            else:
                part = part if whole else [vcpu for vcpu in part if vcpu.running is not None]
                source = "getvcpuinfo" if runstate is None else "runstate_domctl"
                if (member.domid, 0) in waits:
                    source, part = "vcpu_runstates", _with_waits(member.domid, part, waits)
                domains.append(_made(member, vcpus, source, part, runstate))
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

    def _domain_runstates(self, members: Sequence[Member]) -> Dict[int, Any]:
        """The runstates of domains as a whole, by domid: None where Xen has none of one, or GONE."""
        if self._runstates is None:
            return {}
        domids = [member.domid for member in members if member.info.cpu_time]   # one that has never run has none yet
        try:
            return dict(zip(domids, self._runstates.ask(domids)))
        except Unsupported:
            self._runstates = None
            return {}


def _with_waits(domid: int, vcpus: List[Vcpu], waits: Dict[Tuple[int, int], Any]) -> List[Vcpu]:
    """All four states of each vCPU, where Xen has told them; the times up to the moment of its answer."""
    told = []
    for vcpu in vcpus:
        states = waits.get((domid, vcpu.vcpu))
        told.append(vcpu if states is None else _record(Vcpu, (
            vcpu.vcpu, states.running, states.runnable, states.blocked, states.offline, vcpu.online, vcpu.pcpu,
            states.state_entry_time)))
    return told


def _made(member: Member, vcpus: int, source: str, figures: List[Vcpu], told: Any = None) -> DomainVcpus:
    """:param told: the ``structs.DOMAIN_RUNSTATE``. No domain has run and its mean is 0: these are zeros of our own question."""
    runstates = means = missed = None
    if told is not None:
        runstates, missed = tuple(told[6:12]), told.missed_changes
        means = (told.runnable, told.running, told.nonaffine) if told.running else None
    return _record(DomainVcpus, (member.domid, member.uuid, member.name, member.shared, source, vcpus, member.info.cpu_time,
                                 runstates, figures, means, missed))
