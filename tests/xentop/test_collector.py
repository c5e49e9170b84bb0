"""Readings from iterations: units, the guest's view, monotonic counters, lives."""
import pytest

from xenmeter.core.select import domain_filter
from xenmeter.xen.domains import DomainFacts, Snapshot, Unreadable
from xenmeter.xen.netdev import NO_VIFS
from xenmeter.xentop.figures import CATALOGUE
from xenmeter.xentop.samples import Sample
from xenmeter.xentop.text.collector import Collector
from xenmeter.xentop.text.records import Iteration, Net

from helpers.xentop_rows import dead_disk, disk, net, row

UUID = "00000000-0000-0000-0000-%012d"


def facts(domid, name, vifs=(), vbds=None):
    return DomainFacts(domid, name, UUID % domid, 1795192454580000000, tuple(vifs), vbds or {})


class Host:
    """Feeds rows to a collector, an interval apart."""

    def __init__(self, names=None, wanted=None):
        self.collector = Collector(wanted)
        self.names = names
        self.time_ns = 0

    def see(self, *rows, pcpus=None, skipped=0):
        self.time_ns += 10 ** 10
        return self.collector.collect(Sample(self.time_ns, Iteration(list(rows), pcpus, skipped), self.names))


def figures(reading, entity="domain"):
    """{name or (name, labels...): {figure: value}}"""
    keys = CATALOGUE.entities[entity].keys()
    found = {}
    for who, labels, values in reading.tables[entity]:
        key = who.name if entity == "domain" else (who.name,) + labels
        assert key not in found
        found[key] = dict(zip(keys, values))
    return found


def test_units():
    web = figures(Host().see(row(b"web", b"--b---", cpu_seconds=12, mem_kib=1024, maxmem_kib=2048, mem_permille=31,
                                 maxmem_permille=62, vcpus=3, ssid=4)))["web"]
    assert (web["cpu_time_ns"], web["memory_bytes"], web["memory_max_bytes"]) == (12 * 10 ** 9, 2 ** 20, 2 ** 21)
    assert (web["memory_ppm"], web["memory_max_ppm"], web["vcpus"], web["ssid"]) == (31000, 62000, 3, 4)


def test_no_limit_is_absent():
    web = figures(Host().see(row(b"web", maxmem_kib=None, maxmem_permille=None)))["web"]
    assert web["memory_max_bytes"] is None and web["memory_max_ppm"] is None


class TestCpuRatio:
    def test_the_first_is_always_zero_in_the_text_and_means_nothing(self):
        host = Host()
        assert figures(host.see(row(b"web", cpu_permille=0)))["web"]["cpu_ppm"] is None
        assert figures(host.see(row(b"web", cpu_permille=408)))["web"]["cpu_ppm"] == 408000

    def test_a_domain_that_was_away_begins_again(self):
        host = Host()
        host.see(row(b"web"), row(b"a"))
        host.see(row(b"a"))
        assert figures(host.see(row(b"web", cpu_permille=0), row(b"a")))["web"]["cpu_ppm"] is None

    @pytest.mark.parametrize("permille, ppm", [(1000, 10 ** 6), (2100, 2100000), (2101, None), (None, None),
                                               (6148914689570, None)])
    def test_more_than_its_vcpus_can_do_is_a_wrapped_counter(self, permille, ppm):
        host = Host()
        host.see(row(b"web", vcpus=2))
        assert figures(host.see(row(b"web", vcpus=2, cpu_permille=permille)))["web"]["cpu_ppm"] == ppm


@pytest.mark.parametrize("letters, states, virt", [
    (b"-----r", {"running"}, 1), (b"--b---", {"blocked"}, 2), (b"----p-", {"paused"}, 3), (b"------", set(), 0),
    (b"-s----", {"shutdown"}, 5), (b"---c--", {"crashed"}, 6), (b"d-----", {"dying"}, 4),
    (b"--b-p-", {"blocked", "paused"}, 3), (b"ds-c--", {"dying", "shutdown", "crashed"}, 6)])
def test_states(letters, states, virt):
    web = figures(Host().see(row(b"web", letters)))["web"]
    assert {name[6:] for name in web if name.startswith("state_") and web[name]} == states
    assert web["virt_state"] == virt


