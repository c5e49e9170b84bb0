"""Our standard output: what cannot be written is one clear error, not a fault; a closed one is no other file. And our log."""
import contextlib
import errno
import io
import os
import sys
from typing import Any, Iterator

from xenmeter.core.errors import XenmeterError

__all__ = ("guarded", "unwritable")


def unwritable(error: OSError) -> XenmeterError:
    """The error that says that stdout does not take what we write."""
    why = "it is closed" if error.errno == errno.EBADF else error.strerror or error
    return XenmeterError("cannot write to stdout: %s" % why)


class _Raw(io.FileIO):
    """Descriptor 1. A reader that has had enough stays a BrokenPipeError; every other failure is an XenmeterError."""

    over = False    # a write has failed, and that was reported: what is still buffered is thrown away

    def write(self, data: Any) -> Any:
        if self.over:
            return len(data)
        try:
            return super().write(data)
        except OSError as error:
            self.over = True
            if isinstance(error, BrokenPipeError):
                raise
            raise unwritable(error)


class _Log(io.FileIO):
    """Descriptor 2. A line that cannot be written is lost: nobody is there who could be told, and nothing ends for it."""

    def write(self, data: Any) -> Any:
        with contextlib.suppress(OSError):
            super().write(data)
        return len(data)


@contextlib.contextmanager
def guarded() -> Iterator[None]:
    """``sys.stdout`` writes through `_Raw` meanwhile, ``sys.stderr`` through `_Log`. Flush stdout before the end, or what then
    cannot be written is lost."""
    with _forgiving(), _telling():
        yield


@contextlib.contextmanager
def _forgiving() -> Iterator[None]:
    before: Any = sys.stderr
    standard: Any = sys.__stderr__
    if before is None or before is not standard:
        yield
        return
    sys.stderr = io.TextIOWrapper(io.BufferedWriter(_Log(2, "w", closefd=False)), encoding=before.encoding, errors=before.errors,
                                  line_buffering=True)
    try:
        yield
    finally:
        sys.stderr.flush()
        sys.stderr = before


@contextlib.contextmanager
def _telling() -> Iterator[None]:
    before = sys.stdout
    if before is not sys.__stdout__:    # it is somebody else's already
        yield
        return
    _occupy()
    raw = _Raw(1, "w", closefd=False)
    sys.stdout = io.TextIOWrapper(
        io.BufferedWriter(raw), encoding=getattr(before, "encoding", "utf-8"), errors=getattr(before, "errors", "strict"),
        line_buffering=raw.isatty())
    try:
        yield
    finally:
        try:
            sys.stdout.flush()
        except (XenmeterError, BrokenPipeError):
            pass
        sys.stdout.close()
        sys.stdout = before


def _occupy() -> None:
    """Standard descriptors that are closed get one that holds nothing: else the next file or socket that we open would
    be our stdout. This one cannot be written to, which tells of the closed stdout whoever writes there."""
    taken = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    while taken <= 2:
        taken = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    os.close(taken)
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")
