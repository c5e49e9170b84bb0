"""Framing and records: round trips, every cut, garbage, and what is rare in real traces."""
import random
import struct

import pytest
from hypothesis import given, settings, strategies as st

from helpers import encoding
from helpers.simulator import KHZ, Machine, Tracer
from xenmeter.xentrace.engine import layout, records
from xenmeter.xentrace.engine.engine import Engine
from xenmeter.xentrace.engine.hot import PythonCore
from xenmeter.xentrace.engine.store import PythonStore

T = 10 ** 12


def bake(core, stream, **options):
    engine = Engine(KHZ, core=core, **options)
    engine.feed(stream)
    return engine.finish()


def change(at, domid=1, vcpu=0, old=1, new=0):
    return encoding.runstate(T + at, domid, vcpu, old, new)


def entries(stream):
    """What the pure scanner queues."""
    engine = Engine(KHZ, core="python")
    engine.core = PythonCore(engine.g, PythonStore())
    engine.feed(stream)
    return engine.core.queues


def test_worked_bytes_of_the_facts():
    assert encoding.runstate(0x1122334455, 3, 1, 1, 0) == bytes.fromhex("011102905544332211000000 01000300")
    assert encoding.encode(0x28004, [3, 1], 0x1122334455)[:4] == bytes.fromhex("048002a0")
    assert records.window(2, b"\0" * 96)[:12] == bytes.fromhex("03f001200200000060000000")


@given(event=st.integers(0, (1 << 28) - 1), words=st.lists(st.integers(0, (1 << 32) - 1), max_size=7),
       tsc=st.none() | st.integers(0, (1 << 64) - 1))
def test_round_trip_of_a_record(event, words, tsc):
    data = encoding.encode(event, words, tsc)
    header = struct.unpack_from("<I", data)[0]
    length, _, first = records.classify(header)
    assert length * 4 == len(data)
    assert list(struct.unpack_from("<%dI" % len(words), data, first * 4)) == words
    assert header & 0x0FFFFFFF == event and (header >> 31 == 1) == (tsc is not None)
    if tsc is not None:
        assert struct.unpack_from("<Q", data, 4)[0] == tsc


def test_round_trip_of_a_trace():
    """Entries encoded again are the records that made them."""
    machine = Machine(3, pcpus=2, steps=300)
    stream = Tracer(machine, 40, 1 << 20).stream()
    again = {}
    for pcpu, queue in entries(stream).items():
        for tsc, number, kind, a, b in queue:
            assert number == pcpu
            if kind < 16:
                again.setdefault(pcpu, []).append(encoding.runstate(tsc, a >> 16, a & 0xFFFF, kind >> 2, kind & 3))
    sent = {}
    for tsc, pcpu, record in machine.events:
        if 0 <= records.classify(int.from_bytes(record[:4], "little"))[1] < 16:
            sent.setdefault(pcpu, []).append(record)
    assert again == sent


def test_every_truncation(core):
    """Cut at every byte: no crash, sums exact, an anomaly unless the cut is between two windows."""
    stream = Tracer(Machine(11, pcpus=2, domains=2, vcpus=2, steps=40), 10, 4088).stream()
    borders = {0}
    at = 0
    while at < len(stream):
        at += 12 + struct.unpack_from("<I", stream, at + 8)[0]
        borders.add(at)
    for cut in range(len(stream) + 1):
        figures = bake(core, stream[:cut])
        assert figures["trace"]["anomaly_kinds"]["truncated"] == (cut not in borders), cut
        for one in figures["vcpus"]:
            assert sum(one[name] for name in ("running_ns", "runnable_ns", "blocked_ns", "offline_ns", "unknown_ns")
                       ) == figures["trace"]["span_ns"]


@settings(deadline=None)
@given(data=st.binary(max_size=3000))
def test_random_bytes(core, data):
    figures = bake(core, data)
    assert figures["trace"]["records"] == 0 or figures["trace"]["pcpus"]
    assert not data or figures["trace"]["anomalies"]


