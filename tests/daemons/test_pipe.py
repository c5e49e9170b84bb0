"""A xentop of somewhere else, that writes into a pipe: each front has an iteration when it has come, and with that time."""
import os
import re
import subprocess
import sys
import time
import urllib.request

import pytest

from helpers.collectd_stage import Site, module
from helpers.lineprotocol import parse
from helpers.stage import PLUGINS, Running, domain, iteration

pytestmark = pytest.mark.daemon


def text(step):
    return iteration([domain(b"Domain-0", 1000 + step, 10.0, state=b"-----r"), domain(
        b"web", 500 + step, 95.0, vif=(1024000, 10, 0, 0, 10 ** 9 + 62500 * step, 10, 0, 0))])


@pytest.fixture
def fifo(tmp_path):
    os.mkfifo(str(tmp_path / "fifo"))
    return tmp_path / "fifo"


def write_each_second(write, seen, count=4):
    """Iterations, each when the one before was seen: (just before each was written, when it was seen)."""
    written = []
    for step in range(count):
        before = time.time()        # who reads may be quicker than we are
        write(text(step))
        seen(step + 1)
        written.append((before, time.time()))
        time.sleep(0.5)
    return written


def within(stamps, written):
    """Whether each is of the time between an iteration's writing and the moment when it was seen."""
    return all(before - 0.01 <= stamp <= seen for stamp, (before, seen) in zip(stamps, written)) and len(stamps) >= len(written)


def stamps(out):
    return [stamp / 1e9 for measurement, _, _, stamp in parse(out) if measurement == "xen_host"]


def test_the_command_on_stdin():
    """As behind ssh; --interval does not make it a recording. The end of the pipe is the end."""
    with Running("xentop", "--source", "-", "--interval", "1", "--format", "influx") as running:
        written = write_each_second(
            lambda data: os.write(running.process.stdin.fileno(), data),
            lambda number: running.wait_for(lambda: running.out.count(b"xen_host") == number, what="iteration %d" % number))
        running.process.stdin.close()
        assert running.wait_end() == 0 and running.err == b""
    assert within(stamps(running.out), written) and len(written) == 4


def test_a_file_on_stdin_is_a_recording(tmp_path):
    """And so is a pipe with --start."""
    (tmp_path / "xentop.txt").write_bytes(b"".join(map(text, range(3))))
    words = [sys.executable, "-m", "xenmeter", "xentop", "--source", "-", "--interval", "5", "--format", "influx"]
    options = {"stdout": subprocess.PIPE, "timeout": 60, "env": dict(os.environ, PYTHONPATH=str(PLUGINS)), "check": True}
    with open(str(tmp_path / "xentop.txt"), "rb") as file:
        of_file = subprocess.run(words + ["--start", "100"], stdin=file, **options).stdout
    with open(str(tmp_path / "xentop.txt"), "rb") as file:
        of_now = subprocess.run(words, stdin=file, **options).stdout
    of_pipe = subprocess.run(words + ["--start", "100"], input=(tmp_path / "xentop.txt").read_bytes(), **options).stdout
    assert stamps(of_file) == stamps(of_pipe) == [100, 105, 110]
    assert [round(stamp - stamps(of_now)[0], 3) for stamp in stamps(of_now)] == [0, 5, 10]


def test_execd_takes_a_fifo(fifo):
    with Running("execd", "xentop", "--source", fifo, "--interval", "1", "--signal", "none") as running:
        with open(str(fifo), "wb", buffering=0) as writer:
            written = write_each_second(
                writer.write, lambda number: running.wait_for(lambda: running.out.count(b"xen_host,") + running.out.count(
                    b"xen_host ") >= number, what="iteration %d" % number))
        running.wait_err(rb"E! xenmeter: xentop: .*fifo: xentop has ended; another is waited for")
        with open(str(fifo), "wb", buffering=0) as writer:
            writer.write(text(9))
            running.wait_for(lambda: len(stamps(running.out[:running.out.rfind(b"\n") + 1])) == 5, what="the next writer's")
        running.process.stdin.close()
        assert running.wait_end() == 0
    assert within(stamps(running.out), written)
    assert b"Traceback" not in running.err


def test_execds_stdin_is_telegrafs():
    with Running("execd", "xentop", "--source", "-") as running:
        assert running.wait_end() == 2
    assert running.err.startswith(b"E! xenmeter: xentop: --source -: stdin is Telegraf's word to us; let xentop write")


def test_serve_has_the_newest_iteration():
    with Running("serve", "xentop", "--source", "-", "--interval", "1", "--listen", "127.0.0.1:0") as running:
        url = running.wait_err(rb"(http://\S+/metrics)").group(1).decode()

        def seconds():
            with urllib.request.urlopen(url, timeout=60) as answer:
                found = re.search(rb'xen_domain_cpu_seconds_total\{domain="web"\} (\S+)', answer.read())
            return found and float(found.group(1))
        for step in range(3):
            os.write(running.process.stdin.fileno(), text(step))
            running.wait_for(lambda: seconds() == 500 + step, what="the figures of step %d" % step)
            time.sleep(0.5)
        running.process.stdin.close()
        running.wait_for(lambda: seconds() is None, what="no figures after the end")


def test_collectd_takes_a_fifo_and_waits_for_the_next_writer(tmp_path, fifo):
    series = "testhost/xentop-web/virt_cpu_total"
    with Site(tmp_path, module(Interval=0.5, Source=fifo)) as collectd:
        written = []
        for first in (0, 10):
            with open(str(fifo), "wb", buffering=0) as writer:
                for step in range(first, first + 3):
                    before = time.time()
                    writer.write(text(step))
                    collectd.wait_values(series, count=len(written) + 1)
                    written.append((before, time.time()))
                    time.sleep(0.6)
            collectd.wait_log("xentop has ended; another is waited for")
        collectd.wait_last("testhost/xentop-xenmeter/gauge-xentop_up", (0.0,))
        assert collectd.stop() == 0
        found = collectd.values(series)
    assert [value.values[0] for value in found] == [(500 + step) * 10 ** 9 for step in (0, 1, 2, 10, 11, 12)]
    assert within([value.time for value in found], written)
    assert "Unhandled python exception" not in collectd.log_text()


def test_nothing_is_kept_of_one_pipe_for_the_next(tmp_path):
    """Two hosts behind two pipes, each with a guest of one name: what one's vif had counted before it was plugged again is not
    the other's."""
    def host(step, received):
        return iteration([domain(b"Domain-0", 1000 + step, 10.0, state=b"-----r"), domain(
            b"web", 500 + step, 95.0, vif=(1024, 10, 0, 0, received, 10, 0, 0))])

    def last_of(texts):
        with Running("xentop", "--source", "-", "--interval", "1", "--format", "influx",
                     environment={"XENMETER_COUNTERS": str(tmp_path / "kept")}) as running:
            for number, data in enumerate(texts):
                os.write(running.process.stdin.fileno(), data)
                running.wait_for(lambda: running.out.count(b"xen_host") == number + 1, what="iteration %d" % number)
            running.process.stdin.close()
            assert running.wait_end() == 0, running.err
        return re.findall(rb"^xen_vif,.*rx_bytes=(\d+)i", running.out, re.MULTILINE)

    first = last_of([host(0, 10 ** 11), host(1, 10 ** 11 + 5), host(2, 50), host(3, 100)])
    assert int(first[-1]) >= 10 ** 11       # it was plugged again, and goes on from there
    assert last_of([host(10, 10 ** 10), host(11, 10 ** 10 + 5)]) == [b"%d" % 10 ** 10, b"%d" % (10 ** 10 + 5)]
