"""The commands that our READMEs show: each one is understood, and those on a recording do what they are shown for."""
import gzip
import json
import lzma
import os
import pathlib
import re
import shlex
import subprocess
import sys

import pytest

from xenmeter.front.cli import build_parser

TOP = pathlib.Path(__file__).resolve().parents[2]
FIXTURES = TOP / "fixtures" / "xentrace"
READMES = [TOP / "README.md"] + sorted(path for folder in ("plugins", "conf.d", "packaging")
                                       for path in (TOP / folder).rglob("*.md"))


def shown(path):
    """Whole lines of code that call xenmeter."""
    found = re.findall(r"^ {4}(?:\$ )?(xenmeter .*?) *(?:#.*)?$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return [line for line in found if " | " not in line]


def mentioned(path):
    """Those in the text, which may break off: `xenmeter mon --log`."""
    return [" ".join(words.split()) for words in re.findall(r"`(xenmeter [^`]*)`", path.read_text(encoding="utf-8"))]


SHOWN = sorted({(path, line) for path in READMES for line in shown(path)})
OF_A_RECORDING = [(path, line) for path, line in SHOWN
                  if re.search(r"\b(trace\.bin|DIR|host\.csv|example)\b", line) and " serve " not in line]


def complaint(line, capsys):
    """Why the parser does not take it, or nothing."""
    try:
        build_parser(shlex.split(line)[1:]).parse_args(shlex.split(line)[1:])
    except SystemExit as end:
        return capsys.readouterr().err if end.code else ""
    return ""


def test_there_are_some():
    assert len(SHOWN) >= 15 and len(OF_A_RECORDING) >= 7


def test_the_parser_takes_every_command(capsys):
    assert [(str(path), line) for path, line in SHOWN if complaint(line, capsys)] == []


def test_no_text_names_a_command_or_an_option_that_there_is_not(capsys):
    wrong = []
    for path in READMES:
        for line in mentioned(path):
            said = complaint(line, capsys)
            if re.search("unrecognized arguments|invalid choice|ambiguous", said):
                wrong.append((str(path.relative_to(TOP)), line, said.splitlines()[-1]))
    assert wrong == []
    assert re.search("unrecognized", complaint("xenmeter xentop --shares 3", capsys))


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Where the files of the READMEs lie: a trace, a recording's directory, a log."""
    folder = tmp_path_factory.mktemp("docs")
    (folder / "trace.bin").write_bytes(lzma.decompress((FIXTURES / "narrow-steady" / "trace.bin.xz").read_bytes()))
    (folder / "trace.bin.gz").write_bytes(gzip.compress((folder / "trace.bin").read_bytes()))
    (folder / "DIR").mkdir()
    (folder / "DIR" / "trace.bin.gz").write_bytes(gzip.compress(lzma.decompress(
        (FIXTURES / "narrow-steady" / "trace.bin.xz").read_bytes())))
    (folder / "DIR" / "manifest.json").write_text(json.dumps({
        "format": "xenmeter-recording", "version": 1, "start_ns": 1795195270 * 10 ** 9,
        "sources": {"xentrace": {"file": "trace.bin.gz", "cpu_khz": 2596120}}}))
    run("xenmeter mon --log host --source trace.bin --cpu-khz 2596120", folder)
    return folder


def run(line, folder):
    """What it prints; mon, which cannot draw here, prints one page."""
    words = shlex.split(line)[1:] + (["--count", "1"] if "mon" in line.split() and "--log" not in line else [])
    ran = subprocess.run([sys.executable, "-m", "xenmeter"] + words, cwd=str(folder), stdin=subprocess.DEVNULL,
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True, timeout=300,
                         env=dict(os.environ, PYTHONPATH=str(TOP / "plugins"), LC_ALL="C.UTF-8"))
    assert ran.returncode == 0 and "Traceback" not in ran.stderr, (line, ran.stderr)
    return ran.stdout


@pytest.mark.parametrize("path, line", OF_A_RECORDING, ids=["%s-%s" % (path.parent.name, line) for path, line in OF_A_RECORDING])
def test_commands_on_a_recording_work(path, line, place):
    out = run(line, place)
    if " report " in line:
        made = place / (re.search(r"-o (\S+)", line).group(1) if "-o" in line else "report.html")
        assert b"<html" in made.read_bytes()
    else:
        assert "Domain-0" in out or "intervals of" in out or out.startswith("XEN OK - domains ")