class TestNetworks:
    def test_the_guest_receives_what_dom0s_interface_sends(self):
        reading = Host().see(row(b"web", nets=[net(rx=1111, tx=2222)]))
        vif = figures(reading, "vif")["web", "net0"]
        assert (vif["rx_bytes"], vif["tx_bytes"]) == (2222, 1111)
        assert (vif["rx_packets"], vif["rx_errors"], vif["rx_drops"]) == (21, 22, 23)
        assert (vif["tx_packets"], vif["tx_errors"], vif["tx_drops"]) == (11, 12, 13)
        web = figures(reading)["web"]
        assert (web["rx_bytes"], web["tx_bytes"], web["vifs"]) == (2222, 1111, 1)

    def test_without_device_lines_bytes_come_from_the_kib_columns(self):
        reading = Host().see(row(b"web", nettx_kib=3, netrx_kib=5, announced=1))
        assert reading.tables["vif"] == []
        assert (figures(reading)["web"]["rx_bytes"], figures(reading)["web"]["tx_bytes"]) == (3072, 5120)

    def test_one_series_never_mixes_the_two(self):
        host = Host()
        host.see(row(b"web", nets=[net(tx=5000)]))
        web = figures(host.see(row(b"web", nettx_kib=9, announced=1)))["web"]
        assert web["rx_bytes"] is None and web["tx_bytes"] is None

    def test_lines_that_do_not_add_up_to_the_column_are_anothers(self):
        host = Host()
        reading = host.see(row(b"web", nets=[net(tx=5000)], nettx_kib=77))
        assert reading.tables["vif"] == [] and host.collector.errors == {"inconsistent": 1}

    def test_a_vif_that_is_plugged_again_goes_on_counting(self):
        host = Host()
        host.see(row(b"web", nets=[net(rx=10000, tx=5000)]))
        host.see(row(b"web"))
        reading = host.see(row(b"web", nets=[net(rx=100, tx=50)]))
        assert figures(reading, "vif")["web", "net0"]["rx_bytes"] == 5050
        assert figures(reading)["web"]["rx_bytes"] == 5050

    def test_the_sum_does_not_fall_when_a_vif_goes(self):
        host = Host()
        host.see(row(b"web", nets=[net(0, tx=4000), net(1, tx=7000)]))
        assert figures(host.see(row(b"web", nets=[net(0, tx=4001)])))["web"]["rx_bytes"] == 11001

    def test_devices_are_named_by_devid_in_dom0s_order(self):
        host = Host(Snapshot([facts(3, b"web", [0, 2])], {3: ["2", "0"]}))
        found = figures(host.see(row(b"web", nets=[net(0, tx=4000), net(1, tx=7000)])), "vif")
        assert {key[1]: vif["rx_bytes"] for key, vif in found.items()} == {"2": 4000, "0": 7000}

    def test_a_single_vif_needs_no_order(self):
        host = Host(Snapshot([facts(3, b"web", [2])], None))
        assert list(figures(host.see(row(b"web", nets=[net()])), "vif")) == [("web", "2")]

    def test_positions_are_kept_where_the_order_is_not_known(self):
        host = Host(Snapshot([facts(3, b"web", [0, 2])], None))
        assert list(figures(host.see(row(b"web", nets=[net(0), net(1)])), "vif")) == [("web", "net0"), ("web", "net1")]
        assert list(figures(host.see(row(b"web", nets=[net(0)])), "vif")) == [("web", "net0")]

    def test_lists_that_do_not_match_just_now_wait(self):
        host = Host(Snapshot([facts(3, b"web", [0])], {3: ["0"]}))
        reading = host.see(row(b"web", nets=[net(0), net(1)]))
        assert reading.tables["vif"] == [] and figures(reading)["web"]["rx_bytes"] is None
        assert host.collector.errors == {"unjoined": 1}


