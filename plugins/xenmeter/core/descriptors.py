"""How many files a process of our own may have open at once."""
import resource

__all__ = ("ask_for_many", "MANY")

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
