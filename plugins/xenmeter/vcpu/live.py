"""The hypervisor as a source: a reading of all vCPUs at every interval."""
from typing import Any, Callable, Dict, List, Optional

from xenmeter.core.clock import now_ns
from xenmeter.core.errors import SourceError
from xenmeter.vcpu.pages import Pages
from xenmeter.vcpu.readers import Readers
from xenmeter.vcpu.records import Sample
from xenmeter.xen.domainwatch import DomainWatch
from xenmeter.xen.hypervisor import Hypervisor
from xenmeter.xen.names import LiveNames
from xenmeter.xen.polling import Polled
from xenmeter.xen.resource import open_memory
from xenmeter.xen.roster import Member, Roster
from xenmeter.xen.xenstore import Xenstore

__all__ = ("LiveVcpus",)


class LiveVcpus(Polled):
    """Samples of this host.

    :param interval: seconds between readings.
    :param mode: ``auto``, ``resource`` or ``hypercall`` (see vcpu.readers).
    :param own: whether dom0's vCPUs are read, too.
    :param connect: opens the hypervisor (tests); :param memory: opens what maps pages (tests).
    :param store: opens the xenstore in which the coming and going of domains is watched (tests).
    """

    def __init__(self, interval: float, mode: str = "auto", names: Any = None, connect: Callable[[], Any] = Hypervisor,
                 memory: Callable[[], Any] = open_memory, own: bool = True, store: Callable[[], Xenstore] = Xenstore) -> None:
        roster = Roster(names if names is not None else LiveNames(for_good=False))
        super().__init__(interval, lambda: _Session(mode, roster, connect, memory, own, DomainWatch(store)))


class _Session:
    """One connection to the hypervisor, with what was learned through it."""

    def __init__(self, mode: str, roster: Roster, connect: Callable[[], Any], memory: Callable[[], Any], own: bool,
                 watch: DomainWatch) -> None:
        self._roster = roster
        self._told: Dict[str, int] = dict(roster.errors)
        self._watch = watch
        self._members: List[Member] = []
        self._xen = connect()
        try:
            self._memory: Optional[Any] = None if mode == "hypercall" else memory()
        except SourceError:
            self._xen.close()
            raise
        self._readers = Readers(self._xen, None if self._memory is None else Pages(self._memory), mode, own)

    @property
    def hypercalls(self) -> int:
        """Questions for pages are among them."""
        return self._xen.hypercalls + (0 if self._memory is None else self._memory.count)

    def read(self) -> Sample:
        stamp = now_ns()
        # Where each guest has its page, the list is asked for only when a domain came or went, and when names are due.
        if not self._readers.lasting or self._watch.changed() or not self._roster.settled:
            self._members = self._roster.members(self._xen.domains())
        domains = self._readers.read(self._members)
        left_out = dict(self._readers.left_out)
        for kind, number in self._roster.errors.items():
            if number > self._told.get(kind, 0):
                left_out[kind] = number - self._told.get(kind, 0)
        self._told = dict(self._roster.errors)
        return Sample(stamp, domains, left_out, self._roster.trouble,
                      tuple(self._roster.notices) + self._readers.notices)

    def close(self) -> None:
        self._watch.close()
        self._readers.close()
        self._xen.close()
