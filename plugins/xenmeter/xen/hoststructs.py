"""The structs in which Xen tells of its pCPUs' power states and places: ``sysctl.h`` (get_pmstat, cputopoinfo, numainfo), which
are the same in 4.17 and 4.23, and ``platform.h`` (resource_op).

From 4.21 on the counts of states in get_pmstat say how much room the caller has; before, Xen copied as many as there are.
"""
from xenmeter.xen.cstruct import Structure
from xenmeter.xen.structs import GETCPUINFO

__all__ = ("SYSCTL_GET_PMSTAT", "SYSCTL_CPUTOPOINFO", "SYSCTL_NUMAINFO", "HYPERCALL_PLATFORM", "PLATFORM_RESOURCE_OP",
           "PLATFORM_VERSION", "GET_MAX_PX", "GET_PXSTAT", "GET_CXSTAT", "PXSTAT", "CXSTAT", "PX", "CPUTOPOINFO", "CPUTOPO",
           "NUMAINFO", "MEMINFO", "NOWHERE", "NO_NODE_SIZE", "RESOURCE_OP", "RESOURCE_ENTRY")

SYSCTL_GET_PMSTAT, SYSCTL_CPUTOPOINFO, SYSCTL_NUMAINFO = 10, 16, 17
HYPERCALL_PLATFORM, PLATFORM_RESOURCE_OP, PLATFORM_VERSION = 7, 61, 0x03000001
#: Values of get_pmstat's ``type``.
GET_MAX_PX, GET_PXSTAT, GET_CXSTAT = 0x11, 0x12, 0x22

_SYSCTL = GETCPUINFO.fields[:2]
_SIZE = GETCPUINFO.size

#: ``trans_pt`` points to total x total words of 8 bytes, ``pt`` to ``total`` PX.
PXSTAT = Structure("xen_sysctl", _SIZE, (
    ("type", "I", 8), ("cpuid", "I", 12), ("total", "B", 16), ("usable", "B", 17), ("last", "B", 18), ("cur", "B", 19),
    ("trans_pt", "Q", 24), ("pt", "Q", 32)), "u.get_pmstat.", _SYSCTL)
#: Clock in MHz, time in the state in ns, entries into it.
PX = Structure("pm_px_val", 24, (("freq", "Q", 0), ("residency", "Q", 8), ("count", "Q", 16)))
#: ``triggers`` and ``residencies`` (ns) point to ``nr`` words of 8 bytes; C0 is the first of them.
CXSTAT = Structure("xen_sysctl", _SIZE, (
    ("type", "I", 8), ("cpuid", "I", 12), ("nr", "I", 16), ("last", "I", 20), ("idle_time", "Q", 24), ("triggers", "Q", 32),
    ("residencies", "Q", 40), ("nr_pc", "I", 48), ("nr_cc", "I", 52), ("pc", "Q", 56), ("cc", "Q", 64)), "u.get_pmstat.", _SYSCTL)

CPUTOPOINFO = Structure("xen_sysctl", _SIZE, (("num_cpus", "I", 8), ("cputopo", "Q", 16)), "u.cputopoinfo.", _SYSCTL)
CPUTOPO = Structure("xen_sysctl_cputopo", 12, (("core", "I", 0), ("socket", "I", 4), ("node", "I", 8)))
NUMAINFO = Structure("xen_sysctl", _SIZE, (("num_nodes", "I", 8), ("meminfo", "Q", 16), ("distance", "Q", 24)), "u.numainfo.",
                     _SYSCTL)
#: Bytes.
MEMINFO = Structure("xen_sysctl_meminfo", 16, (("memsize", "Q", 0), ("memfree", "Q", 8)))
#: In a CPUTOPO of a pCPU that is not there, and in a MEMINFO of a node that is not.
NOWHERE = NO_NODE_SIZE = 0xffffffff

RESOURCE_OP = Structure("xen_platform_op", 136, (("nr_entries", "I", 8), ("cpu", "I", 12), ("entries", "Q", 16)),
                        "u.resource_op.", (("cmd", "I", 0), ("interface_version", "I", 4)))
#: ``cmd`` 0 reads MSR ``idx`` into ``val``.
RESOURCE_ENTRY = Structure("xenpf_resource_entry", 24, (("cmd", "I", 0), ("rsvd", "I", 4), ("idx", "Q", 8), ("val", "Q", 16)))
