"""Where programs are looked for, and that tests see none of Xen's on whatever machine."""
import os
import shutil

import pytest
from tools.xenless import without_xens_tools

from xenmeter.core import programs
from xenmeter.core.programs import find_program


def make(folder, *names):
    folder.mkdir(parents=True)
    for name in names:
        (folder / name).write_text("#!/bin/sh\n")
        (folder / name).chmod(0o755)
    return str(folder)


@pytest.fixture
def usual(tmp_path, monkeypatch):
    """The usual folders of the machine."""
    monkeypatch.setattr(programs, "_MORE", (make(tmp_path / "usual" / "sbin", "xentop"),))
    return str(tmp_path / "usual" / "sbin" / "xentop")


def test_a_path_without_sbin_gets_the_usual_folders(usual, tmp_path, monkeypatch):
    for path in ("", "/nowhere", "/usr/bin:/bin", make(tmp_path / "sbinx", "other")):
        monkeypatch.setenv("PATH", path)
        assert find_program("xentop") == usual
    monkeypatch.delenv("PATH")
    assert find_program("xentop") == usual


@pytest.mark.parametrize("ending", ["", "/", "//"])
def test_a_path_with_sbin_is_taken_as_it_is(ending, usual, tmp_path, monkeypatch):
    own = make(tmp_path / "own" / "sbin", "other")
    monkeypatch.setenv("PATH", "/bin:" + own + ending)
    assert find_program("xentop") is None and find_program("other").replace("//", "/") == own + "/other"


def test_what_is_in_path_goes_first(usual, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", make(tmp_path / "bin", "xentop"))
    assert find_program("xentop") == str(tmp_path / "bin" / "xentop")


def test_tests_find_none_of_xens_tools_and_all_else(tmp_path, usual, monkeypatch):
    machine = [make(tmp_path / "local" / "sbin", "xentop", "xentrace", "visudo"), make(tmp_path / "bin", "sh", "xenalyze"),
               make(tmp_path / "sbin", "ldconfig")]
    (tmp_path / "links").mkdir()
    path = without_xens_tools(os.pathsep.join(machine), tmp_path / "links")
    assert [shutil.which(name, path=path) is None for name in ("xentop", "xentrace", "visudo", "sh", "xenalyze", "ldconfig")] == [
        True, True, False, False, False, False]
    assert path.split(os.pathsep)[1:] == machine[1:]
    monkeypatch.setenv("PATH", path)
    assert find_program("xentop") is None and os.path.realpath(find_program("visudo")) == machine[0] + "/visudo"


def test_tests_find_none_of_them_where_path_has_no_sbin(usual, monkeypatch):
    monkeypatch.setenv("PATH", without_xens_tools("/nowhere:/bin"))
    assert find_program("xentop") is None and find_program("sh")


def test_these_tests_run_so():
    assert find_program("xentop") is None and find_program("xentrace") is None
