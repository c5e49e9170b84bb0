"""`xenmeter baker` as a daemon: readers, the socket, kill -9, and the real collectd on its shared file."""
import grp
import json
import os
import pathlib
import signal
import socket
import subprocess
import tempfile

import pytest

from helpers.collectd_stage import INTERVAL, Site
from helpers.stage import Running, xenmeter
from helpers.captures import KHZ, unpacked
from helpers.xentrace_stage import CONF, bake, module

pytestmark = pytest.mark.daemon


def baker(tmp_path, source, *more):
    return Running("baker", "--source", source, "--shared", tmp_path / "baker", "--cpu-khz", KHZ, *more)


def read(tmp_path, *more):
    ran = xenmeter("xentrace", "--source", "baker", "--shared", tmp_path / "baker", "--count", 1, "--format", "json", *more)
    return json.loads(ran.stdout) if ran.returncode == 0 else ran.stderr


def ended(tmp_path, span):
    """Whether the baker has taken in the whole trace."""
    told = read(tmp_path)
    return told if isinstance(told, dict) and told["span_ns"] == span else None


def test_the_figures_of_a_baker_are_bakes(tmp_path):
    path = unpacked(tmp_path, "narrow-steady")
    document = bake(path)
    with baker(tmp_path, path, "--stay", "--per-vcpu") as running:
        told = running.wait_for(lambda: ended(tmp_path, document["trace"]["span_ns"]), 30, "the whole trace")
        for mine, one in zip(told["domains"], document["domains"]):
            for name, theirs in (("running_ns", "running_ns"), ("waiting_ns", "runnable_ns"), ("wakes", "wakes")):
                assert mine[name] == one[theirs]
        assert {one["window"] for one in told["windows"]} == {"1s"} or len(told["windows"]) > 5
        vcpus = read(tmp_path, "--per-vcpu")["vcpus"]
        assert [one["run"] for one in vcpus] == [one["run_ns"] for one in document["vcpus"]]
        assert_socket(tmp_path, told)
        second = xenmeter("baker", "--source", path, "--shared", tmp_path / "baker", "--cpu-khz", KHZ)
        assert second.returncode == 1 and "a baker runs already" in second.stderr
        running.process.send_signal(signal.SIGTERM)
        assert running.wait_end() == 0
    assert "no baker runs here" in read(tmp_path)
    assert not list(tmp_path.glob("baker*"))


def assert_socket(tmp_path, told):
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(tmp_path / "baker.sock"))
        stream = client.makefile("rwb")
        for question in ("figures", "status"):
            stream.write(json.dumps({"get": question}).encode() + b"\n")
            stream.flush()
            answer = json.loads(stream.readline().decode())
            assert (answer["trace"] if question == "figures" else answer)["records"] == told["trace"]["records"]


def test_kill_9_and_a_successor(tmp_path):
    path = unpacked(tmp_path, "narrow-steady")
    span = bake(path)["trace"]["span_ns"]
    with baker(tmp_path, path, "--stay") as running:
        running.wait_for(lambda: ended(tmp_path, span), 30, "the whole trace")
        running.process.send_signal(signal.SIGKILL)
        running.process.wait()
    assert (tmp_path / "baker").exists()        # what is left looks alive until its heart is missed
    with open(str(tmp_path / "baker"), "r+b") as file:
        file.seek(32)
        file.write(bytes(8))
    assert "has been silent" in read(tmp_path)
    with baker(tmp_path, path, "--stay") as running:
        assert running.wait_for(lambda: ended(tmp_path, span), 30, "the whole trace")["trace"]["records"] > 1000


def test_a_fifo_while_it_is_written(tmp_path):
    path = unpacked(tmp_path, "narrow-steady")
    span = bake(path)["trace"]["span_ns"]
    os.mkfifo(str(tmp_path / "fifo"))
    with baker(tmp_path, tmp_path / "fifo", "--stay") as running:
        running.wait_err(rb"baking into")
        data = path.read_bytes()
        with open(str(tmp_path / "fifo"), "wb", buffering=0) as fifo:
            fifo.write(data[:len(data) // 2])
            part = running.wait_for(lambda: isinstance(read(tmp_path), dict) and read(tmp_path), 20, "the first half")
            assert 0 < part["span_ns"] < span
            fifo.write(data[len(data) // 2:])
        running.wait_for(lambda: ended(tmp_path, span), 20, "the whole trace")


def test_collectd_reads_a_baker(tmp_path):
    path = unpacked(tmp_path, "narrow-steady")
    document = bake(path)
    with baker(tmp_path, path, "--stay") as running:
        running.wait_for(lambda: ended(tmp_path, document["trace"]["span_ns"]), 30, "the whole trace")
        more = module(Source="auto", Shared=tmp_path / "baker", Interval=INTERVAL)
        with Site(tmp_path / "site", more, conf=CONF.read_text()) as collectd:
            for one in document["domains"]:
                instance = "Domain-0" if one["domid"] == 0 else "domid-%d" % one["domid"]
                collectd.wait_last("testhost/xentrace-%s/derive-running" % instance, (one["running_ns"],))
                collectd.wait_values("testhost/xentrace-%s/gauge-cpu_percent_1s" % instance)
            assert collectd.stop() == 0


def test_collectd_without_a_baker_says_so_and_lives(tmp_path):
    with Site(tmp_path, module(Shared=tmp_path / "none", Interval=INTERVAL), conf=CONF.read_text()) as collectd:
        collectd.wait_log("no baker runs here", timeout=20)
        collectd.wait_last("testhost/xentrace-xenmeter/gauge-xentrace_up", (0,))
        collectd.wait_beats()
        assert collectd.stop() == 0


@pytest.fixture
def open_folder():
    """One that everybody may enter; pytest's own are for its user alone."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        yield pathlib.Path(folder)


def test_the_group_may_read_and_others_may_not(tmp_path, open_folder):
    path = unpacked(tmp_path, "narrow-steady")
    span = bake(path)["trace"]["span_ns"]
    group = next(one for one in grp.getgrall() if one.gr_gid != 0) if os.getuid() == 0 else grp.getgrgid(os.getgid())
    with baker(open_folder, path, "--stay", "--shared-group", group.gr_name) as running:
        running.wait_for(lambda: ended(open_folder, span), 30, "the whole trace")
        for name, mode in (("baker", 0o640), ("baker.sock", 0o660)):
            found = (open_folder / name).stat()
            assert (found.st_gid, found.st_mode & 0o777) == (group.gr_gid, mode)
        if os.getuid() == 0:
            (tmp_path / "baker").write_bytes(read_as(group.gr_gid, open_folder).stdout)
            assert ended(tmp_path, span)
            assert b"Permission denied" in read_as(group.gr_gid + 12345, open_folder).stderr


def read_as(gid, folder):
    """What a user without privileges reads of the shared file, who is in this group alone."""
    return subprocess.run(["setpriv", "--reuid", "54321", "--regid", str(gid), "--clear-groups", "cat",
                           str(folder / "baker")], stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)


@pytest.mark.parametrize("arguments, status, text", [
    (["--source", "/nowhere/x", "--cpu-khz", "1"], 1, "cannot read"), (["--cpu-khz", "0"], 2, "--cpu-khz"),
    (["--window", "x"], 2, "window"), (["--shared-group", "no such group"], 2, "no group")])
def test_wrong_use_is_one_line(tmp_path, arguments, status, text):
    ran = xenmeter("baker", "--shared", tmp_path / "baker", *arguments)
    assert ran.returncode == status and text in ran.stderr and ran.stderr.count("\n") == 1
