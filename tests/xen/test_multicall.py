"""Many vCPUs in one trap say what each says by itself, whatever becomes of their domains; and what happens without multicalls."""
import errno
import os

import pytest
from helpers.fake_hypervisor import Domain, FakeHypervisor, Vcpu
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from xenmeter.core.errors import DomainGone, NoPrivilege, SourceError
from xenmeter.xen import multicall, structs
from xenmeter.xen.calls import LibraryCalls, load
from xenmeter.xen.hypervisor import Hypervisor
from xenmeter.xen.vcpus import Vcpus, price


@pytest.fixture(scope="module")
def fake(tmp_path_factory):
    with FakeHypervisor(tmp_path_factory.mktemp("xen") / "state", [Domain(0)]) as hypervisor:
        yield hypervisor


@pytest.fixture
def xen(fake):
    fake.faults = []
    fake.set(multicall=1, domctl=0x15)
    opened = Hypervisor(LibraryCalls(load(fake.library)))
    opened.interface_versions()
    yield opened
    opened.close()
    assert fake.buffers == 0


def one_by_one(xen, wanted):
    """As Vcpus.ask, with the hypercall of each."""
    found, gone = [], set()
    for domid, number in wanted:
        for vcpu in range(number):
            info = None
            try:
                info = None if domid in gone else xen.vcpu(domid, vcpu)
            except DomainGone:
                gone.add(domid)
            found.append((None,) * 3 if info is None else (info.cpu_time, info.online, info.cpu))
    return found, gone


def at_once(xen, wanted):
    told = Vcpus(xen).ask(wanted)
    return list(zip(told.cpu_time, told.online, told.cpu)), told.gone


vcpus = st.builds(Vcpu, exists=st.sampled_from([1, 1, 1, 0]), online=st.integers(0, 1), cpu=st.integers(0, 4095),
                  cpu_time=st.one_of(st.integers(0, 2 ** 62), st.just(1 << 63 | 77)))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.lists(vcpus, max_size=5), min_size=1, max_size=6), st.lists(st.integers(0, 8), max_size=8), st.sampled_from(
    [0x10, 0x15, 0x18]))
def test_any_host(fake, xen, hosts, wanted, domctl):
    """Domains that are there, that are not, vCPUs that were not made yet, more vCPUs than there are."""
    fake.set(domctl=domctl)
    fake.show([Domain(3 * number, one) for number, one in enumerate(hosts)])
    xen._domctl = domctl
    asked = [(domid, number) for domid, number in enumerate(wanted)]
    # a vCPU 0 that was not made yet looks like a domain that is gone, before 4.22; so it does to a single question
    assert at_once(xen, asked) == one_by_one(xen, asked)
    assert xen.multicall.refused is None


