"""What a domain's record by the hypervisor (struct xen_domctl_getdomaininfo) says in the words of xentop."""
from typing import Any, Optional

from xenmeter.xen import structs

__all__ = ("NO_LIMIT", "letters", "vcpus_of")

#: In ``max_pages`` of a domain that has no limit (libxenstat takes it so, too).
NO_LIMIT = 0xffffffff
#: The letter of each state as xentop prints it, by the flag's bit; a crash is a shutdown of one reason.
_LETTERS = ((structs.DYING, "d"), (structs.SHUTDOWN, "s"), (1 << 4, "b"), (0, "c"), (structs.PAUSED, "p"), (1 << 5, "r"))
_CRASH = 3


def vcpus_of(info: Any) -> Optional[int]:
    """How many vCPUs a domain has, by its record; None where that does not say."""
    if info.max_vcpu_id is None:
        return None
    return 0 if info.max_vcpu_id == structs.NO_VCPU else info.max_vcpu_id + 1


def letters(flags: int) -> bytes:
    """The states as xentop's six letters."""
    crashed = flags & structs.SHUTDOWN and structs.shutdown_code(flags) == _CRASH
    if crashed:
        flags &= ~structs.SHUTDOWN
    return "".join([letter if flags & bit or (letter == "c" and crashed) else "-" for bit, letter in _LETTERS]).encode()
