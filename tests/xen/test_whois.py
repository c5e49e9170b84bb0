"""Of the domains of one machine exactly one is published, whatever lingers beside it: the same in all three plugins."""
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from helpers.machines import histories, readings, runs

from xenmeter.core.identity import Lives
from xenmeter.xen import structs, whois
from xenmeter.xen.roster import Roster
from xenmeter.xen.whois import DYING, RUNS, STANDS, Claim
from xenmeter.xentop.text.attribute import attribute
from xenmeter.xentop.direct.info import letters
from xenmeter.xentop.text.records import Columns, DomainRow
from xenmeter.xentrace.attribute import Attribution

UUID = "814c8b22-d896-bc76-a421-7afce8e8a538"
claims = st.lists(st.builds(Claim, st.sampled_from(["a", "b"]), st.integers(0, 9), st.sampled_from([RUNS, STANDS, DYING])),
                  max_size=6, unique_by=lambda claim: claim.domid)


@given(claims, st.dictionaries(st.sampled_from(["a", "b"]), st.integers(0, 9)))
def test_the_rule(claimed, before):
    chosen, left_out = whois.elect(claimed, before)
    assert set(chosen) == {claim.uuid for claim in claimed}
    assert sorted([loser for loser, _ in left_out] + list(chosen.values())) == sorted(claimed)
    for loser, winner in left_out:
        assert winner == chosen[loser.uuid]
        same = winner.rank == loser.rank
        assert winner.rank < loser.rank or same and (winner.domid == before.get(winner.uuid) or
                                                     loser.domid != before.get(winner.uuid) and winner.domid < loser.domid)
        assert "domain %d of UUID %s" % (loser.domid, loser.uuid) in whois.leaving_out(loser, winner)
        assert "domain %d " % winner.domid in whois.leaving_out(loser, winner)
    assert whois.elect(claimed[::-1], before)[0] == chosen


@pytest.mark.parametrize("flags, rank", [
    (0, RUNS), (1 << 4, RUNS), (1 << 5, RUNS), (structs.PAUSED, STANDS), (structs.SHUTDOWN, STANDS),
    (structs.SHUTDOWN | 3 << 16, STANDS), (structs.DYING, DYING), (structs.DYING | structs.PAUSED | structs.SHUTDOWN, DYING)])
def test_ranks(flags, rank):
    assert whois.rank_of_flags(flags) == rank == whois.rank_of_letters(letters(flags))


@pytest.mark.parametrize("name, real", [
    (b"web", b"web"), (b"web--incoming", b"web"), (b"web--migratedaway", b"web"), (b"web--incoming-dm", b"web-dm"),
    (b"web--incoming--migratedaway", b"web"), (b"--incoming", b"--incoming"), (b"a\n--incoming", b"a\n"),
    (b"web--incoming ", b"web--incoming "), (b"web-incoming", b"web-incoming"), (b"--incoming--incoming", b"--incoming"),
    (b"", b"")])
def test_names_during_a_migration(name, real):
    assert whois.real_name(name) == real


@given(st.binary(max_size=30), st.sampled_from([b"--incoming", b"--migratedaway"]))
def test_a_name_is_the_same_before_during_and_after_a_migration(name, end):
    real = whois.real_name(name)
    assert whois.real_name(real) == real
    if name:
        assert whois.real_name(name + end) == real or real == name == b"--incoming"[:len(name)]


@pytest.mark.parametrize("uuid, other, expected", [
    (UUID[:24] + "000000000001", UUID, True), (UUID[:24] + "000000000000", UUID, True), (UUID, UUID, False),
    (UUID[:24] + "000000000002", UUID, False), ("9" + UUID[1:24] + "000000000001", UUID, False)])
def test_temporary_uuids(uuid, other, expected):
    assert whois.is_temporary(uuid, other) is expected


def test_shared_names():
    assert whois.shared_names([("a", 1), ("b", 2), ("a", 1), ("b", 3), ("c", 4)]) == {"b"}


def test_shared_names_of_many_cost_no_more_than_their_number():
    """A count per name would compare some 10^10 times."""
    assert whois.shared_names([("web", number) for number in range(100000)]) == {"web"}


@given(histories)
@example([(0, "start"), (0, "leave"), (0, "run"), (0, "run")])
@example([(0, "start"), (0, "xl"), (0, "fail"), (0, "kill"), (0, "reap"), (0, "start"), (0, "run"), (0, "pause")])
def test_the_hypervisors_list(history):
    roster = None
    for host in readings(history):
        roster = roster or Roster(host, lambda: host.clock)
        members = roster.members([domain.info() for domain in host.domains])
        for machine in host.machines:
            published = [member for member in members if member.uuid == machine.uuid]
            assert len(published) == bool(machine.domains)
            assert all(not member.shared for member in published)
            assert not any(member.name != machine.name for member in published)
            if runs(machine):
                assert published[0].domid == machine.live.domid
        assert len(members) == sum(bool(machine.domains) for machine in host.machines)
        assert len(roster.notices) == len(host.domains) - len(members)


def as_row(domain):
    seconds = domain.cpu_ns // 10 ** 9
    row = DomainRow(domain.name.encode(), letters(domain.flags), Columns(seconds, 0, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0))
    row.vcpu_seconds = [(0, seconds)]
    return row


@given(histories)
@example([(0, "start"), (0, "leave"), (0, "run"), (0, "run")])
@example([(0, "start"), (0, "xl"), (0, "fail"), (0, "kill"), (0, "reap"), (0, "start"), (0, "run"), (0, "pause")])
def test_xentops_rows(history):
    lives = Lives()
    for host in readings(history):
        rows = {id(row): (row, domain) for row, domain in
                [(as_row(domain), domain) for domain in host.domains if domain.name is not None]}
        snapshot = host.snapshot()
        lives.begin()
        joined, left_out = attribute([row for row, _ in rows.values()], snapshot.domains[1:], lives)
        for item in joined:
            lives.see(item.key, item.name, item.uuid, item.domid, item.shared, item.row.columns.cpu_seconds,
                      dict(item.row.vcpu_seconds), 1)
        lives.end(True)
        for machine in host.machines:
            published = [item for item in joined if item.uuid == machine.uuid]
            named = [domain for domain in machine.domains if domain.name is not None]
            assert len(published) <= bool(named) and all(item.name == machine.name for item in published)
            if runs(machine):
                assert rows[id(published[0].row)][1] is machine.live
        assert {item.uuid for item in joined} <= {machine.uuid for machine in host.machines}


@given(histories)
@example([(0, "start"), (0, "leave"), (0, "run"), (0, "run")])
@example([(0, "start"), (0, "xl"), (0, "fail"), (0, "kill"), (0, "reap"), (0, "start"), (0, "run"), (0, "pause")])
def test_the_traces_lives(history):
    attribution, ran = Attribution(), {}
    for host in readings(history):
        lives = [{"domid": domain.domid, "generation": 0, "end_ns": None, "running_ns": domain.cpu_ns}
                 for domain in host.domains]
        whose = attribution.whose(lives, host.snapshot())
        for machine in host.machines:
            named = [domain for domain in machine.domains if domain.name is not None]
            published = [who for who in whose.values() if who.uuid == machine.uuid]
            assert len(published) == bool(named) and all(who.name == machine.name for who in published)
            if machine.live is not None and machine.live.cpu_ns > ran.get(machine.live.domid, 0):
                assert published[0].domid == machine.live.domid
        ran = {domain.domid: domain.cpu_ns for domain in host.domains}
        assert {who.uuid for who in whose.values()} <= {machine.uuid for machine in host.machines}
