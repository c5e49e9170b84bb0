"""What the hypervisor says of runstates, of the calling domain's vCPUs and of whole domains, and which times it cannot mean.

Some Xen of 2018 and 2019 (4.11.0 to .2, 4.12.0 and .1) let the flag of an update, bit 63, into a vCPU's running time. No time is
as long, so that bit is dropped from each, and from the sum of a domain's: whatever the flags add up to is a multiple of it.
"""
import errno
from typing import Any, Dict, Sequence, Set

from xenmeter.core.errors import Unsupported
from xenmeter.xen import structs
from xenmeter.xen.asker import Asker

__all__ = ("RunstateAsker", "PATIENCE", "UPDATE", "is_domain_runstate", "is_time", "without_flag")

#: After so many domains without an answer, this Xen is taken not to have that domctl.
PATIENCE = 3
#: The flag that does not belong into a time (see above).
UPDATE = 1 << 63
#: ns that no state has lasted: ten years.
_TOO_LONG = 10 * 366 * 86400 * 10 ** 9


class RunstateAsker(Asker):
    """Asks for runstates; the parameters and errors of :class:`Asker`."""

    def __init__(self, calls: Any = None) -> None:
        super().__init__(calls)
        self._dead_numbers: Set[int] = set()  # domctls that this hypervisor does not have
        self._doubts: Dict[int, Set[int]] = {}  # domctl -> domains that it did not answer for
        self._proven: Set[int] = set()  # domctls that did answer

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
