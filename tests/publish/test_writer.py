"""What compiled code writes is what Python writes, byte for byte, whatever the figures and the names."""
import pathlib

import pytest
from fuzz.objects import built
from hypothesis import given, settings
from hypothesis import strategies as st
from helpers.publishing import HOSTILE, TIME, UUID, full, real, tiny
from tools.compiler import build_shared

from xenmeter.core.reading import Reading, Who
from xenmeter.publish import influx, openmetrics, writer
from xenmeter.publish.influx import LineProtocol
from xenmeter.publish.numbers import NUMBERS
from xenmeter.publish.openmetrics import Exposition

SOURCE = pathlib.Path(writer.__file__).with_name("writer.c")


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    """The compiled writer, built with the flags of setup.py, or with the sanitizers of a run of test_sanitized."""
    return built("writer") or build_shared(SOURCE, tmp_path_factory.mktemp("writer") / "_writer.so",
                                           "-Wall", "-Wextra", "-Werror")


@pytest.fixture(scope="module", autouse=True)
def few_rows_too():
    before, writer.LEAST_ROWS = writer.LEAST_ROWS, 1
    yield
    writer.LEAST_ROWS = before


@pytest.fixture(scope="module")
def pairs(library):
    """Of each publisher one that is compiled and one that is not, by what they make of a reading."""
    def made(publisher, module, with_it, catalogues, **more):
        module.writer = (lambda: writer.writer(library)) if with_it else lambda: None
        try:
            return publisher(catalogues, **more)
        finally:
            module.writer = writer.writer

    def of(catalogues):
        lines = [made(LineProtocol, influx, with_it, catalogues) for with_it in (True, False)]
        pages = [made(Exposition, openmetrics, with_it, catalogues) for with_it in (True, False)]
        assert lines[0]._writer and pages[0]._writer and not lines[1]._writer and not pages[1]._writer
        return [[one.encode for one in lines], [lambda reading, one=one: one.openmetrics([reading]) for one in pages],
                [lambda reading, one=one: one.text([reading]) for one in pages],
                [lambda reading, one=one: one.openmetrics([reading, reading]) for one in pages]]
    return of


@pytest.fixture
def counted(monkeypatch):
    """How many tables and columns were written by compiled code."""
    number = []
    real_write = writer.Writer._write
    monkeypatch.setattr(writer.Writer, "_write", lambda *told: number.append(real_write(*told)) or number[-1])
    return number


def same(pairs, *readings):
    for compiled, python in pairs:
        for reading in readings:
            assert compiled(reading) == python(reading)


def test_every_figure_of_the_catalogues(pairs, counted):
    same(pairs(real()), full(), full(40), full(1))
    assert len([part for part in counted if part]) > 100


#: Figures of each unit that becomes a float.
PARTS = [("share", unit, "gauge", unit, "cpu", "x_" + unit + ("_ratio" if unit == "ppm" else ""), "x_share." + unit, "-", "Help.")
         for unit in ("ppm", "milli", "micro")]


def test_every_unit_that_is_no_whole_number_is_known():
    assert set(openmetrics._WRITTEN) == set(NUMBERS)


#: Numbers at which one way of writing could differ from the other.
EDGES = [0, 1, 9, 10, 11, 12, 90, 99, 100, 101, 110, 999, 1000, 9999, 10000, 10001, 10 ** 6 - 1, 10 ** 6, 10 ** 9 - 1, 10 ** 9,
         10 ** 9 + 10, 10 ** 15 - 1, 10 ** 15, 10 ** 15 + 1, 10 ** 16, 10 ** 17 + 1, 2 ** 53 + 1, 2 ** 63 - 1, 2 ** 63, 2 ** 64,
         -2 ** 63, 1 - 2 ** 63, -2 ** 63 - 1, True, False, None]
numbers = st.one_of(st.sampled_from(EDGES), st.sampled_from(EDGES).map(lambda edge: edge and -edge),
                    st.integers(-2 ** 64, 2 ** 64), st.integers(-2000, 2000), st.none())
whos = st.builds(Who, st.one_of(st.sampled_from(HOSTILE), st.text(max_size=300)), st.sampled_from([None, UUID, UUID[::-1]]))
rows = st.lists(st.tuples(st.one_of(st.none(), whos), st.tuples(st.one_of(st.sampled_from(HOSTILE), st.text(max_size=300)))),
                max_size=6)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_any_figures_and_any_names(pairs, data):
    """Readings one after the other, in which rows stay, come and go."""
    made = pairs([tiny()])
    everybody = data.draw(rows)
    for _ in range(3):
        there = [pair for pair in everybody if data.draw(st.booleans())]
        tables = {"thing": [(who, (), data.draw(st.tuples(*[numbers] * 5))) for who, _ in there],
                  "part": [(who, labels, data.draw(st.tuples(*[numbers] * 2))) for who, labels in there]}
        same(made, Reading(TIME, tables))


def test_each_edge_in_each_unit(pairs, counted):
    made = pairs([tiny()])
    for edge in EDGES:
        for value in (edge, None if edge is None else -edge):
            same(made, *[Reading(TIME, {"thing": [(Who("a"), (), values), (Who("b"), (), (1,) * 5)]}) for values in (
                (value,) * 5, (value,) + (None,) * 4, (None,) * 4 + (value,), (None,) * 3 + (value, None))])
    assert counted


def test_each_edge_as_a_part(pairs):
    made = pairs([tiny(PARTS)])
    for edge in EDGES:
        same(made, *[Reading(TIME, {"share": [(Who("a"), (), (value,) * 3), (Who("b"), (), (5, 6, 7))]}) for value in (
            edge, None if edge is None else -edge)])


def test_rows_of_one_series_are_told_once(pairs):
    made = pairs([tiny()])
    same(made, Reading(TIME, {"thing": [(Who("a", UUID), (), (number,) * 5) for number in range(20)]}))


def test_an_object_of_another_release_is_not_used(tmp_path, monkeypatch, library):
    assert writer.writer(library) is not None
    assert writer.writer(str(tmp_path / "none.so")) is None
    monkeypatch.setattr(writer, "_ABI", 99)
    assert writer.writer(library) is None


@pytest.mark.parametrize("values", [[(1, 2)] * 20 + [(1,)], [(1, 2)] * 20 + [(1, 1.5)], [(1, 2)] * 20 + [(1, 1 << 63)],
                                    [(1, 2)] * 20 + [(1, -1 << 63)], [(1, 2)] * 20 + [(1, "2")]])
def test_what_is_no_table_of_machine_words_is_left_to_python(library, values):
    cells = writer.writer(library).cells([(None, (), row) for row in values])
    with pytest.raises(writer.Unfit):
        cells.words(1)


def test_it_can_be_switched_off(monkeypatch):
    monkeypatch.setenv("XENMETER_COMPILED", "0")
    assert writer.writer() is None
