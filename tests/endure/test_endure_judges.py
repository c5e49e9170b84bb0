"""What the endurance run judges by: a rise is found and noise is not, and a figure that the model never had is told."""
import errno
import os
import pathlib
import random
import select
import subprocess
import sys
import threading
import time
import types
import uuid

import pytest

from endure.bench import Bench, Tally
from endure.calls import CASES, SHORT
from endure.clocks import Clock, build_clock
from endure.held import Held, rests
from endure.model import STEP_BITS, Host
from endure.programs import Readings
from endure.readers import Read
from endure.ringed import PAGES, Host as Rings, Ringed
from endure.storms import Storm
from endure.subjects import InCollectd
from endure.table import Results
from endure.traced import Traced, quantum
from helpers import played_rings
from helpers.paths import PLUGINS
from tools.compiler import build_shared
from tools.process import poll

from xenmeter.xen.domains import DomainDirectory
from xenmeter.xen.xenstore import Xenstore
from xenmeter.xentrace.engine.windowed import Baking

HERE = pathlib.Path(__file__).resolve().parent


def held(per_day, noise, days=2.0, readings=600):
    chance = random.Random(5)
    found = Held("x", 0)
    level = 40 << 20
    found.readings = [(days * at / readings, int(level * (1 + per_day * days * at / readings + chance.gauss(0, noise))), 9, 3)
                      for at in range(readings)]
    return found


@pytest.mark.parametrize("per_day, noise, over", [(0, 0, False), (0, 0.02, False), (0.005, 0.001, False), (0.05, 0.001, True),
                                                  (0.05, 0.02, True), (-0.05, 0.01, False)])
def test_a_rise_is_told_from_noise(per_day, noise, over):
    rise, level, too_much = held(per_day, noise).rises(1, 1.0, 3.0)
    assert too_much == over and level == pytest.approx(40 << 20, rel=0.1)
    assert rise == pytest.approx(100 * per_day, abs=1 + 100 * noise)


def test_a_part_of_a_day_may_rise_a_little():
    assert not held(0.1, 0.0001, days=0.1).rises(1, 1.0, 3.0)[2]
    assert held(1.0, 0.0001, days=0.1).rises(1, 1.0, 3.0)[2]


def test_what_more_domains_take_is_no_growth_and_what_comes_on_top_is():
    found = Held("x", 0)
    found.readings = [(domains, mib << 20, 9, 3) for domains, mib in zip((50, 50, 50, 120, 120, 120, 50, 120), range(20, 36, 2))]
    assert [mib >> 20 for mib in found.first_and_last(1)] == [30, 34]
    found.readings = found.readings[:5]      # too few beside so many
    assert [mib >> 20 for mib in found.first_and_last(1)] == [24, 28]


@pytest.fixture
def host(tmp_path):
    return Host(tmp_path, 20, 60, 1, 5)


def test_the_models_own_figures_are_right_and_others_are_not(host):
    for _ in range(5):
        host.advance()
    (key, life), (_, other) = list(host.lives.items())[:2]
    now = life.serial << STEP_BITS | host.step
    assert host.wrong(key, now, 60) is None
    assert "has the figures of" in host.wrong(key, other.serial << STEP_BITS | host.step, 60)
    assert "of step" in host.wrong(key, now - 2, 0) and "of step" in host.wrong(key, now + 1, 60)
    gone, step = list(host.dead.items())[0]
    assert host.wrong(gone, int(gone[-12:], 16) << STEP_BITS | step, 60) is None
    assert "ended" in host.wrong(gone, int(gone[-12:], 16) << STEP_BITS | step, 0)
    assert "nobody" in host.wrong(key[:-1] + "x", now, 60)


