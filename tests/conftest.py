"""Tests find the package in this checkout, whatever else is installed."""
import os
import signal
import sys

import pytest
from hypothesis import settings

from helpers import spread
from tools.xenless import without_xens_tools

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(TOP, "plugins"))
# for the processes that tests start
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [os.path.join(TOP, "plugins"), os.environ.get("PYTHONPATH")]))

# Nor do tests find Xen's own tools where they are installed: what a test wants of them, it makes.
os.environ["PATH"] = without_xens_tools(os.environ.get("PATH", os.defpath))

# Whoever starts tests in the background (a shell's &, nohup) has them ignore signals, and all that they start inherits that: a
# handler of ours takes the signal as little notice, and is none for a program that is started.
for _number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
    if signal.getsignal(_number) == signal.SIG_IGN:
        signal.signal(_number, lambda number, frame: None)

# Nor do tests keep counters where this machine's own xenmeter would.
os.environ["XENMETER_COUNTERS"] = ""

# Nor does a terminal have the size of pytest's own: Python's readline puts it into the environment that workers inherit.
for _name in ("COLUMNS", "LINES"):
    os.environ.pop(_name, None)

# A slow machine is no finding. Under CI the same examples are drawn each time: what fails there has a cause in the change.
settings.register_profile("here", deadline=None)
settings.register_profile("the same", deadline=None, derandomize=True, database=None)
settings.load_profile("the same" if os.environ.get("CI") else "here")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """Where all that tests need must be there (CI sets XENMETER_NO_SKIP), a test that does not run is a failure; but for what
    no package brings, a kernel that lays one file system over another."""
    report = (yield).get_result()
    excused = report.skipped and "no overlay here" in str(call.excinfo.value)
    if report.skipped and not excused and not hasattr(report, "wasxfail") and os.environ.get("XENMETER_NO_SKIP"):
        report.outcome = "failed"
        report.longrepr = "it must not be skipped where XENMETER_NO_SKIP is set: %s" % (call.excinfo.value,)


def pytest_addoption(parser):
    parser.addoption("--update-golden", action="store_true", help="write the expected output of fixtures/ anew")


def pytest_configure(config):
    config.pluginmanager.register(spread.Order(), "order of tests")
    if config.pluginmanager.hasplugin("xdist"):
        config.pluginmanager.register(spread.Spread(), "spread over workers")
