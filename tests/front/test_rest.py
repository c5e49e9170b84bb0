"""Between two readings a plugin sleeps: none of its threads is woken, for whatever it is."""
import pathlib
import subprocess
import sys
import time

import pytest

from helpers.fake_xenstored import FakeXenstored, host as xenstore_of
from helpers.paths import TOP
from helpers.vcpu_host import Host, dom0, guest


def switches(pid):
    """How often its threads went to sleep so far: each system call that waits ends in one, each that does not in none."""
    found = {}
    for thread in pathlib.Path("/proc/%d/task" % pid).iterdir():
        status = (thread / "status").read_text()
        found[thread.name] = int(status.split("voluntary_ctxt_switches:", 1)[1].split()[0])
    return found


@pytest.mark.parametrize("mode", ["stdin", "none"])
@pytest.mark.parametrize("plugin", [("vcpu", "hypercall"), ("xentop", "direct")])
def test_it_sleeps(tmp_path, plugin, mode):
    with Host(tmp_path / "state", [dom0(), guest(1, 100)]) as xen:
        with FakeXenstored(xenstore_of(1), str(tmp_path / "socket")) as store:
            environment = xen.preload(XENSTORED_PATH=store.path, XENMETER_COUNTERS="",
                                      PYTHONPATH=str(pathlib.Path(TOP) / "plugins"))
            execd = subprocess.Popen([sys.executable, "-m", "xenmeter", "execd", plugin[0], "--source", plugin[1], "--interval",
                                      "3600", "--signal", mode], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            try:
                before = {}
                # the first reading is over, and what is left to do after it
                while not xen.hypercalls or len(before) != 2 or before != switches(execd.pid):
                    assert execd.poll() is None
                    before = switches(execd.pid)
                    time.sleep(1.0)
                time.sleep(2.0)
                assert switches(execd.pid) == before
            finally:
                execd.stdin.close()
                execd.wait()
                execd.stdout.close()
