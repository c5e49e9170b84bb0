"""pip install . in a bare environment, from a copy of what git has."""
import os
import shutil
import subprocess
import sys

import pytest

from helpers.paths import FIXTURES, TOP
from tools.pythons import pinned


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The bin folder of an environment with nothing but the package."""
    work = tmp_path_factory.mktemp("install")
    listed = subprocess.run(["git", "ls-files", "-z", "plugins", "setup.py", "setup.cfg", "pyproject.toml", "README.md",
                             "LICENSE"], cwd=str(TOP), stdout=subprocess.PIPE, check=True).stdout.decode().split("\0")
    for name in filter(None, listed):
        (work / "tree" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(str(TOP / name), str(work / "tree" / name))
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(work / "env")], check=True)
    subprocess.run([sys.executable, "-m", "pip", "--python", str(work / "env" / "bin" / "python"), "install", "--quiet",
                    "--build-constraint", str(pinned("build")), str(work / "tree")], check=True)
    return work / "env" / "bin"


def run(program, *words, status=0):
    done = subprocess.run([str(program)] + list(words), stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd="/",
                          env={"PATH": os.environ["PATH"], "COLLECTD_HOSTNAME": "golden"})
    assert (done.returncode, done.stderr.decode()) == (status, "")
    return done.stdout


def test_the_licence_is_told_as_spdx_has_it(installed):
    """By whichever key the setuptools that built it writes; a classifier for it is on its way out."""
    script = ("import importlib.metadata as m; told = m.metadata('xenmeter'); "
              "print(told['License-Expression'] or told['License'], "
              "[one for one in told.get_all('Classifier') if one.startswith('License')])")
    assert run(installed / "python", "-c", script) == b"MIT []\n"


def test_the_command_and_the_module_run(installed):
    assert b"xentop" in run(installed / "xenmeter", "check", status=3)
    assert run(installed / "python", "-m", "xenmeter", "--version").startswith(b"xenmeter ")


def test_the_catalogue_came_along(installed):
    case = FIXTURES / "xentop" / "credit2-2pcpu-joined-b-d1-i3-fnxvr"
    out = run(installed / "xenmeter", "xentop", "--source", str(case), "--format", "json", "--interval", "1",
              "--start", "2026-01-01")
    assert out == (case / "expected.jsonl").read_bytes()
    assert b"xen_vbd_read_bytes_total" in run(installed / "xenmeter", "metrics", "xentop")