def test_what_it_shows_is_what_it_is(host, tmp_path):
    """To the hypercalls and to xenstore, through growth, births and ends."""
    from xenmeter.xen.calls import LibraryCalls, load
    from xenmeter.xen.hypervisor import Hypervisor
    with host.xen, host.store:
        for size in (20, 60, 20):
            host.resize(size)
            for _ in range(3):
                host.advance()
            xen = Hypervisor(LibraryCalls(load(host.xen.library)))
            infos = [info for info in xen.domains() if info.domain]
            assert sorted((info.domain, str(uuid.UUID(bytes=info.handle))) for info in infos) == sorted(
                (life.domid, life.key) for life in host.lives.values())
            assert {info.cpu_time for info in infos} == {life.serial << STEP_BITS | host.step for life in host.lives.values()}
            xen.close()
            facts = DomainDirectory(Xenstore(str(tmp_path / "store"))).snapshot().domains
            assert {(one.domid, one.name, one.uuid) for one in facts if one.domid} == {
                (life.domid, life.name, life.key) for life in host.lives.values()}


WAITS = """
import os, select, threading, time
began, wall = time.monotonic(), time.time()
held = threading.Lock()
held.acquire()
reading, _ = os.pipe()
waiting = select.poll()
waiting.register(reading)
for wait in (lambda: time.sleep(3600), lambda: threading.Event().wait(3600), lambda: waiting.poll(3600000),
             lambda: select.select([reading], [], [], 3600), lambda: held.acquire(timeout=3600)):
    wait()
    print(int((time.monotonic() - began) // 3600))
    began = time.monotonic()
print(round((time.time() - wall) / 3600))
"""


def test_whoever_waits_wakes_when_the_clock_has_jumped(tmp_path):
    clock, library = Clock(tmp_path, "clock"), build_clock(tmp_path)
    with subprocess.Popen([sys.executable, "-c", WAITS], stdout=subprocess.PIPE, universal_newlines=True,
                          env=clock.environment(dict(os.environ, LD_PRELOAD=""), library)) as child:
        while child.poll() is None:
            clock.advance(1800)
            time.sleep(0.02)
        hours = child.stdout.read().split()
    assert child.returncode == 0 and len(hours) == 6 and min(map(int, hours)) >= 1 and int(hours[-1]) >= 5


READS = """
import os, sys
sys.path.insert(0, %r)
from xenmeter.core.feed import Feed
from xenmeter.xen.polling import Polled
class Session:
    hypercalls = 0
    def read(self):
        os.write(1, b"x")
    def close(self):
        pass
feed = Feed(Polled(3600, Session).samples, 1, again=3600)
feed.start()
sys.stdin.read()
""" % str(PLUGINS)


def test_no_reading_waits_for_what_the_clock_has_jumped_over(tmp_path):
    """The clock jumps an interval as soon as there is a reading, just when it is computed how long to wait for the next."""
    clock, library = Clock(tmp_path, "clock"), build_clock(tmp_path)
    chance = random.Random(7)
    with subprocess.Popen([sys.executable, "-c", READS], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          env=clock.environment(dict(os.environ, LD_PRELOAD=""), library)) as child:
        for number in range(3000):
            assert select.select([child.stdout], [], [], 60)[0], "not after jump %d" % number
            os.read(child.stdout.fileno(), 100)
            soon = time.perf_counter() + chance.random() / 5000
            while time.perf_counter() < soon:
                pass
            clock.advance(3600)
        child.stdin.close()


def test_the_wall_clock_is_set_by_itself(tmp_path):
    clock, library = Clock(tmp_path, "clock"), build_clock(tmp_path)
    clock.advance(50)
    clock.set_wall(-7200)
    told = subprocess.run([sys.executable, "-c", "import time; print(time.time(), time.monotonic())"], check=True,
                          stdout=subprocess.PIPE, env=clock.environment(dict(os.environ, LD_PRELOAD=""), library)).stdout
    wall, steady = map(float, told.split())
    assert clock.now() - 7200 - 60 < wall <= clock.now() - 7200
    assert time.monotonic() - 10 < steady <= time.monotonic() + 50


def test_a_stamp_from_before_the_clock_was_set_is_understood(tmp_path):
    clock = Clock(tmp_path, "clock")
    clock.advance(50)
    for aside in (3600, 0, -45, 0):
        before = clock.set
        clock.set_wall(aside)
        for stamp in (clock.now() + before - 1, clock.now() + aside):
            assert abs(clock.true(stamp) - clock.now()) < 10


