"""Under which terms domains are scheduled: weight, cap, cpupool and hard affinity, as Xen's own tools ask for them.

XEN_DOMCTL_scheduler_op with getinfo (``domctl.h``, the same since Xen 4.11) tells weight and cap where the domain's cpupool has
the scheduler credit or credit2; which it has, XEN_SYSCTL_cpupool_op says. Affinity is a vCPU's own, XEN_DOMCTL_getvcpuaffinity; a
domain's is that of all its vCPUs together. None of it changes by itself, so it is asked for rarely: when the domains are others,
else every REST_S. A thousand questions are one trap (xen.multicall).
"""
import time
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence, Tuple

from xenmeter.core.cpulist import format_cpus
from xenmeter.xen import structs
from xenmeter.xen.multicall import MOST

__all__ = ("Terms", "Scheduling", "REST_S", "SCHEDULERS")

#: Seconds for which the terms are good while the same domains live.
REST_S = 30.0
#: ``XEN_SCHEDULER_*`` of ``xen.h``.
SCHEDULERS = {5: "credit", 6: "credit2", 7: "arinc653", 8: "rtds", 9: "null"}

_WEIGHTED = ("credit", "credit2")
_GETINFO, _HARD = 1, 1
_WORD = 64

Key = Tuple[int, bytes, int, int]   # domid, handle, cpupool, highest vCPU: what asks for new terms where it changes


class Terms(NamedTuple):
    """``weight`` is of credit's and credit2's kind, 256 by default; ``cap`` is percent of one pCPU, 0 where there is none;
    ``cpus`` the pCPUs on which a vCPU of it may run, as a list (``0-3``, ``all``), and ``number`` how many these are. None: not
    told.
    """

    cpupool: int
    scheduler: Optional[str]
    weight: Optional[int] = None
    cap: Optional[int] = None
    cpus: Optional[str] = None
    number: Optional[int] = None


class Scheduling:
    """:param xen: ``xen.hypervisor.Hypervisor``.

    :param clock: ``float`` seconds that never run backwards.
    """

    def __init__(self, xen: Any, clock: Callable[[], float] = time.monotonic) -> None:
        self._xen = xen
        self._clock = clock
        self._due = clock()
        self._keys: List[Key] = []
        self._terms: Dict[int, Terms] = {}

    def read(self, infos: Sequence[Any], host: Any) -> Dict[int, Terms]:
        """By domid; the same objects while the terms are the same.

        :param infos: the hypervisor's records of the domains; :param host: what it said of the host.
        """
        keys = [(info.domain, info.handle, info.cpupool, info.max_vcpu_id) for info in infos]
        if keys != self._keys or self._clock() >= self._due:
            before = self._terms
            told = self._ask(keys, host.max_cpu_id + 1)
            self._terms = {domid: before[domid] if before.get(domid) == terms else terms for domid, terms in told.items()}
            self._keys, self._due = keys, self._clock() + REST_S
        return self._terms

    def _ask(self, keys: List[Key], pcpus: int) -> Dict[int, Terms]:
        pools = {pool: self._xen.cpupool_scheduler(pool) for pool in sorted({key[2] for key in keys})}
        terms = {domid: Terms(pool, SCHEDULERS.get(pools[pool])) for domid, _, pool, _ in keys}
        weighted = [(domid, pools[pool]) for domid, _, pool, _ in keys if terms[domid].scheduler in _WEIGHTED]
        for domid, answer in self._getinfo(weighted):
            terms[domid] = terms[domid]._replace(weight=answer.weight, cap=answer.cap)
        for domid, cpus in self._affinity(keys, pcpus).items():
            which = [cpu for cpu in range(pcpus) if cpus >> cpu & 1]
            terms[domid] = terms[domid]._replace(cpus=format_cpus(None if len(which) == pcpus else which), number=len(which))
        return terms

    def _getinfo(self, domains: List[Tuple[int, Any]]) -> List[Tuple[int, Any]]:
        """(domid, struct) of those that were told."""
        layout = structs.SCHEDULER_OP
        version = self._xen.interface_versions()[1] if domains else 0
        images = [layout.pack(cmd=structs.DOMCTL_SCHEDULER_OP, interface_version=version, domain=domid, sched_id=scheduler,
                              op=_GETINFO) for domid, scheduler in domains]
        return [(domid, layout.unpack(memoryview(answer))) for (domid, _), answer in zip(domains, self._xen.domctls(images))
                if answer is not None]

    def _affinity(self, keys: List[Key], pcpus: int) -> Dict[int, int]:
        """By domid, the pCPUs of all its vCPUs as bits."""
        layout = structs.VCPUAFFINITY
        each = [(domid, vcpu) for domid, _, _, last in keys if last != structs.NO_VCPU for vcpu in range(last + 1)]
        size = -(-pcpus // _WORD) * _WORD // 8
        found: Dict[int, int] = {}
        if not each:
            return found
        version = self._xen.interface_versions()[1]
        maps = self._xen.allocate(MOST * size)
        try:
            for at in range(0, len(each), MOST):
                some = each[at:at + MOST]
                maps.view[:len(some) * size] = bytes(len(some) * size)
                answers = self._xen.domctls([
                    layout.pack(cmd=structs.DOMCTL_GETVCPUAFFINITY, interface_version=version, domain=domid, vcpu=vcpu,
                                flags=_HARD, hard=maps.address + place * size, hard_bits=size * 8)
                    for place, (domid, vcpu) in enumerate(some)])
                for place, ((domid, _), answer) in enumerate(zip(some, answers)):
                    if answer is not None:
                        cpus = int.from_bytes(maps.view[place * size:(place + 1) * size], "little")
                        found[domid] = found.get(domid, 0) | cpus
        finally:
            self._xen.free(maps)
        return {domid: cpus for domid, cpus in found.items() if cpus}
