"""Kill -9 of the baker at every one of its hypercalls: the next start, or --restore, leaves no tracing behind."""
import itertools
import os
import signal
import struct
import subprocess
import sys

import pytest

from helpers.paths import TOP
from xenmeter.core.errors import SourceError
from xenmeter.xentrace.baker.shm import Reader

PROGRAM = TOP / "tests" / "helpers" / "mortal_baker.py"
#: The host as it was: another mask than the one from boot, tracing off, no rings.
BEFORE = 0x0002F000
NARROW = 0x00161000


@pytest.fixture
def host(tmp_path):
    (tmp_path / "host").write_bytes(struct.pack("<III", BEFORE, 0, 0))
    return tmp_path / "host"


def run(host, kill_at, *more):
    """Its exit status; where it is not killed it begins, and ends when it sees that its stdin has ended."""
    return subprocess.run([sys.executable, str(PROGRAM), str(host), str(kill_at), "--shared", str(host.parent / "baker"),
                           "--until-stdin-ends"] + list(more), stdin=subprocess.DEVNULL, stderr=subprocess.PIPE,
                          timeout=60, check=False)


def state(host):
    return struct.unpack("<III", host.read_bytes())


def test_every_moment(host):
    seen = set()
    for kill_at in itertools.count():
        killed = run(host, kill_at)
        if killed.returncode == 0:
            break
        assert killed.returncode == -signal.SIGKILL, killed.stderr
        mask, enabled, _ = state(host)
        seen.add((mask, enabled))
        if kill_at & 1:
            done = run(host, -1)
        else:
            done = run(host, -1, "--restore")
        assert done.returncode == 0, done.stderr
        assert state(host)[:2] == (BEFORE, 0), kill_at
        with pytest.raises(SourceError, match="no baker runs here"):
            Reader(str(host.parent / "baker")).read()
        assert os.listdir(str(host.parent)) == ["host"]
    assert kill_at >= 8                                                 # each of its calls was the last one once
    assert {(BEFORE, 0), (NARROW, 0), (NARROW, 1)} <= seen              # before, while and after it changed the host
    assert state(host)[:2] == (BEFORE, 0)


def test_a_living_one_is_left_alone(host):
    with subprocess.Popen([sys.executable, str(PROGRAM), str(host), "-1", "--shared", str(host.parent / "baker"),
                           "--until-stdin-ends"], stdin=subprocess.PIPE, stderr=subprocess.PIPE) as living:
        lines = [living.stderr.readline() for _ in range(2)]
        assert b"baking into" in lines[1], lines
        assert state(host)[:2] == (NARROW, 1)
        refused = run(host, -1, "--shared", str(host.parent / "other"))
        assert refused.returncode == 1 and b"something else reads" in refused.stderr
        idle = run(host, -1, "--shared", str(host.parent / "other"), "--restore")
        assert (idle.returncode, idle.stderr) == (0, b"")           # none of that name has left anything to be put back
        for more in ([], ["--restore"]):
            refused = run(host, -1, *more)
            assert refused.returncode == 1 and b"a baker runs already" in refused.stderr
        assert state(host)[:2] == (NARROW, 1)
        living.stdin.close()
        assert living.wait(30) == 0
    assert state(host)[:2] == (BEFORE, 0)
