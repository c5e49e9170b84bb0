"""What compiled code makes of domains that are as they were is what Python makes of them, whatever happens to them."""
import pathlib
import sys

import pytest
from fuzz.objects import built
from helpers.direct_samples import histories, sample_of
from hypothesis import given, settings
from hypothesis import strategies as st
from tools.compiler import build_shared

from xenmeter.core.reading import Reading
from xenmeter.xen.domains import DomainFacts, Snapshot
from xenmeter.xentop import compiled
from xenmeter.xentop.direct.collector import DirectCollector
from xenmeter.xentop.samples import Sample
from xenmeter.xentop.text.collector import Collector
from xenmeter.xentop.text.records import Columns, DomainRow, Iteration, Net, Vbd

SOURCE = pathlib.Path(compiled.__file__).with_name("planned.c")
S = 10 ** 9


@pytest.fixture(scope="module")
def planned(tmp_path_factory):
    """The compiled part, built with the flags of setup.py, or with the sanitizers of a run of test_sanitized."""
    return built("planned") or build_shared(SOURCE, tmp_path_factory.mktemp("planned") / "_planned.so", "-Wall", "-Wextra",
                                            "-Werror")


class Both:
    """A collector that is quick and one that is not, which must say the same."""

    def __init__(self, planned, way, make):
        self.left = 0       # of the last sample: domains that went Python's way
        self.quick, self.python = make(), make()
        self.quick._planned, self.python._planned = compiled.load(way, planned), None
        assert self.quick._planned is not None
        domain = self.quick._domain
        self.quick._domain = lambda *told: self._took(domain(*told))

    def _took(self, nothing):
        self.left += 1

    def collect(self, sample):
        self.left = 0
        reading, other = self.quick.collect(sample), self.python.collect(sample)
        assert shown(reading) == shown(other) and self.quick.errors == self.python.errors
        assert kept(self.quick) == kept(self.python)
        return reading


def shown(reading):
    return Reading(reading.time_ns, {name: [(repr(row[0]),) + tuple(row[1:]) for row in rows]
                                     for name, rows in reading.tables.items()})


def kept(collector):
    """All that lasts: the lives and their counters."""
    def of(devices):
        return {name: (one.raw, one.total, one.shown, one.before, one.at, one.identity, one.gone, one.total is one.raw)
                for name, one in devices.known.items()}
    return [(life.key, repr(life.who), life.fresh, life.seen, life.cpu, life.vcpu, life.vcpus, life.notes, of(life.vifs),
             of(life.vbds)) for life in collector.kept[0]]


@settings(deadline=None, max_examples=100)
@given(histories())
def test_source_direct(planned, history):
    both = Both(planned, "direct", lambda: DirectCollector(lambda name, uuid, domid: name == "web" or domid != 3))
    for sample in history:
        both.collect(sample)


def test_domains_that_go_on_are_compiled_codes(planned):
    """And rows whose figures have not changed are the same objects again."""
    both = Both(planned, "direct", DirectCollector)
    told = []
    for step in range(1, 7):
        told.append(both.collect(sample_of(step)).tables)
        assert both.left == (2 if step == 1 else 0)
    for name in ("domain", "domain_vcpu", "vif", "vbd"):
        assert told[5][name][1] is told[4][name][1] and told[5][name][0][2] != told[4][name][0][2], name


usual = st.sampled_from([True] * 8 + [False])


