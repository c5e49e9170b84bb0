"""Weight, cap, cpupool and hard affinity, as the hypervisor says: many at once and one by one."""
import errno

import pytest
from helpers.fake_hypervisor import Domain, FakeHypervisor, Vcpu

from xenmeter.xen.calls import LibraryCalls, load
from xenmeter.xen.hypervisor import Hypervisor
from xenmeter.xen.scheduling import REST_S, Scheduling, Terms


class Host(FakeHypervisor):
    def open(self):
        self.now = 100.0
        self.xen = Hypervisor(LibraryCalls(load(self.library)))
        self.scheduling = Scheduling(self.xen, lambda: self.now)

    def read(self):
        return self.scheduling.read(self.xen.domains(), self.xen.host())


def domains():
    return [Domain(0, [Vcpu(), Vcpu()], weight=512), Domain(3, weight=100, cap=150, affinity=0x5),
            Domain(4, cpupool=5, weight=7), Domain(5, cpupool=8), Domain(6, [])]


@pytest.fixture(params=[1, 0], ids=["multicall", "one by one"])
def host(request, tmp_path):
    with Host(tmp_path / "xen", domains(), pcpus=4, idle=(1, 1, 1, 1), multicall=request.param) as host:
        host.open()
        yield host
        host.xen.close()
        assert host.buffers == 0


def test_terms(host):
    assert host.read() == {
        0: Terms(0, "credit2", 512, 0, "all", 4), 3: Terms(0, "credit2", 100, 150, "0,2", 2),
        4: Terms(5, "credit", 7, 0, "all", 4), 5: Terms(8, "rtds", None, None, "all", 4),
        6: Terms(0, "credit2", 256, 0, None, None)}


def test_they_are_asked_for_rarely(host):
    before = host.read()
    made = host.xen.hypercalls
    host.domains[1].weight = 200
    host.show(host.domains)
    assert host.read() is before and host.xen.hypercalls == made + 2      # the list and the host alone
    host.now += REST_S
    after = host.read()
    assert after[3].weight == 200 and after[0] is before[0]
    host.domains[1].cpupool = 5     # moved to another pool: at once
    host.show(host.domains)
    assert host.read()[3].scheduler == "credit"


def test_a_thousand_are_one_trap(tmp_path):
    with Host(tmp_path / "xen", [Domain(number, [Vcpu(), Vcpu()]) for number in range(1000)]) as host:
        host.open()
        host.read()
        host.now += REST_S
        infos, info = host.xen.domains(), host.xen.host()
        made = host.xen.hypercalls
        assert len(host.scheduling.read(infos, info)) == 1000
        assert host.xen.hypercalls - made == 1 + 1 + 2      # the pool, weights, affinity of 2000 vCPUs
        host.xen.close()


@pytest.mark.parametrize("error", [errno.ENOSYS, errno.EPERM, errno.ESRCH])
def test_what_xen_does_not_say_is_not_known(host, error):
    host.fault(op=36, cmd=16, error=error)
    assert host.read()[3] == Terms(0, "credit2", None, None, "0,2", 2)
    host.fault(op=36, cmd=25, error=error)
    host.now += REST_S
    assert host.read()[3] == Terms(0, "credit2")
    host.fault(op=35, cmd=18, error=error)
    host.now += REST_S
    assert host.read()[3] == Terms(0, None)
