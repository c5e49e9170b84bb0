"""Whose a life of the trace is: with a directory, without one, and while things change."""
from xenmeter.xen.domains import DomainFacts, Snapshot
from xenmeter.xen.domains import Unreadable
from xenmeter.xentrace.attribute import Attribution

A, B = "%08d-0000-0000-0000-000000000000" % 1, "%08d-0000-0000-0000-000000000000" % 2


def life(domid, generation=0, end_ns=None, running_ns=0):
    return {"domid": domid, "generation": generation, "end_ns": end_ns, "running_ns": running_ns}


def directory(*entries):
    return Snapshot([DomainFacts(domid, name, uuid, None, (), {}) for domid, name, uuid in entries], None)


def told(attribution, lives, names):
    return {key: (who.name, who.uuid) for key, who in attribution.whose(lives, names).items()}


def test_a_trace_alone_knows_domids():
    assert told(Attribution(), [life(0), life(7)], None) == {(0, 0): ("Domain-0", None), (7, 0): ("domid-7", None)}


def test_a_domain_that_the_directory_does_not_know_waits():
    attribution = Attribution()
    names = directory((1, b"web", A), (2, b"new", None))
    assert told(attribution, [life(1), life(2), life(3)], names) == {(1, 0): ("web", A)}
    assert attribution.left_out == {"unjoined": 2}


def test_no_answer_withholds_all_and_forgets_nothing():
    attribution = Attribution()
    before = attribution.whose([life(1)], directory((1, b"web", A)))
    assert attribution.whose([life(1)], Unreadable("no answer")) == {}
    assert attribution.whose([life(1)], directory((1, b"web", A)))[1, 0] is before[1, 0]


def test_one_who_per_life_and_name():
    attribution = Attribution()
    first = attribution.whose([life(1)], directory((1, b"web", A)))[1, 0]
    assert attribution.whose([life(1)], directory((1, b"web", A)))[1, 0] is first
    renamed = attribution.whose([life(1)], directory((1, b"www", A)))[1, 0]
    assert renamed is not first and renamed.name == "www" and renamed.uuid == A


def test_the_last_word_on_an_ended_life_unless_another_has_its_key():
    attribution = Attribution()
    attribution.whose([life(1), life(2)], directory((1, b"web", A), (2, b"db", B)))
    found = attribution.whose([life(1, 0, 5), life(2, 0, 5), life(3)], directory((3, b"web", A)))
    assert {key: who.name for key, who in found.items()} == {(2, 0): "db", (3, 0): "web"}


def test_a_domid_used_again_without_a_directory_is_one_series():
    attribution = Attribution()
    assert told(attribution, [life(1, 0, 5), life(1, 1)], None) == {(1, 1): ("domid-1", None)}


def test_of_twins_the_older_is_the_domain():
    attribution = Attribution()
    attribution.whose([life(5)], directory((5, b"web", A)))
    twins = directory((4, b"web--incoming", A), (5, b"web", A))
    assert told(attribution, [life(4), life(5)], twins) == {(5, 0): ("web", A)}
    assert attribution.left_out == {"same_uuid": 1}
    assert attribution.notices == ["domain 4 of UUID %s is left out: domain 5 was there before it (a migration under "
                                   "way?)" % A]


def test_what_a_migration_left_loses_to_the_domain_that_runs():
    attribution = Attribution()
    names = directory((9, b"web", A), (12, b"web", A))
    told(attribution, [life(9, running_ns=100)], directory((9, b"web", A)))
    assert told(attribution, [life(9, running_ns=100), life(12)], names) == {(9, 0): ("web", A)}
    assert told(attribution, [life(9, running_ns=100), life(12, running_ns=5)], names) == {(12, 0): ("web", A)}
    assert told(attribution, [life(9, running_ns=100), life(12, running_ns=5)], names) == {(12, 0): ("web", A)}
    assert not any(who.shared for who in attribution.whose([life(12)], names).values())


def test_names_of_a_migration_are_the_real_ones():
    assert told(Attribution(), [life(4)], directory((4, b"web--incoming", A))) == {(4, 0): ("web", A)}


def test_shared_names_are_marked():
    found = Attribution().whose([life(1), life(2)], directory((1, b"web", A), (2, b"web", B)))
    assert all(who.shared for who in found.values())
