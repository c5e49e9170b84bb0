"""Whether guests are being profiled on this host: who tells executions and waits says so, for each sample adds one of both."""
import fcntl
import os
from typing import Optional

from xenmeter.core.lockfile import LockFile

__all__ = ("PATH", "REMARK", "begin", "running", "beside")

#: Locked while a profile runs; not in /run/xenmeter, which is the baker's and goes when its service is stopped.
PATH = "/run/xenmeter-profile/lock"
REMARK = "guests are being profiled: each sample of `xenmeter profile` adds an execution and a wait to theirs"


def begin(path: str = "") -> LockFile:
    """Say so until it is released, or this process has ended; SourceError where another profile runs."""
    return LockFile(path or PATH, "another `xenmeter profile` runs on this host: each would be in the other's figures")


def running(path: str = "") -> bool:
    try:
        descriptor = os.open(path or PATH, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return False        # nobody holds it: what is there was left behind
    except OSError:
        return True
    finally:
        os.close(descriptor)


def beside(remark: Optional[str]) -> Optional[str]:
    """A remark on figures of a trace, with that of a profile where one runs now."""
    if not running():
        return remark
    return REMARK if remark is None else "%s; %s" % (remark, REMARK)
