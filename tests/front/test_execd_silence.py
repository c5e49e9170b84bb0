"""What `xenmeter execd` says while no sample comes: Telegraf must see that the source is down, in every signal mode."""
import array
import errno
import fcntl
import os
import signal
import subprocess
import sys
import termios
import time
from types import SimpleNamespace

import pytest

from helpers.paths import FIXTURES, PLUGINS
from xenmeter.core.errors import SourceError, XenmeterError
from xenmeter.front.daemons import execd


class Pipeline:
    """One without samples."""

    stepwise = ended = False

    def __init__(self, plugin, options):
        self.error, self.hanging, self.waiting = None, False, []

    def take(self):
        found, self.waiting = self.waiting, []
        return found

    def hangs(self):
        return self.hanging

    def remarks(self):
        return []


class World:
    def __init__(self, monkeypatch, mode):
        self.now, self.written = 1000.0, []
        monkeypatch.setattr(execd, "Pipeline", Pipeline)
        monkeypatch.setattr(execd, "LogOnce", lambda complain: SimpleNamespace(about=lambda pipeline: None))
        monkeypatch.setattr(execd, "make_format", lambda name, pipeline: SimpleNamespace(
            sample=lambda sample: sample, own_only=lambda: b"down"))
        monkeypatch.setattr(execd.Execd, "_write", lambda execd, data: self.written.append(data))
        monkeypatch.setattr(execd.time, "monotonic", lambda: self.now)
        self.execd = execd.Execd(SimpleNamespace(name="xentop"), SimpleNamespace(interval=10), mode)
        self.pipeline = self.execd._pipeline

    def serve(self, seconds=0, asked=False):
        """What is written when it wakes up so much later."""
        self.now += seconds
        self.execd._gather = asked
        del self.written[:]
        self.execd._serve()
        return b"".join(self.written)


@pytest.fixture
def world(monkeypatch):
    return lambda mode: World(monkeypatch, mode)


@pytest.mark.parametrize("down", ["error", "hanging"])
def test_in_mode_none_it_is_said_once_per_interval(world, down):
    here = world("none")
    here.pipeline.waiting = [b"sample"]
    assert here.serve(5) == b"sample" and here.serve(20) == b""     # late, but nothing is known to be wrong
    setattr(here.pipeline, down, True if down == "hanging" else SourceError("xentop ended"))
    assert here.serve(1) == b"down" and here.serve(1) == b"" and here.serve(8) == b"" and here.serve(1) == b"down"
    assert 0 < here.execd._rest() <= 10
    here.pipeline.waiting = [b"sample"]
    assert here.serve(1) == b"sample" and here.serve(9) == b""      # an error that has just come may pass


@pytest.mark.parametrize("down", ["error", "hanging"])
def test_whoever_asks_is_told_each_time_and_nobody_else(world, down):
    here = world("stdin")
    setattr(here.pipeline, down, True if down == "hanging" else SourceError("xentop ended"))
    assert here.serve(100) == b"" and here.serve(asked=True) == b"down" and here.serve(asked=True) == b"down"
    assert here.execd._rest() is None


class TestNobodyReads:
    """Telegraf hangs: its pipe is full. The real command, with a recording that says more than a pipe holds."""

    @pytest.fixture(name="blocked")
    def _blocked(self):
        process = subprocess.Popen(
            [sys.executable, "-m", "xenmeter", "execd", "xentop", "--signal", "none", "--source", str(
                FIXTURES / "xentop" / "credit2-2pcpu-joined-b-d1-i3-fnxvr"), "--pace", "1000000"],
            stdin=subprocess.PIPE, stdout=self.narrow(), stderr=subprocess.DEVNULL, env=dict(os.environ, PYTHONPATH=str(PLUGINS)))
        os.close(self.writing)
        yield process
        process.kill()
        process.wait()
        process.stdin.close()
        os.close(self.reading)

    def narrow(self):
        """A pipe of one page, which is full at once."""
        self.reading, self.writing = os.pipe()
        fcntl.fcntl(self.writing, 1031, 4096)       # F_SETPIPE_SZ
        return self.writing

    def wait_full(self):
        while len(self.held()) < 4096:
            time.sleep(0.02)

    def held(self):
        count = array.array("i", [0])
        fcntl.ioctl(self.reading, termios.FIONREAD, count)
        return range(count[0])

    @pytest.mark.parametrize("how", ["stdin", "SIGTERM"])
    def test_it_ends_when_it_is_told_to(self, blocked, how):
        self.wait_full()
        blocked.stdin.close() if how == "stdin" else blocked.send_signal(signal.SIGTERM)
        assert blocked.wait(30) == 0

    def test_what_is_read_slowly_is_written_to_the_end(self, blocked):
        self.wait_full()
        blocked.stdin.close()
        text = b""
        while True:
            data = os.read(self.reading, 500)
            if not data:
                break
            text += data
            time.sleep(0.01)
        assert text.endswith(b"\n") and blocked.wait(30) == 0


@pytest.mark.parametrize("number", [errno.EAGAIN, errno.ENOMEM, errno.ENOBUFS])
def test_a_write_that_fails_for_a_moment_is_tried_again_and_nothing_is_lost(number, monkeypatch):
    """Whoever has the pipe's other end, or the kernel, may refuse a write that poll(2) has allowed."""
    monkeypatch.setattr(execd, "Pipeline", Pipeline)
    monkeypatch.setattr(execd, "make_format", lambda name, pipeline: None)
    here = execd.Execd(None, SimpleNamespace(interval=10), "none")
    monkeypatch.setattr(execd, "writable", lambda descriptor, watched, seconds: True)
    monkeypatch.setattr(execd, "readable", lambda watched, seconds: [])
    monkeypatch.setattr(execd, "_REST", 0)
    written, refusals = [], [OSError(number, "refused")] * 3

    def write(descriptor, data):
        if len(written) % 2 and refusals:
            raise refusals.pop()
        written.append(bytes(data[:3]))
        return 3
    monkeypatch.setattr(execd.os, "write", write)
    here._write(b"abcdefghi")
    assert b"".join(written) == b"abcdefghi" and not refusals


def test_a_stdout_that_cannot_be_looked_at_is_written_in_pieces(monkeypatch):
    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(execd.os, "fstat", lambda descriptor: raised(OSError(errno.EIO, "Input/output error")))
        told = execd._room()
    assert told == execd._PIECE


def test_a_write_that_cannot_be_is_the_end(monkeypatch):
    monkeypatch.setattr(execd, "Pipeline", Pipeline)
    monkeypatch.setattr(execd, "make_format", lambda name, pipeline: None)
    here = execd.Execd(None, SimpleNamespace(interval=10), "none")
    monkeypatch.setattr(execd, "writable", lambda descriptor, watched, seconds: True)
    monkeypatch.setattr(execd.os, "write", lambda descriptor, data: raised(OSError(errno.EIO, "Input/output error")))
    with pytest.raises(XenmeterError, match="cannot write to stdout"):
        here._write(b"abc")


def raised(error):
    raise error
