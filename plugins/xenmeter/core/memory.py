"""Memory of our own, for tables that compiled code reads by address; and how much of it many threads keep."""
import mmap
import time

from xenmeter.core.errors import SourceError
from xenmeter.core.passing import passing

__all__ = ("anonymous", "one_arena")

#: Seconds between two tries, and how many: a table that grows is needed before anything else can go on.
_REST = 0.05
_TRIES = 100
#: Of mallopt(3), glibc 2.10 and newer.
_M_ARENA_MAX = -8


def anonymous(size: int) -> mmap.mmap:
    """So many bytes of 0, where they stay. Where the kernel has none now it is asked again for some 5 s.

    :raises SourceError: there are none.
    """
    for last in [False] * (_TRIES - 1) + [True]:
        try:
            return mmap.mmap(-1, size)
        except (OSError, MemoryError) as error:
            if last or passing(error) is None:
                raise SourceError("no memory for a table of %d bytes: %s" % (size, passing(error) or error))
            time.sleep(_REST)
    raise AssertionError("the last try returns or raises")


def one_arena() -> bool:
    """All threads from now on take their memory from one place: by itself glibc's malloc gives each of them one of its own, up to
    eight for each CPU, and what is free in one is of no use in another. False where the C library has no such setting."""
    import ctypes
    try:
        return bool(ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1))
    except (OSError, AttributeError):
        return False
