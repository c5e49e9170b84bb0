"""The governor: what it may cost, and a bakery that rests because of it."""
import json
import threading

import pytest

from helpers.simulator import KHZ, Machine
from helpers.captures import SECOND
from xenmeter.xentrace.baker.bakery import Bakery
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


class Source:
    """Passes of a machine, observation after observation; at rest nothing is written."""

    splitter = full = None

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