def test_readings_come_whole():
    """Wherever they are cut, the meter's line and its first word among it."""
    line = b"xen_domain,domain=x,uuid=e0000001-0000-4000-0000-000000000001 cpu_time_ns=5i 1000000000\n"
    meter = b"xenmeter,plugin=xentop up=1i,cpu_time_ns=0i 1000000000\n"
    for at in range(len(line), len(line + meter)):
        read = Readings()
        for part in (line[:30], line[30:], meter[:at - len(line)]):
            read.data(part)
        assert not read.come.is_set()
        read.data(meter[at - len(line):] + b"xen_dom")
        assert read.come.is_set() and read.up and read.told == 1
        assert read.taken() == [(1.0, [("e0000001-0000-4000-0000-000000000001", 5)])] and read.taken() == []
        read.data(b"ain,domain=x,uuid=e0000001-0000-4000-0000-000000000001 cpu_time_ns=6i 2000000000\n" + meter)
        assert read.told == 2 and read.taken() == [(2.0, [("e0000001-0000-4000-0000-000000000001", 6)])]


def test_the_trace_is_of_the_models_domains(tmp_path):
    """No record of it is doubted, and each domain has run in its quanta."""
    traced = Traced(tmp_path / "fifo", 60)
    parts = []
    reader = threading.Thread(target=lambda: parts.append(pathlib.Path(traced.path).read_bytes()))
    reader.start()
    baking = Baking(1000000, [60 * 10 ** 9])
    domids = [set(range(1, 40)), set(range(20, 60)), set(range(20, 60)), set(range(40, 70))]
    for present in domids:
        assert traced.step(present, 60)
    traced.close(60)
    reader.join(60)
    baking.engine.feed(parts[0])
    baking.finish()
    figures = baking.taken[-1]
    assert figures["trace"]["anomalies"] == 0
    ran = {one["domid"]: one["running_ns"] for one in figures["domains"]}
    assert {domid: ran[domid] for domid in domids[-1]} == {
        domid: quantum(domid) * sum(domid in present for present in domids) for domid in domids[-1]}
    baking.close()


def test_what_is_written_into_the_rings_is_in_the_order_of_time(tmp_path):
    """Whoever looks meanwhile finds on no pCPU what comes after what another one still lacks."""
    traced, times = Ringed(tmp_path / "rings", 60), []
    traced._host.enabled, traced._host.mask = 1, 0x0FFFFFFF
    traced._host.producers = [types.SimpleNamespace(write=lambda time, *_: times.append(time))] * 4
    traced.step(set(range(1, 40)), 0)
    assert len(times) > 39 * 3 and times == sorted(times)


def test_the_rings_hold_what_the_stream_does(tmp_path):
    """A reader of them, in passes, finds each domain's quanta; and nothing where tracing is off."""
    traced = Ringed(tmp_path / "rings", 60)
    traced.step(set(range(1, 20)), 0)
    xen = Rings(traced.path)
    source = played_rings.opened(xen, tmp_path / "state", PAGES)
    baking = Baking(1000000, [60 * 10 ** 9])
    for present in [set(range(1, 40))] * 3 + [set(range(20, 40))] * 3:
        traced.step(present, 0)
        for pcpu, data in source._scan():
            baking.engine.feed_rings([(pcpu, data)], ())
        baking.engine.pass_done()
    baking.finish()
    figures = baking.taken[-1]
    assert figures["trace"]["anomalies"] == 0 and figures["trace"]["lost_records"] == 0
    ran = {one["domid"]: one["running_ns"] for one in figures["domains"]}
    assert {domid: ran[domid] for domid in range(20, 40)} == {domid: quantum(domid) * 6 for domid in range(20, 40)}
    baking.close()
    source.close()
    traced.close()


