"""Names and UUIDs of the hypervisor's domains."""
import uuid as uuids

from xenmeter.core.errors import SourceError
from xenmeter.xen import structs
from xenmeter.xen.domains import DomainFacts, Snapshot
from xenmeter.xen.roster import NAMES_REST_S, PATIENCE, Roster


class Names:
    """xenstore's word, as a test gives it: a dict of names by domid, None, or an error."""

    def __init__(self, names):
        self.names = names
        self.asked = 0

    def snapshot(self):
        self.asked += 1
        if isinstance(self.names, Exception):
            raise self.names
        if self.names is None:
            return None
        return Snapshot([DomainFacts(domid, name, None, None, (), {}) for domid, name in self.names.items()], None)


def info(domid, uuid=None, flags=0):
    handle = uuids.UUID(int=uuid if uuid is not None else domid).bytes
    layout = structs.domaininfo(112)
    return layout.unpack(layout.pack(domain=domid, handle=handle, flags=flags))


def text(number):
    return str(uuids.UUID(int=number))


def names(members):
    return [(member.domid, member.name, member.uuid) for member in members]


def test_names_and_uuids():
    roster = Roster(Names({0: b"Domain-0", 3: b"web \xff", 4: b"gone"}))
    assert names(roster.members([info(0), info(3)])) == [(0, "Domain-0", text(0)), (3, "web \\xff", text(3))]
    assert roster.errors == {} and roster.trouble is None


def test_xenstore_is_asked_when_something_changed():
    now = [100.0]
    source = Names({0: b"Domain-0", 3: b"web"})
    roster = Roster(source, lambda: now[0])
    for _ in range(5):
        roster.members([info(0), info(3)])
    assert source.asked == 1
    source.names[3] = b"shop"
    now[0] += NAMES_REST_S
    assert names(roster.members([info(0), info(3)]))[1][1] == "shop" and source.asked == 2
    source.names[4] = b"new"
    assert len(roster.members([info(0), info(3), info(4)])) == 3 and source.asked == 3
    roster.members([info(0), info(4)])
    assert source.asked == 4
    source.names[4] = b"other"      # the same domid, another domain
    assert names(roster.members([info(0), info(4, uuid=9)])) == [(0, "Domain-0", text(0)), (4, "other", text(9))]


def test_xenstore_does_not_answer():
    source = Names({0: b"Domain-0", 3: b"web"})
    roster = Roster(source)
    roster.members([info(0), info(3)])
    source.names = SourceError("xenstore: overloaded")
    found = roster.members([info(0), info(3), info(4)])
    assert [member.name for member in found] == ["Domain-0", "web"]
    assert roster.errors == {"no_names": 1, "unnamed": 1} and "overloaded" in roster.trouble
    source.names = {0: b"Domain-0", 3: b"web", 4: b"new"}
    assert [member.name for member in roster.members([info(0), info(3), info(4)])] == ["Domain-0", "web", "new"]
    assert roster.trouble is None


def test_a_domain_without_a_name_waits_but_not_for_ever():
    roster = Roster(Names({0: b"Domain-0"}))
    found = [names(roster.members([info(0), info(5)])) for _ in range(PATIENCE)]
    assert [len(members) for members in found] == [1] * (PATIENCE - 1) + [2]
    assert found[-1][1] == (5, text(5), text(5))


def test_a_domain_that_lost_its_name_keeps_it():
    source = Names({0: b"Domain-0", 5: b"dying"})
    roster = Roster(source)
    roster.members([info(0), info(5)])
    del source.names[5]
    assert names(roster.members([info(0), info(5), info(6)]))[1] == (5, "dying", text(5))


def test_no_xenstore_at_all():
    source = Names(None)
    roster = Roster(source)
    assert names(roster.members([info(0), info(5)])) == [(0, "Domain-0", text(0)), (5, text(5), text(5))]
    roster.members([info(0), info(5)])
    assert source.asked == 1 and roster.errors == {} and roster.settled


def test_xenstore_comes_up_later():
    now = [100.0]
    source = Names(None)
    roster = Roster(source, lambda: now[0])
    roster.members([info(0), info(5)])
    source.names = {0: b"Domain-0", 5: b"web"}
    now[0] += NAMES_REST_S
    found = roster.members([info(0), info(5)])
    assert names(found) == [(0, "Domain-0", text(0)), (5, "web", text(5))] and found[1].facts.domid == 5
    source.names = SourceError("xenstore: gone again")
    now[0] += NAMES_REST_S
    assert [member.name for member in roster.members([info(0), info(5)])] == ["Domain-0", "web"]


def test_a_domain_without_a_uuid():
    roster = Roster(Names({0: b"Domain-0", 2: b"store"}))
    assert names(roster.members([info(0), info(2, uuid=0)])) == [(0, "Domain-0", text(0)), (2, "store", None)]


def test_twins():
    """A migration within the host: the older domain is the one."""
    roster = Roster(Names({0: b"Domain-0", 5: b"web", 9: b"web--incoming"}))
    assert [member.domid for member in roster.members([info(0), info(5), info(9, uuid=5)])] == [0, 5]
    assert roster.errors == {"same_uuid": 1}
    assert [member.domid for member in roster.members([info(0), info(9, uuid=5)])] == [0, 9]
    assert [member.domid for member in roster.members([info(0), info(5), info(9, uuid=5)])] == [0, 9]


def test_the_log_says_which_domain_is_left_out():
    roster = Roster(Names({0: b"Domain-0", 5: b"web", 9: b"web"}))
    roster.members([info(0), info(5), info(9, uuid=5)])
    assert roster.notices == ["domain 9 of UUID %s is left out: domain 5 was there before it (a migration under way?)"
                              % text(5)] and not roster.settled
    roster.members([info(0), info(5, flags=structs.PAUSED), info(9, uuid=5)])
    assert roster.notices == ["domain 5 of UUID %s stands still, and is left out: domain 9 runs (a migration under way, or what "
                              "one left?)" % text(5)]
    roster.members([info(0), info(5, flags=structs.DYING), info(9, uuid=5, flags=structs.PAUSED)])
    assert roster.notices == ["domain 5 of UUID %s is dying, and left out: domain 9 is there in its place" % text(5)]
    roster.members([info(0), info(9, uuid=5)])
    assert roster.notices == [] and roster.settled


def test_a_machine_that_is_started_beside_its_zombie_has_its_name_at_once():
    """cases of Qubes: the old domain is dying and has lost its name; the new one is being built and has none yet."""
    source = Names({0: b"Domain-0", 18: b"disp1001"})
    roster = Roster(source)
    roster.members([info(0), info(18)])
    del source.names[18]
    assert names(roster.members([info(0), info(18, flags=structs.DYING), info(30, uuid=18, flags=structs.PAUSED)])) == [
        (0, "Domain-0", text(0)), (30, "disp1001", text(18))]
    source.names[30] = b"renamed"
    assert roster.members([info(0), info(18, flags=structs.DYING), info(30, uuid=18)])[1].name == "renamed"


def test_names_that_are_shared():
    roster = Roster(Names({0: b"Domain-0", 5: b"web", 9: b"web"}))
    assert [member.shared for member in roster.members([info(0), info(5), info(9)])] == [False, True, True]
