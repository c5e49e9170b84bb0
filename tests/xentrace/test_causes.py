"""Who made whom wait: against a machine whose schedule is known, a slow model of it, and real captures."""
import json
import lzma
from collections import defaultdict

import pytest
from hypothesis import given, settings, strategies as st

from helpers import encoding
from helpers.paths import TOP
from helpers.simulator import KHZ, Machine, Tracer, ns
from xenmeter.front import cli
from xenmeter.xentrace.engine import records
from xenmeter.xentrace.engine.engine import Engine
from xenmeter.xentrace.engine.layout import LINE
from xenmeter.xentrace.engine.records import RUNNABLE, RUNNING

machines = st.fixed_dictionaries({"seed": st.integers(0, 1 << 30), "pcpus": st.integers(1, 5),
                                  "domains": st.integers(1, 5), "vcpus": st.integers(1, 3),
                                  "steps": st.integers(1, 600), "churn": st.booleans()})


def bake(core, stream, **options):
    engine = Engine(KHZ, (10 ** 7,), history=10000, core=core, causes=True, **options)
    engine.feed(stream)
    figures = engine.finish()
    engine.close()
    return figures, engine


def owners(machine, first):
    """pCPU -> [(ns since when, domid and generation, or "idle")]: who has it, by who has entered."""
    told = [[(tsc, "idle") for state, tsc in idle if state == RUNNING] for idle in machine.idle]
    for tsc, who, _, new, pcpu in machine.moves:
        if new == RUNNING:
            told[pcpu].append((tsc, who[:2]))
    return [[(max(0, ns(tsc, first)), by) for tsc, by in sorted(one, key=lambda entry: entry[0])] for one in told]


def model(machine, first):
    """(waiting life, by) -> ns, of all waits that are over; and life -> those that last, as (ns since when)."""
    lines = owners(machine, first)
    caused, lasting = defaultdict(int), defaultdict(list)
    moves = defaultdict(list)
    for tsc, who, old, new, pcpu in machine.moves:
        moves[who].append((ns(tsc, first), old, new, pcpu))
    for who, mine in moves.items():
        life = who[:2]
        begin = max(0, ns(machine.lives[life][0] or first, first))
        for at, old, new, pcpu in mine:
            if old == RUNNABLE and new == RUNNING:
                line = lines[pcpu] + [(1 << 62, None)]
                for (since, by), (until, _) in zip(line, line[1:]):
                    caused[life, by] += max(0, min(at, until) - max(begin, since))
            elif old == RUNNABLE:
                caused[life, "unknown"] += at - begin
            begin = at
        if mine[-1][2] == RUNNABLE and machine.lives[life][1] is not None:
            caused[life, "unknown"] += ns(machine.lives[life][1], first) - begin
        elif mine[-1][2] == RUNNABLE:
            lasting[life].append(begin)
    return {pair: length for pair, length in caused.items() if length}, lasting


def told_of(figures):
    return {((one["domid"], one["generation"]), cause["by"] if "generation" not in cause else (
        cause["by"], cause["generation"])): cause["ns"] for one in figures["domains"] for cause in one["causes"]}


def check_sums(figures):
    """What it was caused by, and what lasts, is the time that the domain has waited, to the nanosecond."""
    for one in figures["domains"]:
        assert sum(cause["ns"] for cause in one["causes"]) + one["lasting_ns"] == one["runnable_ns"], one
        assert all(cause["ns"] > 0 for cause in one["causes"]) and one["lasting_ns"] >= 0


@settings(deadline=None, max_examples=150)
@given(options=machines, every=st.integers(2, 200))
def test_the_causes_are_those_of_the_schedule(core, options, every):
    machine = Machine(**options)
    tracer = Tracer(machine, every, size=1 << 20)
    figures, engine = bake(core, tracer.stream())
    check_sums(figures)
    caused, lasting = model(machine, tracer.first)
    assert told_of(figures) == caused
    for one in figures["domains"]:
        assert one["lasting_ns"] == sum(figures["trace"]["span_ns"] - begin for begin in lasting[one["domid"], one["generation"]])
    waits = engine.accounts.longest_waits()
    assert sorted((wait["length_ns"] for wait in waits), reverse=True) == [wait["length_ns"] for wait in waits]
    for wait in waits:
        assert sum(cause["ns"] for cause in wait["causes"]) == wait["length_ns"]


