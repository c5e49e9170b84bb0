"""xentrace's publishers without root: the group that may read the baker's file is all that they need."""
import grp
import json
import lzma
import os
import pathlib
import pwd
import re
import shutil
import subprocess
import sys
import tempfile

import pytest

from helpers.paths import PLUGINS, TRACES
from tools.process import poll

#: In place of xenmeter's: a group of every Debian.
GROUP = "games"
UNTIL = 120.0


@pytest.fixture
def open_folder():
    """Where another user may look, with our package in it: that user may not read this checkout, nor pytest's folders."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="unprivileged-"))
    folder.chmod(0o755)
    shutil.copytree(str(PLUGINS / "xenmeter"), str(folder / "xenmeter"), ignore=shutil.ignore_patterns("__pycache__", "*.so"))
    yield folder
    shutil.rmtree(str(folder))


@pytest.fixture
def shared(open_folder, tmp_path):
    """The shared file of a baker that is root's, and gives it to the group."""
    trace = tmp_path / "trace.bin"
    trace.write_bytes(lzma.decompress((TRACES / "narrow-churn" / "trace.bin.xz").read_bytes()))
    path = open_folder / "run" / "baker"
    call = [sys.executable, "-m", "xenmeter", "baker", "--source", str(trace), "--cpu-khz", "2596120", "--shared", str(path),
            "--shared-group", GROUP, "--stay", "--until-stdin-ends"]
    baker = subprocess.Popen(call, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)
    poll(lambda: path.exists() and baker.poll() is None, UNTIL, AssertionError)
    yield path
    baker.communicate(timeout=UNTIL)


def unprivileged(open_folder, group, *words):
    """Debian's Python: nobody else's may be where others may look."""
    start = "import sys; sys.path.insert(0, %r); from xenmeter.front.cli import main; sys.exit(main())" % str(open_folder)
    return ["setpriv", "--reuid", "nobody", "--regid", group, "--clear-groups", "--bounding-set=-all", "--inh-caps=-all",
            "--no-new-privs", "--pdeathsig", "KILL", "/usr/bin/python3", "-c", start, *words]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
@pytest.mark.parametrize("words, pattern", [
    (["serve", "xentrace", "--source", "baker", "--listen", "127.0.0.1:0"], None),
    (["execd", "xentrace", "--source", "baker", "--signal", "none", "--interval", "1"], rb"^xen_sched,"),
    (["xentrace", "--source", "baker", "--format", "json", "--count", "1"], rb'"domains"')], ids=lambda one: str(one)[:20])
def test_a_member_of_the_group_has_the_figures(words, pattern, open_folder, shared):
    call = unprivileged(open_folder, GROUP, *words, "--shared", str(shared))
    program = subprocess.Popen(call, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd="/")
    try:
        with open("/proc/%d/status" % program.pid) as file:
            told = dict(line.split(":", 1) for line in file)
        if pattern is None:
            line = program.stderr.readline().decode()
            port = int(re.match(r"xenmeter: http://127\.0\.0\.1:(\d+)/metrics$", line).group(1))
            from tools.process import http
            poll(lambda: b"\nxen_sched_" in http("http://127.0.0.1:%d/metrics" % port)[1], UNTIL, AssertionError)
            with open("/proc/%d/status" % program.pid) as file:
                told = dict(line.split(":", 1) for line in file)
            assert told["Uid"].split() == [str(pwd.getpwnam("nobody").pw_uid)] * 4
            assert told["Gid"].split() == [str(grp.getgrnam(GROUP).gr_gid)] * 4 and int(told["CapEff"], 16) == 0
        else:
            lines = iter(program.stdout.readline, b"")
            assert any(re.search(pattern, line) for line in lines), program.stderr.read()
    finally:
        program.kill()
        program.communicate()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_nobody_else_has(open_folder, shared):
    call = unprivileged(open_folder, "nogroup", "xentrace", "--source", "baker", "--format", "json", "--count", "1", "--shared",
                        str(shared))
    ran = subprocess.run(call, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False, cwd="/",
                         timeout=UNTIL)
    assert ran.returncode == 1 and ran.stdout == b"" and b"permission denied" in ran.stderr and b"--shared-group" in ran.stderr
    assert json.dumps(ran.stderr.decode()).count("\\n") == 1
