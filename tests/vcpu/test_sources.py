"""What each source says of a host, and what happens when the host changes or fails."""
import errno
import struct
import threading

import pytest
from helpers.fake_hypervisor import Domain, Vcpu
from helpers.fake_xenstored import FakeXenstored, host as xenstore_of
from helpers.vcpu_host import Host, dom0, guest, uuid_of

from xenmeter.core.errors import NoPrivilege, NotXen, SourceError, Unsupported, VersionMismatch
from xenmeter.vcpu.collector import Collector
from xenmeter.vcpu.live import LiveVcpus
from xenmeter.vcpu.page import encode
from xenmeter.vcpu.records import DomainVcpus, Vcpu as Figures, from_json, to_json
from xenmeter.xen.xenstore import Xenstore
from xenmeter.xentop.direct.live import LiveDirect

pytestmark = pytest.mark.usefixtures("compiler")


@pytest.fixture
def host(tmp_path):
    with Host(tmp_path / "state", [dom0(), guest(3, 100, 200), guest(9, 300)]) as fake:
        yield fake
        assert fake.mapped == 0 and fake.buffers == 0, "something was not given back"


def by_domid(sample):
    return {domain.domid: domain for domain in sample.domains}


class TestHypercalls:
    def test_what_it_says(self, host):
        readings = host.readings("hypercall")
        sample = next(readings)
        assert sample.domains == [
            DomainVcpus(0, uuid_of(0), "Domain-0", False, "own_runstate", 2, 540, None,
                        [Figures(0, 500, 60, 7, 1, 1, 1), Figures(1, 40, 5, 6, 0, 1, 0)]),
            DomainVcpus(3, uuid_of(3), "guest-3", False, "getvcpuinfo", 2, 300, None,
                        [Figures(0, 100, None, None, None, 1, 0), Figures(1, 200, None, None, None, 1, 1)]),
            DomainVcpus(9, uuid_of(9), "guest-9", False, "getvcpuinfo", 1, 300, None,
                        [Figures(0, 300, None, None, None, 1, 0)])]
        assert sample.left_out == {} and sample.trouble is None and sample.time_ns > 10 ** 18
        assert from_json(to_json(sample)) == sample
        readings.close()

    def test_what_it_costs(self, host):
        source = host.source("hypercall")
        readings = source.samples(threading.Event(), None)
        for _ in range(3):
            next(readings)
        before = host.hypercalls
        next(readings)
        assert host.hypercalls - before == 3      # the list, dom0's runstates, all vCPUs
        assert source.hypercalls == host.hypercalls and source.cpu_ns > 0
        assert host.resource_calls == 0
        readings.close()

    def test_offline_and_missing_vcpus(self, host):
        host.show([dom0(), Domain(5, [Vcpu(cpu_time=1), Vcpu(online=0, cpu_time=2), Vcpu(exists=0)])])
        readings = host.readings("hypercall")
        found = by_domid(next(readings))[5]
        assert found.vcpus == 3 and [(vcpu.vcpu, vcpu.online) for vcpu in found.figures] == [(0, 1), (1, 0)]
        readings.close()

    def test_the_flag_in_bit_63(self, host):
        host.show([dom0(), guest(5, 1 << 63 | 77)])
        readings = host.readings("hypercall")
        found = by_domid(next(readings))[5]
        assert found.figures[0].running == 77 == found.cpu_time
        readings.close()

    def test_a_control_domain_that_is_not_domain_0(self, host):
        """What Xen tells it of itself is never told as domain 0's."""
        host.show([Domain(0, [Vcpu(cpu_time=500 * 10 ** 9, times=(7 * 10 ** 9, 60, 7, 1))]), guest(5, 77)])
        readings = host.readings("hypercall")
        for _ in range(2):
            sample = next(readings)
            found = by_domid(sample)
            assert found[0].source == "getvcpuinfo" and found[0].figures == [Figures(0, 500 * 10 ** 9, None, None, None, 1, 0)]
            assert [line for line in sample.notices if "this is not domain 0" in line]
        readings.close()

    def test_clocks_of_two_pcpus_that_differ_are_no_other_domain(self, host):
        host.show([Domain(0, [Vcpu(cpu_time=500 * 10 ** 9, times=(500 * 10 ** 9 - 900000, 60, 7, 1))])])
        readings = host.readings("hypercall")
        sample = next(readings)
        assert sample.domains[0].source == "own_runstate" and sample.notices == ()
        readings.close()

    def test_arm64(self, host):
        """A domain's record is longer, and no domain is told its own runstates."""
        host.set(domaininfo_size=120)
        host.fault(op=24, error=errno.EINVAL)
        readings = host.readings("hypercall")
        for _ in range(2):
            found = by_domid(next(readings))
            assert found[0].source == "getvcpuinfo" and [vcpu.running for vcpu in found[0].figures] == [500, 40]
            assert [vcpu.running for vcpu in found[3].figures] == [100, 200]
        before = host.hypercalls
        next(readings)
        assert host.hypercalls - before == 1 + 1      # the list, all vCPUs
        readings.close()

    def test_runstates_of_domains(self, host):
        host.set(runstate_domctl=98)
        host.show([dom0(), guest(3, 100, runstate=(0, 1, 11, 12, 13, 14, 15, 16))])
        readings = host.readings()
        found = by_domid(next(readings))[3]
        assert found.source == "runstate_domctl" and found.runstates == (11, 12, 13, 14, 15, 16)
        assert found.figures[0].running == 100
        readings.close()

    def test_mean_times_of_domains(self, host):
        """XCP-ng's Xen since 4.17.5-18 tells how long a domain's vCPUs were ready. One of before leaves our zeros: not known."""
        host.set(runstate_domctl=98, runstate_words=11)
        told = (7 << 32, 1, 11, 12, 13, 14, 15, 16, 21, 22, 23)
        host.show([dom0(), guest(3, 100, runstate=told), guest(4, 5, runstate=told[:8] + (0, 30, 0)), guest(5, 0)])
        readings = host.readings()
        sample = next(readings)
        found = by_domid(sample)
        assert (found[3].means, found[3].missed, found[3].runstates) == ((21, 22, 23), 7, (11, 12, 13, 14, 15, 16))
        assert (found[4].means, found[5].means, found[5].missed, found[0].means) == ((0, 30, 0), None, None, None)
        assert from_json(to_json(sample)) == sample
        host.set(runstate_words=8)
        found = by_domid(next(readings))
        assert (found[3].means, found[3].missed, found[3].runstates) == (None, 7, (11, 12, 13, 14, 15, 16))
        readings.close()

    def test_runstates_of_many_domains_take_one_hypercall(self, host):
        host.set(runstate_domctl=98, runstate_words=11)
        host.show([guest(domid, 1, runstate=(0, 1, 2, 3, 4, 5, 6, 7, domid, 9, 10)) for domid in range(1, 1001)])
        readings = host.readings("hypercall")
        next(readings)
        before = host.hypercalls
        sample = next(readings)
        assert host.hypercalls - before == 3      # the list, the domains, all vCPUs
        assert [domain.means for domain in sample.domains] == [(domid, 9, 10) for domid in range(1, 1001)]
        host.fault(op=36, cmd=98, domid=7, error=errno.EBUSY)
        host.fault(op=36, cmd=98, domid=8, kill=8)
        found = by_domid(next(readings))
        assert found[7].runstates is None and found[9].means == (9, 9, 10) and len(found) == 999
        readings.close()

    @pytest.mark.parametrize("version", [1, 2])
    @pytest.mark.parametrize("multicall", [0, 1])
    def test_runstates_of_each_vcpu(self, host, version, multicall):
        """As xentop-ng proposes them; the domain's own are told beside them where the host has both."""
        host.set(vcpu_runstates=version, multicall=multicall, runstate_domctl=98)
        host.show([dom0(), Domain(3, [Vcpu(cpu_time=100, cpu=2, state=1, entry=9, times=(100, 20, 3, 4)),
                                      Vcpu(cpu_time=7, online=0, state=3, entry=8, times=(7, 0, 0, 5)), Vcpu(exists=0)],
                                  runstate=(0, 1, 11, 12, 13, 14, 15, 16)), guest(4, 0)])
        readings = host.readings("hypercall")
        for _ in range(2):
            found = by_domid(next(readings))
            assert found[3].source == "vcpu_runstates" and found[3].runstates == (11, 12, 13, 14, 15, 16)
            assert found[3].figures == [Figures(0, 100, 20, 3, 4, 1, 2, 9), Figures(1, 7, 0, 0, 5, 0, 0, 8)]
            assert (found[0].source, found[4].source) == ("own_runstate", "getvcpuinfo")    # the one has never run
        readings.close()

    @pytest.mark.parametrize("domctl, release, asked", [(0x18, 4 << 16 | 23, 0), (0x18, 4 << 16 | 22, 1), (0x17, 5 << 16, 1)])
    def test_a_later_xen_may_mean_something_else_by_that_number(self, host, domctl, release, asked):
        """A new command does not always come with a new version of the interface, so a later release is not asked."""
        host.set(vcpu_runstates=2, domctl=domctl, xen_version=release)
        host.show([Domain(3, [Vcpu(cpu_time=100, times=(100, 20, 3, 4))])])
        readings = host.readings("hypercall")
        assert [domain.source for domain in next(readings).domains] == [["getvcpuinfo", "vcpu_runstates"][asked]]
        readings.close()

    def test_answers_that_are_none(self, host):
        """Zeros for three domains: that command is another one, and is not asked for again."""
        host.set(vcpu_runstates=1)
        host.show([guest(domid, 5) for domid in range(1, 9)])
        readings = host.readings("hypercall")
        assert {domain.source for domain in next(readings).domains} == {"getvcpuinfo"}
        before = host.hypercalls
        next(readings)
        assert host.hypercalls - before == 2
        readings.close()

    def test_guests_that_have_not_run_have_none_yet(self, host):
        host.set(runstate_domctl=1099)
        told = (0, 1, 11, 12, 13, 14, 15, 16)
        host.show([guest(domid, 0) for domid in range(1, 9)])
        readings = host.readings()
        assert {domain.source for domain in next(readings).domains} == {"getvcpuinfo"}
        host.show([guest(domid, 1, runstate=told) for domid in range(1, 9)])
        assert {domain.runstates for domain in next(readings).domains} == {told[2:]}
        readings.close()

    def test_a_policy_that_forbids_them(self, host):
        for number in (1099, 98):
            host.fault(op=36, cmd=number, error=errno.EPERM)
        readings = host.readings("hypercall")
        assert [domain.source for domain in next(readings).domains] == ["own_runstate", "getvcpuinfo", "getvcpuinfo"]
        readings.close()

    def test_a_hypervisor_without_them_is_asked_once(self, host):
        readings = host.readings("hypercall")
        next(readings)
        first = host.hypercalls
        next(readings)
        second = host.hypercalls
        next(readings)
        assert host.hypercalls - second == second - first == 3
        readings.close()


