"""The structs of the hypercalls that are used here, with the numbers of their commands.

Mirrors Xen's ``xen/include/public/sysctl.h``, ``domctl.h``, ``vcpu.h`` and ``version.h``, releases 4.11 to 4.23; where
they differ, ``xen.versions`` says which holds. Arms of a union are written with the header they share, since a call
takes both at once.
"""
import functools

from xenmeter.xen.cstruct import Structure

__all__ = (
    "HYPERCALL_MEMORY", "HYPERCALL_MULTICALL", "HYPERCALL_VERSION", "HYPERCALL_VCPU", "HYPERCALL_SYSCTL",
    "HYPERCALL_DOMCTL", "HYPERCALL_GRANT_TABLE", "GNTTABOP_QUERY_SIZE", "GNTTAB_QUERY_SIZE",
    "SYSCTL_PHYSINFO", "SYSCTL_SCHED_ID", "SYSCTL_GETDOMAININFOLIST", "SYSCTL_GETCPUINFO", "DOMCTL_GETVCPUINFO",
    "DOMCTL_GET_DOMAIN_STATE", "DOMCTL_SCHEDULER_OP", "DOMCTL_GETVCPUAFFINITY", "SYSCTL_CPUPOOL_OP",
    "DOMCTL_GETVCPUCONTEXT", "DOMCTL_GET_ADDRESS_SIZE", "VCPUCONTEXT", "VCPU_CONTEXT", "ADDRESS_SIZE", "IN_KERNEL",
    "VCPUOP_GET_RUNSTATE_INFO", "XENVER_VERSION", "XENVER_EXTRAVERSION", "DOMCTL_RUNSTATE_NUMBERS",
    "GETDOMAININFOLIST", "DOMAININFO_SIZES", "domaininfo", "PHYSINFO_LONG", "PHYSINFO_SHORT", "GETCPUINFO", "SCHED_ID",
    "GETVCPUINFO", "SCHEDULER_OP", "VCPUAFFINITY", "CPUPOOL_OP", "MULTICALL_ENTRY", "GET_DOMAIN_STATE", "RUNSTATE_INFO",
    "DOMAIN_RUNSTATE", "DOMCTL_VCPU_RUNSTATE", "VCPU_RUNSTATE", "NO_VCPU", "uuid_of", "FLAGS",
    "DYING", "SHUTDOWN", "PAUSED", "shutdown_code",
)

#: Numbers of hypercalls (xen.h, ``__HYPERVISOR_*``) and of their commands.
HYPERCALL_MEMORY, HYPERCALL_MULTICALL, HYPERCALL_VERSION, HYPERCALL_VCPU = 12, 13, 17, 24
HYPERCALL_GRANT_TABLE, HYPERCALL_SYSCTL, HYPERCALL_DOMCTL = 20, 35, 36
GNTTABOP_QUERY_SIZE = 6
SYSCTL_PHYSINFO, SYSCTL_SCHED_ID, SYSCTL_GETDOMAININFOLIST, SYSCTL_GETCPUINFO = 3, 4, 6, 8
DOMCTL_GETVCPUCONTEXT, DOMCTL_GETVCPUINFO = 13, 14
DOMCTL_GET_ADDRESS_SIZE = 36
SYSCTL_CPUPOOL_OP = 18
DOMCTL_SCHEDULER_OP, DOMCTL_GETVCPUAFFINITY = 16, 25
DOMCTL_GET_DOMAIN_STATE = 90    # since 4.21; stable, with interface version 0
VCPUOP_GET_RUNSTATE_INFO = 4
XENVER_VERSION, XENVER_EXTRAVERSION = 0, 1
#: Not in Xen: XenServer's and XCP-ng's patch queue. Each build that was read has 98; a newer patch was said to have 1099.
DOMCTL_RUNSTATE_NUMBERS = (1099, 98)
#: Not in Xen: what xentop-ng proposes to it (October 2026), by the number after the last one of Xen 4.21 and 4.22.
DOMCTL_VCPU_RUNSTATE = 91

_SYSCTL = (("cmd", "I", 0), ("interface_version", "I", 4))
_DOMCTL = _SYSCTL + (("domain", "H", 8),)
_SYSCTL_SIZE, _DOMCTL_SIZE = 136, 144

GETDOMAININFOLIST = Structure("xen_sysctl", _SYSCTL_SIZE, (
    ("first_domain", "H", 8), ("max_domains", "I", 12), ("buffer", "Q", 16), ("num_domains", "I", 24),
), "u.getdomaininfolist.", _SYSCTL)

_PHYSINFO = (("threads_per_core", "I", 8), ("cores_per_socket", "I", 12), ("nr_cpus", "I", 16),
             ("max_cpu_id", "I", 20), ("nr_nodes", "I", 24), ("max_node_id", "I", 28), ("cpu_khz", "I", 32),
             ("capabilities", "I", 36))
