"""A profile's sums, whatever a guest makes its stacks."""
from xenmeter.profile import tally as module
from xenmeter.profile.tally import OTHERS, Key, Tally


def test_stacks_that_are_all_different_have_a_bound_and_nothing_is_lost(monkeypatch):
    monkeypatch.setattr(module, "_MOST", 100)
    tally = Tally()
    for number in range(50):
        tally.add(Key("web", number % 2, "p%d" % number, ("a", "b", "c", "f%d" % number)), 10)
    tally.add(Key("web", 0, "p0", ("a", "b", "c", "f0")), 7)
    assert (tally.samples, tally.ns) == (51, 507)
    assert len(tally.seen) == 25 + 2 and tally.seen[Key("web", 0, "p0", ("a", "b", "c", "f0"))].ns == 17
    assert sum(seen.ns for key, seen in tally.seen.items() if key.process == OTHERS and key.frames == (OTHERS,)) == 250