class TestDisks:
    def test_sectors_are_512_bytes(self):
        reading = Host().see(row(b"web", disks=[disk(51712, 10, 20)]))
        vbd = figures(reading, "vbd")["web", "xvda", "BlkBack"]
        assert (vbd["read_bytes"], vbd["write_bytes"], vbd["read_requests"], vbd["write_requests"],
                vbd["out_of_requests"]) == (10 * 8 * 512, 20 * 8 * 512, 10, 20, 1)

    def test_the_name_is_xenstores(self):
        host = Host(Snapshot([facts(3, b"web", (), {51712: "xvda"})], None))
        assert list(figures(host.see(row(b"web", disks=[disk()])), "vbd")) == [("web", "xvda", "BlkBack")]

    def test_a_dead_disk_is_absent_and_the_others_are_not(self):
        reading = Host().see(row(b"web", disks=[disk(1), dead_disk(2)], vbd_oo=1, vbd_rd=10, vbd_wr=20, vbd_rsect=80,
                                 vbd_wsect=160))
        assert list(figures(reading, "vbd")) == [("web", "1", "BlkBack")]

    def test_all_dead_is_unknown_and_never_zero(self):
        web = figures(Host().see(row(b"web", disks=[dead_disk()])))["web"]
        assert [web[key] for key in ("read_requests", "write_requests", "read_bytes", "write_bytes",
                                     "out_of_requests")] == [None] * 5 and web["vbds"] == 1

    def test_two_disks_of_one_number_are_unknown(self):
        """libxenstat gives all of QEMU's disks the first one's number: each would look like the other's fall."""
        host = Host()
        for step in range(3):
            reading = host.see(row(b"web", disks=[disk(51712, 1000 + step, type_="Unidentified"),
                                                  disk(51712, 7, type_="Unidentified")]))
            assert figures(reading, "vbd") == {} and figures(reading)["web"]["read_requests"] is None
        assert figures(reading)["web"]["vbds"] == 2 and host.collector.errors == {"inconsistent": 3}
        found = figures(host.see(row(b"web", disks=[disk(51712, 1003, type_="Unidentified")])), "vbd")
        assert found["web", "xvda", "Unidentified"]["read_requests"] == 1003

    def test_no_disk_is_zero(self):
        assert figures(Host().see(row(b"web")))["web"]["read_requests"] == 0


