"""Recorded samples played again: at a pace, and from files with a line of JSON per sample."""
import json
import threading
import time
from typing import Any, BinaryIO, Callable, Iterable, Iterator, Optional

from xenmeter.core.errors import SourceError
from xenmeter.core.recording import LAST_NS
from xenmeter.core.timeline import Timeline
from xenmeter.core.unpacking import lines

__all__ = ("told", "paced", "from_lines", "count", "count_or_none")


def told(samples: Iterable[Any], timeline: Timeline, interval_ns: Optional[int]) -> Iterator[Any]:
    """The samples that are to be told of a recording in which the clock was set.

    :param samples: have ``time_ns``.
    :param interval_ns: between them, as the recording says; None: not known. Of the first a quarter is sure: its reader may have
        been held up before.
    """
    steady, interval = 0, interval_ns or 0
    for sample in samples:
        taken = timeline.takes(sample.time_ns, steady, gaps=True)
        if taken:
            yield sample
        steady += interval // 4 if taken else interval


def paced(samples: Iterable[Any], pace: float, stop: threading.Event) -> Iterator[Any]:
    """The samples until ``stop``, each when it is due.

    :param samples: have ``time_ns``; where that falls, the clock was set back, and the pace begins anew.
    :param pace: 0 plays at once, 1 in the recording's own time, 10 ten times as fast.
    """
    began: float
    first: Optional[int]
    last: int
    began, first, last = time.monotonic(), None, 0
    for sample in samples:
        if first is None or sample.time_ns < last:
            began, first = time.monotonic(), sample.time_ns
        last = sample.time_ns
        if pace > 0:
            due = began + (sample.time_ns - first) / 1e9 / pace
            stop.wait(min(max(0.0, due - time.monotonic()), threading.TIMEOUT_MAX))
        if stop.is_set():
            return
        yield sample


def from_lines(file: BinaryIO, decode: Callable[[Any], Any], what: str) -> Iterator[Any]:
    """A sample of each line, with the time that stands in it.

    :param decode: ``decode(value of JSON)`` gives a named tuple with ``time_ns``; raises ValueError, KeyError, TypeError or
        AttributeError for what it does not know.
    :param what: what a line is, for SourceErrors: ``a reading of vCPUs (xenmeter record writes them)``.
    """
    empty = True
    for number, line in enumerate(lines(file), 1):
        if not line.strip():
            continue
        try:
            sample = decode(json.loads(line.decode("utf-8")))
            if sample.time_ns > LAST_NS:
                raise ValueError("its time is beyond the year 2262")
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            raise SourceError("%s, line %d: not %s: %s: %s" % (file.name, number, what, type(error).__name__, str(error)[:200]))
        empty = False
        yield sample
    if empty:
        raise SourceError("%s: no reading in it: not one line that is %s" % (file.name, what))


def count(value: Any) -> int:
    """The value, if it is a whole number that 64 bits hold; ValueError where it is not."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 1 << 64:
        raise ValueError("%.60r is no count" % (value,))
    return value


def count_or_none(value: Any) -> Optional[int]:
    return None if value is None else count(value)
