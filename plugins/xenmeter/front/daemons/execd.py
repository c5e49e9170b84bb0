"""``xenmeter execd PLUGIN``: Telegraf's long-running form. Line protocol on stdout, one write per gather.

Telegraf's ``signal`` says who sets the pace: ``none``, we do; ``STDIN``, it writes a line; ``SIGHUP``, ``SIGUSR1``,
``SIGUSR2``, it sends that signal. In every mode the end of stdin is the order to stop, and a fault that may pass is no
reason to exit: Telegraf would wait ten seconds and start us again.
"""
import array
import errno
import fcntl
import os
import signal
import stat
import sys
import termios
import time
from typing import Any, Callable, List, Optional

from xenmeter.core.errors import printable
from xenmeter.core.pipeline import Pipeline
from xenmeter.core.plugin import Plugin
from xenmeter.core.log import LogOnce
from xenmeter.core.memory import give_back
from xenmeter.core.waiting import nudge, readable, writable
from xenmeter.front.output import make_format
from xenmeter.front.stdout import unwritable

__all__ = ("Execd", "MODES", "complain")

MODES = ("stdin", "none", "sighup", "sigusr1", "sigusr2")

#: Intervals after which it is said that nobody has asked yet.
_LONG = 3
#: What each mode waits for, and what Telegraf's configuration must have for it.
_ASKED_BY = {"stdin": "a line on stdin", "sighup": "SIGHUP", "sigusr1": "SIGUSR1", "sigusr2": "SIGUSR2"}

#: Telegraf reads stderr by lines of at most 64 KiB; a longer one ends its reader.
_LONGEST = 4000
#: Bytes that a pipe with any room takes without waiting (PIPE_BUF).
_PIECE = 4096
#: Of fcntl(2); its name is in Python's library since 3.10.
_F_GETPIPE_SZ = 1032
#: What passes by itself, also where a pipe has room: somebody made it one that does not wait, or the kernel lacks memory now.
_PASSES = (errno.EAGAIN, errno.ENOMEM, errno.ENOBUFS)
#: Seconds until it is tried again.
_REST = 0.02
#: Seconds without a reader after which what is told to end leaves the rest unwritten.
_LAST = 1.0


def complain(level: str, text: str, plugin: str = "") -> None:
    """A line for Telegraf's log; ``level`` is one of E W I D. ``plugin``: who speaks, as far as that is known: in Telegraf's log
    all of them are inputs.execd."""
    for part in text.splitlines() or [""]:
        sys.stderr.write("%s! xenmeter: %s%s\n" % (level, plugin and plugin + ": ", printable(part)[:_LONGEST]))
    sys.stderr.flush()