class TestUnseenDevices:
    """xentop's text lacks vifs where there is no Linux bridge, and disks of some backends: that is no 0."""

    SUMS = ("vifs", "rx_bytes", "tx_bytes"), ("vbds", "read_requests", "write_bytes", "out_of_requests")

    def sums(self, reading, which):
        web = figures(reading)["web"]
        return [web[key] for key in self.SUMS[which]]

    @pytest.mark.parametrize("order", [None, {3: ["0"]}])
    def test_none_of_them(self, order):
        host = Host(Snapshot([facts(3, b"web", [0], {51712: "xvda"})], order))
        reading = host.see(row(b"web"))
        assert self.sums(reading, 0) == [None] * 3 and self.sums(reading, 1) == [None] * 4
        assert host.collector.errors == {"unseen_devices": 2}

    def test_some_of_them(self):
        host = Host(Snapshot([facts(3, b"web", [0, 1], {51712: "xvda", 51728: "xvdb"})], {3: ["0", "1"]}))
        reading = host.see(row(b"web", nets=[net()], disks=[disk()]))
        assert self.sums(reading, 0) == [None] * 3 and self.sums(reading, 1) == [None] * 4
        assert reading.tables["vif"] == []      # which one it is cannot be told; a disk has its number
        assert list(figures(reading, "vbd")) == [("web", "xvda", "BlkBack")]
        assert host.collector.errors == {"unseen_devices": 2}

    def test_a_network_namespace_of_our_own(self):
        """dom0's kernel lists none of the vifs that xenstore has there: xentop sees none either, and prints 0."""
        host = Host(Snapshot([facts(3, b"web", [0, 1])], {}))
        assert self.sums(host.see(row(b"web")), 0) == [2, None, None]
        assert host.collector.errors == {"unseen_devices": 1} and host.collector.notices == [NO_VIFS]
        host.names = Snapshot([facts(3, b"web")], {})
        assert self.sums(host.see(row(b"web")), 0) == [0, 0, 0] and host.collector.notices == []

    def test_what_xentop_shows_is_seen(self):
        host = Host(Snapshot([facts(3, b"web", [0])], {}))
        assert self.sums(host.see(row(b"web", nets=[net()])), 0)[0] == 1 and host.collector.notices == []

    def test_one_vif_in_another_namespace(self):
        host = Host(Snapshot([facts(3, b"web", [0, 1])], {3: ["0", "0-emu"]}))
        reading = host.see(row(b"web", nets=[net(0), net(1)]))
        assert self.sums(reading, 0) == [3, None, None] and host.collector.notices == []
        assert sorted(figures(reading, "vif")) == [("web", "0"), ("web", "0-emu")]

    def test_backends_in_another_domain(self):
        """Qubes: the guest has them, by xenstore's word, and nothing in dom0 counts what they do: not 0, but absent."""
        host = Host(Snapshot([facts(3, b"web", [], {51712: "xvda"})._replace(vifs_elsewhere=(0,))], {}))
        reading = host.see(row(b"web", disks=[disk()]))
        assert self.sums(reading, 0) == [1, None, None] and self.sums(reading, 1)[0] == 1
        host.names = Snapshot([facts(3, b"web", [0], {51712: "xvda"})._replace(vifs_elsewhere=(1,), vbds_elsewhere=(51728,))],
                              {3: ["0"]})
        reading = host.see(row(b"web", nets=[net()], disks=[disk()]))
        assert self.sums(reading, 0) == [2, None, None] and self.sums(reading, 1) == [2, None, None, None]
        assert ("web", "0") in figures(reading, "vif") and ("web", "xvda", "BlkBack") in figures(reading, "vbd")
        assert host.collector.errors == {}

    @pytest.mark.parametrize("shown", [[], [dead_disk(5632)]])
    def test_an_empty_drive(self, shown):
        """xapi's is not shown by xentop at all, xl's of blkback without counters, for which all sums are missing from its
        columns (since Xen 4.13)."""
        host = Host(Snapshot([facts(3, b"web", [], {768: "768", 5632: "hdc"})._replace(empty=(5632,))], {}))
        reading = host.see(row(b"web", disks=[disk(768, 70, 80)] + shown))
        assert self.sums(reading, 1) == [1, 70, 80 * 8 * 512, 1] and host.collector.errors == {}
        assert list(figures(reading, "vbd")) == [("web", "xvda", "BlkBack")]

    def test_nothing_but_an_empty_drive(self):
        host = Host(Snapshot([facts(3, b"web", [], {5632: "hdc"})._replace(empty=(5632,))], {}))
        for disks in ([], [dead_disk(5632)]):
            assert self.sums(host.see(row(b"web", disks=disks)), 1) == [0, 0, 0, 0]
        assert host.collector.errors == {}

    def test_a_disk_that_cannot_be_read_is_no_empty_drive(self):
        host = Host(Snapshot([facts(3, b"web", [], {768: "768", 5632: "hdc"})._replace(empty=(5632,))], {}))
        reading = host.see(row(b"web", disks=[dead_disk(768), dead_disk(5632)]))
        assert self.sums(reading, 1) == [1, None, None, None]


class TestDiskNames:
    def names(self, vbds, by_number=False, devs=(768, 832)):
        collector = Collector(by_number=by_number)
        names = None if vbds is None else Snapshot([facts(3, b"web", [], vbds)], {})
        reading = collector.collect(Sample(10 ** 9, Iteration([row(b"web", disks=[disk(dev) for dev in devs])]), names))
        return [labels[0] for _, labels, _ in reading.tables["vbd"]]

    def test_the_guests_name_where_xenstore_has_none(self):
        assert self.names({768: "768", 832: "832"}) == self.names(None) == ["xvda", "xvdb"]

    def test_xenstores_name_comes_first(self):
        assert self.names({768: "hda", 832: "832"}) == ["hda", "xvdb"]
        assert self.names({768: "768", 832: "xvda"}) == ["768", "xvda"]     # never two of one name

    def test_two_numbers_of_one_guests_name(self):
        assert self.names(None, devs=(768, 51712)) == ["xvda", "51712"]

    def test_the_way_back(self):
        assert self.names({768: "768", 832: "xvdb"}, by_number=True) == ["768", "xvdb"]
        assert self.names(None, by_number=True) == ["768", "832"]


