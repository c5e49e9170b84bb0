"""Rows of one name: two lives of a host, second copies, domains that come and go. Nothing is guessed."""
from xenmeter.core.identity import Lives
from xenmeter.xen.domains import DomainFacts, Snapshot
from xenmeter.xentop.text.attribute import CHUNK, attribute
from xenmeter.xentop.samples import Sample
from xenmeter.xentop.text.collector import Collector
from xenmeter.xentop.text.records import Iteration, Vbd

from helpers.xentop_rows import disk, net, row

A, B = "aaaaaaaa-0000-0000-0000-000000000001", "bbbbbbbb-0000-0000-0000-000000000002"


def facts(domid, uuid, name=b"web", devices=True):
    return DomainFacts(domid, name, uuid, None, (0,) if devices else (), {51712: "xvda"} if devices else {})


def web(seconds, reads=10, devices=True, **columns):
    return row(b"web", nets=[net()] if devices else (), disks=[disk(reads=reads)] if devices else (),
               vcpu=[(0, seconds)], cpu_seconds=seconds, **columns)


class Host:
    """Gives CPU seconds by what a domain is published as, reading after reading."""

    def __init__(self):
        self.collector = Collector()
        self.time_ns = 0

    def see(self, rows, domains):
        self.time_ns += 10 ** 10
        order = {domain.domid: [str(devid) for devid in domain.vifs] for domain in domains}
        self.reading = self.collector.collect(Sample(self.time_ns, Iteration(list(rows)), Snapshot(list(domains), order)))
        return {who.uuid or who.name: values[3] // 10 ** 9 for who, _, values in self.reading.tables["domain"]
                if who.name == "web"}


class TestMoreRowsThanDomains:
    def test_the_row_that_continues_the_life_is_the_domains(self):
        """xentop still prints a domain that is gone when xenstore is asked: the half of a migration or of a reboot."""
        for rows in ([web(7), web(501)], [web(501), web(7)]):
            host = Host()
            assert host.see([web(500)], [facts(1, A)]) == {A: 500}
            assert host.see(rows, [facts(1, A)]) == {A: 501}
            assert host.see([web(502)], [facts(1, A)]) == {A: 502}
            assert host.collector.errors == {"unjoined": 1}

    def test_where_nothing_decides_the_domain_waits(self):
        host = Host()
        assert host.see([web(7), web(501)], [facts(1, A)]) == {}
        assert host.collector.errors == {"unjoined": 2}
        assert host.see([web(502)], [facts(1, A)]) == {A: 502}

    def test_the_name_in_collectd_does_not_change_for_it(self):
        host = Host()
        host.see([web(500)], [facts(1, A)])
        host.see([web(7), web(501)], [facts(1, A)])
        assert not host.reading.tables["domain"][0][0].shared

    def test_a_reboot_under_way_may_wait_but_is_never_mixed_up(self):
        host = Host()
        host.see([web(500)], [facts(1, A)])
        assert host.see([web(501), web(2)], [facts(9, A)]) == {}
        assert host.see([web(12)], [facts(9, A)]) == {A: 12}


class TestCopies:
    FILL = [row(b"d%03d" % number) for number in range(CHUNK)]
    KNOWN = [DomainFacts(100 + number, b"d%03d" % number, "%08d" % number, None, (), {}) for number in range(CHUNK)]

    def test_a_copy_is_the_row_that_differs_in_devices_only(self):
        copies = [web(500), web(500, devices=False, state=b"-----r"), web(7, devices=False)]
        domains = [facts(1, A), facts(2, B, devices=False)]
        for rows in (copies, copies[::-1]):
            host = Host()
            assert host.see(rows + self.FILL, domains + self.KNOWN) == {A: 500, B: 7}
            assert host.collector.errors == {"repeated": 1}

    def test_more_that_look_like_copies_than_there_can_be_are_told_apart_or_wait(self):
        rows = [web(0), web(0, devices=False), web(0, devices=False, state=b"------")]
        assert Host().see(rows + self.FILL, [facts(1, A), facts(2, B, devices=False)] + self.KNOWN) == {}


class TestASecondDomainOfTheName:
    def test_one_known_by_uuid_never_gets_another_key(self):
        host = Host()
        assert host.see([web(5)], [facts(1, A)]) == {A: 5}
        for step in range(3):   # either row can be A's, in every reading
            assert host.see([web(5), web(9 + step)], [facts(1, A), facts(2, B)]) == {}
        assert host.see([web(6)], [facts(1, A)]) == {A: 6}
        assert host.reading.tables["domain"][0][0].generation == 0
        assert host.collector.errors == {"unjoined": 6}

    def test_the_requests_of_its_disks_tell_where_cpu_time_does_not(self):
        host = Host()
        host.see([web(5, reads=3000)], [facts(1, A)])
        assert host.see([web(9, reads=500), web(5, reads=3000)], [facts(1, A), facts(2, B)]) == {A: 5, B: 9}
        # the one overtakes the other
        assert host.see([web(12, reads=3001), web(10, reads=501)], [facts(1, A), facts(2, B)]) == {A: 12, B: 10}

    def test_one_that_is_not_printed_yet_disturbs_nobody(self):
        host = Host()
        host.see([web(500)], [facts(1, A)])
        assert host.see([web(501)], [facts(1, A), facts(2, B)]) == {A: 501}

    def test_a_reboot_of_one_is_told_from_the_others_life(self):
        host = Host()
        domains = [facts(1, A, devices=False), facts(2, B)]
        assert host.see([web(500, devices=False), web(1400)], domains) == {A: 500, B: 1400}
        assert host.see([web(3, devices=False), web(1401)], [facts(9, A, devices=False), facts(2, B)]) == {A: 3, B: 1401}

    def test_without_a_readable_uuid_both_wait_unless_the_rest_is_sure(self):
        host = Host()
        assert host.see([web(5), web(9)], [facts(1, None), facts(2, B)]) == {}
        host.see([web(500)], [facts(1, A)])
        assert host.see([web(501), web(2)], [facts(1, A), facts(2, None)]) == {A: 501}


def test_counters_go_on_after_a_reading_in_which_a_domain_waited():
    """The life goes on, so what its devices had counted before they began again is not lost."""
    for between in ([facts(1, A), facts(2, B)], [facts(1, None)]):
        host = Host()
        host.see([web(5, reads=1000)], [facts(1, A)])
        new = Vbd("BlkBack", 51712, 0, 10, 0, 80, 0)
        host.see([row(b"web", nets=[net()], disks=[new], vcpu=[(0, 5)], cpu_seconds=5)], [facts(1, A)])
        assert host.see([web(5, reads=11)] * (len(between) - 1) + [web(9, reads=11)], between) == {}
        host.see([web(10, reads=20)], [facts(1, A)])
        assert [values[0] for _, _, values in host.reading.tables["vbd"]] == [1020]


def test_a_twin_of_one_uuid_and_one_name_is_left_out():
    lives = Lives()
    lives.begin()
    lives.see(A, "web", A, 7, False, 99, {}, 1)
    found, left_out = attribute([web(1), web(100)], [facts(3, A), facts(7, A)], lives)
    assert [(item.domid, item.row.columns.cpu_seconds) for item in found] == [(7, 100)] and left_out == {"same_uuid": 1}


def test_very_many_domains_of_one_name_are_not_all_tried():
    domains = [facts(number, "%08d-0000-0000-0000-000000000000" % number) for number in range(200)]
    found, left_out = attribute([web(seconds) for seconds in range(5)], domains, Lives())
    assert len(found) == 5 and left_out == {}
