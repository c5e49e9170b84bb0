"""An event that signals set; and one that can wake whoever waits for it, without an end.

``Event.set`` in a signal's handler can lock up for good: the handler runs in the main thread, between any two of its steps,
and that thread may be inside ``Event.wait`` with the event's own lock in hand. So the handler writes a byte, and a thread
that waits for it sets the event.
"""
import contextlib
import os
import signal
import threading
import time
from typing import Any, Iterable, Optional, Tuple

from xenmeter.core.waiting import nudge, received

__all__ = ("stopped_by", "woken_by", "Wakeable")


class Wakeable:
    """As ``threading.Event``, as far as readers of sources need it; ``wake`` ends a wait that goes on, and sets nothing: a
    source that waits for its next reading takes it now.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._set = False
        self._woken = 0
        self._told: Optional[int] = None

    def is_set(self) -> bool:
        return self._set

    def set(self) -> None:
        with self._changed:
            self._set = True
            self._changed.notify_all()
            if self._told is not None:
                nudge(self._told)

    def tell(self, descriptor: Optional[int]) -> None:
        """A byte is written there when it is set, for one who waits for descriptors; None: no more."""
        with self._changed:
            self._told = descriptor
            if self._set and descriptor is not None:
                nudge(descriptor)

    def wake(self) -> None:
        """Nobody waits: nothing happens; it is not kept for the next wait."""
        with self._changed:
            self._woken += 1
            self._changed.notify_all()

    def wait(self, timeout: Optional[float] = None) -> bool:
        """Until it is set or somebody wakes us, for so many seconds at the most; whether it is set."""
        with self._changed:
            before, end = self._woken, None if timeout is None else time.monotonic() + timeout
            while not self._set and self._woken == before:
                left = None if end is None else end - time.monotonic()
                if left is not None and left <= 0:
                    break
                self._changed.wait(None if left is None else min(left, threading.TIMEOUT_MAX))
            return self._set


def woken_by(stop: Any) -> Tuple[contextlib.ExitStack, Optional[int]]:
    """What to close in the end, and a descriptor that can be read when ``stop`` is set; None: it is one that tells nobody."""
    wakes = contextlib.ExitStack()
    if not isinstance(stop, Wakeable):
        return wakes, None
    readable, writable = os.pipe()
    for descriptor in (readable, writable):
        wakes.callback(os.close, descriptor)
    wakes.callback(stop.tell, None)
    stop.tell(writable)
    return wakes, readable


def stopped_by(numbers: Iterable[int]) -> Any:
    """A Wakeable, as good as an event; from now on these signals set it. To be called in the main thread."""
    stop = Wakeable()
    readable, writable = os.pipe()
    os.set_blocking(writable, False)

    def on_signal(number: int, frame: Any) -> None:
        nudge(writable)

    def watch() -> None:
        while received(readable, 1) is None:
            pass
        stop.set()

    threading.Thread(target=watch, name="signals", daemon=True).start()
    for number in numbers:
        signal.signal(number, on_signal)
    return stop
