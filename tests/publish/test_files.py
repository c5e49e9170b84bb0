"""CSV, JSON lines and the textfile writer, read back with other people's readers."""
import csv
import io
import json
import os
import re
import stat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.publishing import HOSTILE
from xenmeter.core.errors import XenmeterError
from xenmeter.publish import textfile
from xenmeter.publish.csvrows import CsvWriter, epoch_time, iso_time
from xenmeter.publish.jsonlines import encode
from xenmeter.publish.text import bounded

UNSAFE = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")


def read_csv(data):
    return list(csv.reader(io.StringIO(data.decode("utf-8"), newline=""), strict=True))


def test_csv():
    writer = CsvWriter(["time", "name", "count", "share"])
    assert writer.header() == b"time,name,count,share\n"
    rows = [["t", "web", 1, 40.8], ["t", "", None, float("nan")], ["t", 'a,"b"', 2 ** 64, True], ["t", None, -1, 1e-7]]
    assert writer.rows(rows) == (b't,web,1,40.8\nt,"",,\nt,"a,""b""",18446744073709551616,1\nt,,-1,1e-07\n')
    assert CsvWriter(["a"], line_end="\r\n").rows([[1], [2]]) == b"1\r\n2\r\n"
    with pytest.raises(ValueError, match="3 cells for 4"):
        writer.rows([[1, 2, 3]])


@pytest.mark.parametrize("name", HOSTILE)
def test_csv_of_hostile_names(name):
    data = CsvWriter(["a", "name", "b"]).rows([[1, name, 2], [3, "web", 4]])
    assert not UNSAFE.search(data.decode("utf-8"))
    (first, back, last), second = read_csv(data)
    assert (first, last, second) == ("1", "2", ["3", "web", "4"])
    assert back == bounded("'" + name if re.match(r"\s*[-=+@]", name) else name)
    assert not re.match(r"\s*[-=+@\t\r]", back)


@given(st.lists(st.lists(st.one_of(st.none(), st.integers(), st.floats(), st.booleans(), st.text()), min_size=3,
                         max_size=3)))
def test_csv_comes_back(rows):
    data = CsvWriter("abc", trusted="abc").rows(rows)
    back = read_csv(data)
    assert data.count(b"\n") == len(back) == len(rows)
    for row, texts in zip(rows, back):
        for cell, text in zip(row, texts):
            if isinstance(cell, str):
                assert text == bounded(cell)
            elif cell is None or cell != cell or cell in (float("inf"), float("-inf")):
                assert text == ""
            else:
                assert float(text) == cell if isinstance(cell, float) else int(text) == cell


def test_csv_unknown_and_empty_differ():
    assert CsvWriter("ab").rows([[None, ""]]) == b',""\n'


def test_csv_state_is_ours_and_a_name_is_not():
    assert CsvWriter(["name", "state"], trusted=["state"]).rows([["--b---", "--b---"]]) == b"'--b---,--b---\n"


@pytest.mark.parametrize("ns, iso, epoch", [
    (0, "1970-01-01T00:00:00.000Z", "0.000"), (1793448000250999999, "2026-10-31T12:00:00.250Z", "1793448000.250"),
    (999999, "1970-01-01T00:00:00.000Z", "0.000"), (-1, "1969-12-31T23:59:59.999Z", "-0.001"),
    (1793448000999999999, "2026-10-31T12:00:00.999Z", "1793448000.999")])
def test_times(ns, iso, epoch):
    assert (iso_time(ns), epoch_time(ns)) == (iso, epoch)


@given(st.integers(0, 4 * 10 ** 18))
def test_epoch_has_no_float_error(ns):
    assert int(epoch_time(ns).replace(".", "")) == ns // 10 ** 6


@pytest.mark.parametrize("name", HOSTILE)
def test_json_of_hostile_names(name):
    line = encode({"name": name, name: 1})
    assert line.endswith(b"\n") and line.count(b"\n") == 1
    text = line.decode("utf-8")
    assert not UNSAFE.search(text) and len(text.splitlines()) == 1
    back = json.loads(text)
    expected = re.sub("[\ud800-\udfff]", "\ufffd", name)
    assert back["name"] == expected and back[expected] == 1
    back["name"].encode("utf-8")


@given(st.recursive(st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False),
                              st.text(st.characters(blacklist_categories=("Cs",)))),
                    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(
                        st.text(st.characters(blacklist_categories=("Cs",))), inner, max_size=4))))
def test_json_comes_back(value):
    line = encode(value).decode("utf-8")
    assert json.loads(line) == value and not UNSAFE.search(line)


def test_json_is_compact_and_has_no_nan():
    assert encode({"time_ns": 1, "domains": [{"name": "b\u00fcro", "cpu_percent": None}]}) == (
        '{"time_ns":1,"domains":[{"name":"b\u00fcro","cpu_percent":null}]}\n'.encode("utf-8"))
    assert encode("\U000e0041") == b'"\\udb40\\udc41"\n'
    with pytest.raises(ValueError):
        encode(float("nan"))


def test_textfile_replaces_in_one_step(tmp_path, monkeypatch):
    path = str(tmp_path / "xen.prom")
    renamed = []
    rename = os.rename

    def watch(source, target, src_dir_fd, dst_dir_fd):
        held = str(tmp_path / source)
        renamed.append((source.endswith(".prom"), open(held, "rb").read(), stat.S_IMODE(os.stat(held).st_mode)))
        rename(source, target, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)
    monkeypatch.setattr(os, "rename", watch)
    for data in (b"a 1\n", b"a 2\n"):
        textfile.write(path, data)
        assert open(path, "rb").read() == data and os.listdir(str(tmp_path)) == ["xen.prom"]
    assert renamed == [(False, data, 0o644) for data in (b"a 1\n", b"a 2\n")]


def test_textfile_in_the_working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(str(tmp_path))
    textfile.write("xen.prom", b"a 1\n")
    assert (tmp_path / "xen.prom").read_bytes() == b"a 1\n"


def test_textfile_without_a_directory(tmp_path):
    with pytest.raises(XenmeterError, match="create the directory .*none first"):
        textfile.write(str(tmp_path / "none" / "xen.prom"), b"")


def test_textfile_failure_leaves_the_old_file_and_no_other(tmp_path, monkeypatch):
    path = tmp_path / "xen.prom"
    path.write_bytes(b"old")

    def refuse(source, target, **where):
        raise PermissionError(13, "Permission denied")
    monkeypatch.setattr(os, "rename", refuse)
    with pytest.raises(XenmeterError, match="xen.prom: Permission denied; check the directory"):
        textfile.write(str(path), b"new")
    assert os.listdir(str(tmp_path)) == ["xen.prom"] and path.read_bytes() == b"old"


def test_textfile_where_the_directory_is_read_only(tmp_path, monkeypatch):
    """The system's answer is made here: root, who runs many suites, may write everywhere."""
    def refuse(*arguments):
        raise PermissionError(13, "Permission denied")
    monkeypatch.setattr(textfile.files, "replace", refuse)
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(XenmeterError, match="must be writable"):
        textfile.write(str(tmp_path / "xen.prom"), b"")
