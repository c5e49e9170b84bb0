"""Runs a command and keeps what it printed: every byte in files, the time of every line, and nothing left running.

The command gets a process group of its own and no standard input. It ends when its first process ends; what it left behind in
its group (a server that it started, a pipe that somebody holds open) is ended then. What it prints goes into files as it comes,
so that 100 MB of it cost no memory.
"""
import os
import resource
import selectors
import signal
import subprocess
import time
from typing import Any, BinaryIO, Callable, Dict, List, NamedTuple, Optional, Sequence, Tuple

from xenmeter.core.clock import now_ns
from xenmeter.core.errors import SourceError

__all__ = ("Ran", "run", "end_group", "Interrupted")

_BLOCK = 65536
#: Lines whose times are kept: phases stand in the first of them, a flood of others is no phase.
_LINES = 20000
#: Seconds that a command has to end after SIGTERM, and that its last words are waited for when it has ended.
PATIENCE, LAST_WORDS = 5.0, 0.5


class Ran(NamedTuple):
    """``status`` is the exit status, or minus the signal's number; ``began_ns`` by the wall clock, ``length_ns`` by the
    monotonic one. ``lines``: (stream, ns since it began, text) of whole lines, cut to 200 characters. ``printed``: bytes by
    stream. ``why``: empty, or why it was ended by us. ``cpu_ns``: CPU time of it and of all it waited for, on this machine.
    """

    status: int
    began_ns: int
    length_ns: int
    lines: List[Tuple[str, int, str]]
    printed: Dict[str, int]
    why: str
    cpu_ns: int = 0


class Interrupted(Exception):
    """A signal told us to end; the command has been ended before."""


class _Stream:
    """One output of the command: into a file, its lines with their times."""

    def __init__(self, name: str, file: BinaryIO, lines: List[Tuple[str, int, str]], began: int) -> None:
        self.name, self.file, self.lines, self.began = name, file, lines, began
        self.size = 0
        self._open = b""

    def take(self, data: bytes) -> None:
        self.file.write(data)
        self.size += len(data)
        if len(self.lines) >= _LINES:
            return
        now = _steady() - self.began
        whole = (self._open + data).split(b"\n")
        self._open = whole.pop()[-_BLOCK:]
        self.lines.extend((self.name, now, line[:200].decode("utf-8", "replace")) for line in whole)


def run(command: Sequence[str], out: BinaryIO, err: BinaryIO, timeout: Optional[float] = None,
        stopped: Callable[[], bool] = lambda: False, heard: Callable[[], Any] = lambda: None) -> Ran:
    """Runs the command to its end.

    :param out: and ``err``: files opened for writing bytes, for its standard output and standard error.
    :param timeout: seconds after which it is ended; None: it may take as long as it likes.
    :param stopped: asked several times a second; when it says True the command is ended and Interrupted is raised.
    :param heard: called as often, for progress.
    :raises SourceError: the command cannot be started.
    """
    spent = _children_ns()
    began, wall = _steady(), now_ns()
    try:
        child = subprocess.Popen(list(command), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                 bufsize=0, start_new_session=True)
    except (OSError, ValueError) as error:
        raise SourceError("cannot run %s: %s" % (command[0], getattr(error, "strerror", None) or error))
    lines: List[Tuple[str, int, str]] = []
    streams = {child.stdout: _Stream("stdout", out, lines, began),
               child.stderr: _Stream("stderr", err, lines, began)}
    try:
        with selectors.DefaultSelector() as selector:
            for pipe in streams:
                os.set_blocking(pipe.fileno(), False)       # type: ignore[union-attr]
                selector.register(pipe, selectors.EVENT_READ)   # type: ignore[arg-type]
            why, ended = _follow(child, selector, streams, timeout, stopped, heard)
    finally:
        end_group(child)
        for pipe in streams:
            pipe.close()        # type: ignore[union-attr]
    if why == "stopped":
        raise Interrupted
    return Ran(child.returncode, wall, ended - began, lines, {stream.name: stream.size for stream in streams.values()}, why,
               _children_ns() - spent)


def _follow(child: Any, selector: Any, streams: Dict[Any, _Stream], timeout: Optional[float], stopped: Callable[[], bool],
            heard: Callable[[], Any]) -> Tuple[str, int]:
    """Until its first process has ended and its last words are read; gives why it was ended before (or nothing), and when."""
    deadline = None if timeout is None else time.monotonic() + timeout
    silence: Optional[float] = None
    ended = 0
    while selector.get_map() or child.poll() is None:
        if stopped():
            return "stopped", _steady()
        if deadline is not None and time.monotonic() >= deadline:
            return "ended after %g s (--timeout)" % (timeout or 0), _steady()
        if child.poll() is not None:
            ended = ended or _steady()
            silence = silence or time.monotonic() + LAST_WORDS
            if time.monotonic() >= silence:
                break       # somebody else holds its output open
        if selector.get_map():
            events = selector.select(0.05 if silence else 0.2)
        else:
            events = []
            time.sleep(0.02)    # it has closed its outputs and goes on
        for key, _ in events:
            data = os.read(key.fd, _BLOCK)
            if data:
                streams[key.fileobj].take(data)
            else:
                selector.unregister(key.fileobj)
        heard()
    return "", ended or _steady()


def end_group(child: Any) -> None:
    """Ends all of the group that a child was started to lead: asks, waits, and then does not ask."""
    try:
        os.killpg(child.pid, signal.SIGTERM)
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            child.poll()
            os.killpg(child.pid, 0)         # raises when the group is empty
            time.sleep(0.02)
        os.killpg(child.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass
    child.wait()


def _children_ns() -> int:
    """CPU time of all children that have ended, ns."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return int((used.ru_utime + used.ru_stime) * 1000000) * 1000


def _steady() -> int:
    return int(time.monotonic() * 1000000) * 1000
