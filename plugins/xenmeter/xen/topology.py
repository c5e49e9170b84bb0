"""Where pCPUs and memory are: sysctl cputopoinfo and numainfo."""
from typing import Any, List, NamedTuple, Optional, Tuple

from xenmeter.core.errors import VersionMismatch
from xenmeter.xen import hoststructs as layouts
from xenmeter.xen.hypervisor import MAX_PCPUS

__all__ = ("Place", "places", "nodes", "MOST_NODES")

#: Xen's MAX_NUMNODES is 64 at most.
MOST_NODES = 64


class Place(NamedTuple):
    core: int
    socket: int
    node: Optional[int]    # None: Xen knows of no node


def places(xen: Any, pcpus: int) -> List[Optional[Place]]:
    """Where each pCPU is, by its id; None for one that is not there. Raises what ``Hypervisor.host`` does.

    :param xen: ``xen.hypervisor.Hypervisor``; :param pcpus: how many there are, ids that are not there among them.
    """
    if pcpus > MAX_PCPUS:
        raise VersionMismatch("Xen names %d pCPUs, so its answer was misread; report its release" % pcpus)
    buffer = xen.allocate(layouts.CPUTOPO.size * pcpus)
    try:
        answer = xen.sysctl(layouts.CPUTOPOINFO, layouts.SYSCTL_CPUTOPOINFO, "where the pCPUs are",
                            {"num_cpus": pcpus, "cputopo": buffer.address})
        told = layouts.CPUTOPO.unpack_array(buffer.view, min(answer.num_cpus, pcpus))
    finally:
        xen.free(buffer)
    return [None if one.core == layouts.NOWHERE else
            Place(one.core, one.socket, None if one.node == layouts.NOWHERE else one.node) for one in told]


def nodes(xen: Any) -> List[Optional[Tuple[int, int]]]:
    """Bytes of each node by its id, and how many of them no domain holds; None for one that is not there. The first are what it
    spans, holes among them: in all they may be more than the host has. Raises what ``Hypervisor.host`` does.
    """
    buffer = xen.allocate(layouts.MEMINFO.size * MOST_NODES)
    try:
        answer = xen.sysctl(layouts.NUMAINFO, layouts.SYSCTL_NUMAINFO, "the memory of its nodes",
                            {"num_nodes": MOST_NODES, "meminfo": buffer.address})
        told = layouts.MEMINFO.unpack_array(buffer.view, min(answer.num_nodes, MOST_NODES))
    finally:
        xen.free(buffer)
    return [None if one.memsize == layouts.NO_NODE_SIZE else (one.memsize, one.memfree) for one in told]
