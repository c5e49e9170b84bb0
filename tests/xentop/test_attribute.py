"""Which domain a row is: names, twins, libxenstat's repeats (PEERS 2.16), migrations, odd names."""
from xenmeter.core.identity import Lives
from xenmeter.xen.domains import DomainFacts
from xenmeter.xentop.text.attribute import CHUNK, attribute

from helpers.xentop_rows import disk, net, row

UUID = "00000000-0000-0000-0000-%012d"


def facts(domid, name=b"web", number=None, vifs=(), vbds=()):
    return DomainFacts(domid, name, UUID % (domid if number is None else number), None, tuple(vifs),
                       {dev: "xvd%d" % dev for dev in vbds})


def joined(rows, domains, lives=None):
    found, left_out = attribute(rows, domains, lives or Lives())
    return [(item.key, item.name, item.domid) for item in found], left_out


def remember(lives, rows, domains):
    """What a collector does with the result."""
    lives.begin()
    found, _ = attribute(rows, domains, lives)
    for item in found:
        lives.see(item.key, item.name, item.uuid, item.domid, item.shared, item.row.columns.cpu_seconds, {}, 1)
    lives.end(True)
    return {item.key: item.row.columns.cpu_seconds for item in found}


def test_by_name():
    assert joined([row(b"a"), row(b"b")], [facts(1, b"b"), facts(2, b"a")]) == (
        [(UUID % 2, "a", 2), (UUID % 1, "b", 1)], {})


def test_without_xenstore_the_name_is_the_key():
    assert joined([row(b"a")], None) == ([("a", "a", None)], {})


def test_a_domain_that_xenstore_does_not_know_yet_waits():
    assert joined([row(b"a")], []) == ([], {"unjoined": 1})


def test_a_domain_without_a_readable_uuid_waits():
    assert joined([row(b"a")], [facts(1, b"a")._replace(uuid=None)]) == ([], {"unjoined": 1})


def test_leading_blanks_are_padding_in_the_text():
    assert joined([row(b"lead")], [facts(1, b"  lead")]) == ([(UUID % 1, "  lead", 1)], {})


def test_names_cut_to_ten_bytes():
    domains = [facts(1, b"a-long-domain-name"), facts(2, "gäst-ünï-日本".encode()), facts(3, b"short")]
    rows = [row(domain.name[:10]) for domain in domains]
    assert joined(rows, domains)[0] == [(UUID % 1, "a-long-domain-name", 1), (UUID % 2, "gäst-ünï-日本", 2),
                                        (UUID % 3, "short", 3)]


def test_a_whole_name_is_not_mistaken_for_a_cut_one():
    domains = [facts(1, b"a-long-dom"), facts(2, b"a-long-domain")]
    assert joined([row(b"a-long-dom"), row(b"a-long-domain")], domains)[0] == [
        (UUID % 1, "a-long-dom", 1), (UUID % 2, "a-long-domain", 2)]


class TestRepeats:
    """libxenstat prints some rows twice on hosts with more than 256 domains; devices hang on the first copy only."""

    def test_xenstore_says_that_there_is_one(self):
        with_devices = row(b"web", nets=[net()], disks=[disk()])
        found, left_out = attribute([row(b"web"), with_devices], [facts(1, vifs=[0], vbds=[51712])], Lives())
        assert [item.row for item in found] == [with_devices] and left_out == {"repeated": 1}

    def test_xenstore_says_that_there_are_two_and_three_rows_came(self):
        rows = [row(b"web", disks=[disk(1)]), row(b"web"), row(b"web", disks=[disk(2)])]
        found, left_out = joined(rows, [facts(1, vbds=[1]), facts(2, vbds=[2])])
        assert sorted(found) == [(UUID % 1, "web", 1), (UUID % 2, "web", 2)] and left_out == {"repeated": 1}

    def test_nobody_can_tell_on_a_large_host_without_xenstore(self):
        rows = [row(b"d%03d" % number) for number in range(CHUNK)] + [row(b"web"), row(b"web", nets=[net()])]
        found, left_out = attribute(rows, None, Lives())
        assert left_out == {"repeated": 1} and len(found) == CHUNK + 1
        assert [len(item.row.networks) for item in found if item.key == "web"] == [1]

    def test_on_a_small_host_two_rows_are_two_domains(self):
        found, left_out = joined([row(b"web"), row(b"web")], None)
        assert found == [("web", "web", None), ("web~2", "web~2", None)] and left_out == {}

    def test_a_domain_that_is_really_called_so_keeps_its_name(self):
        found, left_out = joined([row(b"web"), row(b"web~2"), row(b"web"), row(b"web~2")], None)
        assert sorted(found) == [("web", "web", None), ("web~2", "web~2", None), ("web~2~2", "web~2~2", None),
                                 ("web~3", "web~3", None)] and left_out == {}


