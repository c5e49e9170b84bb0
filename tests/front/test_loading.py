"""What a start imports; and a fault in one plugin's or command's module, which stops no other."""
import ast
import os
import re
import shutil
import subprocess
import sys

import pytest

from helpers.paths import PLUGINS
from xenmeter.front import commands, plugins

EXAMPLE = ["--source", "example", "--count", "1"]


#: A command, and then what it has imported of ours.
IMPORTS = ("import sys; from xenmeter.front.cli import main; main(sys.argv[1:]); "
           "print([name[9:] for name in sys.modules if name.startswith('xenmeter.')], file=sys.stderr)")


def run(top, *words, python=("-m", "xenmeter")):
    return subprocess.run([sys.executable] + list(python) + list(words), stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True, timeout=120,
                          env=dict(os.environ, PYTHONPATH=str(top)))


@pytest.fixture
def broken(tmp_path):
    """A function that breaks modules of a copy, and gives the copy."""
    shutil.copytree(str(PLUGINS), str(tmp_path / "plugins"), ignore=shutil.ignore_patterns("__pycache__"))

    def breaks(*files):
        for file in files:
            (tmp_path / "plugins" / "xenmeter" / file).write_text("def broken(:\n")
        return tmp_path / "plugins"
    return breaks


def test_execd_of_one_plugin_imports_no_other_and_no_other_command():
    for name in plugins.NAMES:
        ran = run(PLUGINS, "execd", name, "--source", "example", python=["-c", IMPORTS])
        imported = set(ast.literal_eval(ran.stderr.splitlines()[-1]))
        assert name + ".plugin" in imported and "front.commands.execd" in imported
        others = set(plugins.NAMES) - {name} | {"front.commands." + other for other in commands.MODULES if other != "execd"}
        assert [module for module in imported for other in others if (module + ".").startswith(other + ".")] == []
        assert not imported & {"publish.collectdvalues", "publish.openmetrics", name + ".mirror", name + ".probes"}


@pytest.mark.parametrize("name", plugins.NAMES)
def test_a_plugin_that_is_broken_stops_no_other(broken, name):
    top = broken(name + "/plugin.py")
    reason = "the plugin %s cannot be loaded: SyntaxError: " % name
    for other in plugins.NAMES:
        ran = run(top, other, *EXAMPLE)
        assert (ran.returncode, reason in ran.stderr) == ((1, True) if other == name else (0, False)), ran.stderr
        assert ran.stderr.count("\n") == int(other == name)
    assert run(top, "execd", name).stderr.startswith("E! xenmeter: " + reason)
    assert re.search(r"^%s +no +the plugin" % name, run(top, "check").stdout, re.MULTILINE)
    shown = run(top, "--help")
    assert shown.returncode == 0 and all([re.search("^ +%s " % other, shown.stdout, re.MULTILINE) for other in plugins.NAMES])


def test_metrics_of_the_others_are_told_where_one_is_broken(broken):
    ran = run(broken("vcpu/plugin.py"), "metrics")
    assert ran.returncode == 1 and "xen_domain_cpu_seconds_total" in ran.stdout and "xen_sched_" in ran.stdout
    assert ran.stderr.startswith("xenmeter: the plugin vcpu cannot be loaded: SyntaxError: ") and ran.stderr.count("\n") == 1


@pytest.mark.parametrize("name", sorted(commands.MODULES))
def test_a_command_that_is_broken_stops_no_other(broken, name):
    top = broken("front/commands/%s.py" % name)
    reason = "the command %s cannot be loaded: SyntaxError: " % name
    ran = run(top, name)
    assert ran.returncode == 1 and reason in ran.stderr and ran.stderr.count("\n") == 1
    assert ran.stderr.startswith("E! xenmeter: " if name == "execd" else "xenmeter: ")
    assert "Traceback" in run(top, name, "--debug").stderr
    assert run(top, "xentop", *EXAMPLE).returncode == 0
    shown = run(top, "--help")
    assert shown.returncode == 0 and set(commands.MODULES) <= set(re.findall(r"^ +([a-z]+) ", shown.stdout, re.MULTILINE))


def test_the_asked_command_has_the_same_help_as_among_all():
    from xenmeter.front.cli import build_parser
    whole = next(action for action in build_parser()._actions if action.dest == "command").choices
    assert list(whole) == list(plugins.NAMES) + list(commands.MODULES)
    for name in whole:
        alone = next(action for action in build_parser([name])._actions if action.dest == "command").choices
        assert list(alone) == [name] and alone[name].format_help() == whole[name].format_help()


def test_an_endpoint_of_all_goes_on_without_the_one_that_is_broken(broken):
    ran = run(broken("vcpu/plugin.py"), "serve", "all", "--listen", "127.0.0.1:99999999")
    assert ran.returncode == 2 and "--listen" in ran.stderr     # it was understood; what it could not do is something else
    ran = run(broken("vcpu/plugin.py"), "serve", "all", "--source", "/nothing/here", "--listen", "127.0.0.1:0")
    assert ran.stderr.startswith("xenmeter: the plugin vcpu cannot be loaded: SyntaxError: ") and ran.returncode == 1
    assert ran.stderr.count("xenmeter: ") == 3      # that, the one that goes before, and what ends it
