"""The engine against a machine whose truth is known: with and without loss, domids used again, live or from a file."""
import json
from collections import Counter, defaultdict

import pytest
from hypothesis import given, settings, strategies as st

from helpers import encoding
from helpers.simulator import KHZ, Machine, Tracer, ns
from xenmeter.xentrace.engine.engine import Engine

STATES = ("running_ns", "runnable_ns", "blocked_ns", "offline_ns")
SECOND = 10 ** 9
machines = st.fixed_dictionaries({"seed": st.integers(0, 1 << 30), "pcpus": st.integers(1, 5),
                                  "domains": st.integers(1, 4), "vcpus": st.integers(1, 3),
                                  "steps": st.integers(1, 500), "churn": st.booleans()})


def bake(core, stream, windows=(SECOND // 100, SECOND // 7), **options):
    engine = Engine(KHZ, windows, history=100000, core=core, **options)
    engine.feed(stream)
    return engine.finish()


def text(figures):
    return json.dumps(figures, default=lambda one: [one.sum, one.most, list(one.places), list(one.counts)])


def known(vcpu):
    return tuple(vcpu[name] for name in STATES)


def check_sums(figures):
    """running + runnable + blocked + offline + unknown = the vCPU's life, to the nanosecond."""
    span = figures["trace"]["span_ns"]
    lives = {(one["domid"], one["generation"]): one for one in figures["domains"]}
    for vcpu in figures["vcpus"]:
        life = lives[vcpu["domid"], vcpu["generation"]]
        end = span if life["end_ns"] is None else life["end_ns"]
        assert sum(known(vcpu)) + vcpu["unknown_ns"] == end - life["start_ns"], vcpu
        assert min(known(vcpu)) >= 0 and vcpu["unknown_ns"] >= 0
    for pcpu in figures["pcpus"]:
        assert pcpu["busy_ns"] + pcpu["idle_ns"] + pcpu["unknown_ns"] == span
        assert min(pcpu["busy_ns"], pcpu["idle_ns"], pcpu["unknown_ns"]) >= 0


def spoken(machine, first):
    """Per vCPU the moves a record tells, each (ns, old, new, pcpu)."""
    told = defaultdict(list)
    for tsc, who, old, new, pcpu in machine.moves:
        told[who].append((ns(tsc, first), old, new, pcpu))
    return told


@settings(deadline=None, max_examples=120)
@given(options=machines, every=st.integers(2, 200))
def test_lossless_is_exact(core, options, every):
    machine = Machine(**options)
    tracer = Tracer(machine, every, size=1 << 20)
    assert tracer.stored == tracer.emitted
    figures = bake(core, tracer.stream())
    assert figures["trace"]["anomalies"] == 0 and figures["trace"]["lost_records"] == 0
    assert figures["trace"]["records"] == len(machine.events)
    check_sums(figures)
    told = spoken(machine, tracer.first)
    baked = {(one["domid"], one["generation"], one["vcpu"]): one for one in figures["vcpus"]}
    seen_running = {(who[0], who[1], who[2]) for who in told}
    assert seen_running <= set(baked)
    for who, vcpu in baked.items():
        assert list(known(vcpu)) == machine.truth(who, tracer.first, tracer.last), who
        moves = told.get(who, [])
        pairs = Counter((old, new) for _, old, new, _ in moves)
        assert vcpu["executions"] == sum(1 for _, _, new, _ in moves if new == 0)
        assert vcpu["preemptions"] == pairs[0, 1] and vcpu["wakes"] == pairs[2, 1]
        check_histograms(vcpu, moves)
    check_domains(machine, tracer, figures, baked)
    check_windows(figures)


def check_histograms(vcpu, moves):
    lengths = defaultdict(list)
    for (since, _, state, _), (until, _, new, _) in zip(moves, moves[1:]):
        if state != 1 or new == 0:
            lengths[state].append(until - since)
    for name, state in (("run", 0), ("wait", 1), ("blocked", 2)):
        one = vcpu["histograms"][name]
        assert one.sum == sum(lengths[state]) and one.most == max(lengths[state] or [0])
        assert one.count == len(lengths[state])


def check_domains(machine, tracer, figures, baked):
    grants = {(one["domid"], one["generation"]): one for one in figures["domains"]}
    told = machine.moves or any(len(past) > 1 for past in machine.idle)     # by records of the scheduler
    for (domid, generation, place), count in machine.grants.items() if told or grants else ():
        name = ("grant_maps", "grant_unmaps", "grant_transfers")[place]
        assert grants[domid, generation][name] == count
    for domain in figures["domains"]:
        life = (domain["domid"], domain["generation"])
        mine = [who for who in baked if who[:2] == life]
        for name in STATES:
            assert domain[name] == sum(baked[who][name] for who in mine)
        assert domain["runstate"] == true_runstate(machine, tracer, life, mine), life


def true_runstate(machine, tracer, life, mine):
    begin, end = machine.lives[life]
    low, high = max(tracer.first, begin or 0), min(tracer.last, end or tracer.last)
    told = dict.fromkeys(("full_run_ns", "full_contention_ns", "concurrency_hazard_ns", "blocked_ns", "partial_run_ns",
                          "partial_contention_ns"), 0)
    edges = sorted({low, high} | {at for who in mine for _, at in machine.intervals[who] if low < at < high})
    for since, until in zip(edges, edges[1:]) if mine else ():
        states = set()
        for who in mine:
            held = [state for state, at in machine.intervals[who] if at <= since]
            states.add(min(held[-1] if held else machine.intervals[who][0][0], 2))
        length = ns(until, tracer.first) - ns(since, tracer.first)
        if {0, 1} <= states:
            told["concurrency_hazard_ns"] += length
        elif len(states) == 1:
            told[("full_run_ns", "full_contention_ns", "blocked_ns")[states.pop()]] += length
        else:
            told["partial_run_ns" if 0 in states else "partial_contention_ns"] += length
    return told


def check_windows(figures):
    """The windows of a length cover the span without a gap, and add up to the totals."""
    for one in figures["windows"]:
        at = 0
        totals = defaultdict(Counter)
        for window in one["windows"]:
            assert window["start_ns"] == at and 0 < window["length_ns"] <= one["length_ns"]
            at += window["length_ns"]
            for domain in window["domains"]:
                vcpus = sum(domain[name] for name in ("running_ns", "waiting_ns", "blocked_ns", "offline_ns",
                                                      "unknown_ns"))
                assert vcpus % window["length_ns"] == 0 or domain["domid"] in ended(figures)
                totals[domain["domid"], domain["generation"]].update(
                    {name: value or 0 for name, value in domain.items() if name not in ("domid", "generation")})
        assert at == figures["trace"]["span_ns"]
        if at % one["length_ns"] == 0:
            continue        # records at the very last border belong to a window that has no length, and is not told
        for domain in figures["domains"]:
            total = totals[domain["domid"], domain["generation"]]
            for name in ("running_ns", "blocked_ns", "offline_ns", "unknown_ns", "executions", "grant_maps",
                         "grant_unmaps", "grant_transfers"):
                assert total[name] == domain[name], name
            assert total["waiting_ns"] == domain["runnable_ns"]


def ended(figures):
    return {one["domid"] for one in figures["domains"] if one["end_ns"] is not None or one["start_ns"]}


@settings(deadline=None, max_examples=200)
@given(options=machines, every=st.integers(20, 300), size=st.sampled_from([400, 1000, 2000, 4088]),
       seed=st.integers(0, 1 << 20))
def test_loss_is_unknown_and_never_wrong(core, options, every, size, seed):
    machine = Machine(**options)
    tracer = Tracer(machine, every, size, seed)
    figures = bake(core, tracer.stream())
    assert figures["trace"]["lost_records"] == tracer.emitted - tracer.stored - tracer.untold
    check_sums(figures)
    if tracer.untold:
        # What a marker never told cannot be known to be missing: only the sums can be held.
        return
    check_windows(figures)
    for vcpu in figures["vcpus"]:
        who = next((who for who in machine.intervals if who == (vcpu["domid"], vcpu["generation"], vcpu["vcpu"])), None)
        if who is None or options["churn"]:
            continue        # a lost DOM_ADD or DOM_REM joins lives: no truth per life to compare with, only the sums
        for have, true in zip(known(vcpu), machine.truth(who, tracer.first, tracer.last)):
            assert have <= true + 1000, (who, known(vcpu), machine.truth(who, tracer.first, tracer.last))


@settings(deadline=None, max_examples=100)
@given(options=machines, every=st.integers(5, 200), seed=st.integers(0, 1 << 20), pieces=st.randoms())
def test_any_way_the_bytes_come(core, options, every, seed, pieces):
    """A file at once, byte by byte, in any pieces, and live rings: the same figures. Rings are real pages here."""
    machine = Machine(**options)
    tracer = Tracer(machine, every, 4088, seed)
    stream = tracer.stream()
    whole = bake(core, stream)
    chopped = Engine(KHZ, (SECOND // 100, SECOND // 7), history=100000, core=core)
    at = 0
    while at < len(stream):
        step = pieces.choice((1, 3, 12, 100, 5000))
        chopped.feed(stream[at:at + step])
        at += step
    assert text(chopped.finish()) == text(whole)
    live = Engine(KHZ, (SECOND // 100, SECOND // 7), history=100000, core=core)
    for done in tracer.passes:
        for pcpu, held in done:
            live.feed_rings([(pcpu, held)])
        live.pass_done()
        live.snapshot()
    assert text(live.finish()) == text(whole)


@pytest.mark.parametrize("per_vcpu", [True, False])
def test_domain_histograms_are_the_same_kept_per_vcpu_or_not(core, per_vcpu):
    machine = Machine(7, pcpus=3, domains=3, vcpus=3, steps=2000)
    figures = bake(core, Tracer(machine, 50, 1 << 20).stream(), per_vcpu=per_vcpu)
    both = bake(core, Tracer(machine, 50, 1 << 20).stream())
    assert [one["histograms"] for one in figures["domains"]] == [one["histograms"] for one in both["domains"]]


def test_the_two_cores_agree_to_the_byte(shared_object):
    from xenmeter.xentrace.engine import compiled
    assert compiled.use(shared_object), compiled.reason()
    for seed in range(60):
        machine = Machine(seed, pcpus=1 + seed % 6, domains=4, vcpus=3, steps=800, churn=bool(seed & 1))
        stream = Tracer(machine, 60, 1000 if seed & 2 else 1 << 20, seed).stream()
        assert text(bake("python", stream)) == text(bake("compiled", stream)), seed


def test_live_with_a_full_ring_and_a_silent_pcpu(core):
    """A pCPU's ring was full, then it says nothing for long, then tells of a loss that began before the watermark."""
    def change(tsc, old, new, domid):
        return encoding.runstate(tsc, domid, 0, old, new)
    full = b"".join(encoding.continue_running(1000 + place, 2, 0) for place in range(255))
    assert len(full) == 4080            # of 4088: no room for one more
    live = Engine(10 ** 6, core=core)
    live.feed_rings([(0, change(1000, 1, 0, 1))])
    live.feed_rings([(1, full)])
    live.pass_done()
    for place in range(10):
        live.feed_rings([(0, change(2000 + 100 * place, 0, 1, 1) + change(2050 + 100 * place, 1, 0, 1))])
        live.pass_done()
    live.feed_rings([(1, encoding.lost(5000, 9, 2, 0, 1500) + change(5001, 0, 2, 2))])
    live.pass_done()
    figures = live.finish()
    assert figures["trace"]["anomalies"] == 0
    one, two = figures["vcpus"]
    assert (two["running_ns"], two["unknown_ns"]) == (501, 3500)
    # Its waits of 50 ns lie in the loss, in which it may have run on pCPU 1.
    assert one["runnable_ns"] == 0 and one["unknown_ns"] == 500 and one["running_ns"] == 3501


def test_live_a_pcpu_that_stays_silent_does_not_hold_up_the_windows(core):
    live = Engine(10 ** 6, [10 ** 8], core=core)
    live.feed_rings([(1, b"".join(encoding.continue_running(1000 + place, 2, 0) for place in range(255)))])
    live.pass_done()
    closed = []
    for place in range(1, 101):
        live.feed_rings([(0, encoding.continue_running(10 ** 8 * place, 1, 0))])
        live.pass_done()
        closed.append(len(live.snapshot()["windows"][0]["windows"]))
    assert closed[28] <= 1 and closed[-1] > 95      # it is waited for, but not for ever