CALLS_MADE = """
import errno, os, sys
def name(call):
    try:
        return call()
    except OSError as error:
        return errno.errorcode[error.errno]
file, plan = os.open(os.devnull, os.O_RDWR), sys.argv[1]
os.replace(plan + ".first", plan)
print([name(lambda: os.read(file, 5)) for _ in range(4)], [name(lambda: os.write(file, b"12345")) for _ in range(3)],
      [name(lambda: os.open("/", os.O_RDONLY)) for _ in range(2)])
os.replace(plan + ".next", plan)
print([name(lambda: os.read(file, 5)) for _ in range(2)], name(lambda: os.open("/", os.O_RDONLY)))
"""


def test_several_calls_fail_at_once_each_at_its_place(tmp_path):
    """Also two of one kind in a row; of two plans for one call the first comes true; a new file ends the old one's plans."""
    library = build_shared(HERE / "failing.c", str(tmp_path / "failing.so"), "-w", "-ldl")
    plan, log, lines = tmp_path / "plan", tmp_path / "log", "%s %d %d\n"
    plan.write_text("")
    (tmp_path / "plan.first").write_text("".join(lines % one for one in (
        ("read", 2, errno.EIO), ("read", 3, errno.ENOMEM), ("read", 3, errno.EIO), ("write", 2, SHORT), ("open", 2, errno.EMFILE),
        ("read", 5, errno.EIO))))
    (tmp_path / "plan.next").write_text(lines % ("read", 2, errno.ENOMEM))
    told = subprocess.run([sys.executable, "-c", CALLS_MADE, str(plan)], check=True, stdout=subprocess.PIPE,
                          env=dict(os.environ, LD_PRELOAD=str(library), FAILING=str(plan), FAILING_LOG=str(log))).stdout.decode()
    assert told.splitlines()[0] == "[b'', 'EIO', 'ENOMEM', b''] [5, 1, 5] [4, 'EMFILE']"
    assert told.splitlines()[1] == "[b'', 'ENOMEM'] 5"
    assert log.read_text().split("\n") == [*("%s %d" % call for call in (
        ("read", errno.EIO), ("read", errno.ENOMEM), ("write", SHORT), ("open", errno.EMFILE), ("read", errno.ENOMEM))), ""]


CHILDS_STARTED = """
import errno, os, subprocess
def name(call):
    try:
        return call()
    except OSError as error:
        return errno.errorcode[error.errno]
print([name(lambda: len(os.pipe())) for _ in range(3)], [name(lambda: subprocess.call(["true"])) for _ in range(3)])
"""


def test_pipes_and_children_fail_too(tmp_path):
    """The child as a whole: Python asks for it in one way and then in another."""
    library = build_shared(HERE / "failing.c", str(tmp_path / "failing.so"), "-w", "-ldl")
    (tmp_path / "plan").write_text("pipe 2 %d\nfork 2 %d\n" % (errno.EMFILE, errno.EAGAIN))
    told = subprocess.run([sys.executable, "-c", CHILDS_STARTED], check=True, stdout=subprocess.PIPE, env=dict(
        os.environ, LD_PRELOAD=str(library), FAILING=str(tmp_path / "plan"), FAILING_LOG=str(tmp_path / "log"))).stdout.decode()
    assert told == "[2, 'EMFILE', 2] [0, 'EAGAIN', 0]\n"


def test_who_works_is_not_at_rest():
    with subprocess.Popen([sys.executable, "-c", "input()\nwhile True: pass"], stdin=subprocess.PIPE) as process:
        poll(lambda: rests(process.pid), 60, AssertionError)
        process.stdin.write(b"\n")
        process.stdin.flush()
        poll(lambda: not rests(process.pid), 60, AssertionError)
        process.kill()


class Played(types.SimpleNamespace):
    """What is asked of a program here."""

    __hash__ = object.__hash__


class PlayedReader(Played, Read):
    pass


class PlayedCollectd(Played, Read, InCollectd):
    """Of whose methods none is called but this one."""

    def __init__(self, **values):
        Played.__init__(self, **values, name="c", program=types.SimpleNamespace(pid=os.getpid()), begun=[])
        self.again = lambda: self.begun.append(self.clock.set)


