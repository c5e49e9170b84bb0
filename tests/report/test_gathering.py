"""What a report is made of, against the engine's own sums, the simulator's truth, and windows of fixed length."""
import io
import os
import random
from collections import Counter, defaultdict

import numpy
import pytest
from helpers import simulator
from hypothesis import given
from hypothesis import strategies as st
from helpers.captures import KHZ, capture

from helpers.paths import FIXTURES
from xenmeter.core.errors import XenmeterError
from xenmeter.front.report import timeline
from xenmeter.front.report.gather import gather
from xenmeter.front.report.moment import ExactSpan
from xenmeter.front.report.timeline import BETWEEN, IDLE, LOST, UNKNOWN, Grid, Slices
from xenmeter.xentrace.engine.engine import Engine

CASES = sorted(case for case in os.listdir(str(FIXTURES / "xentrace")) if (FIXTURES / "xentrace" / case).is_dir())


def gathered(data, core, **more):
    return gather(io.BytesIO(data), "a trace", KHZ, core=core, **more)


def whole(data, core, monkeypatch):
    """With every interval of the trace."""
    monkeypatch.setattr(ExactSpan.__init__, "__defaults__", (None, 10 ** 9))
    return gathered(data, core)


def sums_of(exact):
    """(who -> ns) over all pCPUs."""
    told = Counter()
    for slices in exact[2].values():
        for begin, end, who in zip(*[column.tolist() for column in slices]):
            told[who] += end - begin
    return told


def check_whole(found):
    """The intervals leave no hole, and the columns hold the same time."""
    span = found.figures["trace"]["span_ns"]
    assert found.exact[:2] == (0, span) and set(found.exact[2]) == {one["pcpu"] for one in found.figures["pcpus"]}
    for slices in found.exact[2].values():
        assert slices.begin[0] == 0 and slices.end[-1] == span
        assert (slices.begin[1:] == slices.end[:-1]).all() and (slices.end > slices.begin).all()
    for pcpu, slices in found.exact[2].items():
        for life, columns in found.grid.cells[pcpu].items():
            lives = numpy.where(slices.who >= 0, slices.who >> 16, slices.who)
            assert columns.sum() == (slices.end - slices.begin)[lives == life].sum()
        total = sum(columns for columns in found.grid.cells[pcpu].values())
        full, rest = divmod(span, found.grid.width)
        assert (total[:full] == found.grid.width).all() and total[full:].sum() == rest


@pytest.mark.parametrize("case", CASES)
def test_the_intervals_are_the_accounts_own(case, core, monkeypatch):
    found = whole(capture(case), core, monkeypatch)
    check_whole(found)
    sums = sums_of(found.exact)
    lives = {life[:2]: place for place, life in enumerate(found.lives)}
    differ = {}
    for one in found.figures["vcpus"]:
        who = lives[one["domid"], one["generation"]] << 16 | one["vcpu"]
        differ[one["domid"], one["vcpu"]] = one["running_ns"] - sums[who]
    pcpus = found.figures["pcpus"]
    assert sums[LOST] == sum(one["lost_ns"] for one in pcpus)
    wrong = {who: ns for who, ns in differ.items() if ns}
    if found.figures["trace"]["anomaly_kinds"]["contradictions"]:
        # What two pCPUs claim at once is nobody's in the accounts; the timeline looks at one pCPU at a time.
        assert sum(map(abs, wrong.values())) < 0.01 * sum(one["running_ns"] for one in found.figures["vcpus"]), wrong
    else:
        assert not wrong
        assert sums[IDLE] == sum(one["idle_ns"] for one in pcpus)
    for one in pcpus:
        assert one["lost_ns"] == sum(gap.end_ns - gap.begin_ns for gap in found.timeline.gaps if gap.pcpu == one["pcpu"])


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("size", [4088, 700])
def test_the_intervals_are_the_truth(seed, size, core, monkeypatch):
    """Whoever an interval names ran there all that time; and without a loss, every run is there."""
    machine = simulator.Machine(seed, pcpus=1 + seed % 4, domains=3, steps=600, churn=seed % 2 == 1)
    tracer = simulator.Tracer(machine, size=size, seed=seed)
    found = whole(tracer.stream(), core, monkeypatch)
    check_whole(found)
    lost = found.figures["trace"]["lost_records"]
    truth = defaultdict(list)       # (domid, vCPU) -> [begin, end) of its runs, ns
    for (domid, _, vcpu), past in machine.intervals.items():
        edges = past + [(None, tracer.last)]
        for (state, since), (_, until) in zip(edges, edges[1:]):
            since, until = max(since, tracer.first), min(until, tracer.last)
            if state == 0 and until > since:
                truth[domid, vcpu].append((simulator.ns(since, tracer.first), simulator.ns(until, tracer.first)))
    for slices in found.exact[2].values():
        for begin, end, who in zip(*[column.tolist() for column in slices]):
            if who >= 0:
                domid = found.lives[who >> 16][0]
                assert any(since <= begin and end <= until for since, until in truth[domid, who & 0xFFFF]), (begin, end, domid)
    sums = sums_of(found.exact)
    if not lost and not tracer.untold:
        seen = sum(ns for who, ns in sums.items() if who >= 0)
        assert seen == sum(until - since for runs in truth.values() for since, until in runs)
    else:
        assert sums[LOST] > 0 or not lost


