"""collectd's value lists by compiled code are those that Python makes, whatever the figures."""
import pathlib
import sys

import pytest
from fuzz.objects import built
from helpers.publishing import full, real
from hypothesis import given, settings
from hypothesis import strategies as st
from tools.compiler import build_shared

from xenmeter.core.reading import Reading, Who
from xenmeter.publish import valuelists
from xenmeter.publish.collectdvalues import CollectdValues


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    """The compiled part, built with the flags of setup.py, or with the sanitizers of a run of test_sanitized."""
    return built("lists") or build_shared(pathlib.Path(valuelists.__file__).with_name("lists.c"),
                                          tmp_path_factory.mktemp("lists") / "_lists.so", "-Wall", "-Wextra", "-Werror")


def pair(library, catalogues):
    quick, python = CollectdValues(catalogues, "xentop"), CollectdValues(catalogues, "xentop")
    quick._make, python._make = valuelists.lists_made(library), None
    assert quick._make is not None
    return quick, python


def same(quick, python, reading):
    made = list(quick.with_meta(reading))
    assert repr(made) == repr(list(python.with_meta(reading))) and quick.duplicates == python.duplicates
    return made


def test_every_figure_of_the_catalogues(library):
    quick, python = pair(library, real())
    for number in (1, 1, 40, 300, 40):
        assert same(quick, python, full(number))


figures = st.one_of(st.none(), st.integers(-10, 1 << 20), st.integers(-1 << 65, 1 << 65), st.booleans(),
                    st.sampled_from([(1 << 63) - 1, 1 << 63, -1 << 63, (1 << 53) + 1, 1001000, 1001001]), st.floats())


@settings(deadline=None, max_examples=30)
@given(st.data())
def test_any_figures(library, data):
    catalogues = real()
    quick, python = pair(library, catalogues)
    for one in catalogues:
        for entity in one.entities.values():
            rows = [(Who("web%d" % (number % 3), "u%d" % number, number), ("x",) * len(entity.labels), tuple(
                [data.draw(figures) if figure.kind != "histogram" else None for figure in entity.figures]))
                    for number in range(data.draw(st.integers(1, 4)))]
            try:
                list(CollectdValues(catalogues, "xentop").with_meta(Reading(1, {entity.name: rows})))
            except (OverflowError, ValueError):     # a counter that is no number: no collector gives one
                continue
            same(quick, python, Reading(1, {entity.name: rows}))


def test_nothing_is_kept_that_is_not_used(library):
    quick, python = pair(library, real())
    reading = full(40)
    for number in range(40):
        for _ in quick.with_meta(reading):
            pass
        if number == 20:
            before = sys.getallocatedblocks()
    assert sys.getallocatedblocks() - before < 100


def test_an_object_of_another_release_is_not_used(tmp_path, monkeypatch, library):
    assert valuelists.lists_made(str(tmp_path / "none.so")) is None
    monkeypatch.setattr(valuelists, "ABI", 99)
    assert valuelists.lists_made(library) is None
    monkeypatch.setenv("XENMETER_COMPILED", "0")
    assert valuelists.lists_made() is None
