"""A pCPU that was offline and came back writes no records: what runs there is unknown, never a wait.

As it was seen on Xen 4.14 and 4.20: its last record is at the offline; its ring is named by t_info as before and stays empty;
no lost-records marker tells it; Xen's own count of its idle time goes on.
"""
import threading

import pytest

from helpers import encoding
from helpers import fake_rings
from helpers.odd_hosts import SLOW, change, hotplug, skewed
from helpers.simulator import Machine, Tracer
from helpers.captures import SECOND
from helpers.played_rings import opened
from xenmeter.core.errors import SourceError
from xenmeter.xen.domains import Snapshot
from xenmeter.xentrace import probes
from xenmeter.xentrace.engine import records
from xenmeter.xentrace.baker.bakery import Bakery
from xenmeter.xentrace.baker.document import Words
from xenmeter.xentrace.engine.doubts import doubts
from xenmeter.xentrace.engine.engine import Engine
from xenmeter.xentrace.engine.loss import ELSEWHERE
from xenmeter.xentrace.baker.mute import BETWEEN_NS, Watch
from xenmeter.xentrace.engine.records import RUNNABLE
from xenmeter.xentrace.baker.writing import Writer


def baked(core, machine):
    tracer = Tracer(machine, 50, size=1 << 20)
    engine = Engine(SLOW, core=core)
    engine.feed(tracer.stream())
    figures = engine.finish()
    engine.close()
    return figures, tracer


@pytest.mark.parametrize("seed", range(12))
def test_what_runs_on_a_mute_pcpu_is_unknown(core, seed):
    machine, cut = hotplug(seed)
    figures, tracer = baked(core, machine)
    span = figures["trace"]["span_ns"]
    after = span - (machine.events[cut][0] - tracer.first) * 1000000 // SLOW
    assert figures["trace"]["mute"] == [1] and "pCPU 1 is at work and writes no records" in doubts(figures)[0]
    for vcpu in figures["vcpus"]:
        true = machine.truth((vcpu["domid"], vcpu["generation"], vcpu["vcpu"]), tracer.first, tracer.last, SLOW)
        told = [vcpu[name] for name in ("running_ns", "runnable_ns", "blocked_ns", "offline_ns")]
        wrong = sum(max(0, mine - right) for mine, right in zip(told, true))
        assert wrong < after / 20, (seed, told, true)
        assert sum(told) + vcpu["unknown_ns"] == span
    assert sum(vcpu["unknown_ns"] for vcpu in figures["vcpus"]) > len(figures["vcpus"]) * after / 2
    one = figures["pcpus"][1]
    assert one["unknown_ns"] > after * 0.9 and one["lost_records"] == 0


def test_both_loops_agree(shared_object):
    machine, _ = hotplug(3)
    assert baked("compiled", machine)[0] == baked("python", machine)[0]


def test_a_pcpu_without_any_record(core):
    """xentrace was started after it had come back: there is not even a window of it."""
    machine, cut = hotplug(5)
    machine.events[:] = [event for event in machine.events[cut:] if event[1] == 0]
    figures, tracer = baked(core, machine)
    assert figures["trace"]["mute"] == [ELSEWHERE] and "has no record in this trace is at work" in doubts(figures)[0]
    span = figures["trace"]["span_ns"]
    assert sum(vcpu["unknown_ns"] for vcpu in figures["vcpus"]) > len(figures["vcpus"]) * span / 2


def test_a_host_on_which_nothing_is_wrong_has_no_mute_pcpu(core):
    machine = Machine(7, pcpus=4, domains=3, steps=3000)
    figures, _ = baked(core, machine)
    assert figures["trace"]["mute"] == [] and doubts(figures) == []
    assert all(vcpu["unknown_ns"] == 0 for vcpu in figures["vcpus"])


def test_a_pcpu_is_heard_when_the_scheduler_speaks_there(core):
    """Either loop handles grants and slices by itself; so they are no sign of life in neither."""
    def at(ms, old, new):
        return encoding.runstate(10 ** 12 + ms * 10 ** 6, 1, 0, old, new)
    engine = Engine(1000000, core=core)
    engine.feed(records.window(0, at(0, 1, 0) + at(1, 0, 2) + at(300, 1, 0)) + records.window(
        1, change(0, 1, 1, 0) + encoding.encode(records.GRANT_MAP, [1], 10 ** 12 + 400 * 10 ** 6) + change(
            500 * 10 ** 6, 1, 0, 1)) + records.window(0, at(600, 0, 2)))
    figures = engine.finish()
    engine.close()
    assert figures["trace"]["mute"] == [] and figures["domains"][0]["grant_maps"] == 1
    assert figures["pcpus"][1]["lost_ns"] == 200 * 10 ** 6


