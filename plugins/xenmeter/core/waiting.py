"""Waiting for descriptors, whatever their numbers are.

select() takes none from 1024 on, and a daemon that we are inside of, or that reads the rings of many pCPUs, has those.
"""
import errno
import math
import os
import select
import time
from typing import Any, List, Optional, Sequence, Tuple

__all__ = ("readable", "writable", "polled", "received", "nudge")

#: Seconds.
_REST = 0.05
#: How often it is tried to wake somebody.
_NUDGES = 5
_LONGEST = 2 ** 31 - 1     # ms: poll() takes an int


def readable(descriptors: Sequence[int], seconds: Optional[float] = None) -> List[int]:
    """Those that can be read without waiting, or have ended; none after ``seconds`` (None: waits for ever)."""
    waiting = select.poll()
    for descriptor in descriptors:
        waiting.register(descriptor, select.POLLIN)
    return [descriptor for descriptor, _ in polled(waiting, seconds)]


def writable(descriptor: int, or_readable: Sequence[int], seconds: float) -> bool:
    """Whether at least a part can be written without waiting; waits for that, or until another one can be read, for so long."""
    waiting = select.poll()
    waiting.register(descriptor, select.POLLOUT)
    for other in or_readable:
        waiting.register(other, select.POLLIN)
    return descriptor in [ready for ready, _ in polled(waiting, seconds)]


def received(descriptor: int, size: int) -> Optional[bytes]:
    """What has come, nothing at the end; None where there is nothing now, or the kernel has no memory to hand it over: it stays
    where it is, to be asked for again.

    :raises OSError: it cannot be read on.
    """
    try:
        return os.read(descriptor, size)
    except OSError as error:
        if error.errno in (errno.ENOMEM, errno.ENOBUFS):
            time.sleep(_REST)
        elif error.errno != errno.EAGAIN:
            raise
        return None


def nudge(descriptor: int) -> None:
    """A byte for whoever waits at the other end of a pipe that does not block: one that is full has said enough. Where the kernel
    has no room for it now it is tried again; in the end who waits finds out by himself."""
    for _ in range(_NUDGES):
        try:
            os.write(descriptor, b"w")
            return
        except BlockingIOError:
            return
        except OSError:
            time.sleep(_REST)


def polled(waiting: Any, seconds: Optional[float]) -> List[Tuple[int, int]]:
    """What a ``select.poll`` object says, as its ``poll`` does; nothing after ``seconds``. Who waits here has nothing else to do:
    where the kernel has no memory for its tables now (ENOMEM, EAGAIN), it is asked again for as long."""
    left, until = seconds, 0.0
    while True:
        try:
            return list(waiting.poll(None if left is None else min(_LONGEST, max(0, int(math.ceil(left * 1000))))))
        except OSError as error:
            if error.errno not in (errno.ENOMEM, errno.EAGAIN):
                raise
            if left is not None and seconds is not None:
                until = until or time.monotonic() + seconds     # a wait that fails has taken no time
                left = until - time.monotonic()
                if left <= 0:
                    return []
            time.sleep(_REST)
