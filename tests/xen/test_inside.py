"""Grant tables, nodes and power states on a faked hypervisor, which answers as Xen's sources say (grant_table.c, sysctl.c,
pmstat.c, platform_hypercall.c)."""
import errno

import pytest
from helpers.fake_hypervisor import Domain, FakeHypervisor

from xenmeter.core.errors import NoPrivilege
from xenmeter.xen.calls import LibraryCalls, load
from xenmeter.xen.grants import GrantFrames
from xenmeter.xen.hypervisor import Hypervisor
from xenmeter.xen.power import PcpuPower, Power, State
from xenmeter.xen.topology import Place, nodes, places

PX = ((2400, 7000, 3), (1200, 93000, 4))
CX = ((0, 40000), (9, 60000))


@pytest.fixture
def fake(tmp_path):
    with FakeHypervisor(tmp_path / "state", [Domain(0)]) as hypervisor:
        yield hypervisor


@pytest.fixture
def xen(fake):
    opened = Hypervisor(LibraryCalls(load(fake.library)))
    yield opened
    opened.close()
    assert fake.buffers == 0


@pytest.mark.parametrize("multicall", [0, 1])
class TestGrants:
    def test_frames(self, fake, xen, multicall):
        fake.set(multicall=multicall)
        fake.show([Domain(0, grants=(1, 64)), Domain(7, grants=(31, 32)), Domain(9, grants=(0, 0))])
        told = GrantFrames(xen)
        for _ in range(2):      # one that is not there, one that has no table
            assert told.ask([0, 7, 8, 9]) == {0: (1, 64), 7: (31, 32)}
        assert told.ask([7]) == {7: (31, 32)} and told.ask([]) == {} and told.refused is None

    def test_the_price(self, fake, xen, multicall):
        fake.set(multicall=multicall)
        fake.show([Domain(domid, grants=(domid, 5000)) for domid in range(1500)])
        told = GrantFrames(xen)
        told.ask([0])
        before = fake.hypercalls
        assert told.ask(list(range(1500))) == {domid: (domid, 5000) for domid in range(1500)}
        assert fake.hypercalls - before == (2 if multicall else 1500)

    @pytest.mark.parametrize("code", [errno.ENOSYS, errno.EPERM])
    def test_a_xen_that_does_not_tell(self, fake, xen, multicall, code):
        fake.set(multicall=multicall)
        fake.fault(op=20, error=code)
        told = GrantFrames(xen)
        assert told.ask([0]) == {} and str(code) in told.refused
        before = fake.hypercalls
        assert told.ask([0]) == {} and fake.hypercalls == before


class TestTopology:
    def test_places(self, fake, xen):
        gone = (0xffffffff,) * 3
        fake.set(places=((0, 0, 0), (5, 1, 1), gone, (6, 1, 0xffffffff)))
        assert places(xen, 4) == [Place(0, 0, 0), Place(5, 1, 1), None, Place(6, 1, None)]
        assert places(xen, 9) == places(xen, 4) and places(xen, 1) == [Place(0, 0, 0)]

    def test_nodes(self, fake, xen):
        fake.set(nodes=((10, 7), (0xffffffff, 0xffffffff), (30, 0)))
        assert nodes(xen) == [(10, 7), None, (30, 0)]

    def test_not_allowed(self, fake, xen):
        for cmd in (16, 17):
            fake.fault(op=35, cmd=cmd, error=errno.EPERM)
        with pytest.raises(NoPrivilege, match="where the pCPUs are"):
            places(xen, 4)
        with pytest.raises(NoPrivilege, match="nodes"):
            nodes(xen)


@pytest.mark.parametrize("multicall", [0, 1])
class TestPower:
    def test_all_that_there_is(self, fake, xen, multicall):
        """100 degrees is the most; the core is 38 below it, its package 21. A pCPU that is offline tells nothing."""
        fake.set(multicall=multicall, px=PX, cx=CX, msrs=(100 << 16, 1 << 31 | 38 << 16 | 0xffff, 21 << 16),
                 places=((0, 0, 0), (1, 0, 0), (0xffffffff,) * 3, (2, 0, 0)))
        power = Power(xen)
        states = [State(*px) for px in PX]
        for _ in range(2):
            told = power.ask(4)
            assert told[0] == told[1] == told[3] == PcpuPower(
                states, [State(None, 40000, 0), State(None, 60000, 9)], 62, 79)
            assert told[2] == PcpuPower(None, None, None, None)
        assert power.refused == {}
        power.close()

    def test_the_price(self, fake, xen, multicall):
        fake.set(multicall=multicall, px=PX, cx=CX, msrs=(100 << 16, 1 << 31, 0))
        power = Power(xen)
        power.ask(4)
        before = fake.hypercalls
        power.ask(4)
        assert fake.hypercalls - before == (3 if multicall else 12)
        power.close()

    def test_nothing(self, fake, xen, multicall):
        """As in a machine without a clock that Xen drives, and a Xen that lets no thermometer be read: neither is asked again."""
        fake.set(multicall=multicall)
        power = Power(xen)
        assert power.ask(4) == [PcpuPower(None, None, None, None)] * 4
        assert power.refused == {"pstates": "Xen answers: No such device", "cstates": "Xen has been told of none",
                                 "temperature": "Xen lets no thermometer be read"}
        before = fake.hypercalls
        power.ask(4)
        assert fake.hypercalls == before
        power.close()

    @pytest.mark.parametrize("msrs, celsius", [
        ((90 << 16,), (None, None)),        # only the target
        ((90 << 16, 5 << 16), (None, None)),        # no valid reading yet
        ((90 << 16, 1 << 31 | 5 << 16), (85, None)),        # no sensor of the package
        ((0, 1 << 31 | 5 << 16, 5 << 16), (None, None)),        # a target of 0 is none
        ((90 << 16, 1 << 31 | 0xff << 16, 0x80 << 16), (90 - 0x7f, 90))])       # seven bits
    def test_thermometers(self, fake, xen, multicall, msrs, celsius):
        fake.set(multicall=multicall, msrs=msrs)
        power = Power(xen)
        assert [told[2:] for told in power.ask(2)] == [celsius] * 2
        power.close()

    @pytest.mark.parametrize("code", [errno.EPERM, errno.ENOSYS, errno.EOPNOTSUPP])
    def test_a_xen_that_does_not_tell(self, fake, xen, multicall, code):
        fake.set(multicall=multicall, px=PX, cx=CX, msrs=(1, 2, 3))
        xen.interface_versions()
        fake.fault(op=35, cmd=10, error=code)
        fake.fault(op=7, error=code)
        power = Power(xen)
        assert power.ask(4) == [PcpuPower(None, None, None, None)] * 4 and set(power.refused) == {
            "pstates", "cstates", "temperature"}
        power.close()

    def test_more_pcpus_than_before(self, fake, xen, multicall):
        fake.set(multicall=multicall, px=PX, pcpus=2)
        power = Power(xen)
        assert len(power.ask(2)) == 2
        fake.set(pcpus=4)
        assert [told.pstates[1].mhz for told in power.ask(4)] == [1200] * 4
        power.close()
