"""The vCPUs of many domains at once: a thousand of them in one trap where Xen takes multicalls, else each by a hypercall.

Both ways ask the same domctl for the same struct, so their answers are the same.
"""
import errno
from operator import add
from typing import Any, List, NamedTuple, Optional, Sequence, Set, Tuple

from xenmeter.core.errors import DomainGone
from xenmeter.xen import structs
from xenmeter.xen.multicall import MOST
from xenmeter.xen.runstateasker import UPDATE, without_flag

__all__ = ("Vcpus", "VcpuCounts", "VcpuStates", "price")

_SIZE = structs.GETVCPUINFO.size
#: Where in the struct they are: in words of 8 bytes, in bytes, in words of 4.
_TIME, _ONLINE, _BLOCKED, _RUNNING, _CPU = 24 // 8, 20, 21, 22, 32 // 4
_NOTHING = (None, None, None)
#: What a batch's call may answer and an only call would have: there is no such vCPU or domain (Hypervisor.vcpu).
_USUAL = (errno.ESRCH, errno.ENOENT, errno.EINVAL)


class VcpuStates(NamedTuple):
    """Of each vCPU that was asked for, in that order; None where there is no such vCPU, or its domain is ``gone``."""

    cpu_time: List[Optional[int]]   # running, ns, up to now
    online: List[Optional[int]]     # 0 or 1
    cpu: List[Optional[int]]
    gone: Set[int]      # domids


class VcpuCounts(NamedTuple):
    """How many vCPUs are online, and of these run on a pCPU or are blocked (wait for an event)."""

    online: int
    running: int
    blocked: int


class Vcpus:
    """:param xen: ``xen.hypervisor.Hypervisor``.

    :ivar numbers: the ids of the vCPUs that were asked for last, in that order.
    :ivar counts: of those that were asked for last, together.
    """

    def __init__(self, xen: Any) -> None:
        self._xen = xen
        self._wanted: Sequence[Tuple[int, int]] = ()
        self._each: List[Tuple[int, int]] = []
        self._image = b""
        self.numbers: List[int] = []
        self.counts = VcpuCounts(0, 0, 0)

    def ask(self, wanted: Sequence[Tuple[int, int]]) -> VcpuStates:
        """Of each (domid, number) the vCPUs from 0 to number - 1. Raises what ``Hypervisor.vcpu`` does, but DomainGone."""
        states = VcpuStates([], [], [], set())
        self.counts = VcpuCounts(0, 0, 0)
        if wanted != self._wanted:
            self._plan(wanted)
        for at in range(0, len(self._each), MOST):
            answer = self._xen.multicall.ask(structs.HYPERCALL_DOMCTL, _SIZE, self._image[at * _SIZE:(at + MOST) * _SIZE])
            if answer is None:
                for domid, vcpu in self._each[at:at + MOST]:
                    self._ask_one(domid, vcpu, states)
            else:
                self._take(at, answer[0], answer[1], states)
        return states

    def own_runstates(self, number: int) -> List[Any]:
        """``Hypervisor.own_runstate`` of the calling domain's first vCPUs."""
        layout = structs.RUNSTATE_INFO
        runstates: List[Any] = []
        for first in range(0, number, MOST):
            vcpus = range(first, min(number, first + MOST))
            before = tuple([(structs.VCPUOP_GET_RUNSTATE_INFO, vcpu) for vcpu in vcpus])
            answer = self._xen.multicall.ask(structs.HYPERCALL_VCPU, layout.size, bytes(layout.size * len(vcpus)), before)
            if answer is None or any(answer[0]):
                runstates.extend([self._xen.own_runstate(vcpu) for vcpu in vcpus])
            else:
                runstates.extend(map(without_flag, layout.unpack_array(answer[1], len(vcpus))))
        return runstates

    def _plan(self, wanted: Sequence[Tuple[int, int]]) -> None:
        version = self._xen.interface_versions()[1]
        self._each = [(domid, vcpu) for domid, number in wanted for vcpu in range(number)]
        self.numbers = [vcpu for _, vcpu in self._each]
        self._image = b"".join([structs.GETVCPUINFO.pack(cmd=structs.DOMCTL_GETVCPUINFO, interface_version=version,
                                                         domain=domid, vcpu=vcpu) for domid, vcpu in self._each])
        self._wanted = wanted

    def _take(self, at: int, results: List[int], answers: Any, states: VcpuStates) -> None:
        """Add what a multicall's calls answered, of the vCPUs from ``at`` on."""
        times = answers.cast("Q")[_TIME::_SIZE // 8].tolist()
        online = answers[_ONLINE::_SIZE].tolist()
        cpus = answers.cast("I")[_CPU::_SIZE // 4].tolist()
        flags = [answers[place::_SIZE].tobytes() for place in (_ONLINE, _RUNNING, _BLOCKED)]
        if max(times) >= UPDATE:
            times = [time % UPDATE for time in times]
        if max(online) > 1:
            online = [int(byte != 0) for byte in online]
        if not any(results):
            self._count(*flags)
            states.cpu_time.extend(times)
            states.online.extend(online)
            states.cpu.extend(cpus)
            return
        for (domid, vcpu), result, answer in zip(self._each[at:], results, zip(times, online, cpus)):
            if result == -errno.ESRCH and not vcpu:
                states.gone.add(domid)
            if domid in states.gone or -result in _USUAL:
                _add(states, _NOTHING)
            elif not result:
                _add(states, answer)
                self._count(*[flag[len(states.online) - 1 - at:len(states.online) - at] for flag in flags])
            else:
                self._ask_one(domid, vcpu, states)    # which raises what is wrong, if it is
                self._xen.multicall.refused = "Xen answers in it what it does not otherwise: error %d" % -result

    def _ask_one(self, domid: int, vcpu: int, states: VcpuStates) -> None:
        state = None
        if domid not in states.gone:
            try:
                state = self._xen.vcpu(domid, vcpu)
            except DomainGone:
                states.gone.add(domid)
        if state is not None:
            self._count(*[bytes([flag]) for flag in (state.online, state.running, state.blocked)])
        _add(states, _NOTHING if state is None else (state.cpu_time, int(state.online != 0), state.cpu))

    def _count(self, online: bytes, running: bytes, blocked: bytes) -> None:
        """Add vCPUs by their flags, a byte each, which Xen has as 0 or 1."""
        there = int.from_bytes(online, "little")
        runs, waits = [bin(there & int.from_bytes(flag, "little")).count("1") for flag in (running, blocked)]
        self.counts = VcpuCounts(*map(add, self.counts, (len(online) - online.count(0), runs, waits)))


def _add(states: VcpuStates, answer: Tuple[Optional[int], ...]) -> None:
    for column, value in zip(states, answer):
        column.append(value)        # type: ignore[attr-defined]


def price(xen: Any) -> str:
    """What asking for vCPUs costs, in a few words; right after a first question alone.

    :param xen: ``xen.hypervisor.Hypervisor``.
    """
    if xen.multicall.refused is None:
        return "1 per %d vCPUs" % MOST
    return "1 per vCPU, for there is no multicall (%s)" % xen.multicall.refused