def test_what_it_costs(fake, xen):
    number = 2 * multicall.MOST + 100
    fake.show([Domain(domid, [Vcpu(cpu_time=domid * 10 + vcpu, cpu=vcpu) for vcpu in range(4)]) for domid in range(number // 4)])
    asking, wanted = Vcpus(xen), [(domid, 4) for domid in range(number // 4)]
    for _ in range(2):
        before = fake.hypercalls
        told = asking.ask(wanted)
        assert fake.hypercalls - before == 3
    assert told.cpu_time == [domid * 10 + vcpu for domid in range(number // 4) for vcpu in range(4)]
    assert told.cpu == list(range(4)) * (number // 4) and set(told.online) == {1}
    assert price(xen) == "1 per 1024 vCPUs"
    assert asking.ask(wanted[5:7]).cpu_time == told.cpu_time[20:28] and asking.ask([]).cpu_time == []


def test_own_runstates(fake, xen):
    flag = 1 << 63
    fake.show([Domain(0, [Vcpu(state=2, entry=5, times=(1, 2, 3, 4)), Vcpu(entry=flag | 6, times=(flag | 5, 6, 7, 8))])])
    asking = Vcpus(xen)
    before = fake.hypercalls
    found = asking.own_runstates(2)
    assert fake.hypercalls - before == 1 and found == [xen.own_runstate(0), xen.own_runstate(1)]
    assert found[1].running == 5 and asking.own_runstates(3) == found + [None]
    fake.set(multicall=0)
    assert asking.own_runstates(2) == found and asking.own_runstates(0) == []


@pytest.mark.parametrize("fields, code, why", [
    ({"multicall": 0}, 0, "Function not implemented"), ({}, errno.EPERM, "Operation not permitted"),
    ({"multicall": 2}, 0, "did not make all of its calls")])
def test_a_xen_without_it(fake, xen, fields, code, why):
    """It is asked for it once."""
    fake.show([Domain(0, [Vcpu(cpu_time=7)]), Domain(4, [Vcpu(cpu_time=8), Vcpu(cpu_time=9, online=0)])])
    fake.set(**fields)
    if code:
        fake.fault(op=13, error=code)
    asking, wanted = Vcpus(xen), [(0, 1), (4, 2), (5, 2)]
    for calls in (5, 4):
        before = fake.hypercalls
        told = asking.ask(wanted)
        assert fake.hypercalls - before == calls
        assert (told.cpu_time, told.online, told.gone) == ([7, 8, 9, None, None], [1, 1, 0, None, None], {5})
    assert why in xen.multicall.refused and why in price(xen)


def test_calls_that_work_alone_only(fake, xen):
    fake.show([Domain(0, [Vcpu(cpu_time=7), Vcpu(cpu_time=8)])])
    fake.fault(op=36, cmd=14, error=errno.ENOSYS, times=2)
    asking = Vcpus(xen)
    assert asking.ask([(0, 2)]).cpu_time == [7, 8] and "error 38" in xen.multicall.refused
    before = fake.hypercalls
    assert asking.ask([(0, 2)]).cpu_time == [7, 8] and fake.hypercalls - before == 2


@pytest.mark.parametrize("code, error", [(errno.EPERM, NoPrivilege), (errno.EFAULT, SourceError)])
def test_what_is_wrong_is_said_as_ever(fake, xen, code, error):
    fake.show([Domain(0, [Vcpu(), Vcpu()])])
    fake.fault(op=36, cmd=14, error=code)
    with pytest.raises(error):
        Vcpus(xen).ask([(0, 2)])
    assert xen.multicall.refused is None


def test_a_domain_that_goes_between_two_calls(fake, xen):
    fake.show([Domain(0), Domain(3, [Vcpu(cpu_time=5), Vcpu(cpu_time=6)]), Domain(4, [Vcpu(cpu_time=7)])])
    fake.fault(op=36, cmd=14, domid=3, skip=1, kill=3)
    told = Vcpus(xen).ask([(0, 1), (3, 2), (4, 1)])
    assert told.cpu_time == [0, 5, None, 7] and told.gone == set()
    assert Vcpus(xen).ask([(3, 2), (4, 1)]).gone == {3}


@pytest.mark.parametrize("machine", ["i686", "armv7l"])
def test_a_kernel_of_32_bits_is_asked_nothing(fake, xen, monkeypatch, machine):
    monkeypatch.setattr(os, "uname", lambda: type("Names", (), {"machine": machine}))
    fake.show([Domain(0, [Vcpu(cpu_time=7)])])
    other = Hypervisor(LibraryCalls(load(fake.library)))
    other.interface_versions()
    fake.fault(op=13, error=errno.EINVAL, kill=0)
    assert Vcpus(other).ask([(0, 1)]).cpu_time == [7]
    assert "64 bits" in price(other)
    other.close()


def test_entries_are_written_anew_for_each_call(fake, xen):
    """The fake, as a debug build of Xen, leaves nothing of them but the result; and other calls lie in the same buffers."""
    fake.show([Domain(0, [Vcpu(cpu_time=7, times=(7, 1, 1, 1))]), Domain(1, [Vcpu(cpu_time=number) for number in range(200)])])
    asking = Vcpus(xen)
    for number in (1, 200, 3, 200):
        assert asking.ask([(1, number)]).cpu_time == list(range(number))
        assert asking.own_runstates(1)[0].running == 7
    assert structs.MULTICALL_ENTRY.size == 64