@st.composite
def rows(draw, number, step):
    def count():
        usually = step * 10 ** 5
        return usually if draw(usual) else draw(st.sampled_from([0, 7, usually + 3, 1 << 45, (1 << 63) - 1, 1 << 64]))
    nets = [Net(index, *[count() for _ in range(8)]) for index in range(draw(st.sampled_from([1, 1, 1, 1, 0, 2])))]
    disks = [Vbd(draw(st.sampled_from(["BlkBack"] * 6 + ["Tap"])), dev,
                 *([count() for _ in range(5)] if draw(usual) else [None] * 5))
             for dev in (51712, 51728)[:draw(st.sampled_from([1, 1, 1, 1, 0, 2]))]]
    sums = [None] * 5 if disks and disks[0].rd is None else [1, 2, 3, 4, 5]
    columns = Columns(step if draw(usual) else count(), draw(st.sampled_from([5, 5, 5, None, 9000])), 1 << 20, 50,
                      draw(st.sampled_from([1 << 20, 1 << 20, None])), draw(st.sampled_from([50, 50, None])), 2, len(nets),
                      sum(net.tx_bytes for net in nets) >> 10 if draw(usual) else 1, 1, len(disks), *sums, 0)
    vcpus = [(vcpu, count()) for vcpu in range(draw(st.sampled_from([2, 2, 2, 1])))] if draw(usual) else None
    return DomainRow(b"web%d" % number, draw(st.sampled_from([b"--b---", b"-----r"])), columns, vcpus, nets, disks)


@st.composite
def iterations(draw):
    facts = [DomainFacts(number, b"web%d" % number, "u%d" % number, 5, (0,), {51712: "xvda"}) for number in (1, 2)]
    orders = st.sampled_from([{1: ["0"], 2: ["0"]}] * 4 + [{1: ["0"]}, None])
    found = []
    for step in range(1, draw(st.integers(2, 8))):
        again = found and draw(st.sampled_from([True, False, False]))
        told = found[-1].iteration.rows if again else [draw(rows(number, step)) for number in (1, 2) if draw(usual)]
        names = None if draw(st.sampled_from([False] * 9 + [True])) else Snapshot(facts, draw(orders))
        found.append(Sample(step * 10 * S, Iteration(told), names, not draw(usual)))
    return found


@settings(deadline=None, max_examples=150)
@given(iterations())
def test_xentops_text(planned, history):
    both = Both(planned, "text", Collector)
    for sample in history:
        both.collect(sample)


def test_rows_that_go_on_are_compiled_codes(planned):
    both = Both(planned, "text", Collector)
    names = Snapshot([DomainFacts(1, b"web", "u1", 5, (0,), {51712: "xvda"})], {1: ["0"]})
    for step in range(1, 6):
        row = DomainRow(b"web", b"--b---", Columns(step, 5, 6, 7, 8, 9, 1, 1, step, 9, 1, 1, 2, 3, 4, 5, 0), [(0, step)],
                        [Net(0, step, 2, 3, 4, step << 10, 6, 7, 8)], [Vbd("BlkBack", 51712, 1, 2, 3, step, 5)])
        both.collect(Sample(step * 10 * S, Iteration([row]), names))
        assert both.left == (1 if step == 1 else 0)


def test_nothing_is_kept_that_is_not_used(planned):
    """Each object that was counted once too often would stay for good."""
    quick = DirectCollector()
    quick._planned = compiled.load("direct", planned)
    for step in range(1, 400):
        quick.collect(sample_of(step))
        if step == 200:
            before = sys.getallocatedblocks()
    assert sys.getallocatedblocks() - before < 100
    assert sys.getrefcount(None) > 100 and sys.getrefcount(False) > 10


@pytest.mark.parametrize("words", [(), (1,), (None,) * 10, ({}, 1, 1, [], [], [], [], {}, 0, 0)])
def test_what_it_cannot_use_it_leaves_to_python(planned, words):
    for way, domains in (("text", [(1, 2)]), ("direct", [None]), ("text", []), ("direct", [((1, 2), [], [], [])])):
        assert compiled.load(way, planned)(domains, 0, words) == 0


def test_an_object_of_another_release_is_not_used(tmp_path, monkeypatch, planned):
    assert compiled.load("text", str(tmp_path / "none.so")) is None
    monkeypatch.setattr(compiled, "ABI", 99)
    assert compiled.load("text", planned) is None
    monkeypatch.setenv("XENMETER_COMPILED", "0")
    assert compiled.load("text") is None