@pytest.mark.parametrize("case", ["sched-steady", "narrow-churn", "loss-sched-churn", "cap20"])
def test_elastic_windows_are_windows_of_the_final_length(case, core):
    data = capture(case)
    found = gathered(data, core)
    made = found.figures["windows"][0]
    engine = Engine(KHZ, [made["length_ns"]], 10 ** 6, core=core)
    engine.feed(data)
    plain = engine.finish()
    engine.close()
    assert made["length_ns"] > 1000000 and 120 <= len(made["windows"]) <= 241
    assert made["windows"] == plain["windows"][0]["windows"]
    for life, one in zip(found.lives, sorted(plain["domains"], key=lambda one: found.lives.index(
            (one["domid"], one["generation"], one["start_ns"], one["end_ns"])))):
        place = found.lives.index(life)
        parts = [part[place] for part in found.latency if place in part]
        all_ = one["histograms"]["wait"]
        held = Counter()
        for part in parts:
            held.update(dict(zip(part.places, part.counts)))
        assert held == dict(zip(all_.places, all_.counts))
        assert sum(part.sum for part in parts) == all_.sum and max([part.most for part in parts] + [0]) == all_.most


def test_the_longest_wait_is_the_histograms_largest(core):
    for case in ("sched-steady", "narrow-churn"):
        found = gathered(capture(case), core)
        longest = found.longest
        assert longest.end_ns - longest.begin_ns == max(
            one["histograms"]["wait"].most for one in found.figures["vcpus"])
        begin, end, parts = found.exact
        assert begin <= longest.begin_ns and longest.end_ns <= end
        slices = parts[longest.pcpu]
        at = slices.begin.tolist().index(longest.end_ns)        # there it began to run
        assert slices.who[at] & 0xFFFF == longest.key & 0xFFFF
        assert found.lives[int(slices.who[at]) >> 16][0] == longest.key >> 16
        assert sum(len(one.end) for one in parts.values()) <= 16000


def test_the_time_that_is_asked_for_is_shown_exactly(core):
    found = gathered(capture("narrow-churn"), core, span=(7000000000, 7100000000))
    begin, end, parts = found.exact
    assert (begin, end) == (7000000000, 7100000000)
    for slices in parts.values():
        assert slices.begin[0] == begin and slices.end[-1] == end


@given(st.lists(st.tuples(st.integers(1, 5000), st.sampled_from([IDLE, BETWEEN, LOST, UNKNOWN, 0, 1 << 16, 3 << 16 | 1])),
                min_size=1, max_size=60), st.integers(1, 3))
def test_columns_hold_what_was_put_into_them(intervals, pieces):
    grid = Grid(most=16, width=64)
    at, rows = 0, []
    for length, who in intervals:
        rows.append((at, at + length, who))
        at += length
    step = -(-len(rows) // pieces)
    for first in range(0, len(rows), step):
        grid.add(0, Slices(*[numpy.array(column) for column in zip(*rows[first:first + step])]))
    told = defaultdict(lambda: [0] * 16)
    for begin, end, who in rows:
        for column in range(16):
            low, high = column * grid.width, (column + 1) * grid.width
            told[who >> 16 if who >= 0 else who][column] += max(0, min(end, high) - max(begin, low))
    assert at <= 16 * grid.width and (grid.width == 64 or at > 8 * grid.width)
    assert {life: columns.tolist() for life, columns in grid.cells[0].items()} == told


def test_more_losses_than_are_kept_are_counted(core, monkeypatch):
    monkeypatch.setattr(timeline, "MOST_GAPS", 10)
    found = gathered(capture("loss-sched-churn"), core)
    assert len(found.timeline.gaps) == 10 and found.timeline.more_gaps == 94


def test_damage_is_an_error_or_still_leaves_no_hole(core, monkeypatch):
    data = capture("loss-narrow")[:60000]
    rng = random.Random(4)
    for _ in range(25):
        broken = bytearray(data[:rng.randrange(20, len(data))])
        for _ in range(rng.randrange(12)):
            broken[rng.randrange(len(broken))] = rng.randrange(256)
        try:
            found = whole(bytes(broken), core, monkeypatch)
        except XenmeterError:
            continue
        if found.figures["trace"]["span_ns"]:
            check_whole(found)
