"""A baker of a large host: work that grows with the domains and no faster, and answers beside which it goes on."""
import json
import socket
import sys
import threading

import pytest

from helpers import encoding
from helpers.captures import KHZ, SECOND
from tools.process import poll
from xenmeter.core.allowance import Allowance
from xenmeter.core.clock import thread_cpu_ns
from xenmeter.xentrace.baker import sources
from xenmeter.front.cli import build_parser
from xenmeter.front.daemons import baker
from xenmeter.xentrace.baker.control import ControlSocket, answer
from xenmeter.xentrace.baker.bakery import Bakery
from xenmeter.xentrace.engine.windowed import Baking
from xenmeter.xentrace.baker.rings import Rings

PATIENCE = 60


def second(number, domains):
    """A pass in which each domain runs once."""
    began = number * KHZ * 1000
    found = b"".join(encoding.runstate(began + 10 * domid + step, domid, 0, old, new)
                     for domid in range(domains) for step, (old, new) in enumerate(((2, 1), (1, 0), (0, 2))))
    return [(0, found)]


class Fed:
    """A source that gives a pass when the test says so."""

    splitter = full = None

    def __init__(self, domains):
        self.domains, self.given, self.wanted = domains, 0, threading.Semaphore(0)

    def passes(self, stop):
        while not stop.is_set():
            self.wanted.acquire()
            self.given += 1
            yield second(self.given, self.domains)

    def about(self):
        return "fed"

    def rest(self):
        pass

    resume = close = rest


@pytest.fixture
def baked():
    """A bakery that has told so many windows, and a way to feed it further ones."""
    made = []

    def of(domains, windows):
        source, stop = Fed(domains), threading.Event()
        bakery = Bakery(source, KHZ, [SECOND], None, lambda: None)
        baking = threading.Thread(target=bakery.run, args=(stop,))
        baking.start()
        made.append((bakery, source, stop, baking))

        def feed(times):
            for _ in range(times):
                source.wanted.release()
            poll(lambda: bakery.status()["records"] == 3 * domains * source.given and source.given == feed.fed + times,
                 PATIENCE, AssertionError)
            feed.fed += times
        feed.fed = 0
        feed(windows + 2)       # nothing is later in a ring than what the pass before last has read: then a window is whole
        return bakery, feed
    yield of
    for bakery, source, stop, baking in made:
        stop.set()
        source.wanted.release()
        baking.join(PATIENCE)
        bakery.close()


def work(do):
    """How many instructions of Python ``do()`` takes, in this thread: a measure that no other program disturbs."""
    done = [0]

    def tracer(frame, event, _):
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        done[0] += event == "opcode"
        return tracer
    before = sys.gettrace()
    sys.settrace(tracer)
    try:
        do()
    finally:
        sys.settrace(before)
    return done[0]


def border_of(domains, core):
    """A border's figures of so many domains."""
    baking = Baking(KHZ, [SECOND, 2 * SECOND], core=core)
    for number in (1, 2):
        baking.engine.feed_rings([(0, second(number, domains)[0][1])])
        baking.engine.pass_done()
    baking.taken.clear()
    baking.engine.feed_rings([(0, encoding.runstate(3 * KHZ * 1000 + 1, 0, 0, 2, 1))])
    done = work(baking.engine.pass_done)
    told, = baking.taken
    assert {len(part) for part in [told["domains"]] + [one["domains"] for one in told["windows"]]} == {domains}
    baking.close()
    return done


def test_the_figures_at_a_border_take_work_as_the_domains_do(core):
    border_of(40, core)     # since Python 3.12 code counts instructions only from its second run under a tracer on
    one, ten = border_of(40, core), border_of(400, core)
    assert 5 * one < ten < 11 * one


def test_an_answer_takes_work_as_what_it_tells_does(baked):
    def told(domains, last):
        bakery, _ = baked(domains, 10)
        pieces = []
        done = work(lambda: pieces.extend(answer(bakery, b'{"get": "windows", "last": %d}' % last)))
        windows = json.loads(b"".join(pieces).decode())
        assert [len(one["domains"]) for one in windows] == [domains] * last
        return done
    base = told(40, 2)
    assert 4 * base < told(400, 2) < 11 * base
    assert 4 * base < told(40, 10) < 6 * base
    assert told(40, 1) < base * 2 / 3       # what is not asked for is not made


def test_no_piece_of_an_answer_is_long(baked):
    """With a thousand domains: each is made between two looks at whether others want the CPU, and none is a copy of all."""
    bakery, _ = baked(1000, 3)
    pieces = list(answer(bakery, b'{"get": "windows"}'))
    assert len(pieces) > 80 and max(map(len, pieces)) < 20000
    each = iter(answer(bakery, b'{"get": "windows"}'))
    whole = work(lambda: list(answer(bakery, b'{"get": "windows"}')))
    next(each)
    assert max(work(lambda: next(each, None)) for _ in range(len(pieces))) < whole / 10


