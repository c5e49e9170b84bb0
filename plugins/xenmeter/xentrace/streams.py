"""A trace as xentrace writes it while it runs: from a pipe, a FIFO, a child process or a file, in passes over the pCPUs.

A pass is a list of (pCPU, bytes of its ring): what ``Engine.feed_ring`` takes. Merging two passes by mistake is harmless;
a stream that is silent has been read whole, which ends a pass as well.
"""
import os
import subprocess
import tempfile
import threading
import time
from typing import Callable, Iterator, List, Tuple

from xenmeter.core.errors import SourceError
from xenmeter.core.waiting import readable
from xenmeter.xentrace.records import CPU_CHANGE_HEADER
from xenmeter.xentrace.scan import plausible

__all__ = ("Splitter", "Stream", "ChildStream", "SILENCE")

#: Seconds of silence after which a pass is over: xentrace looks into the rings every 100 ms.
SILENCE = 0.5
_BLOCK = 1 << 18
#: Seconds that an ended child is given for its last scan of the rings.
_LAST_WORDS = 3.0
_MAGIC = CPU_CHANGE_HEADER.to_bytes(4, "little")

Pass = List[Tuple[int, bytes]]


class Splitter:
    """Bytes of any length to passes. :ivar skipped: bytes left out to find a window; :ivar damaged: how often."""

    def __init__(self):
        # type: () -> None
        self._data = b""
        self._pass = []         # type: Pass
        self.skipped = 0
        self.damaged = 0

    def feed(self, data):
        # type: (bytes) -> Iterator[Pass]
        """The passes that are complete now."""
        data = self._data + data if self._data else data
        at = 0
        while len(data) - at >= 12:
            if not plausible(data, at):
                at = self._resynchronise(data, at)
                continue
            pcpu = int.from_bytes(data[at + 4:at + 8], "little")
            end = at + 12 + int.from_bytes(data[at + 8:at + 12], "little")
            if end > len(data):
                break
            if self._pass and pcpu <= self._pass[-1][0]:
                yield self.flush()
            self._pass.append((pcpu, data[at + 12:end]))
            at = end
        self._data = data[at:]

    def _resynchronise(self, data, at):
        # type: (bytes, int) -> int
        found = data.find(_MAGIC, at + 1)
        while 0 <= found <= len(data) - 12 and not plausible(data, found):
            found = data.find(_MAGIC, found + 1)
        if found < 0:
            found = len(data) - 3
        self.damaged += 1
        self.skipped += found - at
        return found

    def flush(self):
        # type: () -> Pass
        """The pass as far as it has come."""
        done, self._pass = self._pass, []
        return done

    def rest(self):
        # type: () -> Pass
        """The stream has ended: its last pass, and what there is of a window that was cut."""
        if len(self._data) > 12 and plausible(self._data, 0):
            self._pass.append((int.from_bytes(self._data[4:8], "little"), self._data[12:]))
            self._data = b""
        return self.flush()


class Stream:
    """Passes from a descriptor: a file, a pipe or a FIFO."""

    def __init__(self, path):
        # type: (str) -> None
        self.splitter = Splitter()
        self.cpu_ns = 0
        try:
            # A FIFO opens at once this way, before its writer has come; reading it then waits for one.
            self._fd = 0 if path == "-" else os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError as error:
            raise SourceError("cannot read %s: %s" % (path, error.strerror))
        self._began = False

    def passes(self, stop):
        # type: (threading.Event) -> Iterator[Pass]
        """Passes until the stream ends or ``stop`` is set; an empty one after each silence."""
        while not stop.is_set():
            if not readable([self._fd], SILENCE):
                yield self.splitter.flush()
                continue
            try:
                data = os.read(self._fd, _BLOCK)
            except BlockingIOError:
                continue
            except OSError as error:
                raise SourceError("the stream cannot be read on: %s" % error.strerror)
            if not data and not self._began and stop.wait(0.2) is False and self._is_fifo():
                yield []        # nobody writes yet
                continue
            if not data:
                break
            self._began = True
            for one in self.splitter.feed(data):
                yield one
        yield self.splitter.rest()

    def about(self):
        # type: () -> str
        """What is traced, for the log."""
        return "a stream: what its writer selects"

    def _is_fifo(self):
        # type: () -> bool
        return self._fd != 0 and (os.fstat(self._fd).st_mode & 0o170000) == 0o010000

    def close(self):
        # type: () -> None
        if self._fd:
            os.close(self._fd)


class ChildStream:
    """Passes from a child that writes a trace on its stdout (xentrace does so since Xen 4.18).

    It is ended by SIGTERM, and what it still says is taken: then xentrace itself stops the tracing.

    :param leave: called when the child is gone, for what it has left behind: the event mask, and tracing itself where
        ``leave(True)`` says that it was killed.
    """

    def __init__(self, command, leave=lambda killed: None):
        # type: (List[str], Callable[[bool], None]) -> None
        self.splitter = Splitter()
        self.cpu_ns = 0
        self._command = command
        self._leave = leave
        self._said = tempfile.TemporaryFile()
        try:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                             stderr=self._said, bufsize=0)
        except OSError as error:
            self._said.close()
            raise SourceError("%s cannot be started: %s" % (command[0], error.strerror))

    def passes(self, stop):
        # type: (threading.Event) -> Iterator[Pass]
        descriptor = self._process.stdout.fileno()
        ending = 0.0
        while not ending or time.monotonic() < ending:
            if stop.is_set() and not ending:
                self._process.terminate()
                ending = time.monotonic() + _LAST_WORDS
            if not readable([descriptor], SILENCE if not ending else 0.05):
                yield self.splitter.flush()
                continue
            data = os.read(descriptor, _BLOCK)
            if not data:
                break
            for one in self.splitter.feed(data):
                yield one
        yield self.splitter.rest()
        if not ending:
            raise SourceError("%s ended%s" % (self._command[0], self._complaint()))

    def _complaint(self):
        # type: () -> str
        self._said.seek(0)
        lines = self._said.read()[-4096:].decode("utf-8", "replace").split("\n")
        last = "; ".join([line.strip()[:200] for line in lines if line.strip()][-3:])
        return ": " + last if last else " without a word"

    def close(self):
        # type: () -> None
        self._process.terminate()
        try:
            self._process.wait(_LAST_WORDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        self._said.close()
        self._leave(self._process.returncode < 0)

    def about(self):
        # type: () -> str
        return "a child: " + " ".join(self._command)
