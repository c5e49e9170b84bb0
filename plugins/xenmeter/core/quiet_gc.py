"""The cyclic garbage collector held off while one sample is worked on.

A reading of a thousand domains is tens of thousands of small tuples, made within milliseconds. The collector counts
allocations and scans what is young again and again, although none of it is garbage: it takes a third of all the time, and
more than a third where there are more domains. Nothing here makes cycles; reference counting frees all of it.
"""
import gc
import threading
from types import TracebackType
from typing import Optional, Type

__all__ = ("QuietGc", "quiet_gc")


class QuietGc:
    """``with quiet_gc:`` around work that takes milliseconds and never waits. May be nested, and used by several threads.

    The collector is switched for the whole interpreter (in collectd one that other people's plugins share), so it is
    counted how many are inside: the first one in switches it off if it was on, the last one out switches it on again
    if it was the first one in who switched it off. Both happen under one lock, and ``__exit__`` runs however the work
    ends. Others lose nothing: their garbage waits for some milliseconds, thresholds stay as they are, and allocations
    go on being counted, so what is due is collected at the first allocation after the end. Who calls ``gc.enable()``
    meanwhile only ends the quiet early. A ``gc.disable()`` by another thread within those milliseconds would be undone:
    between off and off there is no difference that could be seen, and off for ever would be the worse mistake.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._was_on = False

    def __enter__(self) -> None:
        with self._lock:
            if not self._inside:
                self._was_on = gc.isenabled()
                gc.disable()
            self._inside += 1

    def __exit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException],
                 trace: Optional[TracebackType]) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside and self._was_on:
                gc.enable()


#: The one that everybody uses: two of them would not know of each other.
quiet_gc = QuietGc()
