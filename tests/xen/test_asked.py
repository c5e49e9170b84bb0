"""A source that polls, asked for a reading now: it comes at once, and the others come when they are due."""
import time
from types import SimpleNamespace

from xenmeter.core.feed import Feed
from xenmeter.core.stopping import Wakeable
from xenmeter.xen.polling import Polled

PATIENCE = 60


class Session:
    hypercalls = 0

    def read(self):
        return SimpleNamespace(time_ns=time.monotonic())

    def close(self):
        pass


def test_a_reading_comes_when_it_is_asked_for():
    """Of a source that reads once an hour."""
    feed = Feed(Polled(3600, Session).samples, keep=64)
    feed.start()
    try:
        assert feed.take(PATIENCE) is not None
        for _ in range(3):
            asked = time.monotonic()
            found = None
            while found is None and time.monotonic() < asked + PATIENCE:
                feed.ask()      # not kept for a source that is not waiting yet
                found = feed.take(0.05)
            assert asked <= found.time_ns < asked + PATIENCE
    finally:
        feed.stop()


def test_asking_moves_no_later_reading():
    times = [0.0]
    stop = Wakeable()
    source = Polled(1.0, Session)
    waits = []

    def wait(seconds):
        """The first wait is ended by somebody who asks, half way; the others end when they are due."""
        waits.append(round(seconds, 2))
        times[0] += seconds / 2 if len(waits) == 1 else seconds
        if len(waits) == 4:
            stop.set()
    stop.wait = wait
    import xenmeter.xen.polling as module
    real, module.time = module.time, SimpleNamespace(monotonic=lambda: times[0])
    try:
        assert len(list(source.samples(stop, lambda error: None))) == 4
    finally:
        module.time = real
    assert waits == [1.0, 0.5, 1.0, 1.0]


def test_waking_ends_a_wait_and_sets_nothing():
    import threading
    stop = Wakeable()
    began = time.monotonic()
    waker = threading.Thread(target=lambda: [stop.wake() or time.sleep(0.02) for _ in range(3000) if not done])
    done = []
    waker.start()
    assert stop.wait(PATIENCE) is False and not stop.is_set() and time.monotonic() - began < PATIENCE
    done.append(True)
    waker.join()
    stop.set()
    assert stop.wait() is True and stop.is_set()
