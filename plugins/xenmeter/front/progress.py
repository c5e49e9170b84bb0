"""How far something has come, for people who wait: one line on stderr, and only where stderr is a terminal.

    with Progress("baking trace.bin", total=size) as progress:
        stream = progress.watch(stream)     # counts what is read
    with Progress("recording", total=60) as progress:
        progress.clock()                    # counts seconds by itself

Nothing is shown of what takes less than a second, and nothing stays on the screen when it is done.
"""
import os
import sys
import threading
import time
from typing import Any, BinaryIO, Callable, Iterator, Optional

from xenmeter.publish.table import humanise
from xenmeter.publish.text import display_width, for_terminal

__all__ = ("Progress",)

#: Seconds before the first line, and between two.
FIRST, NEXT = 1.0, 0.2
_BAR = 16


class Progress:
    """:param what: what is being done; other people's text is made safe.

    :param total: bytes or seconds until it is done; None: not known.
    :param unit: ``bytes``, or ``seconds`` (set by ``clock``), or any other word for what ``at`` counts.
    :param out: where it is shown, if that is a terminal; None: stderr.
    """

    def __init__(self, what: str, total: Optional[float] = None, unit: str = "bytes", out: Any = None,
                 now: Callable[[], float] = time.monotonic) -> None:
        self._what = for_terminal(what, 40)
        self._total = total
        self._unit = unit
        self._out = sys.stderr if out is None else out
        self._now = now
        self._began = now()
        self._due = self._began + FIRST
        self._width = 0         # columns of the line that is shown
        self._stop: Optional[threading.Event] = None
        self._thread: Optional[threading.Thread] = None
        self.shown = _is_terminal(self._out)

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    @property
    def due(self) -> bool:
        """Whether ``at`` would draw now: ask before a place that is costly to find out."""
        return self.shown and self._now() >= self._due

    def at(self, done: float) -> None:
        """So much is done."""
        if self.due:
            self._draw(done)

    def watch(self, stream: BinaryIO) -> Any:
        """The stream, seen through: what is read from it counts. Its size is the total where it is a file's."""
        if not self.shown:
            return stream
        return _Watched(stream, self)

    def expect(self, total: Optional[float]) -> None:
        self._total = total

    def clock(self) -> None:
        """Count seconds from now on, in a thread of its own, until ``close``."""
        self._unit = "seconds"
        if not self.shown:
            return
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._tick, args=(self._stop,), name="xenmeter-progress", daemon=True)
        self._thread.start()

    def _tick(self, stop: threading.Event) -> None:
        while not stop.wait(NEXT):
            self.at(self._now() - self._began)

    def _draw(self, done: float) -> None:
        now = self._now()
        self._due = now + NEXT
        columns = max(20, _columns(self._out) - 1)      # a full line would wrap on some terminals
        line = _line(self._what, done, self._total, self._unit, now - self._began)
        if display_width(line) > columns:
            line = for_terminal(line, columns)
        blank = " " * max(0, self._width - display_width(line))
        self._width = display_width(line)
        self._write("\r" + line + blank)

    def _write(self, text: str) -> None:
        encoding = getattr(self._out, "encoding", None) or "ascii"
        try:
            self._out.write(text.encode(encoding, "replace").decode(encoding))
            self._out.flush()
        except (OSError, ValueError):
            self.shown = False      # the terminal has gone; the work goes on

    def close(self) -> None:
        """Take the line off the screen."""
        if self._stop is not None and self._thread is not None:
            self._stop.set()
            self._thread.join()
        if self._width and self.shown:
            self._write("\r" + " " * self._width + "\r")
        self._width = 0
        self.shown = False


class _Watched:
    """Reads what the stream reads, and tells the progress where it is."""

    def __init__(self, stream: Any, progress: Progress) -> None:
        self._stream = stream
        self._progress = progress
        self._file = getattr(stream, "fileobj", None) or stream     # of a gzip stream: the place in the file
        self._read = 0
        try:
            size = os.fstat(self._file.fileno()).st_size
            self._file.tell()
        except (OSError, ValueError, AttributeError):
            self._file, size = None, 0      # a pipe
        progress.expect(size or None)

    def read(self, size: int = -1) -> bytes:
        # from a pipe what is there: a whole block may be long in coming
        return self._counted(self._stream.read(size) if self._file is not None else self._stream.read1(size))

    def read1(self, size: int = -1) -> bytes:
        return self._counted(self._stream.read1(size))

    def readline(self, size: int = -1) -> bytes:
        return self._counted(self._stream.readline(size))

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.readline, b"")

    def _counted(self, data: bytes) -> bytes:
        self._read += len(data)
        if self._progress.due:
            self._progress.at(self._read if self._file is None else self._file.tell())
        return data

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _is_terminal(out: Any) -> bool:
    try:
        return bool(out.isatty())
    except (AttributeError, ValueError):
        return False


def _columns(out: Any) -> int:
    try:
        return os.get_terminal_size(out.fileno()).columns or 80
    except (OSError, ValueError, AttributeError):
        return 80


def _line(what: str, done: float, total: Optional[float], unit: str, elapsed: float) -> str:
    """``baking trace.bin [####....]  50 %  10.0 MiB of 20.0 MiB  3 s left``."""
    if not total:
        rate = ", %s/s" % _amount(done / elapsed, unit) if unit == "bytes" and elapsed > 0 else ""
        return "%s  %s%s" % (what, _amount(done, unit), rate)
    part = min(1.0, done / total)
    left = elapsed * (1 - part) / part if part > 0 else None
    if unit == "seconds":
        left = max(0.0, total - done)
    filled = int(part * _BAR)
    text = "%s  [%s]  %3d %%  %s of %s" % (what, "#" * filled + "." * (_BAR - filled), int(part * 100),
                                           _amount(done, unit), _amount(total, unit))
    return text + ("" if left is None else "  %s left" % humanise(int(round(left)) * 10 ** 9, "ns"))


def _amount(number: float, unit: str) -> str:
    if unit == "seconds":
        return humanise(int(number) * 10 ** 9, "ns")
    return humanise(int(number), "bytes") if unit == "bytes" else "%d %s" % (number, unit)
