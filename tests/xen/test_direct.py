"""xentop's figures without xentop: exact, of every domain once, under the keys that the text's have."""
import errno
import os

import pytest
from helpers.direct_host import Direct, dom0
from helpers.fake_hypervisor import Domain, Vcpu
from helpers.fake_qmp import FakeQemu, disk as qemus_disk
from helpers.sysfs import disk

from helpers.vcpu_host import uuid_of

from xenmeter.core.errors import SourceError
from xenmeter.core.select import domain_filter
from xenmeter.publish.influx import LineProtocol
from xenmeter.publish.openmetrics import Exposition
from xenmeter.xen.blkback import Disks
from xenmeter.xen.tapdisk import Tapdisks, encode as encode_tapdisk
from xenmeter.xentop.figures import CATALOGUE
from xenmeter.xentop.direct.collector import DirectCollector
from xenmeter.xentop.direct.rows import DirectRows
from xenmeter.xentop.text.encode import encode
from xenmeter.xentop.mirror import _mirrored
from xenmeter.xentop.text.parse import Parser
from xenmeter.xentop.text.records import Iteration


S = 10 ** 9


@pytest.fixture
def host(tmp_path):
    with Direct(tmp_path / "state", tmp_path / "sys", [
            dom0(1000 * S), Domain(7, [Vcpu(cpu_time=5 * S + 1), Vcpu(online=0, cpu_time=3)], flags=0x10,
                                   tot_pages=1 << 17, max_pages=1 << 17, ssidref=3)],
            idle=(900 * S, 0, 1000 * S, 1), pcpus=4) as fake:
        fake.begin()
        yield fake
        fake.samples.close()
        assert fake.buffers == 0


def figures(reading, entity="domain"):
    keys = CATALOGUE.entities[entity].keys()
    found = {}
    for who, labels, values in reading.tables[entity]:
        key = ((who.domid,) if who else ()) + (() if entity == "domain" else labels)
        assert key not in found and len(values) == len(keys)
        found[key] = dict(zip(keys, values))
    return found


def test_domains(host):
    reading = host.reading()
    guest = figures(reading)[(7,)]
    assert guest["cpu_time_ns"] == 5 * S + 4 and guest["cpu_ppm"] is None
    assert (guest["vcpus"], guest["memory_bytes"], guest["memory_max_bytes"], guest["ssid"]) == (2, 1 << 29, 1 << 29, 3)
    assert guest["memory_ppm"] == 125000 and guest["start_time_ns"] == 1795192454580000000
    assert (guest["state_blocked"], guest["state_running"], guest["virt_state"]) == (1, 0, 2)
    assert figures(reading)[(0,)]["memory_max_bytes"] is None
    assert figures(reading, "domain_vcpu") == {(0, "0"): {"cpu_time_ns": 250 * S}, (7, "0"): {"cpu_time_ns": 5 * S + 1}}
    assert reading.tables["domain"][1][0].uuid == uuid_of(7) and reading.tables["domain"][1][1] == ("7", "")


def test_host_and_pcpus(host):
    reading = host.reading()
    assert figures(reading, "host") == {("direct",): {
        "info": 1, "domains": 2, "memory_bytes": 1 << 32, "memory_free_bytes": 1 << 30, "pcpus": 4,
        "memory_claimed_bytes": 0, "domains_running": 2, "vcpus_online": 2, "vcpus_running": 1, "vcpus_blocked": 0,
        "load_ppm": 500000}}
    assert figures(reading, "pcpu") == {("0",): {"busy_ns": 100 * S, "busy_ppm": None},
                                        ("2",): {"busy_ns": 0, "busy_ppm": None},
                                        ("3",): {"busy_ns": 1000 * S - 1, "busy_ppm": None}}
    host.domains[0] = dom0(1010 * S)
    host.fields["idle"] = (904 * S, 0, 1011 * S, 1)
    host.show(host.domains)
    found = figures(host.reading(), "pcpu")
    assert found[("0",)] == {"busy_ns": 106 * S, "busy_ppm": 600000}
    assert found[("2",)] == {"busy_ns": 0, "busy_ppm": 0} and found[("3",)]["busy_ppm"] == 1000000


