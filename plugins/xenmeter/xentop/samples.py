"""What xentop's sources hand over: an iteration of the program's text, or a reading of Xen and dom0 themselves."""
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

from xenmeter.xen.backends import Vif
from xenmeter.xen.backing import Backing
from xenmeter.xen.blkback import Disk
from xenmeter.xen.dom0memory import Memory
from xenmeter.xen.power import PcpuPower
from xenmeter.xen.roster import Member
from xenmeter.xen.scheduling import Terms
from xenmeter.xen.servants import Spent
from xenmeter.xen.topology import Place
from xenmeter.xen.vcpus import VcpuCounts
from xenmeter.xentop.text.records import Iteration

__all__ = ("Sample", "DirectDomain", "DirectSample", "Dom0", "Inside", "NOTHING_INSIDE")


class Sample(NamedTuple):
    """One iteration of xentop's text. ``names`` is a snapshot of xenstore (xen.domains.Snapshot), None where there is no
    xenstore, or Unreadable. ``first``: its CPU(%) are no rates: it is the first iteration of a xentop, which says 0.0 % for every
    domain, or the clock was set in its interval. ``remark``: what the source says of itself, for the log.
    """

    time_ns: int
    iteration: Iteration
    names: Any
    first: bool = False
    remark: Optional[str] = None


class DirectDomain(NamedTuple):
    """What the hypervisor and dom0 say of one domain."""

    member: Member    # its record by the hypervisor, UUID, name and xenstore's facts
    vcpu_ns: List[Tuple[int, int]]    # running time of each online vCPU, ns, up to now
    vifs: Optional[List[Vif]]    # None: /proc/net/dev could not be read
    disks: Optional[List[Disk]]    # None: sysfs could not be read
    backing: Dict[int, Backing] = {}    # by device number, what the block devices say that are one disk's alone
    terms: Optional[Terms] = None    # under which it is scheduled
    spent: Dict[str, Spent] = {}    # CPU time that dom0 spends for it, by who spends it (xen.servants)


class Dom0(NamedTuple):
    """dom0's own kernel. ``spent`` is CPU time for all domains together, by who spends it; ``since``: when that was begun to be
    counted, which tells those apart that have ended before and since.
    """

    memory: Memory
    spent: Dict[str, Spent]
    since: int


class Inside(NamedTuple):
    """What the hypervisor says beside xentop's figures; each is empty where it was not asked for, or Xen does not tell."""

    grants: Dict[int, Tuple[int, int]]    # frames of a domain's grant table, and how many it may have, by domid
    nodes: List[Optional[Tuple[int, int]]]    # bytes of each node, and how many are free; None: not there
    places: List[Optional[Place]]    # of each pCPU by its id
    power: List[PcpuPower]    # of each pCPU by its id


NOTHING_INSIDE = Inside({}, [], [], [])


class DirectSample(NamedTuple):
    """One reading of the hypervisor and of dom0."""

    time_ns: int
    xen_ns: int    # Xen's system time at about the same moment: what its counters count in
    domains: List[DirectDomain]
    host: Any    # struct xen_sysctl_physinfo
    idle_ns: List[int]    # of each pCPU by its id; 0 for one that is offline; none where we are not dom0
    left_out: Dict[str, int]
    trouble: Optional[str]
    notices: Tuple[str, ...] = ()    # what else to say of it in the log, one line each
    inside: Inside = NOTHING_INSIDE
    vcpus: Optional[VcpuCounts] = None    # of all domains
    dom0: Optional[Dom0] = None

    @property
    def remark(self) -> None:
        """What the source says of itself stands in ``trouble`` and ``notices``, and the collector tells it."""
        return None
