"""The short way of source direct gives what the long way gives, whatever happens to domains, their devices and counters."""
from hypothesis import given, settings

from helpers.direct_samples import histories, sample_of
from xenmeter.core.reading import Reading
from xenmeter.xentop.direct import collector
from xenmeter.xentop.direct.collector import DirectCollector


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


@settings(deadline=None, max_examples=100)
@given(histories())
def test_what_lasts_is_told_as_what_is_made_anew(history):
    kept, anew = DirectCollector(), DirectCollector()
    for sample in history:
        anew._extras._said = ()
        for life in anew._lives:
            life.rows.clear()
        assert comparable(kept.collect(sample)) == comparable(anew.collect(sample))


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
