"""Causes by name: their counters never fall, and add up to the waiting time in each picture, over rests of the baker too."""
from collections import defaultdict

from hypothesis import given, settings, strategies as st

from helpers.simulator import KHZ, Machine, Tracer
from xenmeter.core.options import defaults
from xenmeter.xen.domains import DomainFacts, Snapshot
from xenmeter.xentrace.collector import make_collector
from xenmeter.xentrace.engine.columns import BY_GONE, BY_LASTING, BY_OTHER
from xenmeter.xentrace.engine.windowed import Baking
from xenmeter.xentrace.plugin import PLUGIN
from xenmeter.xentrace.samples import Sample

WINDOW = 3 * 10 ** 6
machines = st.fixed_dictionaries({"seed": st.integers(0, 1 << 30), "pcpus": st.integers(1, 4), "domains": st.integers(1, 7),
                                  "vcpus": st.integers(1, 3), "steps": st.integers(1, 600), "churn": st.booleans()})


def directory(names):
    return Snapshot([DomainFacts(domid, name, "%08x-0000-0000-0000-000000000000" % domid, None, (), {})
                     for domid, name in enumerate(names)], None)


def pictures(stream, core, most):
    baking = Baking(KHZ, [WINDOW], core=core, causes=most)
    baking.engine.feed(stream)
    baking.finish()
    baking.close()
    return list(baking.taken)


def check(picture, most, before):
    """:param before: what each had in the picture before; set anew."""
    sums, names, now = defaultdict(int), defaultdict(set), {}
    for one in picture["causes"]:
        life, cause = (one["domid"], one["generation"]), (one["by"], one["by_generation"])
        assert one["caused_ns"] > 0 and (life, cause) not in now
        sums[life] += one["caused_ns"]
        if one["by"] != BY_LASTING:
            now[life, cause] = one["caused_ns"]
        if one["by"] >= 0:
            names[life].add(cause)
    for domain in picture["domains"]:
        life = domain["domid"], domain["generation"]
        assert sums[life] == domain["runnable_ns"], life
        assert len(names[life]) <= most
    lives = {(one["domid"], one["generation"]) for one in picture["domains"]}
    for (life, cause), length in before.items():
        if life in lives and (cause[0] < 0 or cause in lives):
            assert now.get((life, cause), 0) >= length, (life, cause)
    before.clear()
    before.update(now)


@settings(deadline=None, max_examples=60)
@given(options=machines, every=st.integers(5, 200), size=st.sampled_from([600, 1 << 20]), most=st.integers(1, 6))
def test_no_counter_falls_and_the_sum_is_the_waiting_time(shared_object, options, every, size, most):
    from xenmeter.xentrace.engine import compiled
    assert compiled.use(shared_object)
    stream = Tracer(Machine(**options), every, size).stream()
    before = {}
    slow, fast = pictures(stream, "python", most), pictures(stream, "compiled", most)
    for picture in slow:
        check(picture, most, before)
    assert [one["causes"] for one in slow] == [one["causes"] for one in fast]


@settings(deadline=None, max_examples=25)
@given(seeds=st.lists(st.integers(0, 1 << 30), min_size=2, max_size=4), most=st.integers(1, 4))
def test_over_rests_of_the_baker(core, seeds, most):
    baking, before = Baking(KHZ, [WINDOW], core=core, causes=most), {}
    for seed in seeds:
        for pass_ in Tracer(Machine(seed, domains=6, steps=200), 50, 1 << 20).passes:
            for pcpu, held in pass_:
                baking.engine.feed_rings([(pcpu, held)])
            baking.engine.pass_done()
        for picture in baking.taken:
            check(picture, most, before)
        baking.taken.clear()
        baking.rest()
        check(baking.now(), most, before)
    baking.close()


def test_a_cause_that_ends_is_gone_and_one_without_a_name_is_other(core):
    machine = Machine(11, pcpus=1, domains=7, vcpus=2, steps=3000, churn=True)
    told = pictures(Tracer(machine, 100, 1 << 20).stream(), core, 3)[-1]["causes"]
    kinds = {one["by"] for one in told}
    assert {BY_GONE, BY_OTHER} <= kinds


def test_names_of_readings(core):
    """A guest that is called as a word of ours, and two of one name, have their UUIDs behind it; others are left out."""
    machine = Machine(5, pcpus=1, domains=4, vcpus=1, steps=900)
    figures = pictures(Tracer(machine, 100, 1 << 20).stream(), core, 8)[-1]
    names = directory((b"Domain-0", b"idle", b"web", b"web"))
    uuids = [one.uuid for one in names.domains]
    options = defaults(PLUGIN.options)
    reading = make_collector(options).collect(Sample(1, figures, names, None))
    labels = {labels[0] for _, labels, _ in reading.tables["cause"]}
    assert labels <= {"Domain-0", "idle", "idle " + uuids[1], "web " + uuids[2], "web " + uuids[3], "other", "unknown"}
    assert {"idle " + uuids[1], "web " + uuids[2], "web " + uuids[3]} <= labels
    waited = {who: sum(values[0] for other, _, values in reading.tables["cause"] if other is who)
              for who, _, _ in reading.tables["domain"]}
    lasting = {who: values[0] for who, _, values in reading.tables["lasting"]}
    for who, _, values in reading.tables["domain"]:
        assert waited[who] + lasting.get(who, 0) == values[2]
