"""What runs beside us: the reading thread and the supervised child."""
import errno
import os
import resource
import signal
import subprocess
import sys
import threading
import time

import pytest

from xenmeter.core.child import Child
from xenmeter.core.errors import SourceError
from xenmeter.core.feed import Feed
from xenmeter.xentrace.baker.launch import OwnBaker
from xenmeter.xentrace.baker.streams import ChildStream


def wait_until(look, seconds=60.0):
    deadline = time.monotonic() + seconds
    while not look():
        assert time.monotonic() < deadline, "it did not come to pass"
        threading.Event().wait(0.01)


def alive(pid):
    try:
        with open("/proc/%d/stat" % pid) as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


class TestFeed:
    def test_the_newest_are_kept_and_the_lost_are_counted(self):
        feed = Feed(lambda stop, report: iter(range(10)), keep=3)
        feed.start()
        wait_until(lambda: feed.ended)
        assert [feed.take() for _ in range(4)] == [7, 8, 9, None] and feed.overrun == 7

    def test_an_error_stays_until_the_next_sample(self):
        go = threading.Event()

        def samples(stop, report):
            report(SourceError("down"))
            go.wait(60)
            yield 1

        feed = Feed(samples)
        feed.start()
        wait_until(lambda: feed.error is not None)
        assert str(feed.error) == "down"
        go.set()
        assert feed.take(60) == 1 and feed.error is None

    def test_a_fault_in_the_thread_is_told(self):
        def samples(stop, report):
            raise ZeroDivisionError("ours")
            yield

        feed = Feed(samples)
        feed.start()
        wait_until(lambda: feed.ended)
        assert "ZeroDivisionError: ours" in str(feed.error)

    def test_stop_ends_a_source_that_waits(self):
        def samples(stop, report):
            while not stop.wait(60):
                yield 1

        feed = Feed(samples)
        feed.start()
        began = time.monotonic()
        feed.stop()
        assert feed.ended and time.monotonic() - began < 20

    def test_the_asker_is_woken(self):
        woken = threading.Event()
        Feed(lambda stop, report: iter([1]), notify=woken.set).start()
        assert woken.wait(60)


def read_all(child, seconds=60.0):
    data, deadline, more = b"", time.monotonic() + seconds, True
    while more and time.monotonic() < deadline:
        new, more = child.read(0.2)
        data += new
    return data


