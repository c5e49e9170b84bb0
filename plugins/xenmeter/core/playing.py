"""Recorded samples played again: at a pace, and from files with a line of JSON per sample."""
import json
import threading
import time
from typing import Any, BinaryIO, Callable, Iterable, Iterator, Optional

from xenmeter.core.errors import SourceError
from xenmeter.core.recording import LAST_NS

__all__ = ("paced", "from_lines", "count", "count_or_none")


def paced(samples, pace, stop):
    # type: (Iterable[Any], float, threading.Event) -> Iterator[Any]
    """The samples until ``stop``, each when it is due.

    :param samples: have ``time_ns``, which never falls.
    :param pace: 0 plays at once, 1 in the recording's own time, 10 ten times as fast.
    """
    began, first = time.monotonic(), None     # type: float, Optional[int]
    for sample in samples:
        if first is None:
            first = sample.time_ns
        if pace > 0:
            due = began + (sample.time_ns - first) / 1e9 / pace
            stop.wait(min(max(0.0, due - time.monotonic()), threading.TIMEOUT_MAX))
        if stop.is_set():
            return
        yield sample


def from_lines(file, decode, what):
    # type: (BinaryIO, Callable[[Any], Any], str) -> Iterator[Any]
    """A sample of each line; no two have the same time, none goes back.

    :param decode: ``decode(value of JSON)`` gives a named tuple with ``time_ns``; raises ValueError, KeyError, TypeError or
        AttributeError for what it does not know.
    :param what: what a line is, for SourceErrors: ``a reading of vCPUs (xenmeter record writes them)``.
    """
    last = 0
    for number, line in enumerate(file, 1):
        if not line.strip():
            continue
        try:
            sample = decode(json.loads(line.decode("utf-8")))
            if sample.time_ns <= last:
                sample = sample._replace(time_ns=last + 1)
            if sample.time_ns > LAST_NS:
                raise ValueError("its time is beyond the year 2262")
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise SourceError("%s, line %d: not %s: %s: %s" % (file.name, number, what, type(error).__name__, str(error)[:200]))
        last = sample.time_ns
        yield sample
    if not last:
        raise SourceError("%s: no reading in it: not one line that is %s" % (file.name, what))


def count(value):
    # type: (Any) -> int
    """The value, if it is a whole number that 64 bits hold; ValueError where it is not."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 1 << 64:
        raise ValueError("%.60r is no count" % (value,))
    return value


def count_or_none(value):
    # type: (Any) -> Optional[int]
    return None if value is None else count(value)
