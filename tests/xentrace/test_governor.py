"""The governor: what it may cost, and figures of several observations that add up without being scaled."""
import json
import threading

import pytest

from helpers.simulator import KHZ, Machine
from helpers.captures import SECOND, capture
from xenmeter.xen.domains import DomainFacts, Snapshot
from xenmeter.xentrace.engine import records
from xenmeter.xentrace.baker.bakery import Bakery
from xenmeter.xentrace.engine.sections import picture_of
from xenmeter.xentrace.engine.windowed import Baking
from xenmeter.xentrace.baker.observations import AS_NOW, Carry
from xenmeter.xentrace.baker.document import to_json
from xenmeter.xentrace.baker.governor import LONGEST_REST_NS, Governor


class Clock:
    def __init__(self):
        self.now, self.spent = 7 * SECOND, 3 * SECOND

    def governor(self, share_ppm, window_ns=SECOND):
        return Governor(share_ppm, window_ns, lambda: self.spent, lambda: self.now)


@pytest.mark.parametrize("spent_ms, rest_s", [(0, 0), (100, 0), (101, 0.05), (200, 5), (1000, 45), (60000, 300)])
def test_two_percent(spent_ms, rest_s):
    """100 ms in 5 s are two percent; twice as much asks for as long a rest."""
    clock = Clock()
    governor = clock.governor(20000)
    clock.now += 5 * SECOND
    clock.spent += spent_ms * 10 ** 6
    assert governor.rest_ns() == rest_s * SECOND <= LONGEST_REST_NS
    governor.begin()
    assert governor.rest_ns() == 0


def test_no_bound():
    clock = Clock()
    governor = clock.governor(0)
    clock.spent += 9 * SECOND
    assert governor.rest_ns() == 0


