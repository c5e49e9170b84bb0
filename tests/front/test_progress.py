"""The bar on a terminal: nothing where there is none, nothing of what is short, nothing that stays."""
import io
import lzma
import os
import pty
import select
import signal
import subprocess
import sys
import threading
import time

import pytest

from helpers.paths import FIXTURES, PLUGINS
from helpers.traces import lengthened
from xenmeter.core.options import from_pairs
from xenmeter.front import plugins, progress
from xenmeter.front.progress import Progress

FAKES = FIXTURES.parent / "tests" / "helpers" / "fake_xentop.py"
CAPTURE = FIXTURES / "xentop" / "credit2-2pcpu-b-d1-i10" / "input.txt"


class Terminal(io.StringIO):
    """:ivar encoding: what it can show."""

    encoding = "utf-8"

    def isatty(self):
        return True


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def shown(total, *steps, what="baking trace.bin", unit="bytes"):
    """Lines that were drawn after (seconds, done) steps."""
    out, clock = Terminal(), Clock()
    with Progress(what, total, unit, out, clock) as bar:
        for seconds, done in steps:
            clock.now = 100.0 + seconds
            bar.at(done)
    return out.getvalue().split("\r")


def test_what_is_done_of_all_and_how_long_it_takes():
    lines = shown(20 << 20, (0.5, 1 << 20), (2, 5 << 20), (2.1, 6 << 20), (4, 10 << 20))
    assert lines[0] == ""
    assert lines[1] == "baking trace.bin  [####............]   25 %  5.0 MiB of 20.0 MiB  6 s left"
    assert lines[2].rstrip() == "baking trace.bin  [########........]   50 %  10.0 MiB of 20.0 MiB  4 s left"
    assert len(lines) == 5 and lines[3].strip() == "" and len(lines[3]) == len(lines[2]) and lines[4] == ""


def test_lines_are_counted_as_blocks_are(tmp_path):
    (tmp_path / "lines").write_bytes(b"a line\n" * 1000)
    out, clock = Terminal(), Clock()
    with open(str(tmp_path / "lines"), "rb") as file, Progress("playing", out=out, now=clock) as bar:
        clock.now += 2
        assert list(bar.watch(file)) == [b"a line\n"] * 1000
    assert " of 6.8 KiB" in out.getvalue()


@pytest.mark.parametrize("name", plugins.NAMES)
def test_each_plugins_recordings_can_be_watched(name):
    plugin, watched = plugins.get(name), []
    source = plugin.open_source(from_pairs(plugin.options, [("source", ("example",))])[0])
    source.watch = lambda stream: watched.append(stream) or stream
    assert source.stepwise and list(source.samples(threading.Event(), None)) and len(watched) == 1


def test_seconds_and_what_has_no_end():
    assert "[############....]   75 %  45 s of 1m00s  15 s left" in shown(60, (45, 45), unit="seconds")[1]
    assert shown(None, (2, 4 << 20))[1] == "baking trace.bin  4.0 MiB, 2.0 MiB/s"
    assert shown(10, (2, 11))[1].endswith("100 %  11 B of 10 B  0 ns left")


def test_short_work_shows_nothing_and_so_does_a_file():
    assert shown(100, (0.9, 50)) == [""]
    out = io.StringIO()
    with Progress("x", 100, out=out, now=iter(range(1000)).__next__) as bar:
        assert not bar.shown
        bar.at(50)
        bar.clock()
        stream = io.BytesIO(b"abc")
        assert bar.watch(stream) is stream
    assert out.getvalue() == ""


def test_a_hostile_name_is_shown_as_escapes():
    assert shown(10, (2, 5), what="\x1b]0;owned\x07x")[1].startswith("\\x1b]0;owned\\x07x  [")


def test_a_narrow_terminal_gets_one_line(monkeypatch):
    monkeypatch.setattr(progress, "_columns", lambda out: 30)
    line = shown(20 << 20, (2, 5 << 20))[1]
    assert len(line) == 29 and line.endswith("~")


def read_until(master, wanted, seconds=60, also=lambda: None):
    """What a terminal gets until ``wanted`` is in it."""
    said, end = b"", time.monotonic() + seconds
    while wanted not in said:
        assert time.monotonic() < end, said
        also()
        if select.select([master], [], [], 0.05)[0]:
            said += os.read(master, 65536)
    return said