@pytest.mark.usefixtures("core")
class TestPages:
    def test_no_hypercall_but_the_list(self, host):
        host.show([guest(domid, 10 * domid, 20, page=True) for domid in range(1, 30)])
        readings = host.readings()
        sample = next(readings)
        assert {domain.source for domain in sample.domains} == {"resource"} and host.mapped == 29
        before = host.hypercalls, host.resource_calls
        assert by_domid(next(readings))[7].figures == [Figures(0, 70, None, None, None, 1, None),
                                                       Figures(1, 20, None, None, None, 1, None)]
        assert (host.hypercalls, host.resource_calls) == (before[0] + 1, before[1])
        readings.close()

    def test_the_entry_time(self, host):
        host.show([Domain(4, [Vcpu(), Vcpu()], stats=encode([(2, 1, 2, 3, 4, 5), (2, 1, 2, 3, 4, 1 << 63)]))])
        readings = host.readings()
        assert [vcpu.entered for vcpu in by_domid(next(readings))[4].figures] == [5, None]
        readings.close()

    def test_what_goes_on_is_told_where_the_state_is_known(self, host):
        """A vCPU that has its pCPU for itself changes its state never, and a page only then."""
        host.show([Domain(4, [Vcpu(), Vcpu(), Vcpu()], stats=encode([
            (2, 100, 0, 0, 0, 1000, 0), (2, 1, 2, 7, 3, 400, 2), (2, 1, 2, 3, 4, 500, 9)])), guest(5, 8, page=True)])
        readings = host.readings()
        latest = 1000
        for _ in range(3):
            found = by_domid(next(readings))
            runs, sleeps, unclear = [figure[1:5] for figure in found[4].figures]
            now = runs[0] - 100 + 1000
            assert runs == (now - 900, 0, 0, 0) and sleeps == (1, 2, now - 400 + 7, 3) and unclear == (1, 2, 3, 4)
            assert now > latest or latest == 1000 == now
            assert found[5].figures[0][1:5] == (8, None, None, None) and found[4].cpu_time == 102
            latest = now
        host.write_entry(4, 0, 4, latest - 899, 0, 0, 0, latest + 1, 2)
        found = by_domid(next(readings))
        assert found[4].figures[0][1] == latest - 899 and found[4].figures[0].entered == latest + 1
        assert found[4].figures[0][3] == found[4].figures[1][3] - 7 - (latest + 1 - 400)
        readings.close()

    def test_one_page_with_a_stamp_that_cannot_be(self, host):
        """The others' time is not spoiled, and its own stamps are unknown until they are good again."""
        sound, bad = (2, 100, 0, 0, 0, 1000, 0), (2, 7, 0, 0, 0, 1 << 62, 0)
        host.show([Domain(3, [Vcpu()], stats=encode([sound])), Domain(4, [Vcpu(), Vcpu()], stats=encode([bad, sound]))])
        readings = host.readings()
        for _ in range(3):
            sample = next(readings)
            found = by_domid(sample)
            assert 100 <= found[3].figures[0].running < 10 ** 12 and sample.left_out == {"bad_stamp": 1}
            assert [vcpu.entered for vcpu in found[4].figures] == [None, 1000]
            assert found[4].figures[0].running == 7 and found[4].figures[1].running == found[3].figures[0].running
        host.write_entry(4, 0, 4, 7, 0, 0, 0, 1000, 0)
        sample = next(readings)
        found = by_domid(sample)
        assert sample.left_out == {} and found[4].figures[0].running == found[3].figures[0].running - 93
        host.write_entry(4, 0, 6, 7, 0, 0, 0, 1 << 62, 0)
        assert next(readings).left_out == {"bad_stamp": 1}
        readings.close()

    def test_an_entry_that_never_holds_still_is_counted(self, host, core):
        """An odd sequence: Xen, or a hypervisor that died over it, is writing. In every reading, whatever else changes."""
        host.show([Domain(3, [Vcpu(), Vcpu()], stats=encode([(3, 100, 0, 0, 0, 50, 0), (2, 7, 0, 0, 0, 60, 0)]))])
        readings = host.readings()
        for _ in range(3):
            sample = next(readings)
            assert sample.left_out == {"torn": 1} and [vcpu.vcpu for vcpu in sample.domains[0].figures] == [1]
        host.write_entry(3, 0, 4, 100, 0, 0, 0, 50, 0)
        assert next(readings).left_out == {}
        readings.close()

    def test_no_stamp_can_be(self, host):
        host.show([Domain(3, [Vcpu()], stats=encode([(2, 100, 0, 0, 0, 1 << 62, 0)]))])
        readings = host.readings()
        for _ in range(2):
            sample = next(readings)
            assert sample.left_out == {"bad_stamp": 1} and sample.domains[0].figures == [
                Figures(0, 100, 0, 0, 0, 1, None, None)]
        readings.close()

    def test_a_dying_domain_is_unmapped(self, host):
        """A mapping would keep it from ending."""
        host.show([guest(4, 100, page=True), guest(5, 7, page=True)])
        readings = host.readings()
        next(readings)
        host.show([guest(4, 100, page=True, flags=1), guest(5, 7, page=True)])
        assert [domain.domid for domain in next(readings).domains] == [5] and host.mapped == 1
        readings.close()

    @pytest.mark.parametrize("mode", ["auto", "resource"])
    def test_dying_domains_do_not_say_that_there_are_none(self, host, mode):
        zombies = [guest(domid, 100, flags=1) for domid in (1, 2, 3, 4)]
        host.show(zombies + [guest(5, 7, page=True)])
        readings = host.readings(mode)
        for _ in range(2):
            assert by_domid(next(readings))[5].source == "resource"
        assert host.mapped == 1
        host.show(zombies)
        assert next(readings).left_out == {}
        readings.close()

    def test_they_are_live(self, host):
        host.show([guest(4, 100, 200, page=True)])
        readings = host.readings()
        next(readings)
        host.write_entry(4, 1, 4, 250)
        assert [vcpu.running for vcpu in next(readings).domains[0].figures] == [100, 250]
        host.write_entry(4, 1, 5, 300)      # in the middle of writing
        assert [vcpu.vcpu for vcpu in next(readings).domains[0].figures] == [0]
        host.write_entry(4, 1, 6, 300)
        assert [vcpu.running for vcpu in next(readings).domains[0].figures] == [100, 300]
        readings.close()

    def test_appended_counters(self, host):
        host.show([Domain(4, [Vcpu()], stats=encode([(2, 1, 2, 3, 4, 5)])), Domain(5, [Vcpu()], stats=encode([(2, 1, 2)]))])
        readings = host.readings()
        found = by_domid(next(readings))
        assert found[4].figures[0][1:5] == (1, 2, 3, 4) and found[5].figures[0][1:5] == (1, 2, None, None)
        readings.close()

    def test_a_vcpu_that_never_changed_is_unknown(self, host):
        host.show([Domain(4, [Vcpu(), Vcpu()], stats=encode([(2, 9), (0, 0)]))])
        readings = host.readings()
        assert [vcpu.vcpu for vcpu in next(readings).domains[0].figures] == [0]
        readings.close()

    def test_online_is_said_where_it_is_known(self, host):
        host.show([Domain(4, [Vcpu(), Vcpu(online=0)], stats=encode([(2, 9), (2, 8)]))])
        readings = host.readings()
        assert [vcpu.online for vcpu in next(readings).domains[0].figures] == [None, None]
        readings.close()

    def test_dom0_and_domains_without_a_page(self, host):
        host.show([dom0(), guest(3, 1, page=True), guest(9, 2)])
        readings = host.readings()
        assert [domain.source for domain in next(readings).domains] == ["own_runstate", "resource", "getvcpuinfo"]
        asked = host.resource_calls
        next(readings)
        assert host.resource_calls == asked
        readings.close()
        readings = host.readings("resource")
        sample = next(readings)
        assert [domain.domid for domain in sample.domains] == [0, 3] and sample.left_out == {"no_page": 1}
        readings.close()

    @pytest.mark.parametrize("fields", [{}, {"size_query": 0}])
    def test_a_domain_that_is_being_built(self, host, fields):
        """xenstore has its name before it has its vCPUs, which come one after the other."""
        host.set(**fields)
        built = encode([(2, number) for number in range(1, 41)])
        host.show([guest(4, 100, page=True), Domain(7, [], stats=built)])
        readings = host.readings()
        assert list(by_domid(next(readings))) == [4]
        for number in (1, 2, 40, 40):
            host.show([guest(4, 100, page=True), Domain(7, [Vcpu(cpu_time=100) for _ in range(number)], stats=built)])
            sample = next(readings)
            found = by_domid(sample)[7]
            assert (found.source, found.vcpus, sample.left_out) == ("resource", number, {})
            assert [vcpu.running for vcpu in found.figures] == list(range(1, number + 1)) and host.mapped == 2
        asked = host.resource_calls
        next(readings)
        assert host.resource_calls == asked
        readings.close()

    def test_a_domain_goes_and_another_takes_its_place(self, host):
        host.show([guest(4, 100, page=True), guest(5, 7, page=True)])
        readings = host.readings()
        next(readings)
        assert host.mapped == 2
        host.show([guest(5, 7, page=True)])
        assert [domain.domid for domain in next(readings).domains] == [5] and host.mapped == 1
        host.stats_at.clear()
        host.show([guest(4, 20, page=True), guest(5, 7, page=True)])
        assert by_domid(next(readings))[4].figures[0].running == 20
        host.stats_at.clear()
        host.show([guest(4, 3, page=True), guest(5, 7, page=True)])     # domid and UUID again, another life
        assert by_domid(next(readings))[4].figures[0].running == 3 and host.mapped == 2
        readings.close()

    def test_more_vcpus_than_a_page_holds(self, host):
        host.show([guest(4, *range(1, 41), page=True)])
        for fields in ({}, {"size_query": 0}):
            host.set(**fields)
            readings = host.readings()
            sample = next(readings)
            assert [vcpu.running for vcpu in sample.domains[0].figures] == list(range(1, 41)), fields
            readings.close()

    def test_a_table_that_is_too_short(self, host):
        host.show([Domain(4, [Vcpu() for _ in range(40)], stats=encode([(2, number) for number in range(31)]))])
        for fields in ({}, {"size_query": 0}):
            host.set(**fields)
            readings = host.readings()
            sample = next(readings)
            assert len(sample.domains[0].figures) == 31 and sample.left_out == {"beyond_page": 9}
            readings.close()

    @pytest.mark.parametrize("page", [bytes(4096), struct.pack("<IIII", 0xaabbccdd, 128, 16, 8) + bytes(4080)])
    def test_a_page_that_is_something_else(self, host, page):
        host.show([Domain(4, [Vcpu(cpu_time=5)], stats=page)])
        readings = host.readings()
        assert next(readings).domains[0].source == "getvcpuinfo" and host.mapped == 0
        readings.close()
        with pytest.raises(Unsupported, match="source auto"):
            next(host.readings("resource"))

    def test_a_header_that_changes_under_way(self, host):
        host.show([guest(4, 100, page=True), guest(5, 7, page=True)])
        readings = host.readings()
        next(readings)
        host.stats(4)[4] = 64
        sample = next(readings)
        assert sample.left_out == {"bad_page": 1} or by_domid(sample)[4].source == "getvcpuinfo"
        host.stats(4)[4] = 128
        assert by_domid(next(readings))[4].figures[0].running == 100
        readings.close()

    def test_such_a_page_with_states(self, host):
        """It is left out of the reading, and not shown as a domain without vCPUs."""
        host.show([Domain(4, [Vcpu(cpu_time=99)], stats=encode([(2, 1, 2, 3, 4, 5, 0)])),
                   Domain(5, [Vcpu(cpu_time=99)], stats=encode([(2, 1, 2, 3, 4, 5, 0)]))])
        readings = host.readings()
        next(readings)
        host.stats(4)[4] = 64
        sample = next(readings)
        assert sample.left_out == {"bad_page": 1} and [domain.domid for domain in sample.domains] == [5]
        readings.close()

    @pytest.mark.parametrize("quirk", [0, 1])
    def test_no_xen_has_them(self, host, quirk):
        """As on every release: a few questions once, then hypercalls."""
        host.set(size_quirk=quirk)
        host.show([dom0()] + [guest(domid, 1) for domid in range(1, 9)])
        readings = host.readings()
        assert [domain.source for domain in next(readings).domains] == ["own_runstate"] + ["getvcpuinfo"] * 8
        assert host.resource_calls == 3 * (2 - quirk)
        next(readings)
        assert host.resource_calls == 3 * (2 - quirk)
        readings.close()
        with pytest.raises(Unsupported, match="no release of Xen"):
            next(host.readings("resource"))