class TestChild:
    def test_all_it_says_and_its_end(self):
        child = Child(["sh", "-c", "echo one; echo trouble >&2; echo two"])
        assert read_all(child) == b"one\ntwo\n" and child.complaint() == "trouble"
        child.stop()

    def test_silence_is_no_end(self):
        child = Child(["sleep", "60"])
        began = time.monotonic()
        assert child.read(0.05) == (b"", True) and time.monotonic() - began < 20
        child.stop()

    def test_stop_ends_it_at_once(self):
        child = Child(["sh", "-c", "echo $$; exec sleep 60"])
        pid = int(child.read(60)[0])
        began = time.monotonic()
        child.stop()
        wait_until(lambda: not alive(pid))
        assert time.monotonic() - began < 20

    @pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
    def test_it_dies_with_us_however_we_die(self, how):
        script = ("import sys; from xenmeter.core.child import Child; child = Child(['sh', '-c', 'echo $$; exec sleep 60']);"
                  "print(child.read(60)[0].decode(), flush=True); child.read(60)")
        ours = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE,
                                env=dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path)))
        pid = int(ours.stdout.readline())
        assert alive(pid)
        ours.send_signal(how)
        ours.wait()
        wait_until(lambda: not alive(pid))
        ours.stdout.close()

    @pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGTERM])
    def test_it_dies_with_us_when_all_of_the_terminal_is_told_to_end(self, how):
        """A xentop that waits for a xenstored that does not answer only takes note of a signal."""
        deaf = ("import os, signal, time\nfor number in (1, 2, 3, 15): signal.signal(number, lambda *_: None)\n"
                "print(os.getpid(), flush=True)\ntime.sleep(60)")
        script = ("import sys; from xenmeter.core.child import Child; child = Child([sys.executable, '-c', %r]);"
                  "print(child.read(20)[0].decode(), flush=True); [child.read(60) for _ in range(100)]" % deaf)
        ours = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                start_new_session=True, env=dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path)))
        pid = int(ours.stdout.readline())
        assert alive(pid) and os.getpgid(pid) == ours.pid
        os.killpg(ours.pid, how)
        ours.wait(20)
        wait_until(lambda: not alive(pid), 20)
        ours.stdout.close()

    @pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
    def test_stop_ends_it_without_its_watcher(self, how):
        child = Child(["sh", "-c", "echo $PPID $$; exec sleep 60"])
        watcher, pid = [int(word) for word in child.read(60)[0].split()]
        os.kill(watcher, how)
        if how == signal.SIGKILL:
            wait_until(lambda: not alive(watcher))
            assert alive(pid)
        child.stop()
        wait_until(lambda: not alive(pid))

    def test_beyond_1024_descriptors(self):
        """In collectd on a large host: select() refuses such numbers."""
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        assert hard >= 1200
        resource.setrlimit(resource.RLIMIT_NOFILE, (1200, hard))
        many = [os.open("/dev/null", os.O_RDONLY) for _ in range(1100)]
        try:
            child = Child(["echo", "one"])
            assert read_all(child) == b"one\n"
            child.stop()
        finally:
            for descriptor in many:
                os.close(descriptor)
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    def test_with_sigchld_ignored_as_in_collectd(self):
        before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        try:
            child = Child(["sh", "-c", "echo one; exit 3"])
            assert read_all(child) == b"one\n"
            child.stop()
        finally:
            signal.signal(signal.SIGCHLD, before)

    def test_its_cpu_time_is_known(self):
        child = Child(["sh", "-c", "echo go; while :; do :; done"])
        child.read(60)
        wait_until(lambda: child.cpu_ns() > 0)
        child.stop()

    def test_a_command_that_does_not_exist(self):
        child = Child(["/nowhere/xentop"])
        assert read_all(child) == b"" and "not found" in child.complaint()
        child.stop()

    def test_hostile_words_on_stderr_are_made_safe(self):
        child = Child(["printf", "x"])
        child.stderr = b"first\nbad \x1b[31m word \xff" + b"y" * 500
        assert "\x1b" not in child.complaint() and len(child.complaint()) <= 700
        child.stop()

    @pytest.mark.parametrize("start", [lambda: Child(["true"]), lambda: ChildStream(["true"]), lambda: OwnBaker("x").start()])
    def test_one_that_cannot_be_started_keeps_no_descriptor(self, monkeypatch, start):
        """Older Pythons' Popen keeps the pipes that it has made where it finds no room for the next one: it makes none here."""
        def no_process(*_, **given):
            assert subprocess.PIPE not in [given[name] for name in ("stdin", "stdout", "stderr")]
            raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        monkeypatch.setattr(subprocess, "Popen", no_process)
        before = os.listdir("/proc/self/fd")
        with pytest.raises((OSError, SourceError), match="temporarily"):
            start()
        assert os.listdir("/proc/self/fd") == before

    @pytest.mark.parametrize("room", range(8))
    def test_too_few_descriptors_cost_none(self, room):
        """So many are left; then there are enough again. Python 3.13 needs no pipe for what a child complains of: 6 will do."""
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        before = sorted(map(int, os.listdir("/proc/self/fd")))
        free = [os.dup(0) for _ in range(room + 1)]
        for descriptor in free:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, (free[-1], hard))
        try:
            Child(["true"]).stop()
        except OSError as error:
            assert error.errno == errno.EMFILE
        else:
            assert room >= 6 and sys.version_info >= (3, 13)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert sorted(map(int, os.listdir("/proc/self/fd"))) == before
        child = Child(["echo", "x"])
        assert read_all(child) == b"x\n"
        child.stop()
        assert sorted(map(int, os.listdir("/proc/self/fd"))) == before

    @pytest.mark.parametrize("number", [errno.ENOMEM, errno.ENOBUFS, errno.EAGAIN])
    def test_what_cannot_be_read_now_is_read_later(self, monkeypatch, number):
        failures, really = [OSError(number, os.strerror(number))] * 3, os.read

        def read(descriptor, size):
            if failures and size > 1000:
                raise failures.pop()
            return really(descriptor, size)
        child = Child(["sh", "-c", "echo one; exec sleep 100"])
        monkeypatch.setattr(os, "read", read)
        assert child.read(60) == (b"one\n", True) and not failures
        child.stop()

    def test_what_cannot_be_read_on_has_ended(self, monkeypatch):
        """And not: says nothing any more, for which it is waited."""
        child, really = Child(["sh", "-c", "echo one; exec sleep 100"]), os.read

        def read(descriptor, size):
            if descriptor == child._out:
                raise OSError(errno.EIO, "of read")
            return really(descriptor, size)
        monkeypatch.setattr(os, "read", read)
        assert child.read(60) == (b"", False)
        child.stop()
