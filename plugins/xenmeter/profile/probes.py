"""What this host offers a profile: for ``xenmeter check``. No vCPU is paused to find out."""
from typing import Any, Callable, Tuple

from xenmeter.profile.session import must_be_x86
from xenmeter.xen.foreign import open_mapper
from xenmeter.xen.hypervisor import Hypervisor

__all__ = ("PROBES", "profile")


def profile(connect: Callable[[], Any] = Hypervisor, mapper: Callable[[], Any] = open_mapper) -> Tuple[str, str]:
    must_be_x86()
    xen = connect()
    try:
        xen.interface_versions()
        guests = len([info for info in xen.domains() if info.domain])
        mapper().close()
    finally:
        xen.close()
    return ("%d guests can be profiled: processes and functions (`xenmeter profile`)" % guests,
            "per sample: one vCPU, which runs, is paused for some microseconds; never a whole domain, never dom0")


PROBES = (("profile", profile),)
