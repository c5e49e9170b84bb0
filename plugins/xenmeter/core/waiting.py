"""Waiting for descriptors, whatever their numbers are.

select() takes none from 1024 on, and a daemon that we are inside of, or that reads the rings of many pCPUs, has those.
"""
import math
import select
from typing import List, Optional, Sequence

__all__ = ("readable", "writable")

_LONGEST = 2 ** 31 - 1     # ms: poll() takes an int


def readable(descriptors: Sequence[int], seconds: Optional[float] = None) -> List[int]:
    """Those that can be read without waiting, or have ended; none after ``seconds`` (None: waits for ever)."""
    waiting = select.poll()
    for descriptor in descriptors:
        waiting.register(descriptor, select.POLLIN)
    limit = None if seconds is None else min(_LONGEST, max(0, int(math.ceil(seconds * 1000))))
    return [descriptor for descriptor, _ in waiting.poll(limit)]


def writable(descriptor: int, or_readable: Sequence[int], seconds: float) -> bool:
    """Whether at least a part can be written without waiting; waits for that, or until another one can be read, for so long."""
    waiting = select.poll()
    waiting.register(descriptor, select.POLLOUT)
    for other in or_readable:
        waiting.register(other, select.POLLIN)
    return descriptor in [ready for ready, _ in waiting.poll(min(_LONGEST, int(math.ceil(seconds * 1000))))]
