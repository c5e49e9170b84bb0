"""Names, UUIDs and devices of the domains of this host, asked anew for every sample."""
from typing import Iterable, Optional

from xenmeter.core.errors import NotXen
from xenmeter.xen.domains import DomainDirectory, Snapshot
from xenmeter.xen.netdev import read_net_dev, read_nodename
from xenmeter.xen.xenstore import Xenstore

__all__ = ("LiveNames",)


class LiveNames:
    """xenstore's word on the domains; opened at the first question.

    Whether names or UUIDs are the keys of series is decided then, once: a host does not change it while it runs.
    """

    def __init__(self, store=None):
        # type: (Optional[Xenstore]) -> None
        self._directory = DomainDirectory(store or Xenstore(), read_net_dev, read_nodename)
        self._decided = False
        self._absent = False

    def snapshot(self):
        # type: () -> Optional[Snapshot]
        """What xenstore says now; None, for good, where this host has none; SourceError where it does not answer."""
        if self._absent:
            return None
        try:
            found = self._directory.snapshot()
        except NotXen:
            if self._decided:
                raise
            self._absent = True
            return None
        self._decided = True
        return found

    def again(self, domids):
        # type: (Iterable[int]) -> Optional[Snapshot]
        """As :meth:`snapshot`, with the devices of these domains read anew: a disk was plugged in."""
        for domid in domids:
            self._directory.refresh(domid)
        return self.snapshot()
