"""Memory for tables: it is 0, it is asked for again where the kernel has none, and then the error is one clear line."""
import errno
import mmap
import os
import subprocess
import sys

import pytest

from helpers.paths import PLUGINS
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


THREADS = """
import sys, threading
from xenmeter.core.memory import one_arena
assert sys.argv[1] == "no" or one_arena()
threading.stack_size(1 << 18)
held, all_there = [], threading.Barrier(9)
def work():
    held.append(bytes(100000))
    all_there.wait()
    all_there.wait()
for _ in range(8):
    threading.Thread(target=work).start()
all_there.wait()
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmSize")))
all_there.wait()
"""


def test_threads_share_one_place_for_their_memory():
    """glibc reserves 64 MiB of addresses for each place."""
    sizes = [int(subprocess.run([sys.executable, "-c", THREADS, word], stdout=subprocess.PIPE, check=True, env=dict(
        os.environ, PYTHONPATH=str(PLUGINS))).stdout) for word in ("no", "yes")]
    assert sizes[0] - sizes[1] > 3 * 64 * 1024


LARGE = """
import sys
from xenmeter.core.memory import give_back
assert sys.argv[1] == "no" or give_back()
first = b"1" * (30 << 20)
del first       # from now on glibc takes pieces of this size for small ones
pieces, between = [], []
for _ in range(20):
    pieces.append(b"1" * (1 << 20))
    between.append(b"1" * 1000)
pieces.clear()
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmRSS")))
"""


def test_large_pieces_go_back_from_between_small_ones():
    sizes = [int(subprocess.run([sys.executable, "-c", LARGE, word], stdout=subprocess.PIPE, check=True, env=dict(
        os.environ, PYTHONPATH=str(PLUGINS))).stdout) for word in ("no", "yes")]
    assert sizes[0] - sizes[1] > 15 * 1024
