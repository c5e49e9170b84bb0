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