def test_a_control_domain_that_is_not_domain_0(host):
    """Xen tells it its own age, not how long the pCPUs have been there; ratios are of what passes, the same for all."""
    def shown(now):
        host.show([Domain(0, [Vcpu(cpu_time=700 * S, times=(now // 4, 0, now - now // 4, 0))], flags=0x20),
                   Domain(7, [Vcpu(cpu_time=now // 100)])])
    shown(100 * S)
    reading = host.reading()
    assert reading.tables["pcpu"] == [] and [line for line in host.collector.notices if "this is not domain 0" in line]
    assert figures(reading)[(0,)]["cpu_time_ns"] == 700 * S
    shown(110 * S)
    reading = host.reading()
    assert reading.tables["pcpu"] == [] and figures(reading)[(7,)]["cpu_ppm"] == 10000


def test_the_flag_in_bit_63(host):
    host.reading()
    host.show([dom0(1010 * S), Domain(7, [Vcpu(cpu_time=1 << 63 | 8 * S + 1), Vcpu(online=0, cpu_time=3)])])
    found = figures(host.reading())
    assert found[(7,)]["cpu_time_ns"] == 8 * S + 4 and found[(7,)]["cpu_ppm"] == 300000


def test_cpu_ratio(host):
    host.reading()
    host.show([dom0(1010 * S), Domain(7, [Vcpu(cpu_time=8 * S + 1), Vcpu(online=0, cpu_time=3)])])
    found = figures(host.reading())
    assert found[(7,)]["cpu_ppm"] == 300000 and found[(0,)]["cpu_ppm"] == 250000
    host.show([dom0(1020 * S), Domain(7, [Vcpu(cpu_time=2)])])      # another life
    assert figures(host.reading())[(7,)]["cpu_ppm"] is None


def test_a_clock_that_lags(host):
    """A vCPU that moves to another pCPU may be told a moment less than before: that is no new life, and no figure falls."""
    def shown(cpu_time):
        host.show([dom0(1010 * S), Domain(7, [Vcpu(cpu_time=cpu_time), Vcpu(online=0, cpu_time=3)])])
        reading = host.reading()
        return (reading.tables["domain"][1][0].generation, figures(reading)[(7,)]["cpu_time_ns"],
                figures(reading, "domain_vcpu")[7, "0"]["cpu_time_ns"])

    told = 0, 5 * S + 4, 5 * S + 1
    assert shown(5 * S + 1) == shown(5 * S + 1 - 4 * 10 ** 6) == shown(5 * S + 1 - 9 * 10 ** 6) == told
    assert shown(6 * S) == (0, 6 * S + 3, 6 * S)
    assert shown(6 * S - 10 ** 8) == (1, 6 * S - 10 ** 8 + 3, 6 * S - 10 ** 8)


@pytest.mark.parametrize("flags, state, virt", [
    (0x20, "running", 1), (0x10, "blocked", 2), (0x8 | 0x10, "paused", 3), (0x4, "shutdown", 5), (0x4 | 3 << 16, "crashed", 6),
    (0x1, "dying", 4), (0x0, None, 0), (0xff0020, "running", 1)])
def test_states(host, flags, state, virt):
    host.show([dom0(S), Domain(7, flags=flags)])
    found = figures(host.reading())[(7,)]
    shown = [name for name in ("running", "blocked", "paused", "shutdown", "crashed", "dying") if found["state_" + name]]
    assert state is None and not shown or state in shown
    assert found["virt_state"] == virt and len(shown) <= 2


@pytest.mark.parametrize("tap", ["vif7.0-emu", "tap7.0"])
def test_vifs_are_the_guests_view(host, tap):
    host.interfaces = ["lo", "vif7.0", "vif7.1", tap]
    reading = host.reading()
    vifs = figures(reading, "vif")
    assert set(vifs) == {(7, "0"), (7, "1")}
    assert vifs[(7, "1")] == dict(rx_bytes=3, rx_packets=6, rx_errors=7, rx_drops=8, tx_bytes=2, tx_packets=2, tx_errors=3,
                                  tx_drops=4)
    assert vifs[(7, "0")]["rx_bytes"] == 2 + 4      # the vif and the tap of the same device
    domain = figures(reading)[(7,)]
    assert (domain["vifs"], domain["rx_bytes"], domain["tx_bytes"]) == (2, 9, 6)
    host.interfaces = ["lo", "vif7.0", "vif7.1"]    # the guest's own driver took over
    later = figures(host.reading())[(7,)]
    assert (later["vifs"], later["rx_bytes"]) == (2, 9)


def test_disks(host):
    disk(host.sysfs, "vbd-7-51712", 1, 20, 30, 40, 50)
    reading = host.reading()
    assert figures(reading, "vbd") == {(7, "xvda", "BlkBack"): dict(
        read_requests=20, write_requests=30, read_bytes=40 * 512, write_bytes=50 * 512, out_of_requests=1,
        reads_completed=None, read_time_ns=None, writes_completed=None, write_time_ns=None, errors=None, in_flight=None)}
    assert host.xenstore.asked_again == [[7]]
    domain = figures(reading)[(7,)]
    assert (domain["vbds"], domain["out_of_requests"], domain["read_bytes"]) == (1, 1, 40 * 512)
    assert figures(reading)[(0,)]["vbds"] == 0
    disk(host.sysfs, "vbd-7-51728", 0, 1, 1, 1, 1)      # xenstore does not know it, and is asked for it once
    for _ in range(3):
        assert (7, "xvdb", "BlkBack") in figures(host.reading(), "vbd")
    assert host.xenstore.asked_again == [[7], [7]]


def test_tapdisks_latency(host, tmp_path):
    """The counters of its own file, in the series that every disk has, and the times of requests beside them."""
    disk(host.sysfs, "vbd3-7-51712")
    folder = tmp_path / "shm" / ("td3-%d" % os.getpid())
    folder.mkdir(parents=True)
    tapdisks = Tapdisks(str(tmp_path / "shm"))
    host.samples.close()
    host.begin(Disks(str(host.sysfs), tapdisks))
    before = figures(host.reading())[(7,)]
    assert before["read_bytes"] is None and before["vbds"] == 1
    (folder / "vbd-7-51712").write_bytes(encode_tapdisk(1, (20, 18, 40, 9000), (30, 29, 50, 8000), 3))
    reading = host.reading()
    assert figures(reading, "vbd") == {(7, "xvda", "Tapdisk3"): dict(
        read_requests=20, write_requests=30, read_bytes=40 * 512, write_bytes=50 * 512, out_of_requests=1,
        reads_completed=18, read_time_ns=9000000, writes_completed=29, write_time_ns=8000000, errors=3,
        in_flight=None)}
    (folder / "vbd-7-51712").write_bytes(encode_tapdisk(0, (1, 1, 1, 1), (0, 0, 0, 0)))    # plugged again: it goes on
    found = figures(host.reading(), "vbd")[(7, "xvda", "Tapdisk3")]
    assert (found["read_requests"], found["reads_completed"], found["read_time_ns"]) == (21, 19, 9001000)


def test_disks_that_nobody_serves_yet(host):
    """xenstore has them, dom0's kernel not: they are counted, and nothing more is known of them."""
    host.xenstore.vbds[7] = {51712: "xvda", 51728: "xvdb"}
    found = figures(host.reading())[(7,)]
    assert found["vbds"] == 2 and found["read_bytes"] is None and found["out_of_requests"] is None


def networks(reading):
    found = figures(reading)[(7,)]
    return found["vifs"], found["rx_bytes"], found["tx_bytes"]


def test_vifs_whose_backend_is_in_another_domain(host):
    """Qubes: nothing in dom0 counts them; that is no 0."""
    host.xenstore.more = {"vifs_elsewhere": (0, 1)}
    assert networks(host.reading()) == (2, None, None) and host.collector.errors == {}
    host.interfaces.append("vif7.2")
    host.xenstore.more = {"vifs_elsewhere": (0, 1), "vifs": (2,)}
    assert networks(host.reading()) == (2 + 1, None, None)


def test_vifs_in_a_network_namespace_that_is_not_ours(host):
    host.xenstore.more = {"vifs": (0,)}
    for _ in range(3):
        assert networks(host.reading()) == (1, None, None)
        [line] = host.collector.notices
        assert "network namespace" in line
    assert host.collector.errors == {"unseen_devices": 3} and host.xenstore.asked_again == [[7]]
    host.interfaces.append("vif7.0")
    assert networks(host.reading())[0] == 1 and networks(host.reading())[1] is not None and host.collector.notices == []


def test_a_vif_that_was_unplugged(host):
    """xenstore, asked anew, no longer lists it: the domain has none, and its sums are known."""
    host.interfaces.append("vif7.0")
    host.xenstore.more = {"vifs": (0,)}
    vifs, received, _ = networks(host.reading())
    host.interfaces.remove("vif7.0")
    host.xenstore.plugged = lambda domid: host.xenstore.more.clear()
    assert networks(host.reading())[:2] == (0, received) and vifs == 1 and received is not None


def test_disks_whose_backend_is_in_another_domain(host):
    host.xenstore.vbds[7] = {51712: "xvda"}
    host.xenstore.more = {"vbds_elsewhere": (51728,)}
    disk(host.sysfs, "vbd-7-51712", 1, 20, 30, 40, 50)
    reading = host.reading()
    found = figures(reading)[(7,)]
    assert found["vbds"] == 2 and found["read_requests"] is None and found["read_bytes"] is None
    assert figures(reading, "vbd")[7, "xvda", "BlkBack"]["read_requests"] == 20


@pytest.mark.parametrize("kind", ["vbd", "vbd3"])
def test_an_empty_drive(host, kind):
    """xl's and xapi's: dom0's kernel has the device, and no counters of it."""
    host.xenstore.vbds[7] = {768: "768", 5632: "5632"}
    host.xenstore.more = {"empty": (5632,)}
    disk(host.sysfs, "vbd-7-768", 1, 20, 30, 40, 50)
    os.mkdir(str(host.sysfs / ("%s-7-5632" % kind)))
    reading = host.reading()
    found = figures(reading)[(7,)]
    assert (found["vbds"], found["read_requests"], found["out_of_requests"]) == (1, 20, 1)
    assert list(figures(reading, "vbd")) == [(7, "xvda", "BlkBack")] and host.collector.errors == {}
    assert host.xenstore.asked_again == []


def test_a_medium_is_put_in(host):
    host.xenstore.vbds[7] = {5632: "hdc"}
    host.xenstore.more = {"empty": (5632,)}
    os.makedirs(str(host.sysfs / "vbd-7-5632"))
    found = figures(host.reading())[(7,)]
    assert (found["vbds"], found["read_requests"]) == (0, 0)
    os.rmdir(str(host.sysfs / "vbd-7-5632"))
    disk(host.sysfs, "vbd-7-5632", 0, 1, 0, 8, 0)
    host.xenstore.plugged = lambda domid: host.xenstore.more.clear()
    reading = host.reading()
    assert figures(reading)[(7,)]["vbds"] == 1 and figures(reading, "vbd")[7, "hdc", "BlkBack"]["read_requests"] == 1
    assert host.xenstore.asked_again == [[7]]


class TestQemusDisks:
    """Those of a guest whose QEMU serves them itself (qdisk)."""

    XVDA = qemus_disk("xvda-qcow2", rd_operations=20, wr_operations=30, rd_bytes=20481, wr_bytes=25600,
                      rd_total_time_ns=9000000, wr_total_time_ns=8000000, failed_rd_operations=2)
    EMULATED = qemus_disk("#block123", device="ide0-hd0", rd_operations=500, rd_bytes=256000)

    @pytest.fixture
    def qemu(self, host, tmp_path):
        host.xenstore.vbds[7] = {51712: "xvda"}
        host.xenstore.qdisks[7] = (51712,)
        with FakeQemu(tmp_path / "qmp-libxenstat-7", [self.EMULATED, self.XVDA]) as fake:
            yield fake

    def test_its_figures(self, host, qemu):
        reading = host.reading()
        assert figures(reading, "vbd") == {(7, "xvda", "Qdisk"): dict(
            read_requests=20, write_requests=30, read_bytes=20481, write_bytes=25600, out_of_requests=None,
            reads_completed=22, read_time_ns=9000000, writes_completed=30, write_time_ns=8000000, errors=2,
            in_flight=None)}
        domain = figures(reading)[(7,)]
        assert (domain["vbds"], domain["read_bytes"], domain["write_requests"]) == (1, 20481, 30)
        assert domain["out_of_requests"] is None and figures(reading)[(0,)]["out_of_requests"] == 0
        assert host.collector.trouble is None and host.collector.errors == {} and host.xenstore.asked_again == []
        text = LineProtocol([CATALOGUE]).encode(reading).decode()
        assert ("xen_vbd,domain=guest-7,type=Qdisk,uuid=%s,vbd=xvda read_requests=20i,write_requests=30i,read_bytes=20481i,"
                "write_bytes=25600i,reads_completed=22i," % uuid_of(7)) in text
        assert "out_of_requests" not in [line for line in text.splitlines() if line.startswith("xen_vbd")][0]

    def test_a_domain_without_one_is_not_asked(self, host, tmp_path):
        disk(host.sysfs, "vbd-7-51712", 1, 20, 30, 40, 50)
        with FakeQemu(tmp_path / "qmp-libxenstat-7", [self.XVDA]) as fake:
            host.reading()
            assert fake.connections == 0

    def test_beside_the_kernels(self, host, qemu):
        host.xenstore.vbds[7] = {51712: "xvda", 51728: "xvdb"}
        disk(host.sysfs, "vbd-7-51728", 1, 2, 3, 4, 5)
        reading = host.reading()
        assert {key: found["read_bytes"] for key, found in figures(reading, "vbd").items()} == {
            (7, "xvda", "Qdisk"): 20481, (7, "xvdb", "BlkBack"): 4 * 512}
        domain = figures(reading)[(7,)]
        assert (domain["vbds"], domain["read_bytes"], domain["out_of_requests"]) == (2, 20481 + 4 * 512, 1)
        row = DirectRows().joined(next(host.samples))[1].row
        assert [vbd[:4] for vbd in row.vbds] == [("Qdisk", 51712, None, 20), ("BlkBack", 51728, 1, 2)]
        assert (row.columns.vbds, row.columns.vbd_oo, row.columns.vbd_rd, row.columns.vbd_rsect) == (2, 1, 22, 44)

    def test_counters_do_not_fall_when_qemu_begins_again(self, host, qemu):
        host.reading()
        qemu.disks = [qemus_disk("xvda-raw", rd_operations=1, rd_bytes=512, rd_total_time_ns=5)]
        found = figures(host.reading(), "vbd")[(7, "xvda", "Qdisk")]
        assert (found["read_requests"], found["read_bytes"], found["write_requests"]) == (21, 20993, 30)
        assert (found["reads_completed"], found["read_time_ns"], found["errors"]) == (23, 9000005, 2)

    def test_qemu_does_not_tell(self, host, qemu):
        first = figures(host.reading())[(7,)]
        qemu.fault = lambda command, reply: b"garbage\n"
        for _ in range(3):
            reading = host.reading()
            assert "garbage" in host.collector.trouble
        domain = figures(reading)[(7,)]
        assert figures(reading, "vbd") == {} and (domain["vbds"], domain["read_bytes"]) == (1, first["read_bytes"])
        assert host.collector.errors == {"no_qdisks": 1}, "it rests"

    def test_qemu_never_told(self, host, qemu):
        qemu.version = (3, 0)
        domain = figures(host.reading())[(7,)]
        assert domain["vbds"] == 1 and domain["read_bytes"] is None and domain["out_of_requests"] is None
        assert "QEMU 3.0 is not asked" in host.collector.trouble and qemu.asked == []

    def test_a_dying_domain_is_not_asked(self, host, qemu):
        host.reading()
        host.show([dom0(1010 * S), Domain(7, [Vcpu(cpu_time=6 * S), Vcpu(online=0, cpu_time=3)], flags=0x1)])
        domain = figures(host.reading())[(7,)]
        assert (domain["vbds"], domain["read_bytes"], domain["state_dying"]) == (1, 20481, 1)
        assert qemu.connections == 1 and host.collector.errors == {}

    def test_one_is_plugged_in(self, host, qemu):
        host.reading()
        qemu.disks.append(qemus_disk("xvdb-raw", wr_operations=4))

        def plugged(domid):
            host.xenstore.vbds[domid] = {51712: "xvda", 51728: "xvdb"}
            host.xenstore.qdisks[domid] = (51712, 51728)
        host.xenstore.plugged = plugged
        reading = host.reading()
        assert figures(reading, "vbd")[(7, "xvdb", "Qdisk")]["write_requests"] == 4
        assert figures(reading)[(7,)]["vbds"] == 2
        host.reading()
        assert host.xenstore.asked_again == [[7]]

    def test_one_is_pulled_out(self, host, qemu):
        host.xenstore.plugged = lambda domid: None
        host.xenstore.vbds[7] = {51712: "xvda", 51728: "xvdb"}
        host.xenstore.qdisks[7] = (51712, 51728)
        for _ in range(2):      # xenstore still has it; it is asked once
            reading = host.reading()
            assert figures(reading)[(7,)]["vbds"] == 2 and set(figures(reading, "vbd")) == {(7, "xvda", "Qdisk")}
        assert host.xenstore.asked_again == [[7]]

    def test_what_it_costs(self, host, qemu):
        for _ in range(3):
            next(host.samples)
        assert qemu.connections == 3 and qemu.asked == ["qmp_capabilities", "query-blockstats"] * 3


def test_a_stub_domain_names_its_guest(host):
    host.show([dom0(S), Domain(7), Domain(8)])
    snapshot = host.xenstore.snapshot
    host.xenstore.snapshot = lambda: snapshot()._replace(domains=[
        facts._replace(device_model_of=uuid_of(7) if facts.domid == 8 else None) for facts in snapshot().domains])
    text = Exposition([CATALOGUE]).openmetrics([host.reading()]).decode()
    assert 'xen_domain_info{domain="guest-8",uuid="%s",domid="8",device_model_of="%s"} 1' % (uuid_of(8), uuid_of(7)) in text
    assert 'xen_domain_info{domain="guest-7",uuid="%s",domid="7"} 1' % uuid_of(7) in text


def test_every_domain_once(host):
    host.show([dom0(S)] + [Domain(3 * number, [Vcpu(cpu_time=number)]) for number in range(1, 700)])
    reading = host.reading()
    assert len(reading.tables["domain"]) == 700 == len(figures(reading))


def test_what_it_costs(host):
    for _ in range(2):
        next(host.samples)
    before = host.hypercalls
    next(host.samples)
    assert host.hypercalls - before == 7    # host, idle times, the clock, the list, all vCPUs, all grant tables, the nodes
    assert host.source.hypercalls == host.hypercalls


class TestFaults:
    @pytest.mark.parametrize("skip", range(3))
    def test_a_domain_dies_between_two_calls(self, host, skip):
        host.reading()
        host.fault(op=36, skip=skip, times=1, kill=7)
        assert (0,) in figures(host.reading())
        assert set(figures(host.reading())) == {(0,)}

    def test_devices_that_cannot_be_read(self, host):
        host.interfaces = ["vif7.0"]
        disk(host.sysfs, "vbd-7-51712", 1, 20, 30, 40, 50)
        host.reading()
        failing = []

        class Failing(Disks):
            def read(self):
                if failing:
                    raise SourceError("no disks today")
                return super().read()
        host.samples.close()
        host.begin(Failing(str(host.sysfs)))
        first = figures(host.reading())[(7,)]
        failing.append(1)
        reading = host.reading()
        found = figures(reading)[(7,)]
        assert found["vbds"] is None and found["read_bytes"] is None and found["vifs"] == 1
        assert host.collector.trouble == "no disks today" and host.collector.errors == {"no_disks": 1}
        failing.clear()
        assert figures(host.reading())[(7,)]["read_bytes"] == first["read_bytes"] and host.collector.trouble is None

    def test_the_hypervisor_refuses(self, host):
        host.reading()
        host.fault(op=35, error=errno.EBUSY)
        with pytest.raises(SourceError):
            host.reading()


def test_what_is_wanted(host):
    host.collector = DirectCollector(domain_filter([], [], False))
    assert set(figures(host.reading())) == {(7,)}


def test_it_is_published(host):
    host.interfaces = ["vif7.0"]
    text = LineProtocol([CATALOGUE]).encode(host.reading()).decode()
    assert "xen_domain,domain=guest-7,uuid=%s domid=7i" % uuid_of(7) in text and "cpu_time_ns=5000000004i" in text
    assert "xen_pcpu,pcpu=0 busy_ns=100000000000i" in text and "xen_vif,domain=guest-7" in text


class TestRows:
    """The same sample as xentop's own rows."""

    def test_they_are_what_xentop_prints(self, host):
        """Encoded as xentop's text and parsed again, they are the same."""
        host.interfaces = ["vif7.0", "vif7.3", "vif7.0-emu"]
        disk(host.sysfs, "vbd-7-51712", 1, 20, 30, 40, 50)
        rows = DirectRows()
        rows.joined(next(host.samples))
        host.show([dom0(1010 * S), Domain(7, [Vcpu(cpu_time=8 * S)], flags=0x4 | 3 << 16, ssidref=2)])
        found = [item.row for item in rows.joined(next(host.samples))]
        parser = Parser("nxv")
        parsed = [row for iteration in parser.feed(encode(Iteration(found))) + parser.close() for row in iteration.rows]
        assert parsed == found
        assert found[1].columns.cpu_permille == 300 and found[1].state == b"---c--" and found[1].columns.nets == 2

    def test_the_mirror_takes_them(self, host):
        disk(host.sysfs, "vbd-7-51712", b"x", 20, 30, 40, 50)
        item = DirectRows().joined(next(host.samples))[1]
        told = _mirrored(item.row, item.name, item, True)
        assert (told["domid"], told["uuid"], told["cpu_seconds"], told["cpu_percent"]) == (7, uuid_of(7), 5, None)
        assert told["vbds"] == 1 and told["vbd_rd"] is None and told["max_mem_bytes"] == 1 << 29
        assert told["vcpu_seconds"] == {"0": 5}
