"""Whether the domain that asks is domain 0: control domain and hardware domain may be apart, and neither need have the domid 0.

Xen tells every domain the runstates of its own vCPUs, and calls them nobody's; it tells a privileged domain how long any
domain's vCPU has run. The two are the same count of the same clock (``vcpu_runstate_get`` in ``xen/common/sched/core.c``), so the
own one of vCPU 0 lies between two of domain 0's if this is domain 0, and nowhere near if it is not.
"""
from typing import Any, Optional

from xenmeter.core.errors import DomainGone

__all__ = ("is_dom0", "NOT_DOM0")

#: What the clocks of two pCPUs may differ by, ns.
_SLACK_NS = 1000000

#: Said in the log of one that is not.
NOT_DOM0 = ("this is not domain 0, so what Xen tells a domain of itself is not domain 0's: that one is measured as the others "
            "are, and the pCPUs' busy time is absent from source direct")


def is_dom0(xen: Any) -> Optional[bool]:
    """Three hypercalls; None where Xen tells no domain its own runstates (arm64).

    :param xen: ``xen.hypervisor.Hypervisor``.
    """
    try:
        before, own, after = xen.vcpu(0, 0), xen.own_runstate(0), xen.vcpu(0, 0)
    except DomainGone:
        return False
    if None in (before, own, after):
        return None
    return before.cpu_time - _SLACK_NS <= own.running <= after.cpu_time + _SLACK_NS
