"""Names, UUIDs and devices of the domains of this host, asked anew for every sample."""
from typing import Iterable, Optional

from xenmeter.core.errors import NotXen
from xenmeter.xen.domains import DomainDirectory, Snapshot
from xenmeter.xen.netdev import read_net_dev, read_nodename
from xenmeter.xen.xenstore import Xenstore

__all__ = ("LiveNames",)


class LiveNames:
    """xenstore's word on the domains; opened at the first question.

    :param for_good: decide at the first question whether there is a xenstore: for a source whose series have the names as
        keys where there is none, and must keep them. Others ask again, since xenstored may start after them.
    :param devices: whether devices are wanted; else names and UUIDs alone are asked for.
    """

    def __init__(self, store: Optional[Xenstore] = None, for_good: bool = True, devices: bool = True) -> None:
        self._directory = DomainDirectory(store or Xenstore(), read_net_dev if devices else None, read_nodename, whole=devices)
        self._for_good = for_good
        self._found = False
        self._absent = False

    def snapshot(self) -> Optional[Snapshot]:
        """What xenstore says now; None where this host has had none so far; SourceError where it does not answer."""
        if self._absent:
            return None
        try:
            snapshot = self._directory.snapshot()
        except NotXen:
            if self._found:
                raise
            self._absent = self._for_good
            return None
        self._found = True
        return snapshot

    def again(self, domids: Iterable[int]) -> Optional[Snapshot]:
        """As :meth:`snapshot`, with the devices of these domains read anew: a disk was plugged in."""
        for domid in domids:
            self._directory.refresh(domid)
        return self.snapshot()
