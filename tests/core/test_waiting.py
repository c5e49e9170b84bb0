"""Waiting for descriptors where the kernel has no memory for that now."""
import errno
import os
import select
import time

import pytest

from xenmeter.core import waiting


class Poll:
    """poll(2) that fails some times first."""

    def __init__(self, failures):
        self._failures = failures
        self._real = REAL()

    def register(self, descriptor, events):
        self._real.register(descriptor, events)

    def poll(self, limit):
        if self._failures:
            raise OSError(self._failures.pop(), "told to fail")
        return self._real.poll(limit)


REAL = select.poll


@pytest.fixture
def pipe(monkeypatch):
    reading, writing = os.pipe()
    failures = []
    monkeypatch.setattr(select, "poll", lambda: Poll(failures))
    monkeypatch.setattr(waiting, "_REST", 0.001)
    yield reading, writing, failures
    os.close(reading)
    os.close(writing)


def test_a_fault_that_passes_is_waited_for(pipe):
    reading, writing, failures = pipe
    os.write(writing, b"x")
    failures += [errno.ENOMEM, errno.EAGAIN, errno.ENOMEM]
    assert waiting.readable([reading], 60) == [reading] and not failures
    failures += [errno.ENOMEM]
    assert waiting.writable(writing, [], 60) and not failures


def test_another_one_is_told(pipe):
    pipe[2].append(errno.EINVAL)
    with pytest.raises(OSError, match="told to fail"):
        waiting.readable([pipe[0]], 1)


def test_one_that_stays_is_waited_for_no_longer_than_was_said(pipe):
    reading, _, failures = pipe
    failures += [errno.ENOMEM] * 100000
    began = time.monotonic()
    assert waiting.readable([reading], 0.05) == [] and failures and time.monotonic() - began >= 0.05


def failing(monkeypatch, name, failures):
    """A call of the system's that fails so."""
    real = getattr(os, name)

    def call(*arguments):
        if failures:
            raise OSError(failures.pop(), "told to fail")
        return real(*arguments)
    monkeypatch.setattr(os, name, call)
    monkeypatch.setattr(waiting, "_REST", 0.001)


def test_what_cannot_be_handed_over_now_stays_and_the_end_is_another_word(monkeypatch):
    reading, writing = os.pipe()
    os.write(writing, b"x")
    failures = [errno.ENOMEM, errno.EAGAIN, errno.ENOBUFS]
    with monkeypatch.context() as now:
        failing(now, "read", failures)
        assert [waiting.received(reading, 9) for _ in range(4)] == [None, None, None, b"x"]
        os.close(writing)
        assert waiting.received(reading, 9) == b""
        failures.append(errno.EIO)
        with pytest.raises(OSError, match="told to fail"):
            waiting.received(reading, 9)
    os.close(reading)


@pytest.mark.parametrize("failures, told", [([], b"w"), ([errno.ENOMEM, errno.EIO], b"w"), ([errno.EAGAIN], b""),
                                            ([errno.EIO] * 100, b"")])
def test_who_waits_is_nudged(monkeypatch, failures, told):
    reading, writing = os.pipe()
    with monkeypatch.context() as now:
        failing(now, "write", list(failures))
        waiting.nudge(writing)
    os.close(writing)
    assert os.read(reading, 9) == told
    os.close(reading)