@settings(deadline=None, max_examples=50)
@given(garbage=st.binary(min_size=1, max_size=500), seed=st.integers(0, 1000))
def test_garbage_between_windows_costs_nothing_but_a_count(core, garbage, seed):
    tracer = Tracer(Machine(seed, pcpus=2, steps=100), 20, 4088)
    windows = [records.window(pcpu, held) for done in tracer.passes for pcpu, held in done]
    clean = bake(core, b"".join(windows))
    at = seed % (len(windows) + 1)
    dirty = bake(core, b"".join(windows[:at]) + garbage + b"".join(windows[at:]))
    assert dirty["vcpus"] == clean["vcpus"] and dirty["trace"]["records"] == clean["trace"]["records"]
    last = at == len(windows)
    assert dirty["trace"]["anomaly_kinds"]["resynchronised"] == (0 if last and len(garbage) < 12 else 1)
    assert last or dirty["trace"]["skipped_bytes"] == len(garbage)


def test_a_window_cut_short_by_the_next_one(core):
    """xentrace was killed and started again on the same file: the first window promises more than it holds."""
    whole = records.window(0, change(0) + change(1000, old=0, new=2))
    cut = records.CPU_CHANGE_HEADER.to_bytes(4, "little") + struct.pack("<II", 0, 4000) + change(-5000)
    figures = bake(core, cut + whole)
    assert figures["trace"]["anomaly_kinds"]["cut_windows"] == 1 and figures["trace"]["records"] == 3
    assert figures["vcpus"][0]["executions"] == 2


def test_a_record_beyond_its_window(core):
    data = bytearray(records.window(0, change(0) + change(1000, old=0, new=2)) + records.window(0, change(2000, old=2)))
    data[8] -= 4
    figures = bake(core, bytes(data))
    assert figures["trace"]["anomaly_kinds"]["cut_windows"] == 1
    assert figures["trace"]["records"] == 2


@pytest.mark.parametrize("words", [0, 3, 7])
def test_wrap_garbage_is_skipped(core, words):
    garbage = [records.CPU_CHANGE_HEADER, 0x90021101, 0xFFFFFFFF, 0x80000000, 1, 2, 3][:words]
    figures = bake(core, records.window(0, change(0) + encoding.wrap(garbage) + change(2596120, old=0, new=2)))
    assert figures["trace"]["anomalies"] == 0 and figures["trace"]["records"] == 3
    assert figures["vcpus"][0]["running_ns"] == 10 ** 6


def test_wrap_may_carry_a_stamp(core):
    figures = bake(core, records.window(0, change(0) + encoding.wrap([1, 2, 3], T + 2596120)))
    assert figures["trace"]["span_ns"] == 10 ** 6 and figures["vcpus"][0]["running_ns"] == 10 ** 6


def test_records_without_a_stamp_happen_with_their_neighbour(core):
    grant = encoding.encode(records.GRANT_MAP, [1])
    figures = bake(core, records.window(0, grant + change(0) + grant + change(2596120, old=0, new=1)), windows=[500000])
    assert figures["domains"][0]["grant_maps"] == 2 and figures["trace"]["anomalies"] == 0
    assert figures["windows"][0]["windows"][0]["domains"][0]["grant_maps"] == 2


@pytest.mark.parametrize("words,expected", [([1, 0, 500, 1000], 1000), ([1, 500, 1000], 1000),
                                            ([1, 0, 500, 0xFFFFFFFF], None), ([1, 0, 500, 30000000], 30000000)])
def test_both_generations_of_infnext(core, words, expected):
    """Four words since 4.8, three before; a negative slice is none."""
    stream = records.window(0, encoding.encode(records.SWITCH_INFNEXT, words, T) + change(10))
    allocation = bake(core, stream)["domains"][0]["allocation"]
    assert allocation == (expected and {"count": 1, "sum_ns": expected, "min_ns": expected, "max_ns": expected})


def test_runstate_records_with_performance_counters(core):
    """Xen's historic form has five words; xenalyze takes it too."""
    stream = records.window(0, encoding.encode(0x21101, [1 << 16, 1, 2, 3, 4], T) +
                            encoding.encode(0x21021, [1 << 16, 1, 2, 3, 4], T + 2596120))
    assert bake(core, stream)["vcpus"][0]["running_ns"] == 10 ** 6


