"""Memory of our own, for tables that compiled code reads by address."""
import mmap
import time

from xenmeter.core.errors import SourceError
from xenmeter.core.passing import passing

__all__ = ("anonymous",)

#: Seconds between two tries, and how many: a table that grows is needed before anything else can go on.
_REST = 0.05
_TRIES = 100


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
