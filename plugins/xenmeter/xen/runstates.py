"""How long domains and their vCPUs were ready and waited, where the hypervisor has been patched to tell dom0.

No release of Xen has these domctls: XenServer's and XCP-ng's of a whole domain (``structs.DOMAIN_RUNSTATE``), and the one that
xentop-ng proposes, of a vCPU (``structs.VCPU_RUNSTATE``). So the first question is put alone, and an answer counts only where it
can be one; then a thousand go in one trap (xen.multicall).
"""
import errno
from typing import Any, Dict, List, Optional, Sequence, Set, Tuple

from xenmeter.core.errors import DomainGone
from xenmeter.xen import structs
from xenmeter.xen.runstateasker import PATIENCE, is_domain_runstate, is_time

__all__ = ("DomainRunstates", "VcpuRunstates", "GONE")

#: In the place of an answer: the domain is gone.
GONE: Any = object()

_SIZE = structs.VCPU_RUNSTATE.size
#: The newest release of which all domctls are known. A later one may have another command under a number that it lacks.
_KNOWN = (4, 22)
#: From here on a version of the interface is shared by releases that are not known yet.
_SHARED = 0x18
_PASSING = (errno.ESRCH, errno.ENOENT, errno.EINVAL)


class DomainRunstates:
    """Runstates of whole domains.

    :param xen: ``xen.hypervisor.Hypervisor``.
    """

    def __init__(self, xen: Any) -> None:
        self._xen = xen
        self._asked: Tuple[int, List[int]] = (0, [])
        self._data = b""

    def ask(self, domids: Sequence[int]) -> List[Any]:
        """Of each domain a ``structs.DOMAIN_RUNSTATE``, None where it has none yet, or GONE.

        :raises Unsupported: this Xen has none.
        """
        told: List[Any] = []
        for domid in domids:
            if self._xen.runstate_domctl:
                break
            told.append(self._one(domid))
        rest = list(domids[len(told):])
        if not rest:
            return told
        number = self._xen.runstate_domctl
        if self._asked != (number, rest):
            version = self._xen.interface_versions()[1]
            self._data = b"".join([structs.DOMAIN_RUNSTATE.pack(cmd=number, interface_version=version, domain=domid)
                                   for domid in rest])
            self._asked = number, rest
        results, answers = self._xen.multicall.each(structs.HYPERCALL_DOMCTL, _SIZE, self._data)
        for domid, result, answer in zip(rest, results, structs.DOMAIN_RUNSTATE.unpack_array(answers, len(rest))):
            if result == -errno.ESRCH:
                told.append(GONE)
            elif result:
                told.append(self._one(domid))       # which raises what is wrong, if it is
            else:
                told.append(answer if is_domain_runstate(answer, number, domid) else None)
        return told

    def _one(self, domid: int) -> Any:
        try:
            return self._xen.domain_runstate(domid)
        except DomainGone:
            return GONE


class VcpuRunstates:
    """Runstates of each vCPU.

    :param xen: ``xen.hypervisor.Hypervisor``.
    :ivar is_there: it has answered.
    :ivar refused: why there are none, in a few words; None while it is not known, and where there are.
    """

    def __init__(self, xen: Any) -> None:
        self._xen = xen
        self.is_there = False
        self._doubts: Set[int] = set()      # domains whose answer was none
        self._wanted: Sequence[Tuple[int, int]] = ()
        self._each: List[Tuple[int, int]] = []
        self._data = b""
        self.refused: Optional[str] = None

    def ask(self, wanted: Sequence[Tuple[int, int]]) -> Dict[Tuple[int, int], Any]:
        """Of each (domid, number) the ``structs.VCPU_RUNSTATE`` of its vCPUs from 0 to number - 1, by (domid, vCPU); without
        those that are not there. Empty where this Xen has none.
        """
        if not self.is_there:
            self._try(wanted)
        if not self.is_there:
            return {}
        if wanted != self._wanted:
            self._each = [(domid, vcpu) for domid, number in wanted for vcpu in range(number)]
            self._data = b"".join([self._question(domid, vcpu) for domid, vcpu in self._each])
            self._wanted = list(wanted)
        results, answers = self._xen.multicall.each(structs.HYPERCALL_DOMCTL, _SIZE, self._data)
        told = structs.VCPU_RUNSTATE.unpack_array(answers, len(self._each))
        return {who: answer for who, result, answer in zip(self._each, results, told) if not result and _fits(answer, *who)}

    def _try(self, wanted: Sequence[Tuple[int, int]]) -> None:
        """Whether this Xen answers, by vCPU 0 of the first domain that can be asked."""
        for domid in [domid for domid, number in wanted if number and domid not in self._doubts]:
            if self.refused is None and self._xen.interface_versions()[1] >= _SHARED and self._xen.version() > _KNOWN:
                self.refused = "this release may have another command of that number"
            if self.refused is not None or self.is_there:
                return
            results, answers = self._xen.multicall.each(structs.HYPERCALL_DOMCTL, _SIZE, self._question(domid, 0))
            if -results[0] in _PASSING:
                self._doubt(domid)
            elif results[0]:        # EPERM: a policy that does not know the number forbids it, and has each try in Xen's log
                self.refused = "Xen has no such command"
            elif _fits(structs.VCPU_RUNSTATE.unpack(answers), domid, 0):
                self.is_there = True
            else:
                self._doubt(domid)

    def _doubt(self, domid: int) -> None:
        self._doubts.add(domid)
        if len(self._doubts) >= PATIENCE:
            self.refused = "Xen's answers are none"

    def _question(self, domid: int, vcpu: int) -> bytes:
        return structs.VCPU_RUNSTATE.pack(cmd=structs.DOMCTL_VCPU_RUNSTATE, domain=domid, vcpu=vcpu,
                                          interface_version=self._xen.interface_versions()[1])


def _fits(answer: Any, domid: int, vcpu: int) -> bool:
    """Whether it can be the answer to our question. A vCPU's times add up to its age, which Xen's clock is no younger than."""
    return (answer.cmd == structs.DOMCTL_VCPU_RUNSTATE and (answer.domain, answer.vcpu) == (domid, vcpu) and answer.state < 4
            and is_time(answer[6:10]) and (not answer.sample_time or answer.state_entry_time <= answer.sample_time))
