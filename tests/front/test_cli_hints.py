"""What a wrong command line or file is answered with: the command's own nearest option and usage, the line that was not read."""
import subprocess
import sys

import pytest

from helpers.paths import FIXTURES
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


@pytest.mark.parametrize("words, instead", [
    ("xentop --once", "--once; write --count 1"), ("xentop -i 3", "-i 3; write --count 3"), ("xentop -n 1", "; write --count 1"),
    ("xentop --iterations=2", "; write --count 2"), ("vcpu -i1", "; write --count 1"), ("mon -i", "; write --count N"),
    ("execd xentop -d 2", "; write --interval 2"), ("xentop --delay soon", "; write --interval SECONDS"),
    ("xentop -b -i 2 -d 1 -fnxv",
     "; write --count 2 --interval 1, and leave out -b -fnxv: what xentop shows with it is always read"),
    ("xentop -n", "; leave out -n: what xentop shows with it is always read"),
    ("bake x -i 3", "unrecognized arguments: -i 3"),        # which has no --count
    ("execd xentop -i 3", "unrecognized arguments: -i 3"), ("vcpu -x", "unrecognized arguments: -x")])
def test_habits_of_xentop_are_answered_with_what_to_write(words, instead, capsys):
    with pytest.raises(SystemExit) as end:
        main(words.split())
    assert end.value.code == 2 and capsys.readouterr().err.endswith(instead + "\n")


@pytest.mark.parametrize("words, split", [
    (["execd", "xentop", "--interval 30"], '"--interval", "30"'),
    (["execd", "xentop --interval 30"], '"xentop", "--interval", "30"'), (["execd xentop"], '"execd", "xentop"'),
    (["metrics", "vcpu xentop"], '"vcpu", "xentop"'),
    (["serve", "vcpu", "--group cpu"], '"--group", "cpu"'), (["mon", "--count  2"], '"--count", "2"')])
def test_two_words_in_one_are_told_to_be_split(words, split, capsys):
    with pytest.raises(SystemExit) as end:
        main(words)
    err = capsys.readouterr().err
    assert end.value.code == 2 and err.endswith(
        "%r is one word; split it, each an item of its own in a list: %s\n" % (words[-1], split))
    assert "did you mean" not in err and err.startswith("E! xenmeter: " if words[0] == "execd" else "usage: ")


def test_a_word_of_several_that_is_a_value_stays_one(capsys):
    with pytest.raises(SystemExit):
        main(["xentop", "--intervall", "5 6"])
    assert "did you mean --interval?" in capsys.readouterr().err


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
