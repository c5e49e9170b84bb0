"""A disk that fills up: one line with the file's name, no rest left behind, and what was written before still plays."""
import re
import subprocess

import pytest

from helpers.paths import TRACES
from xenmeter.core import files
from xenmeter.front.cli import main

KHZ = "2596120"


@pytest.fixture()
def small(tmp_path):
    """A file system of its own; ``small(size)`` gives it room for so much."""
    place = tmp_path / "small"
    place.mkdir()
    made = []

    def mounted(size):
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=" + size, "tmpfs", str(place)], check=True)
        made.append(place)
        return place
    yield mounted
    for one in made:
        subprocess.run(["umount", "-l", str(one)], check=True)


def said(capsys, *words):
    status = main([str(word) for word in words])
    return (status,) + tuple(capsys.readouterr())


def test_logs_keep_whole_lines(small, capsys):
    place = small("28k")
    status, _, err = said(capsys, "mon", "--log", place / "h", "--interval", "0.01", "--cpu-khz", KHZ, "--source",
                          TRACES / "narrow-churn" / "trace.bin.xz", "--window", "0.01")
    assert status == 1 and re.match(r"xenmeter: %s/h(-\w+)?\.(csv|log): No space left on device; the \d+ intervals before are in "
                                    r"the logs\n\Z" % place, err), err
    assert (place / "h.csv").stat().st_size > 4000
    for path in place.iterdir():
        text = path.read_text()
        assert text.endswith("\n")
        if path.suffix == ".csv":
            assert len({line.count(",") for line in text.splitlines()}) == 1


def test_logs_of_which_nothing_finds_room_go(small, capsys):
    place = small("4k")
    (place / "filler").write_bytes(bytes(4096))
    status, _, err = said(capsys, "mon", "--log", place / "h", "--source", "example")
    assert status == 1 and err.startswith("xenmeter: %s/h" % place) and "; nothing is logged" in err and err.count("\n") == 1
    assert [path.name for path in place.iterdir()] == ["filler"]


def test_a_report_leaves_nothing(small, capsys):
    pytest.importorskip("bokeh")
    place = small("16k")
    status, _, err = said(capsys, "report", "example", "-o", place / "r.html")
    assert status == 1 and err.splitlines()[-1] == "xenmeter: cannot write %s: No space left on device" % (place / "r.html")
    assert list(place.iterdir()) == []


@pytest.mark.parametrize("text, left", [(b"a\nb", b"a\n"), (b"a\nb\n", b"a\nb\n"),
                                        (b"x" * 200000 + b"\n" + b"y" * 70000, b"x" * 200000 + b"\n")])
def test_whole_lines(tmp_path, text, left):
    (tmp_path / "f").write_bytes(text)
    files.keep_whole_lines(str(tmp_path / "f"))
    assert (tmp_path / "f").read_bytes() == left


def test_a_file_without_a_whole_line_goes(tmp_path):
    for text in (b"", b"never ended"):
        (tmp_path / "f").write_bytes(text)
        files.keep_whole_lines(str(tmp_path / "f"))
        assert not (tmp_path / "f").exists()
