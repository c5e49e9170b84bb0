"""How often the baker looks into the rings: once for each border where little happens, and then all before it is told."""
import threading
import time

import pytest

from helpers import encoding
from helpers import fake_rings
from helpers.captures import SECOND
from helpers.played_rings import opened
from helpers.simulator import KHZ
from xenmeter.core.clock import Sleep
from xenmeter.core.stopping import Wakeable
from xenmeter.xentrace.baker import bakery as bakery_module, rings as rings_module
from xenmeter.xentrace.baker.bakery import Bakery
from xenmeter.xentrace.baker.pace import LATE_NS, Pace
from xenmeter.xentrace.engine import compiled

START = 10 ** 12    # TSC


class Host:
    """A clock that goes on while the baker sleeps; meanwhile each pCPU writes a change of state every so many ns.

    :param rate: by how much the TSC is faster than its rate is told, parts per thousand.
    """

    def __init__(self, tmp_path, monkeypatch, every_ns, seconds, rate=0, pages=8):
        self.xen = fake_rings.Xen(pcpus=2)
        self.now, self.every, self.written, self.rate = 0, every_ns, 0, rate
        self.looks, self.end, self.stop = [], seconds * SECOND, threading.Event()
        for module in (rings_module, bakery_module):
            monkeypatch.setattr(module, "steady_ns", lambda: self.now)
        monkeypatch.setattr(rings_module, "polled", self.wait)
        self.source = opened(self.xen, tmp_path / "state", pages=pages)
        self.bakery = Bakery(self.source, KHZ, [SECOND], None, lambda: None)

    def wait(self, waiting, seconds):
        until = self.now + int(seconds * 1e9)
        while self.written < until:
            for pcpu in (0, 1):
                self.write(pcpu, self.written + pcpu)
            self.written += self.every
        self.now = until
        self.looks.append(until)
        if until >= self.end:
            self.stop.set()
        return []

    def write(self, pcpu, ns):
        tsc = START + ns * KHZ // 1000000 * (1000 + self.rate) // 1000
        old = ns // self.every % 2
        self.xen.producers[pcpu].write(tsc, encoding.runstate(tsc, 1, pcpu, old, 1 - old), 1 << 16 | pcpu)

    def run(self):
        """(seconds of each border's figures, how long after it they were there)."""
        told, publish = [], self.bakery._publish

        def published():
            span = publish()
            if span:
                told.append((span // SECOND, self.now - span))
            return span
        self.bakery._publish = published
        self.bakery.run(self.stop)
        self.status = self.bakery.status()
        self.bakery.close()
        return told[:-1]        # the last is the end of the trace


@pytest.mark.parametrize("rate", [0, 10, -10])
def test_one_look_for_each_second(tmp_path, monkeypatch, rate):
    """The TSC may be told wrongly by a hundredth: nothing is late, and nothing told too early."""
    host = Host(tmp_path, monkeypatch, 2 * 10 ** 6, 60, rate)
    told = host.run()
    spans = [second for second, _ in told]
    assert spans == list(range(1, len(spans) + 1)) and len(spans) >= 58
    assert len([look for look in host.looks if look > 10 * SECOND]) <= 50 * 1.1
    assert host.status["anomalies"] == 0
    if not rate:
        assert all(LATE_NS < late < 2 * LATE_NS for _, late in told[2:])


@pytest.mark.parametrize("core", ["compiled", "python"])
@pytest.mark.parametrize("shift", [-380 * 10 ** 9, -3 * 10 ** 9, 3600 * 10 ** 9], ids=["from 0", "back", "on"])
def test_a_host_that_sleeps_goes_on_when_it_wakes(tmp_path, monkeypatch, shift, core):
    """Its TSC begins again or goes on; the kernel knows that it slept. The hour is in no figure, and nothing is late."""
    if core == "python":
        monkeypatch.setattr(compiled, "_library", False)
    slept, said = 20 * SECOND, []
    asleep = [0]
    monkeypatch.setattr(Sleep, "_asleep_ns", staticmethod(lambda: asleep[0]))
    host = Host(tmp_path, monkeypatch, 2 * 10 ** 6, 60)

    def shifted(pcpu, ns):
        if ns > slept:
            asleep[0] = 3600 * SECOND
        tsc = START + ns * KHZ // 1000000 + (shift * KHZ // 1000000 if ns > slept else 0)
        old = ns // host.every % 2
        host.xen.producers[pcpu].write(tsc, encoding.runstate(tsc, 1, pcpu, old, 1 - old), 1 << 16 | pcpu)
    host.write = shifted
    host.bakery._say = said.append
    told = host.run()
    spans = [second for second, _ in told]
    assert spans == list(range(1, len(spans) + 1)) and len(spans) >= 56
    assert said == ["the host has slept: the figures go on from now"]
    assert host.status["anomalies"] == 0 and host.status["lost_records"] == 0


def test_a_quiet_host_is_told_when_it_says_something(tmp_path, monkeypatch):
    """A change of state every 0.9 s: a border is told after the first record behind it, and no sooner; all of them are."""
    host = Host(tmp_path, monkeypatch, 9 * 10 ** 8, 60)
    told = host.run()
    spans = [second for second, _ in told]
    assert spans == list(range(1, len(spans) + 1)) and len(spans) >= 57
    for second, late in told:
        first = -(-second * SECOND // host.every) * host.every - second * SECOND
        assert first < late < first + 4 * LATE_NS


def test_a_ring_gets_no_more_than_a_quarter_full_where_it_fills_evenly(tmp_path, monkeypatch):
    host = Host(tmp_path, monkeypatch, 10 ** 6, 20, pages=3)      # 32 kB a second and pCPU, rings of 12 kB
    host.run()
    after = [b - a for a, b in zip(host.looks, host.looks[1:]) if a > SECOND]
    assert max(after) <= 0.26 * 12280 / 16000 * SECOND
    assert host.status["lost_records"] == 0


def test_a_record_that_comes_late_is_waited_for(tmp_path, monkeypatch):
    """One that its pCPU has stamped before a border and writes 80 ms later is in its window."""
    host = Host(tmp_path, monkeypatch, 2 * 10 ** 6, 30)
    write, held = host.write, []

    def late(pcpu, ns):
        if pcpu and ns % SECOND > 0.97 * SECOND:
            held.append(ns)
        elif pcpu and held and ns % SECOND < 0.08 * SECOND:
            pass        # still delayed; what it would say now it says later, too
        else:
            while pcpu and held:
                write(pcpu, held.pop(0))
            write(pcpu, ns)
    host.write = late
    host.run()
    assert host.status["anomaly_kinds"]["late"] == 0


def test_the_pause_is_shorter_than_a_leap_of_the_stamps():
    pace = Pace(8000000)
    assert pace.looked(0, 1, 10 ** 12) * 8 * 10 ** 9 < 1 << 32


def test_nothing_is_known_before_something_is_accounted():
    pace = Pace(KHZ)
    assert pace.known_ns(5) == -1 and pace.looked(5, None, SECOND) == 0
    pace.looked(SECOND, 0, SECOND)
    assert pace.known_ns(2 * SECOND) < SECOND
    pace.looked(2 * SECOND, None, SECOND)
    assert pace.known_ns(2 * SECOND) == -1


def test_a_stop_ends_the_pause(tmp_path):
    source, stop = opened(fake_rings.Xen(), tmp_path / "state"), Wakeable()
    passes = source.passes(stop)
    next(passes)
    source.pause_s = source._quarter_s = 600
    threading.Timer(0.1, stop.set).start()
    began = time.monotonic()
    assert list(passes)[-1] == [] and time.monotonic() - began < 60
    source.close()