_PAGES = ("total_pages", "free_pages", "scrub_pages", "outstanding_pages")

#: Since 4.17 arch_capabilities and a pad word come before the page counts.
PHYSINFO_LONG = Structure("xen_sysctl", _SYSCTL_SIZE, _PHYSINFO + tuple(
    (name, "Q", 48 + 8 * number) for number, name in enumerate(_PAGES)), "u.physinfo.", _SYSCTL)
PHYSINFO_SHORT = Structure("xen_sysctl", _SYSCTL_SIZE, _PHYSINFO + tuple(
    (name, "Q", 40 + 8 * number) for number, name in enumerate(_PAGES)), "u.physinfo.", _SYSCTL)

GETCPUINFO = Structure("xen_sysctl", _SYSCTL_SIZE, (
    ("max_cpus", "I", 8), ("info", "Q", 16), ("nr_cpus", "I", 24)), "u.getcpuinfo.", _SYSCTL)

SCHED_ID = Structure("xen_sysctl", _SYSCTL_SIZE, (("sched_id", "I", 8),), "u.sched_id.", _SYSCTL)

_DOMAININFO = (
    ("domain", "H", 0), ("flags", "I", 4), ("tot_pages", "Q", 8), ("max_pages", "Q", 16), ("outstanding_pages", "Q", 24),
    ("shr_pages", "Q", 32), ("paged_pages", "Q", 40), ("shared_info_frame", "Q", 48), ("cpu_time", "Q", 56),
    ("nr_online_vcpus", "I", 64), ("max_vcpu_id", "I", 68), ("ssidref", "I", 72), ("handle", "16s", 76),
    ("cpupool", "I", 92))

#: Bytes that a domain's record may have: what its arch_config needs is the architecture's matter.
DOMAININFO_SIZES = range(96, 257, 8)

#: In ``max_vcpu_id`` of a domain that has no vCPU (yet).
NO_VCPU = 0xffffffff

GETVCPUINFO = Structure("xen_domctl", _DOMCTL_SIZE, (
    ("vcpu", "I", 16), ("online", "B", 20), ("blocked", "B", 21), ("running", "B", 22), ("cpu_time", "Q", 24),
    ("cpu", "I", 32)), "u.getvcpuinfo.", _DOMCTL)

#: What asks for a vCPU's registers: where they are to be written.
VCPUCONTEXT = Structure("xen_domctl", _DOMCTL_SIZE, (("vcpu", "I", 16), ("ctxt", "Q", 24)), "u.vcpucontext.", _DOMCTL)

#: 32 or 64: how wide a PV guest is.
ADDRESS_SIZE = Structure("xen_domctl", _DOMCTL_SIZE, (("size", "I", 16),), "u.address_size.", _DOMCTL)

#: ``struct vcpu_guest_context`` of arch-x86/xen.h for 64 bits, the part that is used. ``cr1`` is the page table of a PV guest's
#: user mode (0: there is none), ``cr3`` its kernel's; of the others ``cr3`` is the vCPU's own.
VCPU_CONTEXT = Structure("vcpu_guest_context", 5168, (("flags", "Q", 512),) + tuple(
    (name, "Q", 520 + 8 * number) for number, name in enumerate((
        "r15", "r14", "r13", "r12", "rbp", "rbx", "r11", "r10", "r9", "r8", "rax", "rcx", "rdx", "rsi", "rdi"))) + (
            ("rip", "Q", 648), ("cs", "H", 656), ("rflags", "Q", 664), ("rsp", "Q", 672), ("cr0", "Q", 4984), ("cr1", "Q", 4992),
            ("cr3", "Q", 5008), ("cr4", "Q", 5016), ("fs_base", "Q", 5144), ("gs_base_kernel", "Q", 5152),
            ("gs_base_user", "Q", 5160)))
#: Of its ``flags`` (VGCF_in_kernel): a PV guest's kernel, which has no privilege of the processor's own, runs.
IN_KERNEL = 1 << 2

#: ``op`` 1 is getinfo; the union's arms of credit and credit2 begin with the same two words. ``cap`` is percent of a pCPU.
SCHEDULER_OP = Structure("xen_domctl", _DOMCTL_SIZE, (
    ("sched_id", "I", 16), ("op", "I", 20), ("weight", "H", 24), ("cap", "H", 26)), "u.scheduler_op.", _DOMCTL)

#: ``flags`` 1 asks for the hard affinity: ``hard`` is where its bits go, ``hard_bits`` how many find room there.
VCPUAFFINITY = Structure("xen_domctl", _DOMCTL_SIZE, (
    ("vcpu", "I", 16), ("flags", "I", 20), ("hard", "Q", 24), ("hard_bits", "I", 32)), "u.vcpuaffinity.", _DOMCTL)

