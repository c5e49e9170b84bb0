"""Figures that cannot be become unknown and are counted; compiled code says of the same tables that there are none."""
import pathlib

import pytest
from fuzz.objects import built
from hypothesis import given
from hypothesis import strategies as st
from tools.compiler import build_shared

from xenmeter.core import reading as readings
from xenmeter.core.reading import Reading, possible


@pytest.fixture(scope="module")
def check(tmp_path_factory):
    """The compiled part, built with the flags of setup.py, or with the sanitizers of a run of test_sanitized."""
    path = built("reading") or build_shared(pathlib.Path(readings.__file__).with_name("reading.c"),
                                            tmp_path_factory.mktemp("reading") / "_reading.so", "-Wall", "-Wextra", "-Werror")
    return readings.all_possible(path)


figures = st.one_of(st.none(), st.integers(0, 9), st.integers(-1 << 66, 1 << 66), st.booleans(),
                    st.sampled_from([(1 << 63) - 1, 1 << 63, -1 << 63]))


@given(st.lists(st.lists(figures, max_size=3)))
def test_both_say_the_same(check, values):
    rows = [(None, (), tuple(row)) for row in values]
    original = readings.all_possible
    answers = []
    for one in (check, None):
        readings.all_possible = lambda one=one: one
        try:
            answers.append(possible(Reading(1, {"domain": rows})))
        finally:
            readings.all_possible = original
    assert answers[0] == answers[1]


@pytest.mark.parametrize("rows, all_are", [
    ([], True), ([(None, (), ())], True), ([(None, (), (1, None, -1))], True), ([(None, (), (1, 1 << 63))], False),
    ([(None, (), (1, "1"))], False), ([(None, ())], False), ([1], False), (None, False)])
def test_what_it_does_not_know_is_left_to_python(check, rows, all_are):
    assert bool(check(rows)) is all_are


def test_an_object_of_another_release_is_not_used(tmp_path, monkeypatch):
    assert readings.all_possible(str(tmp_path / "none.so")) is None
    monkeypatch.setenv("XENMETER_COMPILED", "0")
    assert readings.all_possible.__wrapped__() is None
