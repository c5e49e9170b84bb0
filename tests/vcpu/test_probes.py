"""What ``xenmeter check`` is told of the vCPU sources."""
import errno

import pytest
from helpers.fake_hypervisor import Domain, Vcpu
from helpers.vcpu_host import Host, dom0, guest

from xenmeter.core.errors import NoPrivilege, NotXen, Unsupported, VersionMismatch, XenmeterError
from xenmeter.vcpu import probes
from xenmeter.vcpu.page import encode

pytestmark = pytest.mark.usefixtures("compiler")


@pytest.fixture
def host(tmp_path):
    with Host(tmp_path / "state", [dom0(), guest(3, 100, 200)]) as fake:
        yield fake
        assert fake.mapped == 0 and fake.buffers == 0


def test_a_released_xen(host):
    assert probes.hypervisor(host.connect)[0] == ("Xen 4.17 by libxencall: 2 domains; interface versions 0x15 and 0x15, "
                                                  "those of 4.17")
    assert "runnable" in probes.own_runstate(host.connect)[0]
    assert probes.own_runstate(host.connect)[1] == "hypercalls: 1 per 1024 vCPUs of dom0, and those of getvcpuinfo"
    assert probes.getvcpuinfo(host.connect)[1] == "1 hypercalls for 4 vCPUs: 1 per 1024 vCPUs"
    with pytest.raises(Unsupported, match="XenServer"):
        probes.runstate_domctl(host.connect)
    with pytest.raises(Unsupported, match="no release of Xen"):
        probes.resource(host.connect, host.map)


def test_a_xen_without_multicall(host):
    host.set(multicall=0)
    why = "1 per vCPU, for there is no multicall (Xen answers: Function not implemented)"
    assert probes.own_runstate(host.connect)[1] == "hypercalls: %s of dom0, and those of getvcpuinfo" % why
    assert probes.getvcpuinfo(host.connect)[1] == "5 hypercalls for 4 vCPUs: " + why


def test_xenserver(host):
    host.set(runstate_domctl=1099)
    host.show([guest(3, 100, runstate=(0, 1, 11, 12, 13, 14, 15, 16))])
    assert "six runstates" in probes.runstate_domctl(host.connect)[0]
    host.show([guest(2, 100), guest(3, 100, runstate=(0, 1, 11, 12, 13, 14, 15, 16))])      # one has none yet
    assert "six runstates" in probes.runstate_domctl(host.connect)[0]
    host.show([guest(2, 100)])
    with pytest.raises(Unsupported, match="does not tell"):
        probes.runstate_domctl(host.connect)


def test_xenserver_of_now(host):
    host.set(runstate_domctl=98, runstate_words=11)
    host.show([guest(3, 100, runstate=(0, 1, 11, 12, 13, 14, 15, 16, 1, 2, 3))])
    measures, costs = probes.runstate_domctl(host.connect)
    assert "six runstates, and its vCPUs' mean time ready, running" in measures and "1 per 1024 domains" in costs


def test_runstates_of_each_vcpu(host):
    with pytest.raises(Unsupported, match="Xen has no such command; xentop-ng proposes it"):
        probes.vcpu_runstates(host.connect)
    host.set(vcpu_runstates=1)
    host.show([guest(3, 0)])
    with pytest.raises(Unsupported, match="no domain has run yet"):
        probes.vcpu_runstates(host.connect)
    host.show([Domain(3, [Vcpu(cpu_time=100, times=(100, 20, 3, 4))])])
    assert probes.vcpu_runstates(host.connect) == ("each vCPU: time running, runnable, blocked, offline; online, pCPU",
                                                   "hypercalls: 1 per 1024 vCPUs, and those of getvcpuinfo")


def test_pages(host, core):
    host.show([dom0(), Domain(3, [Vcpu()], stats=encode([(2, 1, 2, 3, 4, 5)]))])
    measures, costs = probes.resource(host.connect, host.map)
    assert measures == "each vCPU, from its domain's page: running, runnable, blocked, offline, state entry time; read by " + (
        "compiled code" if core == "compiled" else "Python")
    assert costs.startswith("no hypercall")
    host.show([dom0(), guest(3, 100, page=True)])
    assert "page: running; read" in probes.resource(host.connect, host.map)[0]
    host.show([dom0(), guest(1, 5, flags=1), guest(2, 5, flags=1), guest(3, 5, flags=1), guest(4, 100, page=True)])
    assert "page: running; read" in probes.resource(host.connect, host.map)[0]
    host.show([dom0(), guest(1, 5, flags=1)])
    with pytest.raises(Unsupported, match="no guest"):
        probes.resource(host.connect, host.map)


@pytest.mark.parametrize("fields, expected", [
    ({"open_error": errno.ENOENT}, NotXen), ({"open_error": errno.EACCES}, NoPrivilege), ({"sysctl": 0x17}, VersionMismatch)])
def test_why_not(host, fields, expected):
    host.set(**fields)
    for probe in (probes.hypervisor, probes.getvcpuinfo, probes.runstate_domctl):
        with pytest.raises(expected):
            probe(host.connect)


def test_this_machine():
    for _, probe in probes.PROBES:
        try:
            measures, costs = probe()
            assert measures and costs
        except XenmeterError as error:
            assert "\n" not in str(error)
