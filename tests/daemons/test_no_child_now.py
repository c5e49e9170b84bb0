"""A child that cannot be started now, for want of a process or a pipe: one line, it is tried again, nothing is left of it."""
import contextlib
import errno
import os
import subprocess
import sys
import urllib.request

import pytest

from helpers.paths import PLUGINS, TOP
from helpers.stage import PATIENCE, FakeXentop, domain, iteration, wait_for
from tools.compiler import build_shared

pytestmark = pytest.mark.daemon

HOST = b"".join(iteration([domain(b"Domain-0", 100 + step), domain(b"web1", 1000 + step)]) for step in range(400))
#: Those of execd: its own, one that wakes its reader, those of the child for its three streams, and the one that tells of exec.
PIPES = range(2, 7)
PLANS = [("pipe", number, errno.EMFILE) for number in PIPES] + [("fork", 1, errno.EAGAIN), ("fork", 1, errno.ENOMEM)]
OWN_BAKER = """
import os, sys, threading
from xenmeter.xentrace.baker.launch import OwnBaker
from xenmeter.xentrace.live import Baked
source = Baked(sys.argv[1], 0.1, OwnBaker(sys.argv[1], ["--source", sys.argv[2], "--cpu-khz", "1000000"]))
def told(error):
    sys.stderr.write("E! %s\\n" % error)
    os.truncate(os.environ["FAILING"], 0)       # it is not the baker's plan
threading.Thread(target=lambda: list(source.samples(threading.Event(), told)), daemon=True).start()
sys.stdin.read()
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    return build_shared(TOP / "tests" / "endure" / "failing.c", tmp_path_factory.mktemp("failing") / "failing.so", "-w", "-ldl")


@contextlib.contextmanager
def running(library, folder, words, plan, path=os.environ["PATH"]):
    """A process whose call fails as the plan says; what it writes on stderr goes into the file ``said``."""
    (folder / "plan").write_text("%s %d %d\n" % plan if plan else "")
    with open(str(folder / "said"), "w") as said, open(str(folder / "out"), "w") as out:
        process = subprocess.Popen([sys.executable, *words], stdin=subprocess.PIPE, stdout=out, stderr=said, env=dict(
            os.environ, PYTHONPATH=str(PLUGINS), PATH=path, XENSTORED_PATH=str(folder / "none"), LD_PRELOAD=library,
            FAILING=str(folder / "plan"), FAILING_LOG=str(folder / "failed"), XENMETER_COUNTERS=""))
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def descriptors(process):
    return len(os.listdir("/proc/%d/fd" % process.pid))


def lines(folder):
    return (folder / "said").read_text().splitlines()


def execd_of(library, folder, plan):
    """Descriptors of an execd that has figures, and what it said."""
    folder.mkdir()
    xentop = FakeXentop(folder / "xentop", HOST)
    words = ["-m", "xenmeter", "execd", "xentop", "--source", "xentop", "--signal", "none", "--interval", "1"]
    with running(library, folder, words, plan, xentop.path) as process:
        wait_for(lambda: "cpu_time_ns=" in (folder / "out").read_text() or process.poll() is not None, PATIENCE, "figures")
        wait_for(lambda: not plan or "samples come again" in (lines(folder) or [""])[-1], PATIENCE, "the end of it")
        told = descriptors(process), lines(folder)
    xentop.end()
    return told


@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: "%s-%d-%s" % (plan[0], plan[1], errno.errorcode[plan[2]]))
def test_xentop_is_started_when_it_can_be(library, tmp_path, plan):
    usual, _ = execd_of(library, tmp_path / "usual", None)
    now, said = execd_of(library, tmp_path / "now", plan)
    assert (tmp_path / "now" / "failed").read_text() == "%s %d\n" % (plan[0], plan[2])
    assert now == usual and len(said) == 2, said
    assert os.strerror(plan[2]) in said[0] and said[1] == "I! xenmeter: xentop: samples come again"


def test_the_endpoint_says_it_too(library, tmp_path):
    xentop = FakeXentop(tmp_path / "xentop", HOST)
    words = ["-m", "xenmeter", "serve", "xentop", "--source", "xentop", "--interval", "1", "--listen", "127.0.0.1:0"]
    with running(library, tmp_path, words, ("fork", 1, errno.EAGAIN), xentop.path):
        wait_for(lambda: lines(tmp_path), PATIENCE, "its address")
        address = lines(tmp_path)[0].split()[1]
        wait_for(lambda: b"xen_domain_cpu_seconds_total{" in urllib.request.urlopen(address, timeout=20).read(), PATIENCE, "it")
        assert len(lines(tmp_path)) == 3 and os.strerror(errno.EAGAIN) in lines(tmp_path)[1] and "again" in lines(tmp_path)[2]
    xentop.end()


@pytest.mark.parametrize("plan", [("pipe", 1, errno.EMFILE), ("pipe", 2, errno.ENFILE), ("fork", 1, errno.EAGAIN)])
def test_a_baker_of_ones_own_is_started_when_it_can_be(library, tmp_path, plan):
    os.mkfifo(str(tmp_path / "fifo"))
    with running(library, tmp_path, ["-c", OWN_BAKER, str(tmp_path / "shared"), str(tmp_path / "fifo")], plan) as process:
        wait_for(lambda: (tmp_path / "shared").exists() or process.poll() is not None, PATIENCE, "its file")
        assert lines(tmp_path) == ["E! a baker cannot be started: " + os.strerror(plan[2])]


@pytest.mark.parametrize("words", [["execd", "xentop", "--source", "example"], ["bench", "--source", "none", "--", "true"]])
def test_what_cannot_begin_says_why(library, tmp_path, words):
    with running(library, tmp_path, ["-m", "xenmeter", *words], ("pipe", 1, errno.EMFILE)) as process:
        assert process.wait(PATIENCE) == 1
        line, = lines(tmp_path)
        assert line.endswith("cannot go on: Too many open files")
