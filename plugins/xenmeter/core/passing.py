"""Faults that pass: what a process that lives for years meets one day, and must outlive.

A full disk, too few descriptors, no memory, no thread: whoever meets one says it once and tries again soon.
"""
import errno
from typing import Optional

__all__ = ("passing", "last_words")

_NUMBERS = frozenset([errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS, errno.EAGAIN,
                      errno.EINTR, errno.EIO])


def passing(error: Optional[BaseException]) -> Optional[str]:
    """What to say of an error that is one of these, or was raised because of one; None of any other."""
    for _ in range(8):
        if error is None:
            return None
        if isinstance(error, OSError) and error.errno in _NUMBERS:
            return error.strerror or str(error)
        if isinstance(error, MemoryError):
            return "Cannot allocate memory"
        if isinstance(error, RuntimeError) and "new thread" in str(error):
            return "no thread can be started"
        error = error.__cause__ or error.__context__
    return None


def last_words(error: BaseException, more: str = "") -> str:
    """What to say of an error that ends us and is none of XenmeterError. :param more: what else, where it is a fault of ours."""
    passes = passing(error)
    return "cannot go on: %s" % passes if passes else "fault: %s: %s%s" % (type(error).__name__, error, more)
