"""A plugin at work, whatever its source: what is said of options, and which samples come through."""
import time
from collections import namedtuple

import pytest

from xenmeter.core import clock, pipeline as pipelines
from xenmeter.core.errors import BadOption
from xenmeter.core.options import from_pairs
from xenmeter.core.pipeline import Pipeline
from xenmeter.core.source import Source
from xenmeter.xentop.plugin import PLUGIN


class Silent(Source):
    """A live source, or a recording, that has nothing to say."""

    recorded = False

    def __init__(self, recorded):
        self.recorded = recorded

    def samples(self, stop, report):
        return iter(())


def pipeline(recorded=False, **options):
    made = Pipeline(PLUGIN._replace(open_source=lambda options: Silent(recorded)), from_pairs(
        PLUGIN.options, [(key, (value,)) for key, value in options.items()])[0])
    made.start()
    made.stop()
    return made


def test_what_is_for_recordings_is_told_of_a_live_source():
    assert pipeline(source="direct", start="2026-01-01", pace=1).remarks() == [
        "start is for recordings: source direct is live, its figures have the time of now",
        "pace is for recordings: source direct is live, its figures have the time of now"]
    assert pipeline().remarks() == [] == pipeline(recorded=True, start="2026-01-01", pace=1).remarks()


def test_a_start_that_cannot_be_read_is_told_whatever_the_source():
    for recorded in (False, True):
        with pytest.raises(BadOption, match="'yesterday' is no time that can be read"):
            pipeline(recorded, start="yesterday")


Sample = namedtuple("Sample", "time_ns number remark")
S = 10 ** 9


class Ticking(Source):
    """A live source, a sample each second of a clock that the test sets: direct, vcpu and the baker's readers are such."""

    def __init__(self, host, aheads):
        self._host, self._aheads = host, aheads

    def samples(self, stop, report):
        for number, ahead in enumerate(self._aheads):
            self._host["steady"] += S
            self._host["ahead"] = ahead
            yield Sample(clock.now_ns(), number, None)


def set_clocks(monkeypatch, host):
    """Both clocks are the host's."""
    monkeypatch.setattr(clock, "steady_ns", lambda: host["steady"])
    for module in (clock, pipelines):
        monkeypatch.setattr(module, "now_ns", lambda: 1800000000 * S + host["steady"] + host["ahead"] * S)


@pytest.mark.parametrize("stamped, aheads, kept", [
    (True, [0, 0, 0], [0, 1, 2]),
    (True, [3600] * 3 + [0] * 3, [0, 1, 2, 3, 4, 5]),       # by an hour: the new times at once
    (True, [0, 0] + [-2] * 8, [0, 1, 7, 8, 9]),             # by two seconds: a gap of six
    (False, [0, 0] + [-2] * 8, list(range(10))),            # who tells no times has no gap
    (True, [0, 0] + [3600] * 3, [0, 1, 2, 3, 4]),
])
def test_samples_of_a_live_source_while_the_clock_is_set(monkeypatch, stamped, aheads, kept):
    host = {"steady": 0, "ahead": 0}
    set_clocks(monkeypatch, host)
    source = Ticking(host, aheads)
    made = Pipeline(PLUGIN._replace(open_source=lambda options: source), from_pairs(PLUGIN.options, [])[0], stamped)
    made.start(keep=100)
    found, deadline = [], time.monotonic() + 30
    while not made.ended and time.monotonic() < deadline:
        found += made.take(0.1)
    assert [sample.number for sample in found] == kept
    assert (made._errors().get("clock_set", 0), len(made.remarks())) == ((1, 1) if len(set(aheads)) > 1 else (0, 0))


def test_the_meters_own_times_go_by_the_same_rule(monkeypatch):
    host = {"steady": 0, "ahead": 0}
    set_clocks(monkeypatch, host)
    made = pipeline()

    def own(ahead):
        host["steady"] += 10 * S
        host["ahead"] = ahead
        told = made.own_now()
        return told and told.time_ns // S - 1800000000
    assert [own(ahead) for ahead in (0, 0, -10, -10, -10, -3610, 0)] == [10, 20, None, None, 40, 60 - 3610, 70]


def test_a_process_that_is_stopped_between_two_clocks_takes_none_for_set(monkeypatch):
    """Five seconds pass after the first look at a clock, whichever that is."""
    for stopped_after in range(1, 4):
        looks = []

        def steady():
            looks.append(1)
            return len(looks) * 1000 + (5 * S if len(looks) > stopped_after else 0)
        monkeypatch.setattr(clock, "steady_ns", steady)
        monkeypatch.setattr(clock, "now_ns", lambda: 1800000000 * S + steady())
        assert abs(clock.ahead_ns() - 1800000000 * S) < S // 1000
