"""Memory for tables: it is 0, it is asked for again where the kernel has none, and then the error is one clear line."""
import errno
import mmap

import pytest

from xenmeter.core import memory
from xenmeter.core.errors import SourceError


def test_it_is_zero_and_as_long_as_asked():
    assert memory.anonymous(5000)[:] == bytes(5000)


@pytest.mark.parametrize("failure", [OSError(errno.EAGAIN, "not now"), OSError(errno.ENOMEM, "full"), MemoryError()])
def test_it_is_asked_for_again(monkeypatch, failure):
    failures, real = [failure, failure], mmap.mmap
    monkeypatch.setattr(memory.time, "sleep", lambda seconds: None)

    def scarce(number, size):
        if failures:
            raise failures.pop()
        return real(number, size)
    monkeypatch.setattr(memory.mmap, "mmap", scarce)
    assert len(memory.anonymous(4096)) == 4096 and not failures


@pytest.mark.parametrize("failure, tries", [(OSError(errno.ENOMEM, "Cannot allocate memory"), 100),
                                            (OSError(errno.EPERM, "Operation not permitted"), 1)])
def test_none_is_one_clear_line(monkeypatch, failure, tries):
    asked = []
    monkeypatch.setattr(memory.time, "sleep", lambda seconds: None)

    def none(number, size):
        asked.append(size)
        raise failure
    monkeypatch.setattr(memory.mmap, "mmap", none)
    with pytest.raises(SourceError, match="^no memory for a table of 64 bytes: .*" + failure.strerror + "$"):
        memory.anonymous(64)
    assert asked == [64] * tries