@settings(deadline=None, max_examples=150)
@given(options=machines, every=st.integers(20, 400), size=st.integers(200, 2000))
def test_lost_records_leave_the_sums_whole(shared_object, options, every, size):
    from xenmeter.xentrace.engine import compiled
    assert compiled.use(shared_object)
    machine = Machine(**options)
    stream = Tracer(machine, every, size=size // 8 * 8).stream()
    figures, engine = bake("python", stream)
    check_sums(figures)
    again, other = bake("compiled", stream)
    assert again == figures
    assert engine.accounts.longest_waits() == other.accounts.longest_waits()


CAPTURES = sorted(path for path in (TOP / "fixtures" / "xentrace").iterdir() if (path / "trace.bin.xz").exists())


@pytest.mark.parametrize("path", CAPTURES, ids=lambda path: path.name)
def test_captures(shared_object, path):
    """Real traces: the sums are the waiting times, and both loops tell the same."""
    from xenmeter.xentrace.engine import compiled
    assert compiled.use(shared_object)
    with lzma.open(path / "trace.bin.xz") as stream:
        data = stream.read()
    figures, engine = bake("python", data)
    check_sums(figures)
    again, other = bake("compiled", data)
    assert again == figures and engine.accounts.longest_waits() == other.accounts.longest_waits()
    assert any(one["causes"] for one in figures["domains"]) == any(one["executions"] for one in figures["domains"])


def test_keeping_them_changes_nothing_else(core):
    machine = Machine(3, pcpus=3, domains=4, vcpus=2, steps=900, churn=True)
    stream = Tracer(machine, 60, 1000).stream()
    with_, _ = bake(core, stream)
    for one in with_["domains"]:
        del one["causes"], one["lasting_ns"]
    engine = Engine(KHZ, (10 ** 7,), history=10000, core=core)
    engine.feed(stream)
    assert engine.finish() == with_ and engine.accounts.longest_waits() == []


def test_a_wait_behind_more_changes_than_are_kept_is_unknown_from_there_on(core):
    """Two take turns on the pCPU a thousand times while a third waits."""
    data = [encoding.runstate(1000, 9, 0, 2, 1), encoding.runstate(1000, 1, 0, 0, 1), encoding.runstate(1000, 2, 0, 1, 0)]
    for turn in range(1000):
        tsc, out, comes = 2000 + 1000 * turn, 2 - turn % 2, 1 + turn % 2
        data += [encoding.runstate(tsc, out, 0, 0, 1), encoding.runstate(tsc, comes, 0, 1, 0)]
    end = 2000 + 1000 * 1000
    data += [encoding.runstate(end, 1 + 999 % 2, 0, 0, 2), encoding.runstate(end, 9, 0, 1, 0)]
    engine = Engine(10 ** 6, core=core, causes=True)
    engine.feed(records.window(0, b"".join(data)))
    figures = engine.finish()
    engine.close()
    check_sums(figures)
    mine = {cause["by"]: cause["ns"] for cause in next(one for one in figures["domains"] if one["domid"] == 9)["causes"]}
    assert mine["unknown"] == end - 1000 - 1000 * (LINE - 1) and mine[1] + mine[2] == 1000 * (LINE - 1)


def test_bake_tells_them(core, tmp_path, capsys):
    """Domain 2 runs on pCPU 0 while 1 waits for it, and idle time is told as such."""
    data = [encoding.runstate(1000, 2, 0, 1, 0), encoding.runstate(2000, 1, 0, 2, 1), encoding.runstate(5000, 2, 0, 0, 2),
            encoding.runstate(5000, records.IDLE_DOMAIN, 0, 1, 0), encoding.runstate(6000, records.IDLE_DOMAIN, 0, 0, 1),
            encoding.runstate(6000, 1, 0, 1, 0)]
    path = tmp_path / "trace.bin"
    path.write_bytes(records.window(0, b"".join(data)))
    assert cli.main(["bake", str(path), "--cpu-khz", "1000000", "--causes"]) == 0
    document = json.loads(capsys.readouterr().out)
    one = next(one for one in document["domains"] if one["domid"] == 1)
    assert one["causes"] == [{"by": 2, "generation": 0, "ns": 3000}, {"by": "idle", "ns": 1000}] and one["lasting_ns"] == 0
    assert document["longest_waits"][0] == {"length_ns": 4000, "began_ns": 1000, "pcpu": 0, "domid": 1, "vcpu": 0,
                                            "generation": 0, "causes": one["causes"]}
    assert cli.main(["bake", str(path), "--cpu-khz", "1000000"]) == 0
    assert "causes" not in json.loads(capsys.readouterr().out)["domains"][0]
