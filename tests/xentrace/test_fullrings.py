"""pCPUs that are silent after their ring was full: waited for, then presumed to have lost records, never guessed at."""
import random

import pytest

from helpers import encoding
from helpers import fake_rings
from helpers.simulator import KHZ, Machine
from helpers.figures import by_file
from helpers.played_rings import as_file, opened, played
from xenmeter.xentrace.engine import compiled, fullrings, records
from xenmeter.xentrace.engine.engine import Engine
from xenmeter.xentrace.engine.passes import Taker
from xenmeter.xentrace.engine.scan import ROOM

SECOND = KHZ * 1000         # in TSC
STATES = ("running_ns", "runnable_ns", "blocked_ns", "offline_ns")


class Host:
    """Each pCPU with one domain: domain 1 on pCPU 0, domain 2 on pCPU 1, and so on."""

    def __init__(self, tmp_path, pages=1, pcpus=2):
        self.xen = fake_rings.Xen(pcpus)
        self.source = opened(self.xen, tmp_path / "state", pages)
        self.passes = []
        self.full = []

    def write(self, pcpu, seconds, old, new):
        tsc = 1 + int(seconds * SECOND)
        domid = pcpu + 1
        self.xen.producers[pcpu].write(tsc, encoding.runstate(tsc, domid, 0, old, new), domid << 16)

    def toggle(self, pcpu, begin, end, steps):
        """So many changes between running and runnable, the last at ``end``."""
        for step in range(1, steps + 1):
            self.write(pcpu, begin + (end - begin) * step / steps, 1 - (step & 1), step & 1)

    def read(self):
        self.passes.append(self.source._scan())
        self.full.append(self.source.full)

    def live(self, core=None, told=True):
        """The engine's own figures of what has been read so far, and how far each pass brought them.

        :param told: whether it is told which rings were full, or must guess it.
        """
        engine, reached = Engine(KHZ, (10 ** 9,), core=core), []
        for pass_, full in zip(self.passes, self.full):
            feed(engine, pass_, full if told else None)
            reached.append(engine.snapshot()["trace"]["span_ns"])
        return engine.finish(), reached

    def file(self):
        return by_file(as_file(self.passes))


def feed(engine, pass_, full=None):
    for pcpu, held in pass_:
        engine.feed_rings([(pcpu, held)], None if full is None else {pcpu} if pcpu in full else ())
    engine.pass_done()


def of(figures, domid):
    one, = (vcpu for vcpu in figures["vcpus"] if vcpu["domid"] == domid)
    return one


def same(mine, theirs):
    return all(of(mine, domid)[name] == of(theirs, domid)[name]
               for domid in (1, 2) for name in STATES + ("unknown_ns", "executions"))


@pytest.mark.parametrize("told", [True, False])
def test_a_loss_that_is_told_within_the_wait_is_the_files(core, tmp_path, told):
    host = Host(tmp_path)
    host.toggle(0, 0, 0.001, 300)               # more than a ring holds
    host.read()
    for tenth in range(1, 20):                  # the other pCPU goes on
        host.write(1, tenth / 10, 1 - (tenth & 1), tenth & 1)
        host.read()
    host.write(0, 2, 0, 2)
    host.read()
    figures, _ = host.live(core, told)
    assert same(figures, host.file())
    assert figures["trace"]["lost_records"] > 0 and figures["trace"]["anomalies"] == 0


def test_a_reader_that_was_stopped_has_not_waited(core, tmp_path):
    """Seen on a real Xen: the baker was stopped for 4 s while one ring filled early and the other late."""
    host = Host(tmp_path)
    host.toggle(0, 0, 0.01, 20)
    host.toggle(1, 0, 0.01, 20)
    host.read()
    host.toggle(0, 0.1, 0.5, 300)               # pCPU 0 loses from 0.44 s on
    host.toggle(1, 0.1, 4, 254)
    host.read()                                 # 4 s after the pass before
    for step in range(1, 10):
        host.toggle(1, 4 + step / 100, 4.01 + step / 100, 2)
        host.read()
    host.toggle(0, 4.2, 4.3, 10)
    host.read()
    host.toggle(1, 4.4, 4.5, 2)
    host.read()
    figures, reached = host.live(core)
    assert same(figures, host.file())
    assert figures["trace"]["lost_records"] > 0 and figures["trace"]["anomalies"] == 0
    assert max(reached[1:10]) < 0.5e9           # nothing after the loss that may have been was told before it was


def silent(tmp_path, lossy):
    """pCPU 0's ring is full at 1 ms, with a loss or just so; the other goes on for 6 s."""
    host = Host(tmp_path)
    host.toggle(0, 0, 0.001, 300 if lossy else 255)
    host.read()
    for tenth in range(1, 60):
        host.write(1, tenth / 10, 1 - (tenth & 1), tenth & 1)
        host.read()
    return host


