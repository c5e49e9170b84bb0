"""Counters, filters, times, recordings."""
import json

import pytest

from xenmeter.core.errors import BadOption, SourceError
from xenmeter.core.recording import open_recording, times, write_manifest
from xenmeter.core.select import domain_filter
from xenmeter.core.times import parse_time


def test_filters():
    assert domain_filter([], [], True) is None
    wanted = domain_filter(["web*", "/^db[0-9]$/"], ["*-old"], False)
    assert [name for name in ("web1", "web-old", "db1", "db12", "Web1", "mail") if wanted(name, None, 5)] == ["web1", "db1"]
    assert not domain_filter([], [], False)("renamed dom0", "u", 0)
    assert not domain_filter([], [], False)("Domain-0", None, None)
    assert domain_filter([], [], False)("Domain-0", "u", 7)     # a guest may be called that
    assert domain_filter(["49468355-*"], [], True)("web", "49468355-6d7b-4686-9e4b-b3b0db0b2831", 1)
    with pytest.raises(BadOption, match="regular expression"):
        domain_filter(["/(/"], [], True)


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


def test_iterations_have_their_stamps_or_come_an_interval_later():
    clock = times([10, 10, 9, 30], 0, 5)
    assert [next(clock) for _ in range(7)] == [10, 10, 9, 30, 35, 40, 45]
    clock = times([], 100, 0)
    assert [next(clock) for _ in range(3)] == [100, 101, 102]


def test_a_recording_without_what_is_asked_says_what_it_has(tmp_path):
    write_manifest(str(tmp_path), {"sources": {"xentrace": {"file": "x"}}})
    with pytest.raises(SourceError, match="nothing of xentop; it has: xentrace"):
        open_recording(str(tmp_path)).source("xentop")


@pytest.mark.parametrize("content, words", [
    (None, "no manifest.json"), ("{", "no JSON"), ("[]", "not a recording"), ('{"format": "x"}', "not a recording"),
    (json.dumps({"format": "xenmeter-recording", "version": 99, "sources": {}}), "version 99"),
    (json.dumps({"format": "xenmeter-recording", "version": 1}), "version 1")])
def test_what_is_no_recording(tmp_path, content, words):
    if content is not None:
        (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(SourceError, match=words) as error:
        open_recording(str(tmp_path))
    assert str(tmp_path) in str(error.value) and "\n" not in str(error.value)


def test_a_recording_never_reads_outside_its_directory(tmp_path):
    (tmp_path / "secret").write_text("x")
    inner = tmp_path / "recording"
    inner.mkdir()
    write_manifest(str(inner), {"sources": {"xentop": {"file": "../secret"}}})
    with pytest.raises(SourceError, match="complete"):
        open_recording(str(inner)).open("../secret")


def test_missing_file_says_what_to_do():
    with pytest.raises(SourceError, match="no such file or directory; give the path of a recording"):
        open_recording("/nowhere/at/all")
