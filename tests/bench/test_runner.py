"""The command under watch: what it prints, how it ends, and that nothing of it stays."""
import io
import os
import sys
import time

import pytest

from xenmeter.bench.outputs import Outputs
from xenmeter.bench.runner import Interrupted, run
from xenmeter.core.errors import SourceError


def python(text):
    return [sys.executable, "-c", text]


def ran(command, **options):
    out, err = io.BytesIO(), io.BytesIO()
    return run(command, out, err, **options), out.getvalue(), err.getvalue()


def is_alive(pid):
    """Whether a process runs; one that has ended and waits for its parent does not."""
    try:
        with open("/proc/%d/stat" % pid) as stat:
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_every_byte_of_both_outputs_and_its_status():
    found, out, err = ran(python("import sys; sys.stdout.buffer.write(bytes(range(256))); sys.stderr.write('bad\\n')\n"
                                 "sys.exit(7)"))
    assert (found.status, out, err, found.why) == (7, bytes(range(256)), b"bad\n", "")
    assert found.printed == {"stdout": 256, "stderr": 4}


class Acknowledged(io.BytesIO):
    """What the command prints goes here; that it came is told by a file, so that the next line comes after it."""

    def __init__(self, path):
        super().__init__()
        self._path = path

    def write(self, data):
        written = super().write(data)
        with open(self._path, "w") as file:
            file.write("x" * self.getvalue().count(b"\n"))
        return written


def test_the_time_of_each_line(tmp_path):
    """Each line is printed 0.15 s after the one before was seen, however late that was."""
    seen = tmp_path / "seen"
    seen.touch()
    found = run(python("import os, time\nfor n in range(3):\n    print('line', n, flush=True)\n"
                       "    while os.path.getsize(%r) <= n: time.sleep(0.01)\n    time.sleep(0.15)" % str(seen)),
                Acknowledged(str(seen)), io.BytesIO())
    lines = [(text, at) for stream, at, text in found.lines if stream == "stdout"]
    assert [text for text, _ in lines] == ["line 0", "line 1", "line 2"]
    assert 0 <= lines[0][1] < lines[1][1] < lines[2][1] <= found.length_ns
    assert lines[2][1] - lines[0][1] >= 290000000


def test_a_hundred_megabytes_go_into_the_file_and_not_into_memory(tmp_path):
    import resource
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with open(str(tmp_path / "out"), "wb") as out:
        found = run(python("import os\nfor n in range(1600): os.write(1, b'x' * 65535 + b'\\n')"), out, io.BytesIO())
    assert found.printed["stdout"] == os.path.getsize(str(tmp_path / "out")) == 1600 * 65536
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 30 * 1024      # KiB


def test_a_signal_that_killed_it_is_its_status():
    assert ran(python("import os; os.kill(os.getpid(), 9)"))[0].status == -9


def begun(text, *seconds):
    """What ran as long as it needed to print something: the first of these times that suffices; and that time."""
    for timeout in seconds:
        found, out, _ = ran(python(text), timeout=timeout)
        if out:
            return found, out, timeout
    raise AssertionError("it did not begin within %d s" % seconds[-1])


def test_one_that_never_ends_is_ended():
    found, out, timeout = begun("import time; print('begun', flush=True); time.sleep(600)", 1.5, 6, 60)
    assert "ended after %s s" % timeout in found.why and out == b"begun\n"


def test_one_that_does_not_heed_sigterm_is_killed(monkeypatch):
    from xenmeter.bench import runner
    monkeypatch.setattr(runner, "PATIENCE", 0.3)
    text = "import signal, time\nsignal.signal(15, signal.SIG_IGN); print('deaf', flush=True)\ntime.sleep(600)"
    found, out, _ = begun(text, 1, 6, 60)
    assert (found.status, out) == (-9, b"deaf\n")


def test_what_it_leaves_in_its_group_is_ended_and_holds_nothing_up():
    """A server that it starts holds its output open: the run is over when the command is."""
    child = "import time; time.sleep(600)"
    began = time.monotonic()
    found, out, _ = ran(python("import subprocess, sys\np = subprocess.Popen([sys.executable, '-c', %r]); print(p.pid)" % child))
    assert found.status == 0 and time.monotonic() - began < 60
    assert found.length_ns < (time.monotonic() - began) * 1e9
    assert not is_alive(int(out))


def test_one_that_closes_its_outputs_is_waited_for():
    found, out, _ = ran(python("import os, time\nprint('last words', flush=True); os.close(1); os.close(2)\n"
                               "time.sleep(0.6); os._exit(4)"))
    assert (found.status, out) == (4, b"last words\n") and found.length_ns >= 600000000


def test_it_has_no_standard_input():
    assert ran(python("import sys; print(repr(sys.stdin.read()))"))[1] == b"''\n"


def test_a_signal_to_us_ends_it():
    seen = []

    def stopped():
        seen.append(1)
        return len(seen) > 3
    out = io.BytesIO()
    with pytest.raises(Interrupted):
        run(python("import os, time; print(os.getpid(), flush=True); time.sleep(600)"), out, io.BytesIO(), stopped=stopped)
    assert not out.getvalue() or not is_alive(int(out.getvalue()))


@pytest.mark.parametrize("command", [["/nonexistent/program"], ["/etc"], ["a\0b"]])
def test_what_cannot_run_is_told(command):
    with pytest.raises(SourceError, match="cannot run"):
        ran(command)


@pytest.mark.parametrize("lay", [os.mkfifo, lambda path: os.symlink("/etc/hostname", path)])
def test_who_owns_the_folder_does_not_choose_what_is_read(tmp_path, lay):
    """FILE.d may have been there, and be another user's: what the program printed is put in the place of something else there."""
    outputs = Outputs(str(tmp_path / "runs"))
    with outputs.open(1, "stdout") as file:
        file.write(b"7 MB/s")
    assert outputs.read(1, "stdout") == "7 MB/s"
    printed = tmp_path / "runs.d" / "run-001.stdout"
    printed.unlink()
    lay(str(printed))
    with pytest.raises(SourceError):
        outputs.read(1, "stdout")
