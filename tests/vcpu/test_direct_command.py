"""`xenmeter xentop --source direct` as a process: the real libraries over a faked kernel's device, in every format."""
import json
import pathlib
import subprocess
import sys

import pytest
from helpers.fake_xenstored import FakeXenstored, host as xenstore_of
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from tools import provision
from helpers.vcpu_host import Host, dom0, guest

PLUGINS = pathlib.Path(__file__).resolve().parents[2] / "plugins"

pytestmark = pytest.mark.usefixtures("compiler")


def run(tmp_path, *arguments):
    provision.ensure("libxen-dev")
    libraries = {"LD_LIBRARY_PATH": provision.environment("libxen-dev").get("LD_LIBRARY_PATH", "")}
    with Host(tmp_path / "state", [dom0(), guest(1, 100, 200), guest(2, 300)]) as host:
        with FakeXenstored(xenstore_of(3, vifs=False), str(tmp_path / "socket")) as store:
            ran = subprocess.run(
                [sys.executable, "-m", "xenmeter", "xentop", "--source", "direct", "--interval", "0.1"] + list(arguments),
                env=host.preload(PYTHONPATH=str(PLUGINS), XENSTORED_PATH=store.path, **libraries), timeout=60,
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True)
    assert (ran.returncode, ran.stderr) == (0, "")
    return ran.stdout


def test_the_mirror_has_xentops_keys(tmp_path):
    first, second = [json.loads(line) for line in run(tmp_path, "--format", "json", "--count", "2").splitlines()]
    assert [domain["domid"] for domain in second["domains"]] and len(first["domains"]) == 3
    for domain in second["domains"]:
        assert {"name", "state", "cpu_seconds", "cpu_percent", "mem_bytes", "max_mem_bytes", "vcpus", "nets", "net_tx_bytes",
                "net_rx_bytes", "vbds", "vbd_oo", "vbd_rd", "vbd_wr", "vbd_rsect", "vbd_wsect", "ssid", "uuid", "domid",
                "vcpu_seconds"} <= set(domain)


def test_figures_are_exact_and_hypercalls_are_counted(tmp_path):
    lines = run(tmp_path, "--format", "influx", "--count", "1").splitlines()
    times = sorted(line.partition(" ")[2].split()[0] for line in lines if line.startswith("xen_domain_vcpu,"))
    assert times == sorted("cpu_time_ns=%di" % ns for ns in (500, 40, 100, 200, 300))
    assert any(line.startswith("xenmeter,plugin=xentop ") and "hypercalls=" in line for line in lines)


def test_openmetrics_is_strict(tmp_path):
    text = run(tmp_path, "--format", "openmetrics", "--count", "1")
    families = {family.name for family in text_string_to_metric_families(text)}
    assert {"xen_domain_cpu_seconds", "xen_pcpu_busy_seconds", "xen_host_memory_bytes", "xenmeter_hypercalls"} <= families
