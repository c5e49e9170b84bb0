"""Figures of several observations that add up without being scaled: what happened between two of them is in none."""
import json
import threading

import pytest

from helpers import encoding
from helpers.simulator import Machine
from xenmeter.xen.domains import DomainFacts, Snapshot
from xenmeter.xentrace.baker.bakery import Bakery
from xenmeter.xentrace.baker.document import to_json
from xenmeter.xentrace.engine.windowed import Baking

#: A TSC is a nanosecond, so that no time is rounded.
KHZ = 10 ** 6
WINDOW = 2 * 10 ** 6


def feed(baking, events):
    """A pass with all of them, and as many more as it takes until nothing can contradict them."""
    pcpus = sorted({pcpu for _, pcpu, _ in events})
    baking.engine.feed_rings([(pcpu, b"".join(data for _, where, data in events if where == pcpu)) for pcpu in pcpus])
    baking.engine.pass_done()
    baking.engine.pass_done()


def observed(core, *observations, per_vcpu=True, window=10 ** 15):
    """What is told at the end, and the pictures of each observation."""
    baking = Baking(KHZ, [window, 2 * window], per_vcpu=per_vcpu, core=core)
    pictures = []
    for number, events in enumerate(observations):
        if number:
            baking.rest()
        feed(baking, events)
        pictures.append(list(baking.taken))
        baking.taken.clear()
    told = baking.now()
    baking.close()
    return told, pictures