@pytest.mark.parametrize("window_ns, observation_ns", [
    (SECOND, 5 * SECOND), (10 * SECOND, 10 * SECOND), (3 * SECOND, 6 * SECOND), (SECOND // 4, 5 * SECOND)])
def test_observations_are_whole_windows(window_ns, observation_ns):
    assert Clock().governor(1, window_ns).observation_ns == observation_ns


def figures_of(data, khz=2596120):
    baking = Baking(khz, [SECOND], per_vcpu=True)
    baking.engine.feed(data)
    baking.finish()
    told = baking.now()
    baking.close()
    return told


def plain(figures):
    return json.loads(to_json(0, figures, None, None).decode())


def test_one_observation_is_itself():
    figures = figures_of(capture("narrow-steady"))
    assert plain(Carry().add(figures, None)) == plain(figures)


def test_two_observations_add_up():
    one, other = figures_of(capture("narrow-steady")), figures_of(capture("sched-S1-after"))
    carry = Carry()
    carry.end(carry.add(one, None))
    told = carry.add(other, None)
    assert told["trace"]["span_ns"] == one["trace"]["span_ns"] + other["trace"]["span_ns"]
    for which in ("domains", "vcpus"):
        for mine in told[which]:
            parts = [part for figures in (one, other) for part in figures[which]
                     if (part["domid"], part.get("vcpu")) == (mine["domid"], mine.get("vcpu"))]
            for name in ("running_ns", "runnable_ns", "blocked_ns", "executions", "migrations"):
                assert mine[name] == sum(part[name] for part in parts)
            for name, histogram in mine["histograms"].items():
                assert histogram.count == sum(part["histograms"][name].count for part in parts)
                assert histogram.sum == sum(part["histograms"][name].sum for part in parts)
            for name in mine.get("runstate", ()):
                assert mine["runstate"][name] == sum(part["runstate"][name] for part in parts)


def runs(domid, *more):
    held = [records.runstate(1000, domid, 0, 1, 0), records.runstate(6000, domid, 0, 0, 2)] + list(more)
    return figures_of(records.window(0, b"".join(held)), 1000000)


def names(*uuids):
    return Snapshot([DomainFacts(domid, b"x", uuid, None, (), {}) for domid, uuid in uuids], None)


def lives(told):
    return {(one["domid"], one["generation"]): one["running_ns"] for one in told["domains"]}


def test_a_domid_with_another_uuid_is_another_life():
    carry = Carry()
    carry.end(carry.add(runs(5), names((5, "a" * 36))))
    assert lives(carry.add(runs(5), names((5, "a" * 36)))) == {(5, 0): 10000}
    assert lives(carry.add(runs(5), names((5, "b" * 36)))) == {(5, 1): 5000}


def test_a_uuid_that_cannot_be_read_just_now_changes_nothing():
    carry = Carry()
    carry.end(carry.add(runs(5), names((5, "a" * 36))))
    assert lives(carry.add(runs(5), names((5, None)))) == {(5, 0): 10000}
    assert lives(carry.add(runs(5), names((5, "b" * 36)))) == {(5, 1): 5000}


def test_a_domain_that_is_gone_is_left_behind():
    carry = Carry()
    carry.end(carry.add(runs(5), names((5, "a" * 36), (6, "b" * 36))))
    assert lives(carry.add(runs(6), names((6, "b" * 36)))) == {(6, 0): 5000}


def test_a_life_that_ended_is_not_continued():
    carry = Carry()
    carry.end(carry.add(runs(5, records.encode(records.DOM0_DOM_REM, [5], 7000)), None))
    assert lives(carry.add(runs(5), None)) == {(5, 1): 5000}


class Source:
    """Passes of a machine, observation after observation; at rest nothing is written."""

    splitter = full = None
    cpu_ns = 0

    def __init__(self, clock, observations, cost_ns):
        self.clock, self.cost_ns = clock, cost_ns
        self.log = []
        self.left = observations
        self.tsc = 10 ** 9

    def passes(self, stop):
        while self.left:
            machine = Machine(self.left, pcpus=2, steps=300, start=self.tsc)
            for at in range(0, len(machine.events), 20):
                part = machine.events[at:at + 20]
                yield [(pcpu, b"".join(record for _, where, record in part if where == pcpu)) for pcpu in (0, 1)]
                before, self.tsc = self.tsc, part[-1][0]
                self.clock.now += (self.tsc - before) * 1000000 // KHZ
                self.clock.spent += self.cost_ns
            self.tsc += 10 ** 7
            self.left -= 1

    def rest(self):
        self.log.append("rest")

    def about(self):
        return "a machine"

    def resume(self):
        self.log.append("resume")
        self.tsc += 5 * 10 ** 9

    def close(self):
        pass


def test_the_bakery_rests_and_goes_on(monkeypatch):
    clock = Clock()
    governor = clock.governor(20000)
    governor.observation_ns = 4 * 10 ** 6
    source = Source(clock, 12, 10 ** 6)
    bakery = Bakery(source, KHZ, [10 ** 6, 2 * 10 ** 6], None, lambda: None, False, governor)
    monkeypatch.setattr(bakery, "_wait", lambda rest_ns, stop: setattr(clock, "now", clock.now + rest_ns))
    bakery.run(threading.Event())
    assert bakery.status()["elapsed_ns"] == governor.elapsed_ns() > bakery.status()["span_ns"]
    assert source.log[:4] == ["rest", "resume"] * 2 and len(source.log) > 4
    figures = json.loads(bakery.figures().decode())
    observed, elapsed = figures["observed"]
    assert observed == figures["trace"]["span_ns"] and 0 < observed < elapsed
    assert {one["domid"] for one in figures["domains"]} >= {0, 1, 2}
    starts = [window["start_ns"] for window in bakery.windows("0.001s", 600)]
    assert starts == sorted(set(starts)) and len(starts) > 8
    bakery.close()


def everything():
    """Figures in which no field is missing: slices, states of the pCPUs, their clocks, histograms of vCPUs."""
    figures = figures_of(capture("alloc-steady"))
    told = {name: figures[name] for name in ("observed", "trace", "domains", "vcpus", "windows")}
    told["pcpus"] = figures_of(records.window(0, b"".join((
        records.encode(records.PM_IDLE_ENTRY, [2, 0, 0, 0], 1000), records.encode(records.PM_IDLE_EXIT, [2, 0], 9000000),
        records.encode(records.PM_FREQ_CHANGE, [2600, 1200], 9000005)))))["pcpus"]
    told["trace"]["pcpus"] = len(told["pcpus"])
    return picture_of(told)


def twice(name, value, told, as_now):
    """Whether ``told`` is what two observations of ``value`` make of the field."""
    if name in as_now:
        return told == value
    if isinstance(value, dict):
        return set(told) == set(value) and all(twice(key, value[key], told[key], ()) for key in value)
    if value is None or name in ("min_ns", "max_ns"):
        return told == value
    if isinstance(value, int):
        return told == 2 * value
    return (told.count, told.sum, told.most) == (2 * value.count, 2 * value.sum, value.most)


def test_every_field_of_the_readout_is_carried_and_none_is_lost():
    """Those that hold at a moment are told as they are now, all else adds up: also a column that somebody adds tomorrow."""
    figures = everything()
    carry = Carry()
    carry.end(carry.add(figures, None))
    told = carry.add(figures, None)
    for kind in ("domains", "vcpus", "pcpus"):
        assert len(told[kind]) == len(figures[kind]) > 0
        for one, mine in zip(figures[kind], told[kind]):
            assert set(one) == set(mine)
            for name in one:
                assert twice(name, one[name], mine[name], AS_NOW[kind]), (kind, name)
    for name, value in figures["trace"].items():
        assert twice(name, value, told["trace"][name], AS_NOW["trace"]), name
    assert set(told["trace"]) == set(figures["trace"])


def test_the_fields_that_do_not_add_up_are_the_readouts():
    """A name that no record has any more would hide a new one."""
    figures = everything()
    for kind in ("domains", "vcpus", "pcpus"):
        assert set(AS_NOW[kind]) <= set(figures[kind][0])
    assert set(AS_NOW["trace"]) <= set(figures["trace"])
    assert any(one["cstates"] for one in figures["pcpus"]) and any(one["allocation"] for one in figures["domains"])
    assert all("histograms" in one for one in figures["vcpus"])


def test_what_only_one_observation_has_stays():
    figures = everything()
    without = picture_of(dict({name: figures[name] for name in ("observed", "trace", "pcpus", "vcpus", "windows")},
                              domains=[dict(one, allocation=None) for one in figures["domains"]]))
    for order in ((figures, without), (without, figures)):
        carry = Carry()
        carry.end(carry.add(order[0], None))
        assert [one["allocation"] for one in carry.add(order[1], None)["domains"]] == [
            one["allocation"] for one in figures["domains"]]