def test_the_baker_goes_on_while_an_answer_is_made(baked):
    bakery, feed = baked(200, 5)
    pieces = iter(answer(bakery, b'{"get": "windows"}'))
    some = [next(pieces) for _ in range(10)]        # in the second window by now
    feed(3)
    windows = json.loads(b"".join(some + list(pieces)).decode())
    assert [one["start_ns"] for one in windows] == [number * SECOND for number in range(len(windows))] and len(windows) == 5
    assert {len(one["domains"]) for one in windows} == {200}


def test_a_window_is_told_as_it_stood_when_its_turn_came(baked):
    """What is learnt of it later changes the next answer, not the one that is being made."""
    bakery, feed = baked(60, 3)
    pieces = iter(answer(bakery, b'{"get": "windows", "last": 1}'))
    begun = [next(pieces)]
    windows = bakery._baking.engine.accounts.windows
    windows.closed[0][-1].add(59, 0, 10 ** 6)
    running = json.loads(b"".join(begun + list(pieces)).decode())[0]["domains"][59]["running_ns"]
    again = json.loads(b"".join(answer(bakery, b'{"get": "windows", "last": 1}')).decode())
    assert again[0]["domains"][59]["running_ns"] == running + 10 ** 6


class Clock:
    """Hands over time only to who sleeps or works."""

    def __init__(self):
        self.now = self.cpu = self.slept = 0

    def sleep(self, seconds):
        self.now += int(seconds * 1e9)
        self.slept += seconds

    def works(self, ns):
        self.now += ns
        self.cpu += ns


def test_an_allowance_bounds_what_is_taken_in_the_long_run():
    clock = Clock()
    allowance = Allowance(0.1, SECOND, lambda: clock.now, lambda: clock.cpu, clock.sleep)
    spender = allowance.spender()
    for _ in range(100):        # a second at once is free after a quiet time
        clock.works(SECOND // 100)
        spender.pay()
    assert clock.slept == 0
    for _ in range(1000):
        clock.works(SECOND // 100)
        spender.pay()
    assert clock.now - SECOND == pytest.approx(100 * SECOND, rel=0.02)
    clock.now += 3600 * SECOND      # an hour is saved up no further than that
    slept = clock.slept
    for _ in range(200):
        clock.works(SECOND // 100)
        spender.pay()
    assert clock.slept - slept == pytest.approx(9, rel=0.2)


def test_who_asks_on_the_socket_is_slowed_down_and_nobody_else_is(baked, tmp_path, monkeypatch):
    """The share is made up of all that was asked: by windows, by status, and by connecting alone."""
    bakery, feed = baked(20, 3)
    answers = ControlSocket(str(tmp_path / "sock"), bakery)
    paid = []
    monkeypatch.setattr(answers.allowance, "pay", lambda spent_ns: paid.append((threading.current_thread().name, spent_ns)))
    try:
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(tmp_path / "sock"))
            client.sendall(b'{"get": "windows", "last": 2}\n{"get": "status"}\n')
            stream = client.makefile("rb")
            assert len(json.loads(stream.readline().decode())) == 2 and b"records" in stream.readline()
            feed(1)
        poll(lambda: len(paid) >= 7, PATIENCE, AssertionError)
    finally:
        answers.close()
    assert all(spent > 0 for _, spent in paid)
    by = [name for name, _ in paid]
    assert by.count("xenmeter-answers") == 1 and len(by) >= 7


def test_what_is_asked_on_the_socket_does_not_make_the_baker_rest(monkeypatch, tmp_path):
    """The command's governor counts the thread that bakes, whatever the others do."""
    class Named(Rings):
        def __init__(self):
            pass

        def about(self):
            return "rings"
    kept = []
    monkeypatch.setattr(sources, "open_source", lambda *_: Named())
    monkeypatch.setattr(baker, "Bakery", lambda *told: kept.append(told[6]))
    baker.Baker(build_parser().parse_args(["baker", "--shared", str(tmp_path / "baker"), "--cpu-khz", "1000000"]))._bakery()
    governor, burnt = kept[0], []

    def burn():
        before = thread_cpu_ns()
        while thread_cpu_ns() - before < SECOND // 2:
            pass
        burnt.append(thread_cpu_ns() - before)
    governor.begin()
    other = threading.Thread(target=burn)
    other.start()
    other.join()
    assert burnt[0] >= SECOND // 2 and governor.rest_ns() < 10 * SECOND    # a fiftieth of that would be 25 s
