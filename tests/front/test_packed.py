"""What xz has packed is read wherever a file is: each command, a recording's files, and one line where it is damaged."""
import gzip
import io
import json
import lzma
import os
import shutil
import subprocess
import sys

import pytest

from helpers.paths import PLUGINS, TRACES
from xenmeter.core.errors import SourceError
from xenmeter.core.unpacking import unpacked
from xenmeter.front.cli import main

TRACE = TRACES / "narrow-churn" / "trace.bin.xz"
KHZ = "2596120"
PLAIN = lzma.decompress(TRACE.read_bytes())


def told(capsys, *words):
    status = main([str(word) for word in words])
    return (status,) + tuple(capsys.readouterr())


@pytest.fixture()
def plain(tmp_path):
    (tmp_path / "trace.bin").write_bytes(PLAIN)
    return tmp_path / "trace.bin"


@pytest.fixture()
def packed(tmp_path):
    (tmp_path / "packed").mkdir()
    shutil.copy(str(TRACE), str(tmp_path / "packed" / "trace.bin"))     # known by its content
    return tmp_path / "packed" / "trace.bin"


@pytest.mark.parametrize("words", [
    ("bake", "--cpu-khz", KHZ), ("xentrace", "--cpu-khz", KHZ, "--format", "json", "--start", "2026-01-01", "--source"),
    ("mon", "--cpu-khz", KHZ, "--count", "3", "--start", "2026-01-01", "--pace", "0", "--source")])
def test_a_command_says_the_same_of_both(words, plain, packed, capsys):
    status, out, err = told(capsys, *words, plain)
    assert (status, err) == (0, "") and len(out) > 300
    assert told(capsys, *words, packed) == (0, out, "")


def test_the_baker(packed, plain, tmp_path, capsys):
    for name, path in (("a", plain), ("b", packed)):
        assert main(["baker", "--source", str(path), "--cpu-khz", KHZ, "--shared", str(tmp_path / name)]) == 0
    err = capsys.readouterr().err
    first, second = [line for line in err.splitlines() if "ended: " in line]
    assert first == second and "ended: 45247 records of 12.0 s, 0 lost" in first


def test_a_report(packed, plain):
    from xenmeter.front.report.make import document_of
    first, second = document_of(str(packed), int(KHZ)), document_of(str(plain), int(KHZ))
    assert first["bake"] == second["bake"] and first["bake"]["trace"]["records"] == 45247


def test_each_file_of_a_recording(tmp_path, capsys):
    """As somebody makes one small: xz of everything but the manifest."""
    from xenmeter.core.errors import EXAMPLE_PATH
    shutil.copytree(EXAMPLE_PATH, str(tmp_path / "small"))
    for path in sorted((tmp_path / "small").iterdir()):
        if path.name not in ("manifest.json", "README.md"):
            data = path.read_bytes()
            path.write_bytes(lzma.compress(gzip.decompress(data) if path.suffix == ".gz" else data))
    for words in (("xentop", "--format", "json", "--source"), ("vcpu", "--format", "json", "--source"), ("bake",),
                  ("xentrace", "--format", "influx", "--group", "runstate,io", "--source")):
        status, out, err = told(capsys, *words, "example")
        assert (status, err) == (0, "") and "io-guest" in out or words[0] == "bake"
        small = told(capsys, *words, tmp_path / "small")
        lines = [line for line in out.splitlines() if not line.startswith("xenmeter")]      # our own time is another one
        assert small[0] == 0 and [line for line in small[1].splitlines() if not line.startswith("xenmeter")] == lines


@pytest.mark.parametrize("damage", [lambda data: data[:len(data) // 2], lambda data: data[:4], lambda data: data[:6],
                                    lambda data: data[:9000] + bytes(64) + data[9064:]], ids=["cut", "4", "6", "zeros"])
@pytest.mark.parametrize("words", [("bake", "--cpu-khz", KHZ), ("bake",), ("xentrace", "--cpu-khz", KHZ, "--source"),
                                   ("mon", "--count", "500", "--pace", "0", "--cpu-khz", KHZ, "--source"),
                                   ("mon", "--cpu-khz", KHZ, "--log", "logs", "--source"),
                                   ("baker", "--cpu-khz", KHZ, "--shared", "shared", "--source"),
                                   ("report", "-o", "r.html", "--cpu-khz", KHZ)])
def test_a_damaged_one_is_one_line(words, damage, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(str(tmp_path))
    path = tmp_path / "trace.bin.xz"
    path.write_bytes(damage(TRACE.read_bytes()))
    status, out, err = told(capsys, *words, path)
    line, = [line for line in err.splitlines() if "the recording" in line or "Traceback" in line or "fault" in line]
    assert status == 1 and line.startswith("xenmeter: %s: the recording cannot be read on: " % path) and "xz -dc" in line


@pytest.mark.parametrize("words", [("bake", "-"), ("bake", "-", "--format", "csv")])
@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress, bytes])
@pytest.mark.parametrize("piped", [True, False])
def test_stdin_is_unpacked_as_files_are(words, pack, piped, plain, tmp_path):
    command = [sys.executable, "-m", "xenmeter", *words, "--cpu-khz", KHZ]
    env = dict(os.environ, PYTHONPATH=str(PLUGINS))
    (tmp_path / "stdin").write_bytes(pack(PLAIN))
    with (tmp_path / "stdin").open("rb") as file:
        how = dict(input=file.read()) if piped else dict(stdin=file)
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env, timeout=60, **how)
    assert (done.returncode, done.stderr) == (0, b"")
    if words == ("bake", "-"):
        assert json.loads(done.stdout.decode())["trace"]["records"] == 45247
    else:
        assert done.stdout.count(b"\n") > 20


@pytest.mark.parametrize("form", ["json", "csv"])
@pytest.mark.parametrize("pack, tool", [(gzip.compress, "gzip"), (lzma.compress, "xz")])
def test_damage_on_stdin_is_one_line(form, pack, tool, monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO(pack(PLAIN)[:-20000]))))
    assert main(["bake", "-", "--format", form, "--cpu-khz", KHZ]) == 1
    err = capsys.readouterr().err
    assert err.startswith("xenmeter: stdin: the recording cannot be read on: ") and "`%s -dc`" % tool in err
    assert err.count("\n") == 1


def test_a_report_of_stdin(monkeypatch):
    from xenmeter.front.report.make import document_of
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO(lzma.compress(PLAIN)))))
    assert document_of("-", int(KHZ))["bake"]["trace"]["records"] == 45247


@pytest.mark.parametrize("begin", [b"", b"\x1f", b"\x1f\x8b", b"\xfd7zXZ", b"12345"])
def test_a_stream_of_a_few_bytes_is_all_there(begin):
    stream = unpacked(io.BufferedReader(io.BytesIO(begin)), "stdin")
    if begin == b"\x1f\x8b":
        with pytest.raises(SourceError, match="stdin: "):
            stream.read()
    else:
        assert stream.read() == begin


def test_a_stream_gives_what_there_is():
    """A baker or a screen does not wait for a whole block."""
    ours, theirs = os.pipe()
    os.write(theirs, b"123456789")
    with open(ours, "rb") as file:
        stream = unpacked(file, "stdin")
        assert stream.read1(100) + stream.read1(100) == b"123456789"
        os.close(theirs)
        assert stream.read() == b""
