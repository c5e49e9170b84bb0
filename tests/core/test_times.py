"""Seconds as people write them, in ns: digit by digit."""
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xenmeter.core.times import fraction_ns, parse_time, seconds_ns

MOST = 10 ** 20


@given(st.integers(0, MOST))
def test_nothing_of_nine_digits_is_lost(ns):
    assert seconds_ns("%d.%09d" % divmod(ns, 10 ** 9)) == ns


@pytest.mark.parametrize("text, ns", [
    ("1764400000.123456789", 1764400000123456789), ("0.1", 10 ** 8), ("5", 5 * 10 ** 9), ("5.", 5 * 10 ** 9),
    ("0.0000000019", 1), ("1e-3", 10 ** 6), ("-1.5", -1500000000), (2.5, 2500000000), (3, 3 * 10 ** 9)])
def test_seconds(text, ns):
    assert seconds_ns(text) == ns


@pytest.mark.parametrize("text", ["", ".", "nan", "inf", "1e999", "1:30", "5 s", "0x10", float("inf")])
def test_what_is_no_number_of_seconds(text):
    with pytest.raises(ValueError):
        seconds_ns(text)


def test_a_fraction_may_be_bytes_or_missing():
    assert (fraction_ns(b"58"), fraction_ns(None), fraction_ns("")) == (580000000, 0, 0)


def test_a_date_and_the_same_seconds_are_one_time():
    assert parse_time("2026-01-01T00:00:00.25Z") == parse_time("1767225600.25") == seconds_ns("1767225600.25")