def command(words, stderr, **how):
    return subprocess.Popen([sys.executable, "-m", "xenmeter"] + [str(word) for word in words], stderr=stderr,
                            env=dict(os.environ, PYTHONPATH=str(PLUGINS), **how.pop("env", {})), **how)


@pytest.mark.parametrize("form", ["json", "table", "csv"])
def test_bake_shows_how_far_it_is_on_a_terminal_only(tmp_path, form):
    trace = lzma.decompress((FIXTURES / "xentrace" / "pm-steady" / "trace.bin.xz").read_bytes())
    words = ["bake", "-", "--cpu-khz", "2596120", "--format", form]
    plain = subprocess.run([sys.executable, "-m", "xenmeter"] + words, input=trace, stdout=subprocess.PIPE,
                           stderr=subprocess.PIPE, env=dict(os.environ, PYTHONPATH=str(PLUGINS)), check=True)
    assert plain.stderr == b"" and plain.stdout
    master, slave = pty.openpty()
    with open(str(tmp_path / "out"), "wb") as out:
        process = command(words, slave, stdin=subprocess.PIPE, stdout=out)
        os.close(slave)
        place = [0]

        def feed():         # in pieces, so that it takes as long as the first line needs
            piece = trace[place[0]:place[0] + 2048]
            place[0] += len(piece)
            process.stdin.write(piece)
            process.stdin.flush()
        said = read_until(master, b"baking stdin  ", also=feed)
        assert b"/s" in said and b"\x1b" not in said
        process.stdin.write(trace[place[0]:])
        process.stdin.close()
        assert process.wait(60) == 0
        os.close(master)
    out = (tmp_path / "out").read_bytes()
    assert len(out.splitlines()) == len(plain.stdout.splitlines())
    if form == "json":
        assert out == plain.stdout


def test_a_plugin_shows_how_far_a_long_recording_is(tmp_path):
    """On a terminal only, and only where the figures go elsewhere."""
    capture = lzma.decompress((FIXTURES / "xentrace" / "S1-sched" / "trace.bin.xz").read_bytes())
    (tmp_path / "trace.bin").write_bytes(lengthened(capture, 60 * len(capture)))
    words = ["xentrace", "--source", tmp_path / "trace.bin", "--cpu-khz", "2596120", "--format", "csv"]
    master, slave = pty.openpty()
    with open(str(tmp_path / "out"), "wb") as out:
        process = command(words, slave, stdout=out, env={"XENMETER_COMPILED": "0"})
        os.close(slave)
        assert b"playing trace.bin  " in read_until(master, b"%")
        process.kill()
        process.wait()
        os.close(master)
    process = command(words, subprocess.PIPE, stdout=subprocess.DEVNULL)
    said = process.communicate()[1]
    assert b"playing" not in said and b"\r" not in said and process.returncode == 0


def test_record_shows_the_seconds(tmp_path):
    control = tmp_path / "control"
    control.mkdir()
    xentop = tmp_path / "xentop"
    xentop.write_text('#!/bin/sh\nXENTOP_CAPTURE=%s XENTOP_SPEEDUP=20 XENTOP_CONTROL=%s exec %s -S %s "$@"\n' % (
        CAPTURE, control, sys.executable, FAKES))
    xentop.chmod(0o755)
    master, slave = pty.openpty()
    process = command(["record", tmp_path / "recording", "--seconds", "600", "--interval", "1"], slave,
                      stdout=subprocess.PIPE, env={"PATH": "%s:%s" % (tmp_path, os.environ["PATH"])})
    os.close(slave)
    said = read_until(master, b"of 10m00s")
    assert b"recording into recording  [" in said
    text, end = tmp_path / "recording" / "xentop.txt", time.monotonic() + 60
    while not text.stat().st_size:      # buffered, so there are several samples when there is anything
        assert time.monotonic() < end
        select.select([master], [], [], 0.05)[0] and os.read(master, 65536)
    process.send_signal(signal.SIGINT)
    assert b"samples of xentop" in process.communicate(timeout=60)[0] and process.returncode == 0
    os.close(master)