def test_contradictions_that_end_are_forgiven(core):
    """A minute after a burst the records are believed again."""
    def at(second, step, vcpu, old, new):
        return encoding.runstate(10 ** 12 + second * SECOND + 1000 * step, 1, vcpu, old, new)
    wrong = b"".join(at(0, step, 0, 2 - step % 2, 1 - step % 2) for step in range(1, 30))     # woken while it runs
    fine = b"".join(at(second, 0, 0, 1, 0) + at(second, 1, 0, 0, 2) + at(second, 2, 0, 2, 1) for second in range(1, 100))
    engine = Engine(1000000, core=core)
    engine.feed(records.window(0, wrong))
    assert engine.finish()["trace"]["mute"] == [ELSEWHERE]
    engine.close()
    engine = Engine(1000000, core=core)
    engine.feed(records.window(0, wrong + fine))
    figures = engine.finish()
    engine.close()
    vcpu, = figures["vcpus"]
    assert figures["trace"]["mute"] == [] and 55 * SECOND < vcpu["unknown_ns"] < 62 * SECOND


@pytest.mark.parametrize("offset", [0, 30000, 300000, -300000, 3000000, -3000000, 10 ** 9])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_clocks_that_disagree_make_waits_unknown_and_not_wrong(core, seed, offset):
    """A vCPU that migrates runs on one pCPU before it was woken on the other: known by that, from the trace alone."""
    machine = Machine(seed, pcpus=3, domains=4, vcpus=2, steps=3000)
    first, last = machine.events[0][0], machine.events[-1][0]
    engine = Engine(SLOW, core=core)
    engine.feed(skewed(machine, (0, offset, 0)))
    figures = engine.finish()
    engine.close()
    right = wrong = 0
    for vcpu in figures["vcpus"]:
        true = machine.truth((vcpu["domid"], vcpu["generation"], vcpu["vcpu"]), first, last, SLOW)[RUNNABLE]
        right += true
        wrong += max(0, vcpu["runnable_ns"] - true)
    assert wrong <= right // 100
    if abs(offset) >= 300000:
        assert figures["trace"]["mute"] == [ELSEWHERE] and "(TSC) of the pCPUs disagree" in doubts(figures)[0]
    elif not offset:
        assert doubts(figures) == [] and wrong == 0


# -- live, where Xen can be asked ----------------------------------------------------------------------------------
class Host:
    """Its clock and its pCPUs' idle times, as getcpuinfo tells them."""

    def __init__(self, pcpus=2):
        self.now, self.idle, self.fails = 10 ** 12, [10 ** 11] * pcpus, False

    def ask(self):
        if self.fails:
            raise SourceError("Xen does not tell")
        return list(self.idle)

    def passes(self, ns, *busy):
        """So much time goes by; of each pCPU the share that is work."""
        self.now += ns
        for pcpu, share in enumerate(busy):
            self.idle[pcpu] += int(ns * (1 - share))


@pytest.fixture
def idle_host(core):
    """Two idle pCPUs that have said so, and a watch that has looked once."""
    engine, host = Engine(1000000, core=core), Host()
    watch = Watch(host.ask, clock_ns=lambda: host.now)
    first = [(pcpu, change(0, pcpu, 1, 0)) for pcpu in (0, 1)]
    for pcpu, data in first:
        engine.feed_rings([(pcpu, data)])
    engine.pass_done()
    engine.pass_done()
    engine.pass_done()
    assert watch.look(first, engine) == []
    yield engine, host, watch
    engine.close()


@pytest.mark.parametrize("busy, found", [((0, 0), []), ((0, 0.005), []), ((0, 0.5), [1]), ((1, 1), [0, 1]), ((0, 0.05), [1])])
def test_a_silent_pcpu_that_works_is_mute(idle_host, busy, found):
    engine, host, watch = idle_host
    host.passes(BETWEEN_NS, *busy)
    assert watch.look([], engine) == found


