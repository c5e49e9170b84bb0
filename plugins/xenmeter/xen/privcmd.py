"""Linux's door to the hypervisor: the ioctls of /dev/xen/privcmd and their structs.

Mirrors Linux's ``include/uapi/xen/privcmd.h`` (Xen's tools carry a copy in ``tools/include/xen-sys/Linux``). The numbers
are ``_IOC(_IOC_NONE, 'P', nr, size)``. MMAP_RESOURCE came with Linux 4.18; its size query (``num`` and ``addr`` 0) with
commit ef3a575baf53, "xen/privcmd: allow fetching resource sizes".
"""
from xenmeter.xen.cstruct import Structure

__all__ = ("DEVICES", "BUFFER_DEVICE", "IOCTL_HYPERCALL", "IOCTL_MMAPBATCH_V2", "IOCTL_MMAP_RESOURCE", "MMAPBATCH_V2",
           "HYPERCALL", "MMAP_RESOURCE",
           "PAGE_SIZE")

DEVICES = ("/dev/xen/privcmd", "/proc/xen/privcmd")
#: Memory from it never faults in the hypervisor's hands (Linux 4.18).
BUFFER_DEVICE = "/dev/xen/hypercall"

IOCTL_HYPERCALL = 0x00305000
IOCTL_MMAPBATCH_V2 = 0x00205004
IOCTL_MMAP_RESOURCE = 0x00205007

#: Xen's own page size, whatever the kernel's is.
PAGE_SIZE = 4096

HYPERCALL = Structure("privcmd_hypercall", 48, (("op", "Q", 0),) + tuple(
    ("arg%d" % number, "Q", 8 + 8 * number) for number in range(5)))

#: ``arr`` are the frames, ``err`` what became of each: 0, or an errno below 0.
MMAPBATCH_V2 = Structure("privcmd_mmapbatch_v2", 32, (
    ("num", "I", 0), ("dom", "H", 4), ("addr", "Q", 8), ("arr", "Q", 16), ("err", "Q", 24)))

MMAP_RESOURCE = Structure("privcmd_mmap_resource", 32, (
    ("dom", "H", 0), ("type", "I", 4), ("id", "I", 8), ("idx", "I", 12), ("num", "Q", 16), ("addr", "Q", 24)))
