"""Recordings: what is in them, and when."""
import json

import pytest

from xenmeter.core.errors import SourceError
from xenmeter.core.recording import open_recording, times, write_manifest


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