#: ``op`` 3 asks for a cpupool, and is answered with the next one where there is none of that number; no bits of its pCPUs.
CPUPOOL_OP = Structure("xen_sysctl", _SYSCTL_SIZE, (
    ("op", "I", 8), ("cpupool_id", "I", 12), ("sched_id", "I", 16), ("n_dom", "I", 28)), "u.cpupool_op.", _SYSCTL)

#: One call of a multicall (``xen.h``): ``result`` is what the call itself would have returned.
MULTICALL_ENTRY = Structure("multicall_entry", 64, (("op", "Q", 0), ("result", "q", 8)) + tuple(
    ("arg%d" % number, "Q", 16 + 8 * number) for number in range(6)))

#: What libxenmanage asks for: bits of ``state`` are 1 exists, 2 shut down, 4 dying, 8 dead; ``unique_id`` is one life's.
GET_DOMAIN_STATE = Structure("xen_domctl", _DOMCTL_SIZE, (
    ("state", "H", 16), ("caps", "H", 18), ("unique_id", "Q", 24)), "u.get_domain_state.", _DOMCTL)

#: ``struct vcpu_runstate_info`` of vcpu.h: times in ns, in the order of RUNSTATE_running, runnable, blocked, offline.
RUNSTATE_INFO = Structure("vcpu_runstate_info", 48, (
    ("state", "i", 0), ("state_entry_time", "Q", 8), ("running", "Q", 16), ("runnable", "Q", 24), ("blocked", "Q", 32),
    ("offline", "Q", 40)))

#: The answer of XenServer's and XCP-ng's domctl, as read in xen-api and in XCP-ng's patch (mixed-domain-runstates): it is of a
#: domain, not of its vCPUs. ``missed_changes``: how often a change was not accounted, because a lock was taken. The last three
#: are sums over the vCPUs of time / number of vCPUs, ns; only Xens since XCP-ng's 4.17.5-18 (September 2025) and XenServer's of
#: then write them, the others leave the caller's bytes.
DOMAIN_RUNSTATE = Structure("xen_domctl", _DOMCTL_SIZE, (
    ("state", "I", 16), ("missed_changes", "I", 20), ("state_entry_time", "Q", 24), ("full_run", "Q", 32),
    ("full_contention", "Q", 40), ("concurrency_hazard", "Q", 48), ("blocked", "Q", 56), ("partial_run", "Q", 64),
    ("partial_contention", "Q", 72), ("runnable", "Q", 80), ("running", "Q", 88), ("nonaffine", "Q", 96)), "", _DOMCTL)

#: Of one vCPU, as proposed: what Xen tells a domain of its own vCPUs, up to ``sample_time`` (Xen's system time, ns; a first
#: version has none and leaves the caller's bytes).
VCPU_RUNSTATE = Structure("xen_domctl", _DOMCTL_SIZE, (
    ("vcpu", "I", 16), ("state", "I", 20), ("state_entry_time", "Q", 24), ("running", "Q", 32), ("runnable", "Q", 40),
    ("blocked", "Q", 48), ("offline", "Q", 56), ("sample_time", "Q", 64)), "", _DOMCTL)

#: A domain's grant table (``grant_table.h``; the same since Xen 4.11): frames it has, and may have at most. ``status`` 0 is good.
GNTTAB_QUERY_SIZE = Structure("gnttab_query_size", 16, (
    ("dom", "H", 0), ("nr_frames", "I", 4), ("max_nr_frames", "I", 8), ("status", "h", 12)))

#: Bits of ``flags`` (``XEN_DOMINF_*``): their names, by bit.
FLAGS = ("dying", "hvm", "shutdown", "paused", "blocked", "running", "debugged", "xenstore", "hap")
DYING = 1 << 0      # what remains of the domain waits for its memory to be given back
SHUTDOWN = 1 << 2   # it has shut down, for whatever reason, and nobody has taken it away yet
PAUSED = 1 << 3     # by the toolstack or a person, not by Xen for a moment


@functools.lru_cache(maxsize=None)
def domaininfo(size: int) -> Structure:
    """A domain's record of so many bytes, one of DOMAININFO_SIZES; the first 96 are the same in every Xen since 4.11. Known are
    104 and 112 on x86 (``xen.versions.domaininfo_size``), 112 and 120 on arm64.

    ``cpu_time`` is ns, ``handle`` the UUID's 16 bytes in order.
    """
    return Structure("xen_domctl_getdomaininfo", size, _DOMAININFO)


def shutdown_code(flags: int) -> int:
    """Why it shut down, where the flag ``shutdown`` says so: 0 poweroff, 1 reboot, 2 suspend, 3 crash, 4 watchdog, 5
    soft reset (``sched.h``, ``SHUTDOWN_*``).
    """
    return flags >> 16 & 0xff


def uuid_of(handle: bytes) -> str:
    """A domain's handle as a UUID is written, lower case."""
    text = handle.hex()
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))