@pytest.mark.parametrize("lossy", [False, True])
def test_after_the_wait_a_loss_is_presumed_as_long_as_it_can_have_lasted(core, tmp_path, lossy):
    """From the last record to the second pass after, 0.2 s, at which the ring was surely empty."""
    host = silent(tmp_path, lossy)
    figures, reached = host.live(core)
    assert reached[25] < 0.002e9 and reached[-1] == pytest.approx(5.8e9, abs=1e4)     # held up, but not for ever
    assert figures["trace"]["anomalies"] == 0 and figures["trace"]["lost_records"] == 0
    assert figures["pcpus"][0]["lost_ns"] == pytest.approx(0.2e9, abs=1e6)
    one, two = of(figures, 1), of(figures, 2)
    assert one["unknown_ns"] == pytest.approx(5.9e9, abs=1e6)       # it has not spoken again, so its state is not known
    assert two["unknown_ns"] == pytest.approx(0.1e9, abs=1e6)       # it waited from 0 to 0.1 s, or ran on pCPU 0: who knows
    assert two["running_ns"] + two["runnable_ns"] + two["unknown_ns"] == figures["trace"]["span_ns"]


def test_where_nothing_was_lost_the_next_record_tells_the_state_since(core, tmp_path):
    host = silent(tmp_path, lossy=False)
    host.write(0, 6, 1, 2)
    host.read()
    figures, _ = host.live(core)
    assert figures["trace"]["anomalies"] == 0 and figures["trace"]["lost_records"] == 0
    assert of(figures, 1)["runnable_ns"] == pytest.approx(5.8e9, abs=1e6)
    assert of(figures, 1)["unknown_ns"] == pytest.approx(0.2e9, abs=1e6)


def test_a_loss_that_is_told_after_the_wait_is_counted_and_nothing_is_taken_back(core, tmp_path):
    host = silent(tmp_path, lossy=True)
    host.write(0, 6, 0, 2)
    host.read()
    before = silent(tmp_path, lossy=True).live(core)[0]
    figures, _ = host.live(core)
    assert figures["trace"]["lost_records"] == host.file()["trace"]["lost_records"] > 0
    assert figures["trace"]["anomalies"] == 0
    assert of(figures, 1)["unknown_ns"] == pytest.approx(6e9, abs=1e6)
    assert of(figures, 2)["running_ns"] == pytest.approx(of(before, 2)["running_ns"], abs=0.3e9)


@pytest.mark.parametrize("told, waits", [(True, False), (False, True)])
def test_a_ring_whose_size_is_known_is_full_when_it_is_full(core, tmp_path, told, waits):
    """253 records are 3 % of a ring of 32 pages, and nearly a page: enough for whoever must guess."""
    host = Host(tmp_path, pages=32)
    host.toggle(0, 0, 0.001, 253)
    host.read()
    for tenth in range(1, 60):
        host.write(1, tenth / 10, 1 - (tenth & 1), tenth & 1)
        host.read()
    figures, reached = host.live(core, told)
    assert (reached[25] < 0.002e9) == waits and (figures["pcpus"][0]["lost_ns"] > 0) == waits
    assert same(figures, host.file()) == (not waits)
    host.toggle(0, 6, 6.1, 9000)                    # 144000 bytes into a ring of 131064
    host.read()
    assert host.source.full == {0}


def test_what_comes_while_the_compiled_reader_takes_counts(tmp_path, shared_object):
    """As below, between its look and its copy, and less than what it takes."""
    assert compiled.use(shared_object), compiled.reason()
    host = Host(tmp_path)
    taker = Taker(Meddling(compiled.library(), lambda: host.toggle(0, 0.002, 0.003, 105)), host.source.rings)
    host.toggle(0, 0, 0.001, 150)
    windows, full = taker.take(ROOM)
    assert full == {0} and [(pcpu, len(data)) for pcpu, data in windows] == [(0, 2400)]
    host.read()
    assert [len(data) for _, data in host.passes[0]] == [105 * 16] and host.source.full == frozenset()


class Meddling:
    """The compiled parts; something happens between two calls."""

    def __init__(self, library, meddle):
        self.xenmeter_hot_unread, self._take, self._meddle = library.xenmeter_hot_unread, library.xenmeter_hot_take_rings, meddle

    def xenmeter_hot_take_rings(self, *words):
        self._meddle()
        return self._take(*words)


