"""The short way of source direct gives what the long way gives, whatever happens to domains, their devices and counters."""
from types import SimpleNamespace

from hypothesis import given, settings
from hypothesis import strategies as st

from xenmeter.core.reading import Reading
from xenmeter.xen.backends import Vif
from xenmeter.xen.blkback import Disk
from xenmeter.xen.domains import DomainFacts
from xenmeter.xen.roster import Member
from xenmeter.xen.tapdisk import RequestTimes
from xenmeter.xentop.direct import collector
from xenmeter.xentop.direct.collector import DirectCollector
from xenmeter.xentop.samples import DirectDomain, DirectSample

S = 10 ** 9
HOST = SimpleNamespace(total_pages=1 << 20, free_pages=1 << 10, nr_cpus=4)

#: What of a record is of no matter here.
UNSHARED = {"outstanding_pages": 0, "shr_pages": 0, "paged_pages": 0}
counts = st.integers(0, 5).map(lambda number: number * 10 ** 6)
usual = st.sampled_from([True] * 6 + [False])


@st.composite
def domains(draw, domid, step):
    """One domain at one step; its counters mostly go on."""
    def count():
        return step * 10 ** 5 if draw(usual) else draw(counts)
    vifs = [Vif(devid, draw(usual) is False, tuple(count() for _ in range(8)), draw(st.sampled_from([None, 5, 5, 5, 6])))
            for devid in range(draw(st.sampled_from([1, 1, 1, 0, 2])))]
    disks = [Disk(draw(st.sampled_from(["BlkBack"] * 5 + ["Tapdisk3"])), dev,
                  tuple(count() for _ in range(5)) if draw(usual) else draw(st.sampled_from([None, (None, 1, 2, 3, 4)])),
                  None if draw(usual) else RequestTimes(1, 2, 3, 4, 5), draw(st.sampled_from([None, 9, 9, 9, 8])))
             for dev in (51712, 51728)[:draw(st.sampled_from([1, 1, 1, 0, 2]))]]
    facts = None
    if draw(usual):
        facts = DomainFacts(domid, b"web", "u%d" % domid, 5, (0,), {51712: "xvda"} if draw(usual) else {},
                            None if draw(usual) else "u9", (), () if draw(usual) else (51712,), () if draw(usual) else (7,),
                            () if draw(usual) else (8,))
    cpu_time = count()
    info = SimpleNamespace(domain=domid, flags=draw(st.sampled_from([16, 16, 32, 4, None])), tot_pages=100, ssidref=0, **UNSHARED,
                           max_pages=draw(st.sampled_from([100, 0xffffffff, None])),
                           cpu_time=cpu_time if draw(usual) else draw(st.sampled_from([cpu_time, None])),
                           max_vcpu_id=draw(st.sampled_from([1, 1, 1, 2, None])), handle=bytes(16))
    member = Member(info, domid, "u%d" % domid if draw(usual) else None, "web" if draw(usual) else "db", not draw(usual), facts)
    return DirectDomain(member, [(vcpu, count()) for vcpu in range(draw(st.sampled_from([2, 2, 2, 1])))],
                        vifs if draw(usual) else None, disks if draw(usual) else None)


@st.composite
def histories(draw):
    found = []
    for step in range(1, draw(st.integers(2, 9))):
        again = found and draw(st.sampled_from([True, False, False]))
        told = found[-1].domains if again else [draw(domains(domid, step)) for domid in (0, 3) if draw(usual)]
        found.append(DirectSample(step * 10 * S, step * 10 * S, told, HOST, [1], {} if draw(usual) else {"no_names": 1}, None))
    return found


def readings(history, plan_of):
    original, collector.plan_of = collector.plan_of, plan_of
    made = DirectCollector(lambda name, uuid, domid: name == "web" or domid != 3)
    try:
        return [comparable(made.collect(sample)) for sample in history], made.errors
    finally:
        collector.plan_of = original


def comparable(reading):
    """Rows in any order, since the same domain's may be told in another; a Who as what it says."""
    return Reading(reading.time_ns, {name: sorted([(repr(row[0]),) + tuple(row[1:]) for row in rows], key=repr)
                                     for name, rows in reading.tables.items()})


@settings(deadline=None, max_examples=100)
@given(histories())
def test_both_ways_say_the_same(history):
    assert readings(history, collector.plan_of) == readings(history, lambda *_: None)


def sample_of(step):
    """Two domains; the second's figures go on up to the second step."""
    found = []
    for domid in (1, 2):
        count = 10 ** 6 * (step if domid == 1 else min(step, 2))
        info = SimpleNamespace(domain=domid, flags=16, tot_pages=1, max_pages=1, cpu_time=count, max_vcpu_id=0, ssidref=0,
                               **UNSHARED,
                               handle=bytes(16))
        facts = DomainFacts(domid, b"web", "u%d" % domid, 5, (0,), {51712: "xvda"})
        found.append(DirectDomain(Member(info, domid, "u%d" % domid, "web%d" % domid, False, facts), [(0, count)],
                                  [Vif(0, False, (count,) * 8, 4)], [Disk("BlkBack", 51712, (count,) * 5, None, 9)]))
    return DirectSample(step * 10 * S, step * 10 * S, found, HOST, [1], {}, None)


def test_rows_that_say_the_same_are_the_same(monkeypatch):
    """And the long way is gone but once, though xenstore's facts come as new objects."""
    ways = []
    long_way = collector.DirectCollector._networks
    monkeypatch.setattr(collector.DirectCollector, "_networks", lambda *of: ways.append(1) or long_way(*of))
    made = DirectCollector()
    told = [made.collect(sample_of(step)).tables for step in range(1, 7)]
    assert len(ways) == 2
    for name in ("domain", "domain_vcpu", "vif", "vbd"):
        assert told[5][name][1] is told[4][name][1] and told[5][name][0][2] != told[4][name][0][2], name