def test_who_speaks_is_not_mute_and_who_is_offline_neither(idle_host):
    engine, host, watch = idle_host
    host.passes(BETWEEN_NS, 1, 1)
    host.idle[0] = 0                                            # as Xen tells it of one that is offline
    assert watch.look([(1, b"1234")], engine) == []
    host.passes(BETWEEN_NS, 0, 0)
    host.idle[0] = 5
    assert watch.look([], engine) == []                         # it came back: from now on it counts
    host.passes(BETWEEN_NS, 0.5, 0)
    assert watch.look([], engine) == [0]


def test_one_that_runs_a_vcpu_for_long_is_not_mute_unless_it_was_idle(idle_host):
    engine, host, watch = idle_host
    data = change(SECOND, 1, 0, 1) + change(SECOND, 0, 1, 0, 7)
    for step in range(4):
        engine.feed_rings([(1, data if not step else b"")])
        engine.pass_done()
    host.passes(BETWEEN_NS, 0, 1)
    watch.look([(1, data)], engine)
    host.passes(BETWEEN_NS, 0, 1)
    assert watch.look([], engine) == []         # alone on its pCPU, with the null scheduler
    host.passes(BETWEEN_NS, 0, 0.5)
    assert watch.look([], engine) == [1]


def test_a_question_that_fails_is_asked_again(idle_host):
    engine, host, watch = idle_host
    host.fails = True
    host.passes(BETWEEN_NS, 0, 1)
    assert watch.look([], engine) == []
    host.fails = False
    assert watch.look([], engine) == []
    host.passes(BETWEEN_NS, 0, 1)
    assert watch.look([], engine) == [1]


@pytest.mark.parametrize("by_records", [False, True])
def test_the_baker_tells_it_in_its_figures_in_its_log_and_in_check(tmp_path, monkeypatch, by_records):
    """Over rings as Xen's: that of pCPU 1 stays empty, while Xen counts no idleness there. Then it speaks again. Its log says it
    also where records that contradict each other, of a vCPU that was woken there, have shown it before Xen is asked."""
    xen, host, said = fake_rings.Xen(pcpus=2), Host(), []
    source = opened(xen, tmp_path / "state")
    writer = Writer(str(tmp_path / "baker"), 10 ** 12)
    bakery = Bakery(source, 1000000, [SECOND], writer, lambda: Snapshot([], None), say=said.append,
                    watch=Watch(host.ask, clock_ns=lambda: host.now))
    speaks, found_first = [30], set()

    def passes(stop):
        for number in range(34):
            at = number * SECOND
            for pcpu in (0, 1) if not number or number in speaks else (0,):     # a second of the trace each
                xen.producers[pcpu].write(at, change(at, pcpu, 1, 0), 0)
                if not (by_records and pcpu):       # its idle vCPU seems to run from then on
                    xen.producers[pcpu].write(at, change(at + 500, pcpu, 0, 1), 0)
            for step, (before, after) in enumerate([(1, 0), (0, 2)] * (by_records and number in (1, 3))):
                xen.producers[0].write(at + 600 + step, change(at + 600 + step, 0, before, after, 5), 0)
            host.passes(SECOND, 0, 1)
            found_first.add(bool(bakery._baking.engine.accounts.mute) and not said)
            yield source._scan()
    monkeypatch.setattr(source, "passes", passes)
    told = []
    parts = bakery._words.parts
    monkeypatch.setattr(bakery._words, "parts", lambda figures, *more: [told.append(figures.frozen()), parts(figures, *more)][1])
    bakery.run(threading.Event())
    assert "pCPU 1 is at work, as Xen counts, and writes no trace records" in said[0]
    assert said[1:] == ["pCPU 1 writes trace records again"] and (True in found_first) is by_records
    mute = [figures for figures in told if figures["trace"]["mute"] == [1]]
    assert len(mute) > 10 and told[-1]["trace"]["mute"] == []
    unknown = [figures["pcpus"][1]["unknown_ns"] for figures in told]
    assert unknown[2] == 0 and unknown[25] > 15 * SECOND
    writer.write(Words().parts(mute[-1], None, None), 1)
    assert "; pCPU 1 is at work and writes no records" in probes.baker(str(tmp_path / "baker"))
    bakery.close()
