"""Every capture of a real Xen against what xenalyze makes of it: per vCPU and state within 1 us.

xenalyze's text is added up here, in the plainest way: the time between two records of a vCPU belongs to the state
that both name; before the first and after the last record, to the state that record names. Where two neighbours
disagree, a record between them is missing, and the time is nobody's.
"""
import csv
import lzma
import os
from collections import Counter, defaultdict

import pytest

from helpers.captures import khz_of
from helpers.paths import TRACES as FIXTURES
from xenmeter.xentrace.engine.engine import Engine
from xenmeter.xentrace.engine.loss import ELSEWHERE

STATES = ("running", "runnable", "blocked", "offline")
CASES = sorted(case for case in os.listdir(FIXTURES) if os.path.exists(os.path.join(FIXTURES, case, "xenalyze.txt.xz")))
TOLERANCE = 1000


def load(case, name):
    with lzma.open(os.path.join(FIXTURES, case, name)) as stream:
        return stream.read()


def xenalyze(case, figures):
    """({(domid, vcpu): {state: ns}}, span): ``None`` as state is time between records that disagree."""
    lines = [line.split() for line in load(case, "xenalyze.txt.xz").decode().splitlines()]
    khz = khz_of(case)
    span = nanoseconds(lines.pop()[0], khz)
    # Kind "origin": its zero is the first_tsc of a marker at the very beginning, ours the first record's own stamp.
    zero = span - figures["trace"]["span_ns"] if (case, "*") in exceptions() else 0
    records = defaultdict(list)
    for time, who, old, new in lines:
        records[tuple(int(part) for part in who[1:].split("v"))].append((nanoseconds(time, khz), old, new))
    sums = {}
    for who, told in records.items():
        told.sort(key=lambda one: one[0])
        edges = [(zero, told[0][1])] + [(time, new) for time, _, new in told]
        sums[who] = Counter()
        for (since, state), (until, following, _) in zip(edges, told):
            sums[who][state if state == following else None] += until - since
        sums[who][edges[-1][1]] += span - edges[-1][0]
    return sums, span - zero


def nanoseconds(text, khz):
    """xenalyze ran with --cpu-hz of whole MHz, and reckons with cycles per ns in 1/1024 (tsc_to_ns of
    tools/xentrace/xenalyze.c, 4.17): of 2596 MHz it makes 2595.7, and its times are 0.011 % too long. Here they are turned back
    into cycles."""
    seconds, _, fraction = text.partition(".")
    cut = khz // 1000 * 10 ** 6 * 1024 // 10 ** 9
    return (int(seconds) * 10 ** 9 + int(fraction)) * cut * 10 ** 6 // (1024 * khz)


def exceptions():
    with open(os.path.join(FIXTURES, "exceptions.csv"), newline="") as table:
        return {(row["case"], row["vcpu"]): row["kind"] for row in csv.DictReader(table)}


def bake(case, core):
    engine = Engine(khz_of(case), core=core)
    engine.feed(load(case, "trace.bin.xz"))
    return engine.finish()