def test_what_comes_while_a_ring_is_read_counts(tmp_path):
    """The reader has looked, and 155 records come before its thanks: the ring was full then."""
    host = Host(tmp_path)
    host.source._taker = None       # Python alone
    host.toggle(0, 0, 0.001, 100)
    ring = host.source.rings[0]
    host.source.rings[0]._data = Meddled(ring._data, lambda: host.toggle(0, 0.002, 0.003, 200))
    host.read()
    assert host.source.full == {0} and len(host.passes[0][0][1]) == 1600


class Meddled:
    """The ring's bytes; something happens while they are copied."""

    def __init__(self, data, meddle):
        self.data, self.meddle = data, meddle

    def __getitem__(self, place):
        found = bytes(self.data[place])
        self.meddle()
        return found


def test_pcpus_that_fall_silent_one_after_the_other_hold_nobody_up_for_longer_than_the_wait(core, tmp_path):
    """40 pCPUs: each has a full ring, 0.2 s after the one before, and is silent from then on; the first goes on."""
    host = Host(tmp_path, pcpus=40)
    for step in range(1, 40):
        host.toggle(step, step / 5 - 0.001, step / 5, 300)
        for part in (0.05, 0.1, 0.15):
            host.write(0, step / 5 + part, int(part * 20) % 2, 1 - int(part * 20) % 2)
            host.read()
    figures, reached = host.live(core)
    now = [max(1, step // 3 + 1) / 5 for step in range(len(reached))]
    assert max(at - told / 1e9 for at, told in zip(now, reached)) < 4
    assert figures["trace"]["anomaly_kinds"]["late"] == 0


def test_a_pcpu_that_speaks_while_its_presumed_loss_is_not_over(core, tmp_path):
    """pCPU 2 is waited for 0.1 s longer, from within the loss that pCPU 0 is presumed to have had."""
    host = Host(tmp_path, pcpus=3)
    host.toggle(0, 0, 0.001, 300)
    host.read()
    for twentieth in range(1, 80):
        host.write(1, twentieth / 20, 1 - (twentieth & 1), twentieth & 1)
        if twentieth == 2:
            host.toggle(2, 0.09, 0.1, 300)
        if twentieth == 64:
            host.write(0, 3.19, 0, 2)
        host.read()
        if twentieth == 64:
            figures, reached = host.live(core)
            assert reached[-1] == pytest.approx(0.1e9, abs=0.02e9)      # presumed to have begun, and not ended
    figures, _ = host.live(core)
    assert figures["trace"]["anomalies"] == 0
    assert figures["pcpus"][0]["lost_ns"] == pytest.approx(3.19e9, abs=1e6)
    assert of(figures, 1)["unknown_ns"] == pytest.approx(3.19e9, abs=1e6)
    assert of(figures, 1)["blocked_ns"] == pytest.approx(0.76e9, abs=1e6)


def naps(seed):
    """A machine of three pCPUs on which now and then one has nothing to do for some 20 ms."""
    machine, chance = Machine(seed, pcpus=3, domains=3, steps=0), random.Random(seed)
    for _ in range(20):
        machine.awake = chance.choice(((0, 1, 2), (0, 1), (0, 2), (1, 2)))
        for _ in range(250):
            machine.step(False)
    return machine


@pytest.mark.parametrize("told", [True, False])
@pytest.mark.parametrize("seed", range(20))
def test_what_is_known_is_true_however_short_the_wait_is(core, monkeypatch, tmp_path, seed, told):
    """Rings that overflow, a reader that is stopped now and then, and next to no patience with silent pCPUs."""
    monkeypatch.setattr(fullrings, "HOLD_NS", 200000)
    xen = fake_rings.Xen(pcpus=3)
    source = opened(xen, tmp_path / "state")
    machine, engine = naps(seed), Engine(KHZ, core=core)
    full = []
    passes = played(machine, xen, source, seed, every=[5] * 20 + [400], full=full)
    first, last = machine.events[0][0], machine.events[-1][0] + 1
    for pcpu, producer in xen.producers.items():        # so that every loss is told at last
        producer.write(last, encoding.encode(0x0FFFF123, [], last), records.IDLE_DOMAIN << 16 | pcpu)
    for pass_, were in zip(passes + [source._scan()], full + [source.full]):
        feed(engine, pass_, were if told else None)
    figures = engine.finish()
    assert figures["trace"]["lost_records"] == sum(one.dropped for one in xen.producers.values())
    assert figures["trace"]["anomaly_kinds"]["late"] == 0
    for vcpu in figures["vcpus"]:
        truth = machine.truth((vcpu["domid"], vcpu["generation"], vcpu["vcpu"]), first, last, KHZ)
        assert sum(vcpu[name] for name in STATES) + vcpu["unknown_ns"] == figures["trace"]["span_ns"]
        for name, most in zip(STATES, truth):
            assert vcpu[name] <= most + 1000, (vcpu["domid"], vcpu["vcpu"], name)