@pytest.mark.usefixtures("core")
def first(tell, holds, complaint):
    """What ``tell`` gives as soon as that holds; xenstored's events come when they come."""
    for _ in range(1000):
        found = tell()
        if holds(found):
            return found
    raise AssertionError(complaint)


class TestWatch:
    """With xenstored's word on who comes and goes, a reading of pages needs no hypercall."""

    @pytest.fixture
    def store(self, tmp_path):
        with FakeXenstored(xenstore_of(3), str(tmp_path / "socket")) as found:
            yield found

    def quiet(self, host, readings):
        """Until the watches' first events have come."""
        self.costs(host, readings, 0)

    def costs(self, host, readings, calls):
        """The first reading that takes so many hypercalls."""
        def told():
            before = host.hypercalls
            return next(readings), host.hypercalls - before
        return first(told, lambda pair: pair[1] == calls, "hypercalls: %d are too few" % calls)[0]

    def opened(self, host, store, **more):
        return host.readings(store=lambda: Xenstore(store.path, timeout=5.0), **more)

    def test_no_hypercall_at_all(self, host, store):
        host.show([guest(domid, 10 * domid, 20, page=True) for domid in range(1, 30)])
        readings = self.opened(host, store)
        self.quiet(host, readings)
        before, asked = (host.hypercalls, host.resource_calls), len(store.asked)
        for seq in range(4, 40, 2):
            host.write_entry(7, 0, seq, 70 + seq)
            sample = next(readings)
            assert len(sample.domains) == 29 and by_domid(sample)[7].figures[0].running == 70 + seq
            assert by_domid(sample)[7].cpu_time == 90 + seq
        assert (host.hypercalls, host.resource_calls) == before and len(store.asked) == asked
        readings.close()

    def test_dom0_costs_what_it_costs(self, host, store):
        host.show([dom0(), guest(4, 100, page=True)])
        for own, calls in ((True, 4), (False, 0)):
            readings = self.opened(host, store, own=own)
            sample = self.costs(host, readings, calls)
            assert [domain.domid for domain in sample.domains] == ([0, 4] if own else [4])
            readings.close()

    def test_a_domain_comes_and_another_goes(self, host, store):
        host.show([guest(4, 100, page=True), guest(5, 7, page=True)])
        readings = self.opened(host, store)
        self.quiet(host, readings)
        host.show([guest(5, 7, page=True), guest(6, 9, page=True)])
        assert [domain.domid for domain in next(readings).domains] == [4, 5]    # nobody has said so yet
        store.fire(b"@introduceDomain")
        first(lambda: [domain.domid for domain in next(readings).domains], lambda found: found == [5, 6], "it does not notice")
        assert host.mapped == 2
        self.quiet(host, readings)
        readings.close()

    def test_domid_and_uuid_come_again(self, host, store):
        """The list is old: what the page has said since then tells one life from the next."""
        host.show([guest(4, 100, page=True)])
        readings = self.opened(host, store)
        self.quiet(host, readings)
        host.write_entry(4, 0, 4, 5000)
        assert next(readings).domains[0].cpu_time == 5000
        host.stats_at.clear()
        host.show([guest(4, 300, page=True)])   # more than the list said, less than the page did
        store.fire()
        first(lambda: next(readings).domains[0].figures[0].running, lambda found: found == 300, "it reads a dead page")
        assert next(readings).domains[0].cpu_time == 300 and host.mapped == 1
        readings.close()

    def test_a_life_has_an_id_of_its_own(self, host, store):
        """Since Xen 4.21: also a successor that has run for longer is told from the domain whose page is mapped."""
        host.set(unique_ids=1)
        host.show([guest(4, 100, page=True), guest(5, 1, page=True)])
        readings = self.opened(host, store)
        self.quiet(host, readings)
        host.stats_at.clear()
        host.show([guest(4, 100000, page=True, unique_id=77), guest(5, 1, page=True)])
        store.fire()
        first(lambda: by_domid(next(readings))[4].figures[0].running, lambda found: found == 100000, "it reads a dead page")
        assert host.mapped == 2
        self.quiet(host, readings)
        readings.close()

    def test_a_name_that_is_missing_is_asked_for(self, host, store):
        host.show([guest(4, 100, page=True), guest(5, 100, page=True)])
        host.names.given = {5: b""}
        snapshot = host.names.snapshot
        host.names.snapshot = lambda: snapshot()._replace(domains=[
            facts for facts in snapshot().domains if facts.name])
        readings = self.opened(host, store)
        assert [domain.domid for domain in next(readings).domains] == [4]
        host.names.given = {}
        assert [domain.domid for domain in next(readings).domains] == [4, 5]
        readings.close()

    def test_a_domain_without_vcpus_is_looked_after(self, host, store):
        """Nobody says when its vCPUs come."""
        host.show([guest(4, 100, page=True), Domain(5, [])])
        readings = self.opened(host, store)
        for _ in range(20):
            assert list(by_domid(next(readings))) == [4]
        host.show([guest(4, 100, page=True), guest(5, 7, page=True)])
        assert by_domid(next(readings))[5].figures[0].running == 7
        self.quiet(host, readings)
        readings.close()

    def test_hypercalls_need_the_list(self, host, store):
        readings = self.opened(host, store, mode="hypercall")
        next(readings)
        next(readings)
        assert store.asked == []
        readings.close()