@pytest.mark.parametrize("case", CASES)
def test_sums_are_xenalyzes(case, core):
    figures = bake(case, core)
    sums, span = xenalyze(case, figures)
    assert abs(figures["trace"]["span_ns"] - span) <= TOLERANCE
    idle = {who for who in sums if who[0] == 32767}
    assert {(one["domid"], one["vcpu"]) for one in figures["vcpus"]} == set(sums) - idle
    excused = exceptions()
    wrong = []
    for one in figures["vcpus"]:
        name = "d%dv%d" % (one["domid"], one["vcpu"])
        theirs = sums[one["domid"], one["vcpu"]]
        kind = excused.get((case, name))
        if kind in ("created", "loss"):
            # Offline before its creation and after its end is no time of its own.
            life = [domain for domain in figures["domains"] if domain["domid"] == one["domid"]][0]
            theirs["offline"] -= life["start_ns"] + span - (span if life["end_ns"] is None else life["end_ns"])
        differ = {state: one[state + "_ns"] - theirs[state] for state in STATES}
        if kind is None:
            if max(map(abs, differ.values())) > TOLERANCE or one["unknown_ns"]:
                wrong.append((name, differ, one["unknown_ns"], theirs[None]))
        elif kind == "created":
            assert max(map(abs, differ.values())) <= TOLERANCE and not one["unknown_ns"], (name, differ)
        elif kind == "contradictory":
            # The neighbours disagree: nobody's there is unknown here, all else must agree.
            assert max(map(abs, differ.values())) <= TOLERANCE, (name, differ)
            assert abs(one["unknown_ns"] - theirs[None]) <= TOLERANCE, (name, one["unknown_ns"], theirs[None])
        elif kind == "elsewhere":
            assert figures["trace"]["mute"] == [ELSEWHERE] and abs(differ["running"]) <= TOLERANCE
            assert max(differ.values()) <= TOLERANCE < one["unknown_ns"], (name, differ)
        else:
            assert kind == "loss"
            # Inside a loss we know nothing; what we do know, they have too, or it is of disagreeing neighbours.
            assert one["unknown_ns"] > 0
            for state in STATES:
                assert differ[state] <= theirs[None] + TOLERANCE, (name, state, differ)
                assert -differ[state] <= one["unknown_ns"] + TOLERANCE, (name, state, differ)
    assert not wrong
    assert (figures["trace"]["mute"] == [ELSEWHERE]) == (excused.get((case, "d0v0")) == "elsewhere")


@pytest.mark.parametrize("case", CASES)
def test_idle_time_is_xenalyzes(case, core):
    figures = bake(case, core)
    sums, span = xenalyze(case, figures)
    for one in figures["pcpus"]:
        theirs = sums.get((32767, one["pcpu"]), Counter())
        if one["lost_ns"]:
            assert one["idle_ns"] - theirs["running"] <= theirs[None] + TOLERANCE
            assert theirs["running"] - one["idle_ns"] <= one["unknown_ns"] + TOLERANCE
        else:
            assert abs(one["idle_ns"] - theirs["running"]) <= TOLERANCE and not one["unknown_ns"]


@pytest.mark.parametrize("case", CASES)
def test_all_adds_up_to_the_span(case, core):
    figures = bake(case, core)
    span = figures["trace"]["span_ns"]
    starts = {(one["domid"], one["generation"]): (one["start_ns"], one["end_ns"]) for one in figures["domains"]}
    for one in figures["vcpus"]:
        start, end = starts[one["domid"], one["generation"]]
        total = sum(one[state + "_ns"] for state in STATES) + one["unknown_ns"]
        assert total == (span if end is None else end) - start
        assert one["runnable_ns"] >= one["wait_wake_ns"] + one["wait_preempt_ns"]
    for one in figures["domains"]:
        vcpus = [vcpu for vcpu in figures["vcpus"]
                 if (vcpu["domid"], vcpu["generation"]) == (one["domid"], one["generation"])]
        if not any(vcpu["unknown_ns"] for vcpu in vcpus) and vcpus:
            assert sum(one["runstate"].values()) == (one["end_ns"] or span) - one["start_ns"]
    for one in figures["pcpus"]:
        assert one["busy_ns"] + one["idle_ns"] + one["unknown_ns"] == span


def test_exceptions_are_of_cases_we_have():
    assert {case for case, _ in exceptions()} <= set(CASES)


def test_lost_records_of_the_captures(core):
    have = {case: (figures["trace"]["lost_records"], figures["trace"]["lost_before"])
            for case, figures in ((case, bake(case, core)) for case in CASES) if figures["trace"]["lost_records"]}
    assert have == {"loss-sched-churn": (8113, 0), "S1-sched": (43, 0), "S1-sched-slowpoll": (3, 0),
                    "all-lost-slowpoll": (11014, 11014)}
