"""The screen at work: samples and keys in, frames out, until a key, a signal or the end of the terminal."""
import os
import signal
import sys
import time
from typing import Any, Optional

from xenmeter.core.feed import Feed
from xenmeter.core.waiting import readable
from xenmeter.front.screen.history import History
from xenmeter.front.screen.layout import Status, draw
from xenmeter.front.screen.live import Live
from xenmeter.front.screen.tables import pcpu_rows
from xenmeter.front.screen.terminal import Terminal
from xenmeter.front.screen.text import Glyphs, speaks_unicode
from xenmeter.front.screen.view import View
from xenmeter.xentrace.baker.shm import NothingYet

__all__ = ("show",)

#: Samples of a recording that may wait to be taken in.
_KEEP = 100000
#: Seconds without news after which a live screen says so, and after which it asks the baker whether it rests.
_LATE, _QUIET = 5.0, 2.0


class _Screen:
    def __init__(self, source: Any, history: History, name: str, live: Optional[Live]) -> None:
        self._history = history
        self._view = View()
        self._name = name
        self._live = live
        self._undated_ns = source.undated_ns
        self._samples = 0
        self._frozen: Any = None
        self._news = time.monotonic()
        self._resized = False
        self._signalled = False
        self._woken, self._wake = os.pipe()
        os.set_blocking(self._woken, False)
        os.set_blocking(self._wake, False)
        self._feed = Feed(source.samples, _KEEP, self._notify)

    def _notify(self) -> None:
        try:
            os.write(self._wake, b".")
        except BlockingIOError:
            pass        # full of wake-ups already

    def _on_signal(self, number: int, _: Any) -> None:
        if number == signal.SIGWINCH:
            self._resized = True
        else:
            self._signalled = True
        self._notify()

    def run(self) -> None:
        """Raises the source's error where nothing ever came of it."""
        glyphs = Glyphs(speaks_unicode())
        before = {number: signal.signal(number, self._on_signal)
                  for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
        try:
            with Terminal() as terminal:
                before[signal.SIGWINCH] = signal.signal(signal.SIGWINCH, self._on_signal)   # after curses took it
                self._feed.start()
                while not (self._view.quit or self._signalled or terminal.gone):
                    self._take()
                    self._draw(terminal, glyphs)
                    self._wait(terminal)
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
            self._feed.stop()

    def _take(self) -> None:
        sample = self._feed.take()
        while sample is not None:
            self._news = time.monotonic()
            self._samples += 1
            if self._history.add(sample) is not None and self._live is not None and len(self._history.slices) == 1:
                try:
                    self._history.put_before(self._live.past(self._history.slices[0]))
                except (KeyError, TypeError):
                    pass        # a baker of another version: the minute fills by itself
            sample = self._feed.take()
        error = self._feed.error
        if error is not None and not self._history.slices and not isinstance(error, NothingYet):
            raise error

    def _draw(self, terminal: Terminal, glyphs: Glyphs) -> None:
        if self._resized:
            self._resized = False
            terminal.resize()
        if self._view.paused and self._frozen is None:
            self._frozen = self._history.frozen()
        elif not self._view.paused:
            self._frozen = None
        width, height = terminal.size()
        status = self._status()
        try:
            frame = draw(self._frozen or self._history, self._view, status, width, height, glyphs)
        except Exception as error:      # what a baker wrote may be whole and wrong
            self._history.drop(error)
            self._frozen = None
            frame = draw(self._history, self._view, status, width, height, glyphs)
        self._view.settle(frame.rows, frame.page)
        terminal.draw(frame)

    def _status(self) -> Status:
        ended = self._feed.ended
        state = "paused" if self._view.paused else "ended" if ended else ""
        silent = time.monotonic() - self._news
        error = self._feed.error
        message = "" if error is None or isinstance(error, NothingYet) else str(error)
        if self._live is None or ended:
            return Status(self._name, state, message, 0, undated_ns=self._undated_ns)
        # what is there when we come may be of before a rest: a baker that speaks does not rest
        rest = self._live.rest() if self._samples == 1 or silent > _QUIET else None
        return Status(self._name, state, message, int(silent) * 10 ** 9 if silent > _LATE else 0, self._live.note, rest)

    def _wait(self, terminal: Terminal) -> None:
        stdin = sys.stdin.fileno()
        ready = readable([stdin, self._woken], None if self._live is None else 1.0)
        if self._woken in ready:
            try:
                os.read(self._woken, 65536)
            except BlockingIOError:
                pass
        if stdin in ready:
            pcpus = [number for number, _, _ in pcpu_rows(self._history)]
            for key in terminal.keys():
                self._view.key(key, pcpus)


def show(source: Any, history: History, name: str, live: Optional[Live] = None) -> int:
    """On the terminal. :param source: has ``samples(stop, report)``; :param live: its baker, None for a recording."""
    _Screen(source, history, name, live).run()
    return 0
