"""Others are told that a profile runs: `check`, the baker's figures, a second profile."""
import os
import subprocess
import sys

import pytest
from helpers import fake_guest as fake

from xenmeter.core import profiling
from xenmeter.core.errors import SourceError, Unsupported
from xenmeter.front.commands import check
from xenmeter.profile import probes, session


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.setattr(profiling, "PATH", str(tmp_path / "run" / "lock"))
    return tmp_path / "run" / "lock"


def test_while_one_runs_it_is_said(place):
    assert not profiling.running() and profiling.beside(None) is None and profiling.beside("x") == "x"
    held = profiling.begin()
    assert profiling.beside(None) == profiling.REMARK and profiling.beside("x") == "x; " + profiling.REMARK
    with pytest.raises(SourceError, match="another `xenmeter profile` runs"):
        profiling.begin()
    held.release()
    assert not profiling.running() and not place.exists()


def test_one_that_was_killed_is_none(place):
    script = "import os, sys; from xenmeter.core import profiling; profiling.begin(sys.argv[1]); os.kill(os.getpid(), 9)"
    subprocess.run([sys.executable, "-c", script, str(place)], check=False)
    assert place.exists() and not profiling.running()
    profiling.begin().release()


def test_check_says_what_it_costs(monkeypatch):
    xen = fake.Xen({0: [], 5: [], 7: []})
    xen.interface_versions = lambda: (0x15, 0x15)
    measures, costs = probes.profile(lambda: xen, fake.Memory)
    assert measures.startswith("2 guests can be profiled") and "never a whole domain, never dom0" in costs and xen.paused == []
    monkeypatch.setattr(session.platform, "machine", lambda: "aarch64")
    with pytest.raises(Unsupported, match="x86-64 hosts"):
        probes.profile(lambda: xen)
    assert "profile" in [name for name, _ in check.probes()]


def test_a_session_says_it_and_stops_saying_it(place, monkeypatch):
    xen = fake.Xen({5: [None]})
    monkeypatch.setattr(session.LiveNames, "snapshot", lambda self: None)
    made = session.Session(["5"], None, None, None, xen=xen, mapper=fake.Memory)
    assert profiling.running()
    made.close()
    assert not profiling.running() and os.listdir(str(place.parent)) == []