class TestFaults:
    @pytest.mark.parametrize("skip", range(6))
    def test_a_domain_dies_between_two_calls(self, host, skip):
        host.show([dom0(), guest(3, 1, 2), guest(4, 3, 4), guest(5, 5)])
        readings = host.readings("hypercall")
        next(readings)
        host.fault(op=36, cmd=14, domid=-1, skip=skip, times=1, kill=4)
        sample = next(readings)
        assert {0, 3, 5} <= set(by_domid(sample)) and sample.left_out == {}
        assert [domain.domid for domain in next(readings).domains] == [0, 3, 5]
        readings.close()

    def test_a_domain_dies_before_it_is_mapped(self, host):
        host.show([guest(3, 1, page=True)])
        readings = host.readings()
        next(readings)
        host.show([guest(3, 1, page=True), guest(4, 2, page=True)])
        host.fault(op=12, domid=4, times=1, kill=4)
        assert [domain.domid for domain in next(readings).domains] == [3]
        readings.close()

    def test_a_page_that_cannot_be_mapped(self, host, monkeypatch):
        """Source auto takes what there is meanwhile, and tries again after a pause that grows."""
        monkeypatch.setattr("xenmeter.core.retry.PAUSES", (0.0, 3600.0))
        host.show([guest(3, 1, page=True), guest(4, 2, page=True)])
        host.fault(op=12, domid=4, error=errno.ENOMEM)
        readings = host.readings()
        for left_out in ({"bad_page": 1}, {"bad_page": 1}, {}, {}):
            sample = next(readings)
            assert sample.left_out == left_out
            assert [(domain.source, domain.figures[0].running) for domain in sample.domains] == [
                ("resource", 1), ("getvcpuinfo", 2)]
        readings.close()

    def test_such_a_page_is_mapped_later(self, host, monkeypatch):
        """What one source has told the other does not take back."""
        monkeypatch.setattr("xenmeter.core.retry.PAUSES", (0.0,))
        collector = Collector()

        def told():
            reading = collector.collect(next(readings))
            return [row[2][:4] for row in reading.tables["vcpu"]] + [row[0].generation for row in reading.tables["domain"]]
        host.show([Domain(4, [Vcpu(cpu_time=200)], stats=encode([(2, 100, 20, 3, 0)]))])
        host.fault(op=12, domid=4, times=2, error=errno.ENOMEM)
        readings = host.readings()
        assert [told(), told()] == [[(200, None, None, None), 0]] * 2
        assert told() == [(200, 20, 3, 0), 0]
        host.write_entry(4, 0, 4, 300, 30, 4, 0)
        host.show([Domain(4, [Vcpu(cpu_time=300)], stats=encode([(4, 300, 30, 4, 0)]))])
        assert told() == [(300, 30, 4, 0), 0]
        readings.close()

    def test_such_a_page_with_source_resource(self, host, monkeypatch):
        monkeypatch.setattr("xenmeter.core.retry.PAUSES", (3600.0,))
        host.show([guest(3, 1, page=True), guest(4, 2, page=True)])
        host.fault(op=12, domid=4, error=errno.ENOMEM)
        readings = host.readings("resource")
        for _ in range(3):
            sample = next(readings)
            assert [domain.domid for domain in sample.domains] == [3] and sample.left_out == {"bad_page": 1}
        asked = host.resource_calls
        next(readings)
        assert host.resource_calls == asked
        readings.close()

    @pytest.mark.parametrize("code, expected", [(errno.EPERM, NoPrivilege), (errno.EBUSY, SourceError),
                                                (errno.EACCES, VersionMismatch)])
    def test_the_hypervisor_refuses(self, host, code, expected):
        readings = host.readings()
        next(readings)
        host.fault(op=35, cmd=6, error=code)
        with pytest.raises(expected):
            next(readings)

    def test_it_begins_again(self, host, monkeypatch):
        monkeypatch.setattr("xenmeter.core.retry.PAUSES", (0.001,))
        errors = []
        source = host.source()
        readings = source.samples(threading.Event(), errors.append)
        next(readings)
        before = source.hypercalls
        host.fault(op=35, cmd=6, times=2, error=errno.EBUSY)
        assert len(next(readings).domains) == 3 and errors and source.hypercalls > before
        readings.close()

    @pytest.mark.parametrize("code, expected", [(errno.ENOENT, NotXen), (errno.EACCES, NoPrivilege)])
    def test_it_does_not_open(self, host, code, expected):
        host.set(open_error=code)
        with pytest.raises(expected):
            next(host.readings())

    @pytest.mark.parametrize("make", [lambda host: LiveVcpus(0.001, "hypercall", None, host.connect),
                                      lambda host: LiveDirect(0.001, None, host.connect)])
    def test_xenstored_starts_later(self, host, make, tmp_path, monkeypatch):
        monkeypatch.setenv("XENSTORED_PATH", str(tmp_path / "socket"))
        monkeypatch.setattr("xenmeter.xen.roster.NAMES_REST_S", 0.0)

        def names(sample):
            return [getattr(domain, "member", domain).name for domain in sample.domains]
        readings = make(host).samples(threading.Event(), None)
        assert names(next(readings)) == ["Domain-0", uuid_of(3), uuid_of(9)]
        with FakeXenstored(xenstore_of(9), str(tmp_path / "socket")):
            assert names(next(readings))[1:] == ["guest-3", "guest-9"]
        readings.close()

    def test_many_domains(self, host):
        host.show([dom0()] + [guest(3 * number + 1, number, page=number % 2 == 0) for number in range(1, 1300)])
        readings = host.readings()
        next(readings)
        sample = next(readings)
        assert len(sample.domains) == 1300 and len({domain.uuid for domain in sample.domains}) == 1300
        assert sum(domain.source == "resource" for domain in sample.domains) == 649
        readings.close()
