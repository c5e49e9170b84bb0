"""What a wrong command line or file is answered with: the command's own nearest option and usage, the line that was not read."""
import subprocess
import sys

import pytest

from tests_paths import FIXTURES
from xenmeter.front.cli import main


@pytest.mark.parametrize("words, near, usage", [
    (["xentop", "--intervall", "5"], "--interval", "usage: xenmeter xentop "),
    (["execd", "vcpu", "--intervall=5"], "--interval", ""),
    (["bake", "x", "--wndow", "1"], "--window", "usage: xenmeter bake "),
    (["--vresion"], "--version", "usage: xenmeter "),
    (["xentop", "--window", "1"], None, "usage: xenmeter xentop "),      # another command's
    (["metrics", "--source", "x"], None, "usage: xenmeter metrics "),
    (["xentop", "web1"], None, "usage: xenmeter xentop "),
])
def test_the_nearest_option_is_the_commands_own(words, near, usage, capsys):
    with pytest.raises(SystemExit) as end:
        main(words)
    err = capsys.readouterr().err
    assert end.value.code == 2 and usage in err
    assert near is None and "did you mean" not in err or near is not None and "did you mean %s?" % near in err


@pytest.mark.parametrize("change, said", [
    (lambda text: text.replace(b"\n", b"\r\n"), "at byte 0: b'"), (lambda text: b"\n\nnonsense\n", "at byte 2: b'nonsense'\n")])
def test_a_file_that_is_no_xentops_is_told_with_the_line_that_was_not_read(change, said, tmp_path, capsys):
    path = tmp_path / "x.txt"
    path.write_bytes(change((FIXTURES / "xentop" / "credit2-2pcpu-b-d1-i3" / "input.txt").read_bytes()))
    assert main(["xentop", "--source", str(path)]) == 1
    err = capsys.readouterr().err
    assert "the first line that could not be read, " + said in err
    assert ("its lines end in CR LF, where xentop's end in LF" in err) == (b"\r" in path.read_bytes())


@pytest.mark.parametrize("case", ["credit2-2pcpu-b-d1-i3", "credit-4pcpu-b-d1-i3-fnxv-15domu"])
def test_a_recording_may_come_on_stdin(case):
    text = FIXTURES / "xentop" / case / "input.txt"
    words = [sys.executable, "-m", "xenmeter", "xentop", "--format", "csv", "--start", "1795192500", "--source"]
    piped = subprocess.run(words + ["-"], input=text.read_bytes(), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    named = subprocess.run(words + [str(text)], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert piped.returncode == 0 and piped.stderr == b"" and piped.stdout == named.stdout
