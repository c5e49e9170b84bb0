"""The short way for a domain that is as it was gives what the long one does, whatever changes."""
from hypothesis import given, settings
from hypothesis import strategies as st

from xenmeter.core.identity import Lives
from xenmeter.xen.domains import DomainFacts, Snapshot
from xenmeter.xentop.text import collector as collecting
from xenmeter.xentop.samples import Sample
from xenmeter.xentop.text.collector import Collector
from xenmeter.xentop.text.records import Iteration

from helpers.xentop_rows import dead_disk, disk, net, row

UUID = "00000000-0000-0000-0000-%012d"
S = 10 ** 9


def facts(**more):
    known = dict(domid=1, name=b"web", uuid=UUID % 1, start_time_ns=5 * S, vifs=(0, 1), vbds={51712: "xvda", 51728: "xvdb"})
    return DomainFacts(**dict(known, **more))


def web(seconds=10, sent=1 << 20, reads=100, **more):
    known = dict(nets=[net(0, 5000, sent), net(1, 6000, 2 * sent)], disks=[disk(51712, reads), disk(51728, reads + 1)],
                 vcpu=[(0, seconds), (1, seconds)], cpu_seconds=2 * seconds)
    return row(b"web", **dict(known, **more))


PLAIN = Snapshot([facts()], {1: ["0", "1"]})


def long_way(*more):
    """A collector that has no plans."""
    made = Collector(*more)
    lives = Lives(made.errors)
    lives.as_before = lambda *domain: None
    made._lives = lives
    return made


def shown(reading):
    return {entity: [(who and (who.name, who.uuid, who.domid, who.generation, who.shared), labels, values)
                     for who, labels, values in rows] for entity, rows in reading.tables.items()}


def both(samples):
    """That both ways give the same; whether the short one was gone, sample by sample."""
    short, long = Collector(), long_way()
    gone = []
    planned = collecting.as_planned
    for number, (rows, names) in enumerate(samples):
        sample = Sample(number * 10 * S, Iteration(rows), names, not number)
        answers = []
        collecting.as_planned = lambda *told: answers.append(planned(*told)) or answers[-1]
        try:
            reading = short.collect(sample)
        finally:
            collecting.as_planned = planned
        gone.append(bool(answers) and all(answers))
        assert shown(reading) == shown(long.collect(sample))
        assert (short.errors, short.trouble, short.notices) == (long.errors, long.trouble, long.notices)
        lives = [[(life.fresh, life.cpu, life.vcpu, life.vcpus, life.seen, life.notes) for life in one._lives]
                 for one in (short, long)]
        assert lives[0] == lives[1]
    return gone


def test_what_counts_on_goes_the_short_way():
    rows = [web(10, 1 << 20, 100), web(10, 1 << 20, 100), web(11, 3 << 20, 100, state=b"-----r"), web(12, 4 << 20, 900)]
    assert both([([one], PLAIN) for one in rows]) == [False, True, True, True]


def test_what_does_not_change_is_the_same_object():
    collector = Collector()
    _, second, third = [collector.collect(Sample(number * 10 * S, Iteration([web()]), PLAIN)).tables for number in range(3)]
    for entity in ("domain", "domain_vcpu", "vif", "vbd"):
        assert all(new is old for new, old in zip(third[entity], second[entity]))


#: What may come after two readings in which all was as it should be: rows, and xenstore's word.
CHANGES = [
    ([web()], PLAIN), ([web(11, 2 << 20, 150)], PLAIN), ([web(9)], PLAIN), ([web(sent=100)], PLAIN), ([web(reads=5)], PLAIN),
    ([web(vcpu=[(0, 10)])], PLAIN), ([web(vcpu=None)], PLAIN), ([web(vcpu=[(0, 10), (3, 10)])], PLAIN),
    ([web(vcpu=[(0, 30), (0, 31)])], PLAIN), ([web(vcpus=3)], PLAIN), ([web(vcpus=1)], PLAIN),
    ([web(nets=[net()])], PLAIN), ([web(nets=[])], PLAIN), ([web(nets=[net()], announced=2)], PLAIN), ([web(nettx_kib=7)], PLAIN),
    ([web(disks=[disk(51712, 100)])], PLAIN), ([web(disks=[])], PLAIN),
    ([web(disks=[disk(51712, 200), dead_disk(51728)])], PLAIN),
    ([web(disks=[disk(51712), disk(51712)])], PLAIN), ([web(disks=[disk(51728, 101), disk(51712, 100)])], PLAIN),
    ([web(disks=[disk(51712, 150, type_="Tapdisk3"), disk(51728, 160)])], PLAIN), ([web(vbd_rsect=None, vbd_wsect=None)], PLAIN),
    ([web(disks=[disk()._replace(rsect=None, wsect=None), disk(51728, 101)], vbd_rsect=None, vbd_wsect=None)], PLAIN),
    ([web(cpu_permille=None)], PLAIN), ([web(cpu_permille=5000)], PLAIN), ([web(state=b"d-----")], PLAIN), ([], PLAIN),
    ([web(maxmem_kib=None, maxmem_permille=None)], PLAIN), ([web(mem_kib=5)], PLAIN), ([web(), row(b"new")], PLAIN),
    ([web()], Snapshot([facts(name=b"db")], {1: ["0", "1"]})), ([web()], Snapshot([facts(domid=2)], {2: ["0", "1"]})),
    ([web()], Snapshot([facts(uuid=UUID % 2)], {1: ["0", "1"]})), ([web()], Snapshot([facts()], {1: ["0"]})),
    ([web()], Snapshot([facts()], {1: ["1", "0"]})), ([web()], Snapshot([facts()], {})), ([web()], Snapshot([facts()], None)),
    ([web()], Snapshot([facts(vbds={51712: "hda", 51728: "xvdb"})], {1: ["0", "1"]})),
    ([web()], Snapshot([facts(vifs_elsewhere=(7,))], {1: ["0", "1"]})),
    ([web()], Snapshot([facts(empty=(51728,))], {1: ["0", "1"]})),
    ([web()], Snapshot([facts(vbds_elsewhere=(7,))], {1: ["0", "1"]})), ([web()], None), ([web()], Snapshot([], {})),
    ([web()], Snapshot([facts(), facts(domid=4, uuid=UUID % 4)], {1: ["0", "1"]})),
]


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from(CHANGES), min_size=1, max_size=6), st.booleans())
def test_whatever_changes_the_figures_are_those_of_the_long_way(changes, named):
    begin = [([web()], PLAIN if named else None)] * 2
    both(begin + changes + begin)


def test_each_change_for_itself():
    for change in CHANGES:
        both([([web()], PLAIN)] * 2 + [change] + [([web()], PLAIN)] * 2)
        both([([web()], None)] * 2 + [(change[0], None)] + [([web(12)], None)] * 2)
