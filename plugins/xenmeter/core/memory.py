"""Memory of our own, for tables that compiled code reads by address; and what a process keeps of memory that is free."""
import mmap
import time
from typing import Tuple

from xenmeter.core.errors import SourceError
from xenmeter.core.passing import passing

__all__ = ("anonymous", "one_arena", "give_back")

#: Seconds between two tries, and how many: a table that grows is needed before anything else can go on.
_REST = 0.05
_TRIES = 100
#: Of mallopt(3); the last one since glibc 2.10.
_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_M_ARENA_MAX = -8
#: Bytes of a piece of memory that the kernel gets back as soon as it is free: glibc's own, until the first larger one is freed.
_LARGE = 1 << 17


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
    return _set((_M_ARENA_MAX, 1))


def give_back(large: int = _LARGE) -> bool:
    """What is large goes back to the kernel when it is freed, from now on. By itself glibc's malloc keeps pieces as large as the
    largest one that was ever freed, among small ones that stay: one that reads the figures of a thousand domains, which are never
    as long as the last time, grew from 27 MiB to 56 within two days of `make endure`. False as above.

    Only for processes that are ours. :param large: bytes of what is large: it costs a fault for each of its pages, each time.
    """
    return _set((_M_MMAP_THRESHOLD, large), (_M_TRIM_THRESHOLD, large))


def _set(*settings: Tuple[int, int]) -> bool:
    import ctypes
    try:
        mallopt = ctypes.CDLL(None).mallopt
        return all([mallopt(number, value) for number, value in settings])
    except (OSError, AttributeError):
        return False
