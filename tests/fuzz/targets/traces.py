"""Damaged streams for both loops of the baker: nothing may crash or hang, and both must say the same.

Inputs: random bytes, random records under good framing, and simulated traces and pieces of the real captures, whole or
with bytes flipped, cut out, doubled or moved, or cut short. Besides equality it checks what holds for any input: sums add
up to the span, counts are not negative, the way the bytes are cut does not matter. Each input comes as a file and as a live
stream in passes.
"""
import functools
import lzma

from fuzz.objects import object_of
from fuzz.target import FIXTURES, Target
from helpers import encoding
from xenmeter.xentrace.engine import compiled, records
from xenmeter.xentrace.engine.engine import Engine
from xenmeter.xentrace.engine.splitter import Splitter

from helpers.simulator import KHZ, Machine, Tracer

TRACES = FIXTURES / "xentrace"
WINDOWS = (10 ** 8, 10 ** 10)
#: Bytes of a capture that one input takes at most.
PIECE = 30000
EVENTS = [0x21001 | old << 8 | new << 4 for old in range(4) for new in range(4)] + [
    0x21002, 0x1F001, 0x1F002, 0x1F003, 0x28001, 0x28002, 0x2800E, 0x2800F, 0x28011, 0x41001, 0x41002, 0x10F001,
    0x10F002, 0x10F003, 0x801001, 0x801002, 0x801003, 0x82003, 0x22203]


def some_record(rng, tsc):
    event = rng.choice(EVENTS) if rng.random() < 0.95 else rng.getrandbits(28)
    words = [rng.choice((0, 1, 0x10000, 0x10001, 0x7FFF0000, 0x7FFF0001, rng.getrandbits(32)))
             for _ in range(rng.choice((0, 1, 1, 1, 1, 2, 4, 4, 5, 7)))]
    if event == 0x1F001 and len(words) >= 4:
        words[2:4] = [(tsc - rng.randint(0, 10 ** 6)) & 0xFFFFFFFF, max(0, tsc) >> 32]
    if rng.random() < 0.02:
        tsc = rng.getrandbits(rng.choice((16, 40, 50, 61, 64)))
    return encoding.encode(event, words, tsc if rng.random() < 0.95 else None)


def framed(rng):
    out, tsc = [], rng.getrandbits(rng.choice((8, 30, 45)))
    for _ in range(rng.randint(1, 30)):
        held = []
        for _ in range(rng.randint(0, 40)):
            tsc += rng.choice((0, 1, 1000, 100000, rng.getrandbits(30)))
            held.append(some_record(rng, tsc))
        out.append(records.window(rng.choice((0, 0, 1, 2, 3, 200)), b"".join(held)))
    return b"".join(out)


def damaged(rng, data):
    data = bytearray(data)
    for _ in range(rng.choice((0, 1, 1, 2, 5, 30))):
        if not data:
            break
        at = rng.randrange(len(data))
        how = rng.randrange(6)
        if how == 0:
            data[at] = rng.getrandbits(8)
        elif how == 1:
            data[at] ^= 1 << rng.randrange(8)
        elif how == 2:
            del data[at:at + rng.choice((1, 3, 4, 16, 100, 3000))]
        elif how == 3:
            data[at:at] = bytes(rng.getrandbits(8) for _ in range(rng.choice((1, 4, 64))))
        elif how == 4:
            end = min(len(data), at + rng.choice((4, 16, 100, 1000)))
            data[at:at] = data[at:end]
        else:
            del data[at:]
    return bytes(data)


@functools.lru_cache(maxsize=None)
def captures():
    """The files of all real ones."""
    found = sorted(TRACES.glob("*/trace.bin.xz"))
    assert len(found) >= 15, "captures are missing in %s" % TRACES
    return found


@functools.lru_cache(maxsize=None)
def unpacked(path):
    """(bytes, offsets of its windows) of a capture; unpacking all of them would take as long as many inputs."""
    with lzma.open(str(path)) as stream:
        data = stream.read()
    windows, at = [], 0
    while at + 12 <= len(data):
        windows.append(at)
        at += 12 + int.from_bytes(data[at + 8:at + 12], "little")
    return data, windows