class TestTwins:
    def test_told_apart_by_their_disks(self):
        rows = [row(b"web", disks=[disk(2)]), row(b"web", disks=[disk(1)])]
        found, _ = attribute(rows, [facts(1, vbds=[1]), facts(2, vbds=[2])], Lives())
        assert {item.uuid: item.row.vbds[0].dev for item in found} == {UUID % 1: 1, UUID % 2: 2}
        assert all(item.shared for item in found)

    def test_when_nothing_tells_them_apart_both_are_published_under_the_name_and_stay_so(self):
        lives, domains = Lives(), [facts(1), facts(2)]
        for minute in range(4):
            rows = [row(b"web", cpu_seconds=100 + minute), row(b"web", cpu_seconds=7)]
            if minute % 2:      # qsort leaves equal names in any order
                rows.reverse()
            assert remember(lives, rows, domains) == {"web": 100 + minute, "web~2": 7}

    def test_the_life_that_goes_on_decides_once_they_were_told_apart(self):
        lives = Lives()
        domains = [facts(1, vbds=[1]), facts(2, vbds=[2])]
        remember(lives, [row(b"web", disks=[disk(1)], cpu_seconds=50), row(b"web", disks=[disk(2)], cpu_seconds=5)], domains)
        # both disks are gone now, but a counter never falls
        assert remember(lives, [row(b"web", cpu_seconds=6), row(b"web", cpu_seconds=51)], domains) == {
            UUID % 1: 51, UUID % 2: 6}


def test_of_two_live_domains_with_one_uuid_the_older_one_counts():
    """A migration in flight: the receiving domain already has the UUID, and a name of its own for a while."""
    lives = Lives()
    old = facts(7, b"web", 1)
    remember(lives, [row(b"web", cpu_seconds=99)], [old])
    new = facts(3, b"web--incoming", 1)     # domids wrap around: the lower one is not the older one
    found, left_out = joined([row(b"web", cpu_seconds=99), row(b"web--incoming", cpu_seconds=0)], [old, new], lives)
    assert found == [(UUID % 1, "web", 7)] and left_out == {"same_uuid": 1}


def test_what_a_failed_migration_left_does_not_hide_the_machine_that_runs():
    """Both bear the machine's name and UUID; rows of one name come in any order."""
    lives = Lives()
    leaked, runs = facts(9, number=1), facts(12, number=1)
    remember(lives, [row(b"web", b"----p-", cpu_seconds=3)], [leaked])
    rows = [row(b"web", b"--b---", cpu_seconds=50), row(b"web", b"----p-", cpu_seconds=3)]
    notices = []
    for ordered in (rows, rows[::-1]):
        found, left_out = attribute(ordered, [leaked, runs], lives, notices)
        assert [(item.key, item.name, item.domid, item.shared, item.row.columns.cpu_seconds) for item in found] == [
            (UUID % 1, "web", 12, False, 50)] and left_out == {"same_uuid": 1}
    assert set(notices) == {"domain 9 of UUID %s stands still, and is left out: domain 12 runs (a migration under way, or "
                            "what one left?)" % (UUID % 1)}
    found, _ = attribute(rows, [leaked, runs], Lives())     # xenmeter was started beside them
    assert [(item.domid, item.row.columns.cpu_seconds) for item in found] == [(12, 50)]


def test_names_that_xl_gives_during_a_migration():
    incoming = facts(9, b"web--incoming", 1)
    assert joined([row(b"web--incoming", b"----p-")], [incoming]) == ([(UUID % 1, "web", 9)], {})
    away, come = facts(9, b"web--migratedaway", 1), facts(12, b"web", 1)
    rows = [row(b"web--migratedaway", b"-s----", cpu_seconds=9), row(b"web", cpu_seconds=0)]
    assert joined(rows, [away, come]) == ([(UUID % 1, "web", 12)], {"same_uuid": 1})


def test_names_that_xl_gives_during_a_migration_without_xenstore():
    assert joined([row(b"web--incoming", b"----p-")], None) == ([("web", "web", None)], {})
    rows = [row(b"web", b"-----r", cpu_seconds=99), row(b"web--incoming", b"----p-")]
    found, left_out = attribute(rows, None, Lives())
    assert [(item.key, item.row.columns.cpu_seconds) for item in found] == [("web", 99)] and left_out == {"same_uuid": 1}
    rows = [row(b"web", b"-----r"), row(b"web--migratedaway", b"-s----", cpu_seconds=99), row(b"db")]
    found, _ = attribute(rows, None, Lives())
    assert [(item.key, item.row.columns.cpu_seconds) for item in found] == [("web", 1), ("db", 1)]


def test_a_shared_name_is_marked_also_while_one_of_both_has_another_for_a_migration():
    domains = [facts(1), facts(2, b"web--incoming")]
    found, _ = attribute([row(b"web"), row(b"web--incoming", b"----p-")], domains, Lives())
    assert [(item.uuid, item.name, item.shared) for item in found] == [(UUID % 1, "web", True), (UUID % 2, "web", True)]
