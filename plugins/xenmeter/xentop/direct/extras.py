"""What source direct reads beside xentop's own figures, each only where somebody wants it: block devices below disks, terms of
scheduling, dom0's work for its guests.
"""
from typing import Any, Collection, Dict, List, NamedTuple, Optional, Tuple

from xenmeter.xen.backing import Backing, Backings
from xenmeter.xen.blkback import Disks
from xenmeter.xen.dom0memory import read_memory
from xenmeter.xen.roster import Member
from xenmeter.xen.scheduling import Scheduling, Terms
from xenmeter.xen.servants import ALL, Servants, Spent
from xenmeter.xentop.samples import Dom0

__all__ = ("Extras", "Told", "Around")


class Around(NamedTuple):
    """Where in dom0 it is read; others in tests."""

    backings: Backings
    servants: Servants
    meminfo: Any

    @classmethod
    def of_this_host(cls) -> "Around":
        return cls(Backings(), Servants(), read_memory)


class Told(NamedTuple):
    """By domid, what samples.DirectDomain has of it."""

    backing: Dict[int, Dict[int, Backing]]
    terms: Dict[int, Terms]
    spent: Dict[int, Dict[str, Spent]]
    dom0: Optional[Dom0]


class Extras:
    """Of one connection to the hypervisor.

    :param wanted: groups of the catalogue: disk, sched, dom0.
    """

    def __init__(self, xen: Any, around: Around, wanted: Collection[str]) -> None:
        self._around = around
        self._wanted = wanted
        self._scheduling = Scheduling(xen)
        self._facts: List[Any] = []
        self._blocks: Dict[Tuple[int, int], Tuple[int, int]] = {}
        self._qemus: Dict[int, int] = {}

    def read(self, members: List[Member], host: Any, disks: Disks, served: Dict[int, Any]) -> Told:
        """:param members: the domains; :param host: Xen's word on the host; :param disks: who was just asked for disks.
        :param served: what they said, by domid.
        """
        facts = [member.facts for member in members]
        if facts != self._facts:
            known = [one for one in facts if one is not None]
            self._facts = facts
            self._blocks = {(one.domid, dev): block for one in known for dev, block in one.blocks.items()}
            self._qemus = {one.qemu: one.domid for one in known if one.qemu is not None}
        backing: Dict[int, Dict[int, Backing]] = {}
        if "disk" in self._wanted and self._blocks:
            backing = self._around.backings.read(self._blocks, [
                (domid, disk.dev) for domid, its in served.items() for disk in its if disk.type == "BlkBack"])
        terms = self._scheduling.read([member.info for member in members], host) if "sched" in self._wanted else {}
        spent: Dict[int, Dict[str, Spent]] = {}
        dom0 = None
        if "dom0" in self._wanted:
            for (domid, who), times in self._around.servants.read(
                    {member.domid: member.info.handle for member in members}, self._qemus, disks.tapdisks).items():
                spent.setdefault(domid, {})[who] = times
            dom0 = Dom0(self._around.meminfo(), spent.pop(ALL, {}), self._around.servants.since)
        return Told(backing, terms, spent, dom0)

    def close(self) -> None:
        self._around.backings.close()
        self._around.servants.close()