def parts(seed, **options):
    """The beginning and the end of what a machine did."""
    events = Machine(seed, pcpus=3, domains=5, vcpus=3, steps=900, **options).events
    return events[:len(events) // 3], events[2 * len(events) // 3:]


def by_life(records_):
    return {(one["domid"], one["generation"], one.get("vcpu")): one for one in records_}


def check_sums(mine, one, other):
    """Whether ``mine`` is what two observations of it are together; None: it was not there."""
    for name, value in mine.items():
        both = [told[name] for told in (one, other) if told is not None]
        if name == "histograms":
            for place, histogram in value.items():
                expected = both[0][place].plus([told[place] for told in both[1:]])
                assert (histogram.sum, histogram.most, list(histogram.counts)) == (
                    expected.sum, expected.most, list(expected.counts)), place
        elif name == "runstate":
            assert value == {state: sum(told[state] for told in both) for state in value}, name
        elif name.endswith("_ns") and name not in ("start_ns", "end_ns") or name in (
                "executions", "preemptions", "wakes", "migrations", "grant_maps", "grant_unmaps", "grant_transfers"):
            assert value == sum(both), name


@pytest.mark.parametrize("per_vcpu", [False, True])
def test_two_observations_add_up(core, per_vcpu):
    seen = 0
    for seed in range(25):
        first, last = parts(seed)
        told = observed(core, first, last, per_vcpu=per_vcpu)[0]
        one, other = [observed(core, part, per_vcpu=per_vcpu)[0] for part in (first, last)]
        assert told.span_ns == one.span_ns + other.span_ns
        for kind in ("domains", "vcpus"):
            before, after = by_life(one[kind]), by_life(other[kind])
            assert by_life(told[kind]).keys() == before.keys() | after.keys()
            for life, mine in by_life(told[kind]).items():
                check_sums(mine, before.get(life), after.get(life))
                seen += life in before and life in after
        for pcpu in told["pcpus"]:
            assert pcpu["busy_ns"] + pcpu["idle_ns"] + pcpu["unknown_ns"] == told.span_ns
        assert told["trace"]["records"] == one["trace"]["records"] + other["trace"]["records"]
        assert told["trace"]["anomalies"] == one["trace"]["anomalies"] + other["trace"]["anomalies"] == 0
    assert seen > 100


def test_both_loops_rest_alike(shared_object):
    from xenmeter.xentrace.engine import compiled
    assert compiled.use(shared_object)
    for seed in range(12):
        first, last = parts(seed, churn=True)
        told = [observed(core, first, last, first, window=WINDOW) for core in ("python", "compiled")]
        assert [len(part) for part in told[0][1]] == [len(part) for part in told[1][1]]
        pictures = [[picture for part in parts_ for picture in part] + [last] for last, parts_ in told]
        for one, other in zip(*pictures):
            assert to_json(0, one, None, None) == to_json(0, other, None, None)


def plain(one):
    """Without the largest of a latency, which is exact over all there ever were and else the end of a bucket."""
    return dict(one, latency={name: (told.sum, list(told.places), list(told.counts)) for name, told in one["latency"].items()})


def test_windows_begin_anew(core):
    """The first ones after a rest are those of an engine that sees nothing but what follows it."""
    for seed in range(6):
        first, last = parts(seed)
        rested, fresh = observed(core, first, last, window=WINDOW)[1][-1], observed(core, last, window=WINDOW)[1][0]
        assert len(rested) == len(fresh) > 3
        for mine, other in zip(rested, fresh):
            began = rested[0].span_ns - WINDOW
            assert [window["start_ns"] - began for window in mine["windows"]] == [
                window["start_ns"] for window in other["windows"]]
            for window, expected in zip(mine["windows"], other["windows"]):
                known = {one["domid"]: one for one in window["domains"]}
                for one in expected["domains"]:
                    assert plain(known[one["domid"]]) == plain(one)


def window(records_):
    return [(0, b"".join(records_))]


def runs(domid, at):
    return [encoding.runstate(at, domid, 0, 1, 0), encoding.runstate(at + 5000, domid, 0, 0, 2)]


class Source:
    """Observation after observation, each followed by a rest."""

    splitter = full = None

    def __init__(self, *observations):
        self._left = observations
        self.rests = 0

    def passes(self, stop):
        """The first border comes before all of them: up to it nothing is weighed."""
        yield window([encoding.runstate(10 ** 9 - 3 * 10 ** 6, 99, 0, 0, 2), encoding.runstate(10 ** 9 - 10 ** 6, 99, 0, 2, 1)])
        yield []
        yield []
        for number, held in enumerate(self._left, 1):
            yield window(record for domid in held for record in runs(domid, 10 ** 9 * number + 10000 * domid))
            yield window([encoding.runstate(10 ** 9 * number + 2 * 10 ** 6, 99, 0, 1, 1)])
            yield []
            yield []

    def rest(self):
        pass

    close = rest

    def resume(self):
        self.rests += 1

    def about(self):
        return "rests"


class Restless:
    observation_ns = 10 ** 6

    @staticmethod
    def rest_ns():
        return 1

    @staticmethod
    def begin():
        pass

    @staticmethod
    def elapsed_ns():
        return 10 ** 12


def told(names, *observations):
    """(domid, generation) -> running time of those who live in the end. :param names: in each observation, and from the last."""
    source = Source(*observations)
    bakery = Bakery(source, KHZ, [10 ** 6], None, lambda: names[min(source.rests, len(names) - 1)], governor=Restless())
    bakery.run(threading.Event())
    assert source.rests >= len(observations) - 1
    figures = json.loads(bakery.figures().decode())
    bakery.close()
    return {(one["domid"], one["generation"]): one["running_ns"] for one in figures["domains"]
            if one["domid"] != 99 and one["end_ns"] is None}


def names(*uuids):
    return Snapshot([DomainFacts(domid, b"x", uuid, None, (), {}) for domid, uuid in uuids], None)


A, B = "a" * 36, "b" * 36


def test_a_domid_with_another_uuid_is_another_life():
    assert told([names((5, A))], [5], [5]) == {(5, 0): 10000}
    assert told([names((5, A)), names((5, B))], [5], [5]) == {(5, 1): 5000}


def test_a_uuid_that_cannot_be_read_just_now_changes_nothing():
    assert told([names((5, A)), names((5, None))], [5], [5]) == {(5, 0): 10000}
    assert told([names((5, A)), names((5, None)), names((5, B))], [5], [5], [5]) == {(5, 1): 5000}


def test_a_domain_that_is_gone_is_left_behind():
    assert told([names((5, A), (6, B)), names((6, B))], [5], [6]) == {(6, 0): 5000}


def test_without_xenstore_a_life_goes_on():
    assert told([None], [5], [5]) == {(5, 0): 10000}
