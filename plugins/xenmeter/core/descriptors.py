"""How many files a process of our own may have open at once, and which of the descriptors are ours.

Descriptors are everybody's in this process, and in somebody else's who waits for his with ``select`` they may not be large: so
those that we keep are in the upper half of what it may have (RLIMIT_NOFILE), where nobody else's are as long as there are others.
"""
import fcntl
import os
import resource
from typing import Optional

__all__ = ("ask_for_many", "least_of_ours", "to_upper_half", "MANY")

#: A disk of blkback's takes five, where they are kept open (xen.blkback).
MANY = 1 << 15


def ask_for_many() -> None:
    """Raise this process's own limit (RLIMIT_NOFILE) to MANY, or as far as it may.

    Only for processes that are ours: in somebody else's (collectd) there may be those who wait with ``select``, which takes no
    descriptor above 1023, and the small limit that most systems begin with is there for them.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = MANY if hard == resource.RLIM_INFINITY else min(MANY, hard)
    if soft == resource.RLIM_INFINITY or soft >= most:
        return
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    except (OSError, ValueError):
        pass        # fewer files stay open then


def least_of_ours() -> int:
    """The first descriptor that is ours to keep."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return 1 << 19 if most == resource.RLIM_INFINITY else most // 2


def to_upper_half(file: int) -> Optional[int]:
    """The same open file under a descriptor of ours, and the given one closed; None, and nothing done, where there is no room."""
    try:
        kept = fcntl.fcntl(file, fcntl.F_DUPFD_CLOEXEC, least_of_ours())
    except OSError:
        return None
    os.close(file)
    return kept
