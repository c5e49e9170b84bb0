"""The whole plugin as a process: the real libraries on a faked kernel's device, a faked xenstored, the real command."""
import errno
import json
import pathlib
import subprocess
import sys

import pytest
from helpers.fake_xenstored import FakeXenstored, host as xenstore_of
from tools import provision
from helpers.vcpu_host import Host, dom0, guest

HERE = pathlib.Path(__file__).resolve().parent

pytestmark = pytest.mark.usefixtures("compiler")


@pytest.fixture
def host(tmp_path):
    with Host(tmp_path / "state", [dom0(), guest(1, 100, 200), guest(2, 300, page=True), guest(3, 5)]) as fake:
        yield fake


@pytest.fixture(params=["libraries", "device"])
def libraries(request):
    """Where the libraries are found; nowhere, so that the device alone must do."""
    if request.param == "device":
        return {}
    provision.ensure("libxen-dev")
    return {"LD_LIBRARY_PATH": provision.environment("libxen-dev").get("LD_LIBRARY_PATH", "")}


def run(host, tmp_path, extra, *arguments):
    with FakeXenstored(xenstore_of(3), str(tmp_path / "socket")) as store:
        environment = host.preload(PYTHONPATH=str(HERE.parents[1] / "plugins"), XENSTORED_PATH=store.path, **extra)
        return subprocess.run([sys.executable, "-m", "xenmeter", "vcpu"] + list(arguments), env=environment, timeout=60,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True)


def test_json(host, tmp_path, libraries):
    ran = run(host, tmp_path, libraries, "--format", "json", "--count", "2", "--interval", "0.1")
    assert (ran.returncode, ran.stderr) == (0, "")
    first, second = [json.loads(line) for line in ran.stdout.splitlines()]
    assert second["time_ns"] > first["time_ns"] and second["domains"] == first["domains"]
    assert [(domain["domid"], domain["source"], [vcpu["running_ns"] for vcpu in domain["vcpus"]])
            for domain in first["domains"]] == [
        (0, "own_runstate", [500, 40]), (1, "getvcpuinfo", [100, 200]), (2, "resource", [300]), (3, "getvcpuinfo", [5])]
    assert first["domains"][0]["vcpus"][0] == {
        "vcpu": 0, "running_ns": 500, "runnable_ns": 60, "blocked_ns": 7, "offline_ns": 1, "online": 1, "pcpu": 1,
        "state_entry_time_ns": None}
    assert first["domains"][0]["name"] == "Domain-0" and len({domain["name"] for domain in first["domains"]}) == 4


def test_openmetrics(host, tmp_path, libraries):
    ran = run(host, tmp_path, libraries, "--format", "openmetrics", "--count", "1", "--source", "hypercall")
    assert ran.returncode == 0 and ran.stdout.endswith("# EOF\n")
    assert 'xen_vcpu_runstate_seconds_total' in ran.stdout and 'source="resource"' not in ran.stdout


@pytest.mark.parametrize("code, text", [(errno.ENOENT, "there is no /dev/xen/privcmd"), (errno.EACCES, "run as root")])
def test_it_cannot_run_here(host, tmp_path, libraries, code, text):
    host.set(open_error=code)
    ran = run(host, tmp_path, libraries, "--count", "1")
    assert ran.returncode == 1 and ran.stdout == ""
    assert text in ran.stderr and len(ran.stderr.splitlines()) == 1


def test_no_version_fits(host, tmp_path, libraries):
    host.set(sysctl=0x17)
    ran = run(host, tmp_path, libraries, "--count", "1")
    assert ran.returncode == 1 and "takes none of the sysctl versions" in ran.stderr


def test_this_machine(tmp_path):
    """Without Xen: one line, and no traceback."""
    ran = subprocess.run([sys.executable, "-m", "xenmeter", "vcpu", "--count", "1"], stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE, universal_newlines=True, timeout=60)
    assert ran.returncode in (0, 1) and len(ran.stderr.splitlines()) <= 1 and "Traceback" not in ran.stderr
