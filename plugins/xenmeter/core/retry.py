"""A live source that goes on trying: the same growing pauses for all of them."""
import threading
from typing import Any, Callable, Iterator

from xenmeter.core.errors import SourceError, XenmeterError

__all__ = ("persistent", "PAUSES")

#: Pauses after failures, in seconds; the last one repeats. A sample begins them anew.
PAUSES = (1, 2, 5, 10, 30, 60)


def persistent(run, stop, report):
    # type: (Callable[[threading.Event], Iterator[Any]], threading.Event, Callable[[XenmeterError], None]) -> Iterator[Any]
    """Samples of one ``run(stop)`` after the other until ``stop``; its SourceErrors are reported, and it is tried again."""
    failures = 0
    while not stop.is_set():
        try:
            for sample in run(stop):
                failures = 0
                yield sample
            return
        except SourceError as error:
            report(error)
        stop.wait(PAUSES[min(failures, len(PAUSES) - 1)])
        failures += 1
