"""Where no baker runs the command line and execd start one, and end it with themselves."""
import os
import signal
import subprocess
import sys
import threading

import pytest

from helpers.stage import PLUGINS, wait_for, xenmeter
from helpers.captures import KHZ, unpacked
from helpers.xentrace_stage import bake
from tools.process import is_running
from xenmeter.core.errors import SourceError
from xenmeter.xentrace.live import Baked
from xenmeter.xentrace.baker.launch import OwnBaker

pytestmark = pytest.mark.daemon


def test_its_samples_come_and_it_ends_with_them(tmp_path):
    path = unpacked(tmp_path, "narrow-steady")
    span = bake(path)["trace"]["span_ns"]
    own = OwnBaker(str(tmp_path / "baker"), ["--source", str(path), "--cpu-khz", str(KHZ), "--stay"])
    stop = threading.Event()
    samples = Baked(str(tmp_path / "baker"), 0.1, own).samples(stop, lambda error: pytest.fail(str(error)))
    sample = next(sample for sample in samples if sample.figures["trace"]["span_ns"] == span)
    assert len(sample.figures["domains"]) == 5
    process = own._process
    samples.close()
    assert process.returncode == 0 and not (tmp_path / "baker").exists()


def test_why_it_cannot_be_started_is_told(tmp_path):
    own = OwnBaker(str(tmp_path / "baker"), ["--source", str(tmp_path / "none"), "--cpu-khz", "1"])
    stop, errors = threading.Event(), []

    def report(error):
        errors.append(error)
        stop.set()
    assert list(Baked(str(tmp_path / "baker"), 0.1, own).samples(stop, report)) == []
    assert isinstance(errors[0], SourceError) and "none can be started: cannot read" in str(errors[0])


def test_it_does_not_outlive_one_that_is_killed(tmp_path):
    os.mkfifo(str(tmp_path / "fifo"))
    script = ("import sys, time; from xenmeter.xentrace.baker.launch import OwnBaker; own = OwnBaker(sys.argv[1], sys.argv[2:]); "
              "own.start(); print(own._process.pid, flush=True); time.sleep(60)")
    parent = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path / "baker"), "--source", str(tmp_path / "fifo"), "--cpu-khz", "1"],
        stdout=subprocess.PIPE, env=dict(os.environ, PYTHONPATH=str(PLUGINS)))
    child = int(parent.stdout.readline())
    wait_for((tmp_path / "baker").exists, 15, "its file")
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    wait_for(lambda: not is_running(child), 10, "end of the baker")
    assert not (tmp_path / "baker").exists()


def test_the_command_where_there_is_no_xen(tmp_path):
    ran = xenmeter("xentrace", "--shared", tmp_path / "baker", "--count", 1)
    assert ran.returncode == 1 and "none can be started" in ran.stderr and ran.stderr.count("\n") == 1
