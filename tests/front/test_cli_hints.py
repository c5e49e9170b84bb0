"""The nearest option is one of the command that was given, and so is the usage beside it."""
import pytest

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
