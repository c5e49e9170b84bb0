"""A trace as xentrace writes it while it runs: from a pipe, a FIFO, a child process or a file, in passes over the pCPUs.

A source gives passes, lists of (pCPU, bytes of its ring): what ``Engine.feed_ring`` takes; and None from time to time
where nothing comes. A pass is over when the next one begins: whether a silent writer is between two passes or in the
middle of one, nobody can tell. Merging two passes by mistake is harmless, splitting one is not.
"""
import fcntl
import os
import stat
import struct
import subprocess
import tempfile
import termios
import threading
import time
from typing import Any, Callable, Iterator, List, Optional

from xenmeter.core.child import DEVNULL, PIPE, started
from xenmeter.core.errors import SourceError
from xenmeter.core.unpacking import opened
from xenmeter.core.waiting import readable, received
from xenmeter.publish.text import bounded
from xenmeter.xentrace.engine.splitter import Pass, Splitter

__all__ = ("Stream", "PackedFile", "ChildStream", "SILENCE")

#: Seconds between two signs of life while nothing comes; xentrace looks into the rings every 100 ms unless told otherwise.
SILENCE = 0.1
_BLOCK = 1 << 18
#: Bytes that a pipe is made to hold, where the kernel lets us: a pass over many pCPUs of a busy host.
_ROOM = 1 << 20
_SET_ROOM, _GET_ROOM = 1031, 1032       # F_SETPIPE_SZ, F_GETPIPE_SZ: named since Python 3.10
#: Seconds that a writer is given to write more, where a pipe is far from full: it writes window by window.
_GATHERING = 0.01
#: Bytes that are kept of what is no trace, to say what it was.
_BEGINNING = 4096
#: Seconds that an ended child is given for its last scan of the rings.
_LAST_WORDS = 3.0


def _room_of(descriptor: int) -> int:
    """Bytes that a pipe holds, which we have made more; 0: it is no pipe."""
    room = 0
    for command, argument in ((_GET_ROOM, 0), (_SET_ROOM, _ROOM)):
        try:
            room = max(room, fcntl.fcntl(descriptor, command, argument))
        except OSError:
            pass        # no pipe; or more than this user may have
    return room


def _gather(descriptor: int, room: int) -> None:
    """What a writer writes piece by piece is read at one go, for the price of some ms."""
    try:
        waiting, = struct.unpack("i", fcntl.ioctl(descriptor, termios.FIONREAD, bytes(4)))
    except OSError:
        waiting = 0     # it is not to be known now, and is only a question of price
    if 0 < waiting < room // 4:
        time.sleep(_GATHERING)


class Stream:
    """Passes from a descriptor: a file, a pipe or a FIFO."""

    full = None     # the size of the rings that the bytes were in is not told

    def __init__(self, path: str) -> None:
        self.splitter = Splitter()
        try:
            # A FIFO opens at once this way, before its writer has come; reading it then waits for one.
            self._fd = 0 if path == "-" else os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError as error:
            raise SourceError("cannot read %s: %s" % (path, error.strerror))
        self._began = False
        self._room = _room_of(self._fd)

    def passes(self, stop: threading.Event) -> Iterator[Optional[Pass]]:
        """Passes until the stream ends or ``stop`` is set."""
        while not stop.is_set():
            if not readable([self._fd], SILENCE):
                self.splitter.pause()
                yield None
                continue
            try:
                if self._room:
                    _gather(self._fd, self._room)
                data = received(self._fd, _BLOCK)
            except OSError as error:
                raise SourceError("the stream cannot be read on: %s" % error.strerror)
            if data is None:
                continue
            if not data and not self._began and stop.wait(0.2) is False and self._is_fifo():
                yield None      # nobody writes yet
                continue
            if not data:
                break
            self._began = True
            yield from self.splitter.feed(data)
        yield self.splitter.rest()

    def about(self) -> str:
        """What is traced, for the log."""
        return "a stream: what its writer selects"

    def _is_fifo(self) -> bool:
        try:
            return self._fd != 0 and stat.S_ISFIFO(os.fstat(self._fd).st_mode)
        except OSError:
            return True     # not to be known now: nothing has come yet, and it is looked again

    def close(self) -> None:
        if self._fd:
            os.close(self._fd)


