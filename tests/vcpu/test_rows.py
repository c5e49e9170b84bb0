"""What compiled code makes of vCPUs whose times go on is what Python makes of them, whatever else happens to them."""
import pathlib
import sys

import pytest
from fuzz.objects import built
from hypothesis import given, settings
from hypothesis import strategies as st
from tools.compiler import build_shared

from xenmeter.vcpu import compiled
from xenmeter.vcpu.collector import Collector
from xenmeter.vcpu.records import DomainVcpus, Sample, Vcpu

S = 10 ** 9


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """The compiled part, built with the flags of setup.py, or with the sanitizers of a run of test_sanitized."""
    return built("times") or build_shared(pathlib.Path(compiled.__file__).with_name("times.c"),
                                          tmp_path_factory.mktemp("times") / "_times.so", "-Wall", "-Wextra", "-Werror")


def collectors(path):
    quick, python = Collector(), Collector()
    quick._rows, python._rows = compiled.rows_made(path), None
    assert quick._rows is not None
    return quick, python


def shown(reading):
    return {name: [(repr(row[0]),) + tuple(row[1:]) for row in rows] for name, rows in reading.tables.items()}


def kept(collector):
    return [(life.key, {number: [getattr(times, name) for name in times.__slots__]
                        for number, times in life.notes.get("times", {}).items()}) for life in collector._lives]


usual = st.sampled_from([True] * 8 + [False])


@st.composite
def histories(draw):
    found = []
    for step in range(1, draw(st.integers(2, 8))):
        def time(more, step=step):
            odd = [None, 0, step * S - 5, step * S - 5 * 10 ** 6, 1 << 62, 1 << 64, (1 << 63) - 1]
            return step * S + more if draw(usual) else draw(st.sampled_from(odd))
        figures = [Vcpu(number, *[time(place) for place in range(4)], draw(st.sampled_from([1, None])), None, step)
                   for number in range(draw(st.sampled_from([2, 2, 2, 3])))]
        if found and not draw(usual):
            figures = found[-1].domains[0].figures
        source = draw(st.sampled_from(["resource"] * 6 + ["getvcpuinfo"]))
        found.append(Sample(step * 10 * S, [DomainVcpus(1, "u1", "web", False, source, 3, step, None, figures)], {}, None))
    return found


@settings(deadline=None, max_examples=150)
@given(histories())
def test_both_say_the_same(path, history):
    quick, python = collectors(path)
    for sample in history:
        assert shown(quick.collect(sample)) == shown(python.collect(sample))
        assert kept(quick) == kept(python) and quick.errors == python.errors


def moved(step):
    return Sample(step * 10 * S, [DomainVcpus(1, "u1", "web", False, "resource", 2, step, None, [
        Vcpu(number, step * S + number, step, 3, 4, 1, None, step) for number in range(2)])], {}, None)


def test_vcpus_that_go_on_are_compiled_codes_and_nothing_is_kept(path, monkeypatch):
    quick, left = collectors(path)[0], []
    one = quick._vcpu
    monkeypatch.setattr(quick, "_vcpu", lambda *told: left.append(one(*told)))
    for step in range(1, 300):
        quick.collect(moved(step))
        assert len(left) == 2
        if step == 200:
            before = sys.getallocatedblocks()
    assert sys.getallocatedblocks() - before < 100


def test_an_object_of_another_release_is_not_used(tmp_path, monkeypatch, path):
    assert compiled.rows_made(str(tmp_path / "none.so")) is None
    monkeypatch.setattr(compiled, "TIMES_ABI", 99)
    assert compiled.rows_made(path) is None