def captured(rng):
    """A piece of a capture, from a window on."""
    data, windows = unpacked(rng.choice(captures()))
    at = rng.choice(windows)
    return data[at:at + rng.randint(100, PIECE)]


def an_input(rng):
    choose = rng.random()
    if choose < 0.3:
        return damaged(rng, captured(rng))
    choose = (choose - 0.3) / 0.7
    if choose < 0.1:
        return bytes(rng.getrandbits(8) for _ in range(rng.randint(0, 4000)))
    if choose < 0.6:
        return damaged(rng, framed(rng)) if rng.random() < 0.5 else framed(rng)
    machine = Machine(rng.getrandbits(30), rng.randint(1, 4), rng.randint(1, 4), rng.randint(1, 3),
                      rng.randint(1, 200), rng.random() < 0.5)
    return damaged(rng, Tracer(machine, rng.randint(5, 100), rng.choice((400, 4088)), rng.getrandbits(20)).stream())


def bake(data, core, cuts=()):
    engine = Engine(KHZ, WINDOWS, history=50, core=core)
    for start, end in zip([0] + list(cuts), list(cuts) + [len(data)]):
        engine.feed(data[start:end])
    figures = engine.finish()
    engine.close()
    return figures


def bake_live(data, core, rng):
    """The same bytes as they come from a writer that pauses now and then, in passes; some rings are said to have been full."""
    engine, splitter, at = Engine(KHZ, WINDOWS, history=50, core=core), Splitter(), 0
    told = rng.random() < 0.5
    while at < len(data):
        step = rng.choice((1, 50, 3000, 10000))
        passes = list(splitter.feed(data[at:at + step]))
        at += step
        if rng.random() < 0.3:
            splitter.pause()
        take(engine, passes, rng if told else None)
    take(engine, [splitter.rest()], rng if told else None)
    figures = engine.finish()
    engine.close()
    return figures


def take(engine, passes, rng):
    for pass_ in passes:
        for pcpu, held in pass_:
            engine.feed_rings([(pcpu, held)], None if rng is None else {pcpu} if rng.random() < 0.2 else ())
        engine.pass_done()


def check(data, cores, rng):
    first = None
    for core in cores:
        cuts = sorted(rng.randrange(len(data) + 1) for _ in range(rng.randint(0, 10)))
        figures = bake(data, core, cuts)
        assert first is None or figures == first, "the cores or the cuts differ"
        first = figures
    hold(first)
    state = rng.getstate()
    lives = []
    for core in cores[:2]:
        rng.setstate(state)
        lives.append(bake_live(data, core, rng))
    assert lives[0] == lives[1], "the cores differ in what they make of passes"
    hold(lives[0])


def hold(figures):
    """What holds for any input."""
    span = figures["trace"]["span_ns"]
    lives = {(one["domid"], one["generation"]): one for one in figures["domains"]}
    for one in figures["vcpus"]:
        life = lives[one["domid"], one["generation"]]
        times = [one[name] for name in ("running_ns", "runnable_ns", "blocked_ns", "offline_ns", "unknown_ns")]
        assert sum(times) == (span if life["end_ns"] is None else life["end_ns"]) - life["start_ns"], one
        assert min(times) >= 0, one
    for one in figures["pcpus"]:
        assert one["busy_ns"] + one["idle_ns"] + one["unknown_ns"] == span and one["idle_ns"] >= 0, one


class Traces(Target):
    name = "traces"
    reads = "a trace, from a file and live"
    compiled = True
    longest = 1 << 20

    def __init__(self):
        assert compiled.use(object_of("hot")), compiled.reason()

    def texts(self):
        return [data for _, data in self.corpus()]

    def make(self, chance):
        return an_input(chance)

    def check(self, data, chance):
        check(data, ["python", "compiled", "compiled"], chance)