class TestLives:
    def test_cpu_time_that_falls_is_another_life_and_its_counters_begin_again(self):
        host = Host()
        first = host.see(row(b"web", cpu_seconds=100, nets=[net(tx=9000)]))
        second = host.see(row(b"web", cpu_seconds=2, nets=[net(tx=10)]))
        assert [reading.tables["domain"][0][0].generation for reading in (first, second)] == [0, 1]
        assert figures(second, "vif")["web", "net0"]["rx_bytes"] == 10
        assert figures(second)["web"]["cpu_ppm"] is None

    def test_another_domid_is_another_life(self):
        host = Host(Snapshot([facts(3, b"web")], None))
        host.see(row(b"web", cpu_seconds=5))
        host.names = Snapshot([facts(3, b"web")._replace(domid=9)], None)
        reading = host.see(row(b"web", cpu_seconds=50))
        who = reading.tables["domain"][0][0]
        assert (who.generation, who.domid, who.uuid) == (1, 9, UUID % 3)

    def test_a_rename_keeps_the_life(self):
        host = Host(Snapshot([facts(3, b"web")], None))
        host.see(row(b"web", nets=()))
        host.names = Snapshot([facts(3, b"www")], None)
        reading = host.see(row(b"www", cpu_permille=100))
        who = reading.tables["domain"][0][0]
        assert (who.name, who.uuid, who.generation) == ("www", UUID % 3, 0)
        assert figures(reading)["www"]["cpu_ppm"] == 100000

    def test_a_vcpu_that_goes_offline_keeps_the_life(self):
        host = Host()
        host.see(row(b"web", vcpu=[(0, 5), (1, 7)], vcpus=2))
        reading = host.see(row(b"web", vcpu=[(0, 6)], vcpus=2))
        assert reading.tables["domain"][0][0].generation == 0
        assert figures(reading, "domain_vcpu") == {("web", "0"): {"cpu_time_ns": 6 * 10 ** 9}}

    def test_a_damaged_iteration_ends_no_life(self):
        host = Host()
        host.see(row(b"a"), row(b"web", nets=[net(tx=5000)]))
        host.see(row(b"a"), skipped=1)
        reading = host.see(row(b"a"), row(b"web", nets=[Net(0, 1, 1, 1, 1, 10, 1, 1, 1)]))
        assert figures(reading, "vif")["web", "net0"]["rx_bytes"] == 5010


class TestNames:
    def test_when_xenstore_does_not_answer_all_domains_wait(self):
        host = Host(Unreadable("xenstore: did not answer"))
        reading = host.see(row(b"web"))
        assert reading.tables["domain"] == [] and reading.tables["host"] == []
        assert host.collector.errors == {"no_names": 1} and "did not answer" in host.collector.trouble

    def test_start_time_and_domid(self):
        web = figures(Host(Snapshot([facts(3, b"web")], None)).see(row(b"web")))["web"]
        assert (web["info"], web["domid"], web["start_time_ns"]) == (1, 3, 1795192454580000000)

    def test_unknown_domid_is_absent(self):
        web = figures(Host().see(row(b"web")))["web"]
        assert (web["info"], web["domid"], web["start_time_ns"]) == (None, None, None)

    def test_filters_take_name_and_uuid(self):
        host = Host(Snapshot([facts(0, b"Domain-0"), facts(3, b"web"), facts(4, b"db")], None),
                    domain_filter(["w*", UUID % 4], ["/^x/"], False))
        assert set(figures(host.see(row(b"Domain-0"), row(b"db"), row(b"web")))) == {"web", "db"}


def test_pcpus_and_host():
    reading = Host().see(row(b"Domain-0"), row(b"web"), pcpus=[(0, 555), (3, 1000)])
    assert reading.tables["pcpu"] == [(None, ("0",), (None, 555000)), (None, ("3",), (None, 1000000))]
    assert reading.tables["host"] == [(None, ("xentop",), (1, 2) + (None,) * 9)]


def test_counters_never_fall_within_a_life_whatever_the_devices_do():
    host, last = Host(), 0
    new = Net(0, 1, 1, 1, 1, 90, 1, 1, 1)
    for nets in ([net(tx=5000)], [], [net(tx=100), net(1, tx=9000)], [new], [new, Net(1, *[0] * 8)]):
        now = figures(host.see(row(b"web", nets=nets)))["web"]["rx_bytes"]
        assert now >= last
        last = now
