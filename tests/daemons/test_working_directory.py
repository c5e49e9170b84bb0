"""Whoever can write into a directory where root works does not choose what root runs: nothing is imported from it.

The directory holds a module of every name in Python's library, and one of ours; each that is imported leaves its name.
"""
import os
import pathlib
import re
import subprocess
import sys

import pytest

from helpers.collectd_stage import Site
from helpers.stage import FIXTURES, PLUGINS, TOP
from xenmeter.core.programs import find_program
from xenmeter.front import plugins
from xenmeter.front.cli import build_parser

pytestmark = pytest.mark.daemon

RECORDING = str(FIXTURES / "credit2-2pcpu-joined-b-d1-i3-fnxvr")
#: What each command is given here: enough that it does its work, or finds that there is no Xen.
WORDS = {
    "xentop": ["--source", RECORDING], "xentrace": ["--count", "1"], "vcpu": ["--count", "1"], "mon": ["--count", "1"],
    "bake": ["example"], "report": ["example", "-o", "r.html"], "baker": [], "record": ["here"], "execd": ["xentrace"],
    "serve": ["xentop", "--listen", "nowhere:0"], "metrics": [], "check": [],
    "bench": ["--runs", "1", "--reader", "fio", "/bin/true"], "compare": ["/nowhere"], "profile": ["web1", "--seconds", "1"],
}
SHARED = {"xentrace", "mon", "execd", "baker"}


def poison(folder, spared=()):
    """A module for every name; what was imported is in the list that this returns when it is called."""
    told = folder.parent / (folder.name + "-told")
    text = "with open(%r, 'a') as file:\n    file.write(%%r)\nraise SystemExit(99)\n" % str(told)
    folder.mkdir(exist_ok=True)
    for name in set(sys.stdlib_module_names) - set(sys.builtin_module_names) - set(spared) | {"xenmeter"} - set(spared):
        (folder / (name + ".py")).write_text(text % (name + "\n"))
    return lambda: told.read_text().split() if told.exists() else []


@pytest.fixture(name="script")
def _script(tmp_path):
    """The command as pip installs it."""
    path = tmp_path / "bin" / "xenmeter"
    path.parent.mkdir()
    path.write_text("#!%s\nimport sys\nfrom xenmeter.front.cli import main\nsys.exit(main())\n" % sys.executable)
    path.chmod(0o755)
    return str(path)


def run(words, folder, **more):
    return subprocess.run(words, cwd=str(folder), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=300,
                          stderr=subprocess.STDOUT, universal_newlines=True,
                          env=dict(os.environ, PYTHONPATH=str(PLUGINS), PYTHONSAFEPATH="", **more))


def arguments(command, tmp_path):
    return [command] + WORDS[command] + (["--shared", str(tmp_path / "shared")] if command in SHARED else [])


def test_no_command_is_left_out():
    known = next(action.choices for action in build_parser()._actions if action.dest == "command")
    assert set(known) == set(WORDS)


def test_the_poison_works(tmp_path):
    """Python as everybody starts it takes a module from there, so that the tests below see what they look for."""
    told = poison(tmp_path / "cwd")
    run([sys.executable, "-c", "import argparse"], tmp_path / "cwd")
    assert told() in (["argparse"], ["linecache"])      # from 3.13 on Python itself takes that one first, for the text of -c


@pytest.mark.parametrize("command", sorted(WORDS))
def test_the_command_and_its_children(tmp_path, script, command):
    told = poison(tmp_path / "cwd")
    ran = run([script] + arguments(command, tmp_path), tmp_path / "cwd")
    assert told() == [] and ran.returncode != 99, ran.stdout


@pytest.mark.parametrize("command", sorted(WORDS))
def test_as_a_module_of_python(tmp_path, command):
    """But for what Python looks for before anything of ours runs: only -I keeps it from looking there."""
    (tmp_path / "probe.py").write_text("import sys; print(*sys.modules)")
    before = run([sys.executable, "-m", "probe"], tmp_path).stdout.split()
    told = poison(tmp_path / "cwd", {name.partition(".")[0] for name in before} | {"xenmeter"})
    ran = run([sys.executable, "-m", "xenmeter"] + arguments(command, tmp_path), tmp_path / "cwd")
    assert told() == [] and ran.returncode != 99, ran.stdout


def test_the_own_baker_works(tmp_path):
    told = poison(tmp_path / "cwd")
    code = ("import sys; from xenmeter.xentrace.baker.launch import OwnBaker\nown = OwnBaker(sys.argv[1], ['--help'])\n"
            "own.start(); own._process.wait(); print(own._process.returncode)")
    script = tmp_path / "start.py"
    script.write_text(code)
    ran = run([sys.executable, str(script), str(tmp_path / "shared")], tmp_path / "cwd")
    assert (ran.stdout, told()) == ("0\n", [])


@pytest.mark.parametrize("name", plugins.NAMES)
def test_inside_collectd(tmp_path, name):
    """It was started where the modules are, and that is its BaseDir too."""
    conf = (TOP / "conf.d" / "collectd" / (name + ".conf")).read_text()
    told = poison(tmp_path / "collectd")
    with Site(tmp_path, conf=conf) as collectd:
        collectd.wait_beats()
        assert told() == [] and "cannot be loaded" not in collectd.log_text()


@pytest.mark.parametrize("file", ["systemd/xenmeter-baker.service", "systemd/xenmeter-serve@.service",
                                  "sudoers/xenmeter-telegraf"])
def test_units_and_sudoers_start_the_command_by_its_path(file):
    text = (TOP / "packaging" / file).read_text()
    assert not re.search(r"WorkingDirectory|python|env_keep", text)
    commands = re.findall(r"(?:^Exec\w+=|= |, )(\S*xenmeter) ", text, re.MULTILINE)
    assert commands and set(commands) == {"/usr/bin/xenmeter"}


def test_what_installs_imports_nothing_from_there():
    """An installer is started by root from wherever it was unpacked: -I alone keeps -m and -c from looking there."""
    lines = [line for path in (TOP / "packaging").rglob("*") if path.is_file() and path.read_bytes().startswith(b"#!/bin/sh")
             for line in path.read_text().splitlines() if re.search(r"python3 -", line) and not line.lstrip().startswith("#")]
    assert any("compileall" in line for line in lines)
    assert [line for line in lines if not re.search(r"python3 -I ", line)] == []


def test_no_text_for_people_starts_a_module_from_where_they_are():
    for path in list(PLUGINS.rglob("*.md")) + list(PLUGINS.rglob("*.py")) + [TOP / "README.md"]:
        if path.name != "__main__.py":
            assert not re.search(r"python3? -m xenmeter", path.read_text(encoding="utf-8")), path


def test_programs_are_not_taken_from_there_either(tmp_path, monkeypatch):
    (tmp_path / "xentop-of-tests").write_text("#!/bin/sh\n")
    (tmp_path / "xentop-of-tests").chmod(0o755)
    monkeypatch.chdir(str(tmp_path))
    for path in ("", ".", ":/nowhere", "/nowhere:", "/nowhere::/none"):
        monkeypatch.setenv("PATH", path)
        assert find_program("xentop-of-tests") is None, path
    monkeypatch.setenv("PATH", "." + os.pathsep + str(tmp_path))
    assert find_program("xentop-of-tests") == str(tmp_path / "xentop-of-tests")
    assert pathlib.Path(find_program("sh")).is_absolute()
