"""Bytes that are missing make unknown what they touch, and are no sign of a mute pCPU nor of clocks that disagree."""
import random

import pytest

from helpers import encoding
from helpers.simulator import Machine
from helpers.odd_hosts import SLOW, hotplug, skewed
from helpers.odd_hosts import change as idle
from helpers.captures import KHZ, SECOND, capture
from helpers.captures import stamps_of
from xenmeter.xentrace.engine import compiled
from xenmeter.xentrace.engine.accounts import Accounts
from xenmeter.xentrace.engine.doubts import doubts
from xenmeter.xentrace.engine.engine import Engine
from xenmeter.xentrace.engine.loss import ELSEWHERE

#: From less than a record to more than a pass over all pCPUs (5000 bytes in the first, 13000 in the last).
SIZES = (1, 4, 16, 1001, 4096, 20000, 60000)
FIXTURES = ("narrow-steady", "narrow-churn", "loss-narrow", "pm-steady")


def bake(core, data, khz=KHZ, piece=None):
    engine = Engine(khz, core=core)
    for at in range(0, len(data), piece or len(data)):
        engine.feed(data[at:at + (piece or len(data))])
    figures = engine.finish()
    engine.close()
    return figures


def believing(core, data):
    """The figures as they are where contradictions are never taken as a sign of anything."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Accounts, "doubt", lambda self, ns, pcpu, began: None)
        return bake(core, data)


def windows_of(data):
    """(first byte, pCPU) of each window."""
    at = 0
    while at < len(data):
        pcpu, size = (int.from_bytes(data[at + place:at + place + 4], "little") for place in (4, 8))
        yield at, pcpu
        at += 12 + size


def unknown(figures):
    return sum(vcpu["unknown_ns"] for vcpu in figures["vcpus"])


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", FIXTURES)
def test_a_hole_makes_unknown_what_contradicts_itself_and_no_more(core, name, size):
    data, choose = capture(name), random.Random(size)
    for at in [choose.randrange(len(data) - size) for _ in range(4)]:
        holed = data[:at] + data[at + size:]
        figures = bake(core, holed)
        assert figures == believing(core, holed), at
        assert figures["trace"]["mute"] == [] and not any("disagree" in text for text in doubts(figures)), at


@pytest.mark.parametrize("name", FIXTURES)
def test_so_does_a_trace_that_is_cut(core, name):
    data, choose = capture(name), random.Random(name)
    borders = [at for at, _ in windows_of(data)]
    for end in [choose.randrange(len(data)) for _ in range(8)] + choose.sample(borders[1:], 8):
        figures = bake(core, data[:end])
        assert figures == believing(core, data[:end]), end
        assert figures["trace"]["mute"] == [] and figures["trace"]["anomaly_kinds"]["truncated"] == (end not in borders)
        assert doubts(figures) == [] or doubts(figures)[0].startswith("anomalies: ")


@pytest.mark.parametrize("count", [1, 2, 3, 8])
@pytest.mark.parametrize("name", FIXTURES)
def test_whole_windows_may_be_missing_and_nothing_tells_it(core, name, count):
    """While one pCPU's records are missing those of the others contradict each other again and again, and then no more."""
    data, choose = capture(name), random.Random(count)
    borders = [at for at, _ in windows_of(data)] + [len(data)]
    # From the pass before to the one after, each of which has a window of each pCPU, or two.
    pcpus = len({pcpu for _, pcpu in windows_of(data)})
    for place in [choose.randrange(len(borders) - count) for _ in range(5)]:
        figures = bake(core, data[:borders[place]] + data[borders[place + count]:])
        assert figures["trace"]["mute"] == [] and not any("disagree" in text for text in doubts(figures))
        near = [stamp for _, stamp in stamps_of(data[borders[max(0, place - 4 * pcpus)]:borders[min(
            len(borders) - 1, place + count + 4 * pcpus)]])]
        width = (max(near) - min(near)) * 1000000 // KHZ
        assert unknown(figures) <= unknown(bake(core, data)) + 2 * width * len(figures["vcpus"]), place