def test_stamps_that_go_back_are_counted_and_held(core):
    stream = records.window(0, change(0) + change(-100, old=0, new=2) + change(2596120, old=2, new=1))
    figures = bake(core, stream)
    assert figures["trace"]["anomaly_kinds"]["backwards"] == 1
    assert figures["trace"]["span_ns"] == (2596120 + 100) * 1000000 // KHZ


def test_a_wild_stamp_does_not_poison_the_rest(core):
    stream = records.window(0, change(0) + encoding.runstate(1 << 61, 1, 0, 0, 2) + change(2596120, old=0, new=2))
    figures = bake(core, stream)
    assert figures["trace"]["anomaly_kinds"]["wild_stamps"] == 1 and figures["vcpus"][0]["running_ns"] == 10 ** 6


def test_several_windows_of_a_pcpu_in_a_pass(core):
    tracer = Tracer(Machine(5, pcpus=3, steps=3000), 300, 1 << 20)
    split = []
    for done in tracer.passes:
        for pcpu, held in done:
            half = 0
            while half < len(held) // 2:
                half += 4 * records.classify(struct.unpack_from("<I", held, half)[0])[0]
            split += [records.window(pcpu, held[:half]), records.window(pcpu, held[half:])]
    one, other = bake(core, tracer.stream()), bake(core, b"".join(split))
    assert one["vcpus"] == other["vcpus"] and one["trace"] == other["trace"]


def test_a_silent_pcpu_neither_stalls_nor_disorders(core):
    """Far more than is held back comes from one pCPU while another says nothing; then it speaks again."""
    count = 200000
    busy = []
    for place in range(count):
        busy.append(change(place * 1000, old=place & 1 ^ 1, new=place & 1))
    parts = [records.window(0, change(-10, domid=2)) + records.window(1, busy[0])]
    for at in range(1, count, 1000):
        parts.append(records.window(1, b"".join(busy[at:at + 1000])))
    end = count * 1000
    parts.append(records.window(0, change(end, domid=2, old=0, new=2)))
    engine = Engine(KHZ, core=core)
    most = 0
    for part in parts:
        engine.feed(part)
        most = max(most, engine.g[layout.G_PENDING])
    figures = engine.finish()
    assert most < 160000 and figures["trace"]["anomalies"] == 0
    two = [one for one in figures["vcpus"] if one["domid"] == 2][0]
    # It ran from its first record on, 10 cycles before the others, to its last, which ends the trace.
    assert two["running_ns"] == figures["trace"]["span_ns"] and two["runnable_ns"] == 0
    assert two["executions"] == 1


def test_memory_does_not_grow_with_the_stream(core):
    rng = random.Random(1)
    engine = Engine(KHZ, core=core)
    at = 0
    for _ in range(300):
        for pcpu in (0, 1):
            held = []
            for _ in range(500):
                at += rng.randint(1, 100)
                held.append(encoding.continue_running(T + at, 1 + pcpu, 0))
            engine.feed(records.window(pcpu, b"".join(held)))
        assert engine.g[layout.G_PENDING] < 140000
    assert engine.finish()["trace"]["records"] == 300000


def test_stampless_records_before_a_marker_that_comes_first(core):
    """They were stored before the loss began; their place in time must not be after it."""
    stream = (records.window(0, change(-10 ** 6) + change(10 ** 6, old=0, new=2)) +
              records.window(1, encoding.encode(records.GRANT_MAP, [1]) + encoding.lost(T, 3, 1, 0, T - 5 * 10 ** 5)))
    figures = bake(core, stream)
    assert figures["pcpus"][1]["lost_ns"] == 10 ** 6 * 10 ** 6 // KHZ - 5 * 10 ** 5 * 10 ** 6 // KHZ
    assert figures["trace"]["anomaly_kinds"]["late"] == 0 and figures["domains"][0]["grant_maps"] == 1
