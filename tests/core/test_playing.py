"""Recordings from other hosts are material, not truth: damage and nonsense are one line that names the file."""
import gzip
import io
import json
import lzma
import threading
import time
from collections import namedtuple

import pytest

from xenmeter.core import unpacking
from xenmeter.core.errors import SourceError
from xenmeter.core.playback import count, count_or_none, from_lines, paced, told
from xenmeter.core.recording import LAST_NS, open_recording, times, write_manifest
from xenmeter.core.timeline import Timeline
from xenmeter.xen.recordednames import noted_names

One = namedtuple("One", "time_ns value")
DATA = b"".join(b"line %d of a recording that is long enough to be packed\n" % number for number in range(5000))


PACKERS = {"gz": (gzip.compress, "gzip"), "xz": (lzma.compress, "xz")}


def damaged(kind, form):
    """Bytes of a .gz or .xz that is not whole."""
    whole = PACKERS[form][0](DATA)
    return {"cut": whole[:len(whole) // 2], "cut in its head": whole[:5], "not packed": DATA, "nothing but zeros": bytes(500),
            "turned": whole[:300] + bytes(byte ^ 0xff for byte in whole[300:400]) + whole[400:],
            "wrong sum": whole[:-8] + b"\1\2\3\4" + whole[-4:]}[kind]


@pytest.mark.parametrize("read", [lambda file: file.read(), lambda file: list(file), lambda file: file.read(1 << 18),
                                  lambda file: list(iter(lambda: file.read1(1 << 20), b"")), lambda file: file.peek(8)],
                         ids=["read", "lines", "block", "read1", "peek"])
@pytest.mark.parametrize("form", sorted(PACKERS))
@pytest.mark.parametrize("kind", ["cut", "cut in its head", "not packed", "nothing but zeros", "turned", "wrong sum"])
def test_a_damaged_file_is_one_line_with_its_name(tmp_path, kind, form, read):
    path = tmp_path / ("damaged." + form)
    path.write_bytes(damaged(kind, form))
    try:
        with open_recording(str(path)).open(str(path)) as file:
            read(file)
            file.read()     # what one block or a peek did not come to
    except SourceError as error:
        assert str(error).startswith("%s: the recording cannot be read on: " % path)
        assert "%s -dc" % PACKERS[form][1] in str(error)
        assert "\n" not in str(error)
    else:
        pytest.fail("it was read")


@pytest.mark.parametrize("form", sorted(PACKERS))
@pytest.mark.parametrize("name", ["whole.gz", "whole.xz", "whole.bin"])
def test_a_whole_file_is_read_in_every_way_whatever_its_name(tmp_path, form, name):
    (tmp_path / name).write_bytes(PACKERS[form][0](DATA))
    recording = open_recording(str(tmp_path / name))
    for read in (lambda file: file.read(), lambda file: b"".join(file), lambda file: file.peek(4)[:0] + file.read()):
        with recording.open(recording.path) as file:
            assert read(file) == DATA and file.name == recording.path


def test_several_streams_of_xz_one_after_the_other_are_one_file(tmp_path):
    (tmp_path / "two.xz").write_bytes(lzma.compress(DATA) + lzma.compress(b"more"))
    with open_recording(str(tmp_path / "two.xz")).open(str(tmp_path / "two.xz")) as file:
        assert file.read() == DATA + b"more"


def test_a_python_without_lzma_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setattr(unpacking, "lzma", None)
    (tmp_path / "trace.xz").write_bytes(lzma.compress(DATA))
    with pytest.raises(SourceError, match=r"this Python cannot unpack xz.*: xz -dk .*trace\.xz"):
        open_recording(str(tmp_path / "trace.xz")).open(str(tmp_path / "trace.xz"))


def test_a_file_that_this_user_may_not_read(tmp_path, monkeypatch):
    (tmp_path / "mine.txt").write_text("x")
    monkeypatch.setattr(unpacking, "packed", lambda path: "")

    def refuse(path):
        raise PermissionError(13, "Permission denied")
    monkeypatch.setattr(unpacking, "_Plain", refuse)
    with pytest.raises(SourceError, match="mine.txt: Permission denied; let this user read it, or run as root"):
        open_recording(str(tmp_path / "mine.txt")).open(str(tmp_path / "mine.txt"))


def test_the_recording_that_comes_along_has_a_name(tmp_path, monkeypatch):
    monkeypatch.chdir(str(tmp_path))
    recording = open_recording("example")
    assert {"xentop", "direct", "vcpu", "xentrace", "names"} <= set(recording.manifest["sources"])
    (tmp_path / "example").write_text("what the user has comes first")
    assert open_recording("example").manifest == {}


def test_a_path_that_is_not_there_names_what_could_have_been_meant():
    with pytest.raises(SourceError, match=r"^Dirct: no such file or directory; give .*, example \(.*: auto, direct$"):
        open_recording("Dirct", ("auto", "direct"))
    with pytest.raises(SourceError, match=r"^/none: no such file or directory; give .* or example \([^)]*\)$"):
        open_recording("/none")


def test_a_file_that_the_kernel_does_not_read(tmp_path):
    """A directory in place of the file, and one whose reading fails later (/proc/self/mem at 0)."""
    (tmp_path / "dir.txt").mkdir()
    write_manifest(str(tmp_path), {"sources": {"xentop": {"file": "dir.txt"}}})
    with pytest.raises(SourceError, match=r"dir\.txt: it is a link or no regular file.*; is the recording complete"):
        open_recording(str(tmp_path)).open("dir.txt")
    with open_recording("/proc/self/mem").open("/proc/self/mem") as file:
        with pytest.raises(SourceError, match="/proc/self/mem: the recording cannot be read on"):
            file.read(100)


def manifest_of(tmp_path, text):
    (tmp_path / "manifest.json").write_text('{"format": "xenmeter-recording", "version": 1, "sources": {"xentop": '
                                            '{"file": "x"%s}}%s}' % text)
    return open_recording(str(tmp_path))


@pytest.mark.parametrize("value", ["99999999999999999999", "-1", "0", "1.5", '"then"', "true", "1e400", "NaN", "[]"])
def test_a_start_that_is_no_time(tmp_path, value):
    for text in ((', "start_ns": ' + value, ""), ("", ', "start_ns": ' + value)):
        recording = manifest_of(tmp_path, text)
        with pytest.raises(SourceError, match=r"manifest\.json: start_ns is .*it takes a whole number of ns") as error:
            recording.start_ns(recording.source("xentop"))
        assert str(tmp_path) in str(error.value)


@pytest.mark.parametrize("value", ["1e400", "-1", "0", "NaN", "1e300", '"10"', "true", "99999999999999999999"])
def test_an_interval_that_is_none(tmp_path, value):
    recording = manifest_of(tmp_path, (', "interval_s": ' + value, ""))
    with pytest.raises(SourceError, match=r"manifest\.json: interval_s is .*it takes a number of seconds"):
        recording.interval_ns(recording.source("xentop"))


def test_what_the_manifest_tells_and_what_it_does_not(tmp_path):
    recording = manifest_of(tmp_path, (', "interval_s": 0.5, "start_ns": 7', ', "start_ns": 5'))
    assert recording.start_ns(recording.source("xentop")) == 7 and recording.start_ns({}) == 5
    assert recording.interval_ns(recording.source("xentop")) == 500000000
    recording = manifest_of(tmp_path, (', "interval_s": null', ""))
    assert recording.interval_ns(recording.source("xentop")) is None and recording.start_ns({}) is None


@pytest.mark.parametrize("stamps, start, step", [([5, LAST_NS + 1], 0, 1), ([], LAST_NS + 1, 1), ([], LAST_NS, 1),
                                                 ([LAST_NS], 0, 1), ([LAST_NS, LAST_NS + 1], 0, 1), ([], 5, 10 ** 30),
                                                 ([-10 ** 30], 0, 1), ([], -1, 1)])
def test_no_time_is_beyond_what_can_be_told(stamps, start, step):
    found = []
    with pytest.raises(SourceError, match="beyond the year 2262"):
        for time_ns in times(stamps, start, step):
            found.append(time_ns)
    assert len(found) < 2 and all(0 <= time_ns <= LAST_NS for time_ns in found)


def lines_of(*values):
    file = io.BytesIO(b"".join(json.dumps(value).encode() + b"\n" for value in values))
    file.name = "some.jsonl"
    return from_lines(file, lambda told: One(count(told["time_ns"]), told), "a reading")


S = 10 ** 9


@pytest.mark.parametrize("interval, stamps, kept", [
    (S, [100, 101, 102, 103], [0, 1, 2, 3]), (None, [100, 101, 101, 102], [0, 1, 3]),
    (S, [100, 101] + list(range(98, 110)), [0, 1, 12, 13]),     # set back by 4 s
    (S, [100 + number / 4 for number in range(9)], list(range(9))),
    (S, [5000, 5001, 1402, 1403], [0, 1, 2, 3]),                # by an hour
    (S, [100, 101, 3702, 3703], [0, 1, 2, 3]),                  # forward, or nothing was recorded for an hour
    (S, [100, 101, 101.0, 101.000001, 101.000002, 101.000003, 106], [0, 1, 6]),       # as old recordings tell it
], ids=str)
def test_times_of_a_recording_in_which_the_clock_was_set(interval, stamps, kept):
    """What is told has the time that stands in it; at times that were told already nothing is told."""
    lines = lines_of(*[{"time_ns": int(stamp * S)} for stamp in stamps])
    timeline = Timeline()
    assert [one.time_ns for one in told(lines, timeline, interval)] == [int(stamps[number] * S) for number in kept]
    assert timeline.steps == (1 if min(now - before for before, now in zip(stamps, stamps[1:])) < 0.1 else 0)


def test_a_pace_begins_anew_where_the_clock_was_set_back():
    began = time.monotonic()
    samples = [One(int(stamp * S), None) for stamp in (5000, 5000.1, 1400, 1400.2)]
    at = [time.monotonic() - began for _ in paced(iter(samples), 1, threading.Event())]
    assert len(at) == 4 and at[3] - at[2] >= 0.19 and at[3] < 60


@pytest.mark.parametrize("value", [1, [], {}, None, "x", {"time_ns": None}, {"time_ns": -1}, {"time_ns": True},
                                   {"time_ns": LAST_NS + 1}, {"time_ns": 10 ** 30}])
def test_a_line_that_is_none(value):
    found = lines_of({"time_ns": 7}, value)
    assert next(found).time_ns == 7
    with pytest.raises(SourceError, match=r"some\.jsonl, line 2: not a reading: \w+"):
        next(found)


def test_no_line_at_all():
    with pytest.raises(SourceError, match=r"some\.jsonl: no reading in it"):
        list(lines_of())


@pytest.mark.parametrize("value", [-1, 1 << 64, True, 1.0, "1", None])
def test_what_is_no_count(value):
    with pytest.raises(ValueError):
        count(value)
    assert count((1 << 64) - 1) == (1 << 64) - 1 and count_or_none(None) is None


def test_a_pace_of_centuries_can_be_ended():
    """What the clock of threads cannot wait for at once is no fault."""
    stop = threading.Event()
    samples = paced([One(1, None), One(LAST_NS, None)], 1e-6, stop)
    next(samples)
    threading.Timer(0.05, stop.set).start()
    assert list(samples) == []


class Endless(io.RawIOBase):
    """A line without an end, as /dev/zero or a packed file of a few KiB has it; who wants more of it than is right is told."""

    name = "x"

    def __init__(self, most):
        self._left = most

    def readable(self):
        return True

    def readinto(self, buffer):
        assert self._left > 0, "it reads on and on"
        self._left -= len(buffer)
        buffer[:] = bytes(len(buffer))
        return len(buffer)


def test_a_line_without_end_uses_no_memory_up():
    file = io.BufferedReader(Endless(unpacking.LONGEST_LINE + (1 << 20)))
    with pytest.raises(SourceError, match="x, line 1: it is longer than"):
        list(from_lines(file, lambda told: told, "a reading"))
    assert list(unpacking.lines(io.BytesIO(b"a" * 4999 + b"\nb"), 5000)) == [b"a" * 4999 + b"\n", b"b"]


@pytest.mark.parametrize("line", [b"[" * 100000, b"[]", b'{"time_ns":[]}', b'"x"', b"5"])
def test_a_names_file_that_is_none(tmp_path, line):
    (tmp_path / "names.jsonl").write_bytes(line + b"\n")
    (tmp_path / "manifest.json").write_text(json.dumps({
        "format": "xenmeter-recording", "version": 1, "sources": {"names": {"file": "names.jsonl"}}}))
    with pytest.raises(SourceError, match="its names file is damaged"):
        noted_names(open_recording(str(tmp_path)))
