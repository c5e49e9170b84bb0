"""A plugin is one folder, its files in conf.d and a line in the list: one more is added to a copy, and works everywhere."""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import urllib.request

import pytest

from helpers.paths import TOP
from tools.collectd_daemon import Collectd
from xenmeter.front import plugins
from xenmeter.front.output import FORMATS

FOURTH = pathlib.Path(__file__).parent / "fourth"
NAME, PORT = "dom0load", 9782
#: The line of the list that the new one stands behind.
LAST = '    ("%s", %d),\n' % (plugins.NAMES[-1], plugins.PORTS[plugins.NAMES[-1]])


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """A copy of what the plugin and the house's rules need, with the plugin in it."""
    top = tmp_path_factory.mktemp("copy")
    for folder in ("plugins", "conf.d", "tests", "packaging"):
        shutil.copytree(str(TOP / folder), str(top / folder), ignore=shutil.ignore_patterns("__pycache__", ".*"))
    for file in ("README.md", "pyproject.toml", "setup.cfg"):
        shutil.copy(str(TOP / file), str(top / file))
    shutil.copytree(str(FOURTH / NAME), str(top / "plugins" / "xenmeter" / NAME))
    for daemon in ("collectd", "telegraf"):
        shutil.copy(str(FOURTH / "conf.d" / daemon / (NAME + ".conf")), str(top / "conf.d" / daemon))
    listed = top / "plugins" / "xenmeter" / "front" / "plugins.py"
    text = listed.read_text()
    assert text.count(LAST) == 1
    listed.write_text(text.replace(LAST, LAST + '    ("%s", %d),\n' % (NAME, PORT)))
    ran(top, [sys.executable, "tests/tools/docs.py"])
    return top


def ran(top, words, **more):
    return subprocess.run(words, cwd=str(top), check=True, stdout=subprocess.PIPE, universal_newlines=True, timeout=300,
                          env=dict(os.environ, PYTHONPATH=str(top / "plugins"), COLLECTD_HOSTNAME="host"), **more).stdout


def xenmeter(top, *words, **more):
    """What it prints, if it ends well and has nothing to say on stderr."""
    with open(str(top / "stderr"), "w+") as said:
        out = ran(top, [sys.executable, "-m", "xenmeter"] + [str(word) for word in words], stderr=said, **more)
    assert (top / "stderr").read_text() == ""
    return out


#: What stands in each format for the load over one minute.
SHOWN = {
    "table": r"^ *-? *1m +\d+\.\d\d$", "csv": r"^\d{4}-.*Z,load,,,,over=1m,average,\d+\.\d+$",
    "json": r'"load":\[\{"over":"1m","average":\d+\.\d+\}', "influx": r"^xen_dom0_load,over=1m average=\d+\.\d+ \d+$",
    "openmetrics": r'^xen_dom0_load\{over="1m"\} \d+\.\d+( \d+\.\d+)?$', "prometheus": r'^xen_dom0_load\{over="1m"\} \d+\.\d+$',
    "collectd": r'^PUTVAL "host/dom0load-host/gauge-load_1m" interval=1 \d+\.\d+:\d+\.\d+$',
}


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_has_its_figures(copy, name):
    out = xenmeter(copy, NAME, "--format", name, "--interval", 1, "--count", 1)
    assert re.search(SHOWN[name], out, re.MULTILINE), out


def test_what_has_no_domains_tells_no_number_of_them(copy):
    out = xenmeter(copy, NAME, "--format", "openmetrics", "--interval", 1, "--count", 1)
    assert 'xenmeter_up{plugin="dom0load"} 1' in out and "xenmeter_domains" not in out


def test_check_asks_its_probes(copy):
    out = xenmeter(copy, "check")
    assert re.search(r"^loadavg +yes +load of dom0, now \d+\.\d{3} +one small file of /proc$", out, re.MULTILINE), out
    assert "dom0load: loadavg." in out.splitlines()[-1]


