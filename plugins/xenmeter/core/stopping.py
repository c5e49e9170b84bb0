"""An event that signals set.

``Event.set`` in a signal's handler can lock up for good: the handler runs in the main thread, between any two of its steps,
and that thread may be inside ``Event.wait`` with the event's own lock in hand. So the handler writes a byte, and a thread
that waits for it sets the event.
"""
import os
import signal
import threading
from typing import Any, Iterable

__all__ = ("stopped_by",)


def stopped_by(numbers: Iterable[int]) -> threading.Event:
    """The event; from now on these signals set it. To be called in the main thread."""
    stop = threading.Event()
    told, tell = os.pipe()
    os.set_blocking(tell, False)

    def on_signal(number: int, frame: Any) -> None:
        try:
            os.write(tell, b"s")
        except BlockingIOError:
            pass    # it has been told often enough

    def watch() -> None:
        os.read(told, 1)
        stop.set()

    threading.Thread(target=watch, name="signals", daemon=True).start()
    for number in numbers:
        signal.signal(number, on_signal)
    return stop
