"""The same figures from every interpreter that this machine has, the oldest one supported among them where it is there."""
import lzma
import os
import re
import subprocess

import pytest

from helpers.paths import FIXTURES, PLUGINS
from tools.compiler import build_shared
from tools.pythons import interpreters

CASE = FIXTURES / "xentop" / "credit2-2pcpu-joined-b-d1-i3-fnxvr"
FOUND = interpreters()
FORMATS = {"json": "jsonl", "influx": "influx", "csv": "csv", "prometheus": "prom", "openmetrics": "openmetrics",
           "collectd": "putval", "table": "table.txt"}
OWN = re.compile(rb"^(?:xenmeter|# \w+ xenmeter|PUTVAL \"golden/xentop-xenmeter/).*\n", re.MULTILINE)


def test_there_is_more_than_one_interpreter_to_try():
    assert FOUND, "no interpreter from 3.6 to 3.13 was found"
    print("interpreters: " + ", ".join("%d.%d" % version for version in sorted(FOUND)))


@pytest.mark.parametrize("version", sorted(FOUND), ids=lambda version: "%d.%d" % version)
def test_every_format_equals_the_golden_output(version):
    for form, ending in FORMATS.items():
        done = subprocess.run(
            [str(FOUND[version]), "-W", "error", "-m", "xenmeter", "xentop", "--source", str(CASE), "--format", form,
             "--interval", "1", "--start", "2026-01-01T00:00:00Z"], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env=dict(os.environ, PYTHONPATH=str(PLUGINS), COLLECTD_HOSTNAME="golden", PYTHONDONTWRITEBYTECODE="1"))
        assert (done.returncode, done.stderr) == (0, b""), form
        assert OWN.sub(b"", done.stdout) == (CASE / ("expected." + ending)).read_bytes(), form


@pytest.fixture(scope="module")
def baked(tmp_path_factory):
    """(a real trace, the compiled loop, what this interpreter's pure Python loop bakes of it)"""
    folder = tmp_path_factory.mktemp("bake")
    trace, loop = folder / "trace.bin", folder / "_hot.so"
    trace.write_bytes(lzma.decompress((FIXTURES / "xentrace" / "narrow-churn" / "trace.bin.xz").read_bytes()))
    build_shared(PLUGINS / "xenmeter" / "xentrace" / "engine" / "hot.c", loop)
    return trace, loop, bake(sorted(FOUND)[-1], trace, "0")


def bake(version, trace, loop):
    done = subprocess.run(
        [str(FOUND[version]), "-W", "error", "-m", "xenmeter", "bake", str(trace), "--cpu-khz", "2596120", "--window", "1"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env=dict(os.environ, PYTHONPATH=str(PLUGINS), XENMETER_COMPILED=str(loop), PYTHONDONTWRITEBYTECODE="1"))
    assert (done.returncode, done.stderr.decode()) == (0, "")
    return done.stdout


@pytest.mark.parametrize("version", sorted(FOUND), ids=lambda version: "%d.%d" % version)
def test_both_loops_of_the_baker_give_the_same_bytes(version, baked):
    trace, loop, expected = baked
    assert b'"runstate"' in expected
    assert bake(version, trace, "0") == expected
    assert bake(version, trace, loop) == expected


@pytest.mark.parametrize("version", sorted(FOUND), ids=lambda version: "%d.%d" % version)
def test_every_module_can_be_imported(version):
    """collectd's half is imported with a stand-in for the module that only exists inside the daemon. The report's modules
    want the extra of that name, which these interpreters lack: tests/report imports them.
    """
    script = ("import sys, types, pkgutil, importlib; sys.modules['collectd'] = types.SimpleNamespace(**{name: lambda "
              "*a, **k: None for name in ('register_config', 'register_init', 'register_shutdown', 'error')});"
              "import xenmeter;"
              "[importlib.import_module(m.name) for m in pkgutil.walk_packages(xenmeter.__path__, 'xenmeter.') "
              "if not m.name.endswith('__main__') and not m.name.startswith('xenmeter.front.report.')]")
    done = subprocess.run([str(FOUND[version]), "-W", "error", "-c", script], stderr=subprocess.PIPE,
                          env=dict(os.environ, PYTHONPATH=str(PLUGINS), PYTHONDONTWRITEBYTECODE="1"))
    assert (done.returncode, done.stderr.decode()) == (0, "")