class Execd:
    """One plugin under Telegraf.

    :param mode: one of MODES.
    """

    def __init__(self, plugin: Plugin, options: Any, mode: str) -> None:
        self._mode = mode
        self._pipeline = Pipeline(plugin, options)
        self._format = make_format("influx", self._pipeline)
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_write, False)
        os.set_blocking(self._wake_read, False)
        self._complain: Callable[[str, str], None] = lambda level, text: complain(level, text, plugin.name)
        self._sayings = LogOnce(self._complain)
        self._gather = False
        self._stop = False
        self._interval = options.interval
        self._said = time.monotonic()   # when something was written last, or the start
        self._lonely = None if mode == "none" else self._said + _LONG * options.interval   # when to say that nobody asks
        self._stray = ""                # a signal that has no meaning in this mode

    def run(self) -> int:
        """Until stdin ends or SIGTERM comes; the exit status."""
        self._catch_signals()
        give_back()
        self._pipeline.start(notify=self._wake, front="execd")
        hurry = self._mode == "none" and self._pipeline.stepwise
        try:
            while not self._stop:
                ready = readable([0, self._wake_read], 0 if hurry else self._rest())
                if not self._hear(ready):
                    break
                self._serve()
            return 0
        except BrokenPipeError:
            return 0
        finally:
            self._pipeline.stop()

    def _hear(self, ready: List[int]) -> bool:
        """What came in; False at the end of stdin."""
        if self._wake_read in ready:
            _drain(self._wake_read)
        if 0 in ready:
            try:
                data = os.read(0, 4096)
            except OSError:
                time.sleep(_REST)       # it is tried again
                return True
            if not data:
                return False
            self._gather = self._gather or (self._mode == "stdin" and b"\n" in data)
        return True

    def _rest(self) -> Optional[float]:
        """Seconds to wait before the source is checked for being down; None: Telegraf asks, or a recording plays."""
        if self._mode != "none":
            return None if self._lonely is None else max(0.0, self._lonely - time.monotonic())
        if self._pipeline.stepwise:
            return None
        due = self._said + self._interval - time.monotonic()
        return due if due > 0 else min(1.0, self._interval)

    def _serve(self) -> None:
        """Write what waits, in one write, if it is time to."""
        asked, self._gather = self._gather, False
        self._tell_unasked(asked)
        parts: List[bytes] = []
        if asked or self._mode == "none":
            parts.extend(self._format.sample(sample) for sample in self._pipeline.take())
        self._sayings.about(self._pipeline)
        due = asked or (self._mode == "none" and time.monotonic() >= self._said + self._interval)
        if due and not parts and (self._pipeline.error is not None or self._pipeline.hangs()):
            parts.append(self._format.own_only())
        if parts:
            self._said = time.monotonic()
            self._write(b"".join(parts))
        self._stop = self._stop or (self._pipeline.ended and self._mode == "none")

    def _write(self, data: bytes) -> None:
        """All of it, however slowly it is read; but who waits on a pipe that nobody reads is ended by the end of stdin and by
        signals as at other times, when nothing has been read for a moment."""
        view = memoryview(data)
        watched: Any
        patience: Any
        watched, patience = [0, self._wake_read], None
        while view:
            if writable(1, watched, 60.0 if patience is None else max(0.0, patience - time.monotonic())):
                try:
                    view = view[os.write(1, view[:_room()]):]
                    patience = patience and time.monotonic() + _LAST
                    continue
                except BrokenPipeError:
                    raise
                except OSError as error:
                    if error.errno not in _PASSES:
                        raise unwritable(error)
                    time.sleep(_REST)
            if patience is None:
                self._stop = not self._hear(readable(watched, 0)) or self._stop
                if self._stop:
                    watched, patience = [], time.monotonic() + _LAST
            elif time.monotonic() >= patience:
                return

    def _tell_unasked(self, asked: bool) -> None:
        """Say, once, that nobody asks or that somebody asks in another way: Telegraf's own default is to ask in none."""
        if asked:
            self._lonely = None
        if self._lonely is not None and time.monotonic() >= self._lonely:
            self._lonely = None
            self._complain("W", 'nobody has asked for figures in %g s: mode %s waits for %s; give signal = "%s" to '
                           "Telegraf's inputs.execd, or xenmeter the option --signal with what stands there (Telegraf's default "
                           "is none)" % (
                               _LONG * self._interval, self._mode, _ASKED_BY[self._mode], self._mode.upper()))
        if self._stray:
            self._sayings.once("W", "%s came, which mode %s does not heed: it %s; is --signal %s meant?" % (
                self._stray, self._mode, "paces itself" if self._mode == "none" else "waits for " + _ASKED_BY[self._mode],
                self._stray.lower()))
            self._stray = ""

    def _catch_signals(self) -> None:
        handlers = {"sighup": signal.SIGHUP, "sigusr1": signal.SIGUSR1, "sigusr2": signal.SIGUSR2}
        for name, number in handlers.items():
            signal.signal(number, self._on_gather if name == self._mode else self._on_stray)
        signal.signal(signal.SIGTERM, self._on_stop)
        signal.signal(signal.SIGINT, self._on_stop)

    def _on_gather(self, number: int, frame: Any) -> None:
        self._gather = True
        self._wake()

    def _on_stray(self, number: int, frame: Any) -> None:
        self._stray = signal.Signals(number).name
        self._wake()

    def _on_stop(self, number: int, frame: Any) -> None:
        self._stop = True
        self._wake()

    def _wake(self) -> None:
        nudge(self._wake_write)


def _room() -> int:
    """Bytes that stdout, which can be written, takes without waiting: an empty pipe as many as it has room for, so that a gather
    is one write; a terminal a piece. To a file nothing waits, and a socket keeps the borders of messages: they are given all."""
    try:
        if stat.S_ISREG(os.fstat(1).st_mode) or stat.S_ISSOCK(os.fstat(1).st_mode):
            return sys.maxsize
        held = array.array("i", [0])
        fcntl.ioctl(1, termios.FIONREAD, held)
        return _PIECE if held[0] else fcntl.fcntl(1, _F_GETPIPE_SZ)
    except OSError:
        return _PIECE       # no pipe, or not to be known now


def _drain(descriptor: int) -> None:
    try:
        while os.read(descriptor, 4096):
            pass
    except OSError:
        pass        # it is empty; or what is left of it wakes us once more