def test_a_host_has_one_clock_for_a_baker_and_its_readers(tmp_path):
    def made(kind, name):
        return kind(clock=Clock(tmp_path, name), alive=lambda: True, look=lambda: True)
    other, reader, steady, collectd = [made(kind, name) for kind, name in (
        (Played, "a"), (PlayedReader, "b"), (Played, "s"), (PlayedCollectd, "c"))]
    bench = types.SimpleNamespace(subjects=[other, reader, collectd], steady=steady, held={})
    Bench.set_walls(bench, {other: 5.0})
    assert [one.clock.set for one in (other, reader, steady, collectd)] == [5.0, 0.0, 0.0, 0.0]
    Bench.set_walls(bench, {other: 7.0, reader: 3600.0})
    assert [one.clock.set for one in (other, reader, steady, collectd)] == [7.0, 3600.0, 3600.0, 3600.0] and not collectd.begun
    Bench.set_walls(bench, {reader: 0.0})
    assert [one.clock.set for one in (other, reader, steady, collectd)] == [7.0, 0.0, 0.0, 0.0] and collectd.begun == [0.0]


def test_a_storm_is_chances_and_the_same_by_its_seed():
    def told(seed):
        subjects = [Played(name=str(number), cases=CASES) for number in range(11)]
        storms = [Storm(types.SimpleNamespace(seed=seed, subjects=subjects), number) for number in range(20)]
        assert {len(plan) for storm in storms[::2] for plan in storm.plans.values()} == {2}
        assert {len(plan) for storm in storms[1::2] for plan in storm.plans.values()} == {3, 4, 5, 6}
        return [storm.told(one) for storm in storms for one in subjects]
    once = told(5)
    assert told(5) == once and told(6) != once
    for what in ("killed", "stopped", "clock set", "xenstored hangs", "xenstored restarts", "file cut"):
        assert 0 < sum(what in text for text in once) < len(once)


WRONG, AGAIN, ASIDE = "it is down", "samples come again", "about the host"
OPEN, IO = "open: EMFILE", "read: EIO"


@pytest.mark.parametrize("struck, lines, ends, lost, loud", [
    ([OPEN], None, 0, 1, 0), ([OPEN, IO], None, 1, 0, 0),     # it has ended
    ([OPEN], [WRONG, AGAIN], 0, 0, 0), ([OPEN], [WRONG, ASIDE], 0, 0, 0), ([OPEN], [WRONG, WRONG], 0, 0, 1),
    ([OPEN], [WRONG, AGAIN, AGAIN], 0, 0, 1), ([OPEN, IO], [WRONG, AGAIN] * 2, 0, 0, 0), ([OPEN, OPEN], [WRONG] * 2, 0, 0, 1),
    ([], [WRONG, AGAIN], 0, 0, 0), ([], [WRONG, WRONG], 0, 0, 1)])
def test_what_several_faults_may_cost(struck, lines, ends, lost, loud):
    """What ends a program for good reason ends it beside others, too; each kind that came has its line, and the other."""
    one = Played(name="baker", behind=0, pid=os.getpid(), errors=[], wrong=["x"], alive=lambda: lines is not None,
                 again=lambda: None, is_aside=lambda line: line == ASIDE)
    bench = types.SimpleNamespace(settle=lambda subjects, most=0: ({"baker": 0}, [] if lines else [one]), ends=[],
                                  held={"baker": Held("baker", one.pid)}, host=types.SimpleNamespace(lives={}))
    tally = Tally("x")
    tally.judge(bench, {one: "much"}, lambda: one.wrong.append("y") or one.errors.extend(lines or []), lambda _: struck)
    assert one.wrong == ["x", "y (much)"]
    assert (len(bench.ends), len(tally.lost), len(tally.loud)) == (ends, lost, loud)


def test_a_limit_that_is_not_kept_is_a_failure():
    results = Results("x")
    assert results.figure("a", 1) and results.figure("b", 2, "3", True) and not results.figure("c", 4, "3", False)
    assert results.failures == ["x: c: 4, and not 3"] and "| c | 4 | 3 | NO |" in results.text()