class PackedFile:
    """Passes from a file that gzip or xz has packed."""

    full = None

    def __init__(self, path: str) -> None:
        self.splitter = Splitter()
        self._file = opened(path)

    def passes(self, stop: threading.Event) -> Iterator[Optional[Pass]]:
        """Passes until the file ends or ``stop`` is set; SourceError where it is damaged."""
        data = self._file.read(_BLOCK)
        while data and not stop.is_set():
            yield from self.splitter.feed(data)
            data = self._file.read(_BLOCK)
        yield self.splitter.rest()

    def about(self) -> str:
        """What is traced, for the log."""
        return "a packed trace: what its writer selected"

    def close(self) -> None:
        self._file.close()


class ChildStream:
    """Passes from a child that writes a trace on its stdout (xentrace does so since Xen 4.18).

    It is ended by SIGTERM, and what it still says is taken: then xentrace itself stops the tracing.

    :param leave: called when the child is gone, for what it has left behind: the event mask, and tracing itself where
        ``leave(True)`` says that it was killed.
    """

    full = None

    def __init__(self, command: List[str], leave: Callable[[bool], None] = lambda killed: None) -> None:
        self.splitter = Splitter()
        self._command = command
        self._leave = leave
        self._head = b""        # of what it wrote, as long as that is no trace
        self._traced = False
        said: Any = None
        try:
            said = tempfile.TemporaryFile()
            self._process, (self._out,) = started(command, (DEVNULL, PIPE, said))
        except OSError as error:
            if said is not None:
                said.close()
            raise SourceError("%s cannot be started: %s" % (command[0], error.strerror or error))
        self._said = said
        self._room = _room_of(self._out)

    def passes(self, stop: threading.Event) -> Iterator[Optional[Pass]]:
        descriptor = self._out
        ending = 0.0
        while not ending or time.monotonic() < ending:
            if stop.is_set() and not ending:
                self._process.terminate()
                ending = time.monotonic() + _LAST_WORDS
            if not readable([descriptor], SILENCE if not ending else 0.05):
                self.splitter.pause()
                yield None
                continue
            _gather(descriptor, self._room)
            try:
                data = received(descriptor, _BLOCK)
            except OSError as error:
                raise SourceError("what %s writes cannot be read on: %s" % (self._command[0], error.strerror))
            if data is None:
                continue
            if not data:
                break
            if not self._traced:
                self._head = (self._head + data)[:_BEGINNING]
            for one in self.splitter.feed(data):
                self._traced = True
                yield one
        rest = self.splitter.rest()
        self._traced = self._traced or bool(rest)
        yield rest
        if not ending:
            raise SourceError("%s %s" % (self._command[0], self._why()))

    def _why(self) -> str:
        """It has ended by itself. xentrace of Xen 4.14 and 4.17 answers with its usage, on stdout, where no file is named."""
        lines = [] if self._traced else [line.strip() for line in self._head.decode("ascii", "replace").split("\n")]
        lines = [line for line in lines if line]
        if lines and lines[0].isprintable() and "\ufffd" not in lines[0]:
            return "wrote text in the place of a trace (%s): before Xen 4.18 it writes into files only. Read the rings " \
                   "(--source rings), or let it write into a FIFO: mkfifo F; xentrace -e 0x00161000 F & xenmeter baker " \
                   "--source F" % bounded(lines[0], 80)
        return "ended" + self._complaint()

    def _complaint(self) -> str:
        self._said.seek(0)
        lines = self._said.read()[-4096:].decode("utf-8", "replace").split("\n")
        last = "; ".join([line.strip()[:200] for line in lines if line.strip()][-3:])
        return ": " + last if last else " without a word"

    def close(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(_LAST_WORDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._out)
        self._said.close()
        self._leave(self._process.returncode < 0)

    def about(self) -> str:
        return "a child: " + " ".join(self._command)