def test_where_it_is_damaged_is_said(core):
    data = capture("narrow-steady")
    at = len(data) // 3
    figures = bake(core, data[:at] + data[at + 1001:])
    window = max(first for first, _ in windows_of(data) if first <= at)
    assert figures["trace"]["damaged_from"] == window
    said, = doubts(figures)
    assert "1 places that are no trace, 1 windows cut short (the first in the window at byte %d, or behind it)" % window in said
    assert unknown(figures) < 0.3 * SECOND
    cut, = doubts(bake(core, data[:len(data) // 2 + 5]))
    window = max(first for first, _ in windows_of(data) if first <= len(data) // 2)
    assert "an end in the middle of a window (the first in the window at byte %d," % window in cut
    assert bake(core, data)["trace"]["damaged_from"] is None


@pytest.mark.parametrize("piece", [70001, 997])
def test_neither_pieces_nor_the_loop_make_a_difference(shared_object, piece):
    assert compiled.use(shared_object), compiled.reason()
    data = capture("loss-narrow")
    for at, size in ((len(data) // 3, 1001), (28348, 1), (98974, 4096)):
        holed = data[:at] + data[at + size:]
        figures = bake("python", holed, piece=piece)
        assert figures == bake("python", holed) == bake("compiled", holed) == bake("compiled", holed, piece=piece)


def spoilt(data, choose):
    """A hole of a few records in its middle, and its last window cut."""
    at = choose.randrange(len(data) // 3, len(data) * 2 // 3) & ~3
    return data[:at] + data[at + 336:-50]


@pytest.mark.parametrize("seed", range(4))
def test_a_mute_pcpu_and_clocks_that_disagree_are_found_all_the_same(core, seed):
    choose = random.Random(seed)
    machine, cut = hotplug(seed)
    found = bake(core, spoilt(skewed(machine, (0, 0)), choose), SLOW)
    assert found["trace"]["mute"] == [1] and "pCPU 1 is at work and writes no records" in doubts(found)[0]
    machine.events[:] = [event for event in machine.events[cut:] if event[1] == 0]
    assert bake(core, spoilt(skewed(machine, (0, 0)), choose), SLOW)["trace"]["mute"] == [ELSEWHERE]
    machine = Machine(seed, pcpus=3, domains=4, vcpus=2, steps=3000)
    found = bake(core, spoilt(skewed(machine, (0, 300000, 0)), choose), SLOW)
    assert found["trace"]["mute"] == [ELSEWHERE] and "(TSC) of the pCPUs disagree" in doubts(found)[0]


@pytest.mark.parametrize("live", ["cut", "split"])
def test_damage_of_rings_explains_too(core, live):
    """A reader that got less than a record, or whoever split a stream into rings and left bytes out."""
    def at(ms, old, new, pcpu=0):
        return encoding.runstate(10 ** 12 + ms * 10 ** 6, 1, 0, old, new) + idle(ms * 10 ** 6, pcpu, new, old)

    def passes(engine, ms, data=b""):
        engine.feed_rings([(0, data)])
        engine.feed_rings([(1, idle(ms * 10 ** 6, 1, 0, 1) + idle(ms * 10 ** 6 + 1, 1, 1, 0))])
        engine.pass_done()
    for damaged in (False, True):
        engine = Engine(1000000, core=core)
        passes(engine, 0, at(0, 1, 0) + at(1, 0, 2))
        for turn in range(1, 9):
            if damaged and live == "split":
                engine.skipped(turn, 100 * turn)
            spare = at(0, 0, 0)[:8] if damaged and live == "cut" else b""
            data = b"".join(at(100 * turn + step, 2 - step % 2, 1 - step % 2) for step in range(1, 12))
            passes(engine, 100 * turn + 20, data + spare)
        for _ in range(4):
            engine.pass_done()
        figures = engine.snapshot()
        engine.close()
        assert figures["trace"]["anomaly_kinds"]["contradictions"] > 4 and figures["trace"]["damaged_from"] is None
        assert figures["trace"]["mute"] == ([] if damaged else [ELSEWHERE])
