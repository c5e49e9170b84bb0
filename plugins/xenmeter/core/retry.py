"""A live source that goes on trying: the same growing pauses for all of them."""
import threading
import time
from typing import Any, Callable, Iterator

from xenmeter.core.errors import SourceError
from xenmeter.core.passing import passing
from xenmeter.core.source import Report

__all__ = ("persistent", "PAUSES", "pause_after")

#: Pauses after failures, in seconds; the last one repeats. A run that lasted begins them anew.
PAUSES = (1, 2, 5, 10, 30, 60)


def pause_after(failures: int) -> int:
    """Seconds to wait after a failure that so many others came before, without a success between them."""
    return PAUSES[min(failures, len(PAUSES) - 1)]


def persistent(run: Callable[[threading.Event], Iterator[Any]], stop: threading.Event, report: Report,
               interval: float = 0.0) -> Iterator[Any]:
    """Samples of one ``run(stop)`` after the other until ``stop``; its SourceErrors are reported, and it is tried again.

    A run that gave a sample has recovered only if it outlasted the pause that is due and ``interval`` seconds: what says
    something at its start and dies is no better than what says nothing. Nor does the next one begin before the interval is
    over, for then samples would come faster than they are wanted. Where this process lacks something that it may have again
    soon (core.passing), no pause is longer than the interval.
    """
    failures = 0
    while not stop.is_set():
        began, heard = time.monotonic(), False
        try:
            for sample in run(stop):
                heard = True
                yield sample
                del sample      # it is large, and the next one may be long in coming
            return
        except Exception as error:
            passes = passing(error)
            if passes is None and not isinstance(error, SourceError):
                raise
            report(error if isinstance(error, SourceError) else SourceError("%s; it is tried again" % passes))
        lasted = time.monotonic() - began
        if heard and lasted > max(interval, pause_after(failures)):
            failures = 0
        pause = float(pause_after(failures))
        if passes is not None:
            pause = min(pause, max(PAUSES[0], interval))        # the source itself is well: it is back with what it lacked
        stop.wait(max(pause, interval - lasted) if heard else pause)
        failures += 1