def test_record_writes_what_plays_again(copy, tmp_path):
    said = ran(copy, [sys.executable, "-m", "xenmeter", "record", str(tmp_path / "DIR"), "--seconds", "0.5", "--interval", "1"],
               stderr=subprocess.DEVNULL)
    assert re.search("samples of dom0load$", said, re.MULTILINE)
    readings = [json.loads(line) for line in xenmeter(copy, NAME, "--source", tmp_path / "DIR", "--format", "json").splitlines()]
    assert readings and [len(reading["load"]) for reading in readings] == [3] * len(readings)


def test_execd_answers_telegraf(copy):
    with subprocess.Popen([sys.executable, "-m", "xenmeter", "execd", NAME, "--interval", "1", "--signal", "none"],
                          cwd=str(copy), env=dict(os.environ, PYTHONPATH=str(copy / "plugins")), stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE) as execd:
        line = b""
        while not line.startswith(b"xen_dom0_load,"):
            line = execd.stdout.readline()
            assert line
        execd.stdin.close()
        execd.stdout.read()
        assert execd.wait(60) == 0


def test_the_endpoint_answers(copy):
    with subprocess.Popen([sys.executable, "-m", "xenmeter", "serve", NAME, "--interval", "1", "--listen", "127.0.0.1:0"],
                          cwd=str(copy), env=dict(os.environ, PYTHONPATH=str(copy / "plugins")),
                          stderr=subprocess.PIPE) as served:
        url = re.search(r"http://\S+", served.stderr.readline().decode()).group()
        page = ""
        while "xen_dom0_load{" not in page:
            page = urllib.request.urlopen(url, timeout=60).read().decode()
        served.terminate()
        served.stderr.read()


def test_it_stands_in_the_help_and_among_the_metrics(copy):
    assert re.search("^ +dom0load +how many processes", xenmeter(copy, "--help"), re.MULTILINE)
    assert re.search("^ +dom0load +how many processes", xenmeter(copy, "execd", "--help"), re.MULTILINE)
    assert "default: 127.0.0.1:9782)" in " ".join(xenmeter(copy, "serve", NAME, "--help").split())
    assert "xen_dom0_processes_running" in xenmeter(copy, "metrics")


@pytest.mark.parametrize("script, shown", [("completion.py", "_xenmeter_execd_dom0load()"), ("man.py", "dom0load")])
def test_completions_and_manual_pages_have_it(copy, tmp_path, script, shown):
    ran(copy, [sys.executable, str(copy / "packaging" / "tools" / script), str(tmp_path)])
    assert shown in "".join([path.read_text() for path in tmp_path.iterdir()])


@pytest.mark.daemon
def test_collectd_loads_it_with_its_file(copy, tmp_path):
    conf = (copy / "conf.d" / "collectd" / (NAME + ".conf")).read_text()
    with Collectd(tmp_path, conf + "<Plugin python>\n<Module dom0load>\nInterval 1\n</Module>\n</Plugin>\n",
                  [copy / "plugins"], env={"XENMETER_COUNTERS": ""}) as collectd:
        assert {value.identifier for value in collectd.wait_values("testhost/dom0load-host/*", 4, 60)} >= {
            "testhost/dom0load-host/gauge-load_" + span for span in ("1m", "5m", "15m")}
    assert "Traceback" not in collectd.log_text()


def test_the_rules_of_the_house_hold_for_it(copy):
    """tests/project of the copy: floors, grammar, names, documents, conf.d."""
    done = subprocess.run([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/project/test_structure.py",
                           "-k", "not left_undone"], cwd=str(copy), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          universal_newlines=True, timeout=600)
    assert done.returncode == 0, done.stdout[-3000:]


def test_an_import_from_another_plugin_is_seen(copy):
    """It would not be if the rule knew the rooms by name alone."""
    module = copy / "plugins" / "xenmeter" / NAME / "up.py"
    module.write_text("from xenmeter.front import output\n")
    try:
        done = subprocess.run([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/project/test_structure.py",
                               "-k", "dom0load and never_up"], cwd=str(copy), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              universal_newlines=True, timeout=600)
    finally:
        module.unlink()
    assert done.returncode == 1 and "up.py:1 imports front" in done.stdout
