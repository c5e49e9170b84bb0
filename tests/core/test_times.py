"""Times as people write them."""
import pytest

from xenmeter.core.errors import BadOption
from xenmeter.core.times import parse_time


@pytest.mark.parametrize("text, expected", [
    ("0", 0), ("1795192454.58", 1795192454580000000), ("1795192454.123456789", 1795192454123456789),
    ("2026-11-20T16:34:14Z", 1795192454 * 10 ** 9), ("2026-11-20T17:34:14.5+01:00", 1795192454500000000),
    ("2026-11-20 16:34", 1795192440 * 10 ** 9), ("2026-11-20", 1795132800 * 10 ** 9)])
def test_times(text, expected):
    assert parse_time(text) == expected


@pytest.mark.parametrize("text", ["", "soon", "2026-13-01", "2026-02-30", "-5", "1e9", "2026-01-01T25:00", "1.", "NaN",
                                  "99999999999999999999"])
def test_what_is_no_time(text):
    with pytest.raises(BadOption, match="start: .* is no time that can be read"):
        parse_time(text)


@pytest.mark.parametrize("text", ["9999999999", "2200-01-01", "9999-12-31T23:59:59Z", "1970-01-01T00:00+01:00"])
def test_times_that_no_clock_shows(text):
    with pytest.raises(BadOption, match="start: .* is no time of 1970 to 2199"):
        parse_time(text)


def test_the_last_time_leaves_room_for_what_follows():
    from xenmeter.publish.csvrows import iso_time
    last = parse_time("2199-12-31T23:59:59.999999999Z")
    assert iso_time(last) == "2199-12-31T23:59:59.999Z" and last + 60 * 366 * 86400 * 10 ** 9 < 2 ** 63
