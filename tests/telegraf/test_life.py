"""Telegraf and our processes through what happens to them: every way to be asked, ends, deaths and faults."""
import contextlib
import os
import pathlib
import re
import signal
import time

import pytest
from helpers.lineprotocol import parse
from helpers.stage import Running
from helpers.telegraf_stage import NAMES, adapted, children, environment, live, wait_children
from tools.process import is_running, poll
from tools.telegraf_daemon import Telegraf

pytestmark = pytest.mark.daemon

MODES = ("none", "STDIN", "SIGHUP", "SIGUSR1", "SIGUSR2")
SOURCE = {"xentop": "xen_domain", "xentrace": "xen_sched", "vcpu": "xen_vcpu"}


def gathers(name):
    """A pattern of the meter's own line of a gather that found its source up."""
    return rb"^xenmeter,host=testhost,plugin=%s .*\bup=1i" % name.encode()


def wait_gone(pids, timeout=10):
    poll(lambda: not any(is_running(pid) for pid in pids), timeout, lambda text: AssertionError("%s: %s" % (pids, text)))


def family(pid):
    """A process and all below it."""
    return [pid] + [one for child in children(pid) for one in family(child)]


@contextlib.contextmanager
def telling(name, tmp_path, xentop):
    """A Telegraf with one of the plugins under it, which has told something."""
    with live(name, tmp_path, xentop) as (arguments, env), \
            Telegraf(tmp_path / "telegraf", adapted(name, *arguments), env) as running:
        running.wait_output(SOURCE[name].encode(), 1, 30)
        yield running


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", NAMES)
def test_every_plugin_in_every_signal_mode(tmp_path, xentop, name, mode):
    with live(name, tmp_path, xentop) as (arguments, env):
        interval = "200ms" if mode in ("none", "STDIN") else "2s"
        with Telegraf(tmp_path / "telegraf", adapted(name, *arguments, mode=mode, interval=interval), env) as running:
            running.wait_output(gathers(name), 1 if name == "xentrace" else 2, 60)   # its trace has ended
            ours = family(wait_children(running.pid)[0])
            assert running.stop() == 0
            log, lines = running.log_text(), parse(running.output())
        wait_gone(ours)
    # Telegraf asks as soon as it has started us: a signal comes before Python itself runs, and costs one restart.
    ended = [line for line in running.complaints() if re.search(r"exited: signal: (hangup|user defined signal [12])$", line)]
    assert running.complaints() == ended and len(ended) <= 2 * mode.startswith("SIG"), log
    assert " shut down" in log and log.count("exited") == len(ended)
    found = [(tags, fields, time) for measurement, tags, fields, time in lines if measurement == SOURCE[name]]
    assert found and all(tags["host"] == "testhost" for tags, _, _ in found)
    assert len({(tuple(sorted(tags.items())), time) for tags, _, time in found}) == len(found)


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2])
def test_a_signal_before_we_listen_ends_no_process(xentop, number):
    """Telegraf asks at its own times, however short ago it has started us: before the handlers all three are ignored."""
    with Running("execd", "xentop", "--interval", "1", "--signal", number.name.lower(), path=xentop.path) as running:
        def ignored():
            status = pathlib.Path("/proc/%d/status" % running.process.pid).read_text()
            return int(re.search(r"SigIgn:\s*(\w+)", status).group(1), 16) >> (number - 1) & 1
        poll(ignored, 20, AssertionError)
        running.process.send_signal(number)
        running.wait_catching(number)
        due = [0.0]

        def asked():
            if time.monotonic() > due[0]:
                due[0] = time.monotonic() + 0.2
                running.process.send_signal(number)
            return b"xen_domain," in running.out
        running.wait_for(asked, 20, "figures")
        running.process.stdin.close()
        assert running.wait_end(10) == 0


@pytest.mark.parametrize("name", NAMES)
def test_telegraf_stopped_and_started_again(tmp_path, xentop, name):
    with live(name, tmp_path, xentop) as (arguments, env):
        running = Telegraf(tmp_path / "telegraf", adapted(name, *arguments), env)
        seen = []
        for _ in range(2):
            with running:
                before = len(running.output())
                running.wait(lambda before=before: SOURCE[name].encode() in running.output()[before:], 30, "figures")
                ours = family(wait_children(running.pid)[0])
                assert running.stop() == 0
                seen.append(running.output()[before:])
            wait_gone(ours)
        assert running.complaints() == []
    first, second = [[(time, fields) for measurement, _, fields, time in parse(data) if measurement == SOURCE[name]]
                     for data in seen]
    assert min(time for time, _ in second) >= max(time for time, _ in first)
    known = [{key for _, fields in found for key in fields} - {"cpu_percent"} for found in (first, second)]
    assert known[0] == known[1]     # a share of the last interval needs two readings, which there may not have been


@pytest.mark.parametrize("name", NAMES)
def test_telegraf_reads_its_configuration_again(tmp_path, xentop, name):
    """SIGHUP: it stops every input and starts all anew, in the same process."""
    with telling(name, tmp_path, xentop) as running:
        ours = family(wait_children(running.pid)[0])
        os.kill(running.pid, signal.SIGHUP)
        running.wait(lambda: running.log_text().count("Starting process: ") == 2, 30, "a second start")
        wait_gone(ours)
        before = len(running.output())
        running.wait(lambda: SOURCE[name].encode() in running.output()[before:], 30, "figures after it")
        assert running.complaints() == []


@pytest.mark.parametrize("name", NAMES)
def test_our_process_killed_under_telegraf(tmp_path, xentop, name):
    with telling(name, tmp_path, xentop) as running:
        (ours,) = children(running.pid)
        below = family(ours)
        os.kill(ours, signal.SIGKILL)
        running.wait_log(r"exited: signal: killed")
        wait_gone(below)        # xentop goes with it
        before = len(running.output())
        running.wait_log(r"Restarting in 1s")
        running.wait(lambda: SOURCE[name].encode() in running.output()[before:], 30, "figures of the next process")
        assert running.stop() == 0
    assert all("E! [inputs.execd]" in line or "E! [inputs.execd]" in line.replace("Error in plugin: ", "")
               for line in running.complaints())
    parse(running.output())     # nothing torn


@pytest.mark.parametrize("name", NAMES)
def test_telegraf_killed_over_us(tmp_path, xentop, name):
    with telling(name, tmp_path, xentop) as running:
        ours = family(wait_children(running.pid)[0])
        os.kill(running.pid, signal.SIGKILL)
        wait_gone(ours)


def test_a_source_that_fails_for_a_while(tmp_path, xentop):
    """One line in Telegraf's log, a metric that says so, no restart, and figures again when it has passed."""
    with telling("xentop", tmp_path, xentop) as running:
        xentop.fault("no-statistics")
        running.wait_output(rb"^xenmeter,host=testhost,plugin=xentop .*\bup=0i", 2, 30)
        before = len(running.output())
        xentop.fault(None)
        running.wait(lambda: b"\nxen_domain," in running.output()[before:], 40, "figures again")
        (line,) = [line for line in running.complaints() if "xenmeter: " in line]
        assert re.match(r"E! \[inputs\.execd\] xenmeter: xentop: .*Failed to retrieve statistics", line)
        assert running.log_text().count("Starting process") == 1
        assert "I! [inputs.execd] xenmeter: xentop: samples come again" in running.log_text()


@pytest.mark.parametrize("name", NAMES)
def test_a_machine_without_xen_says_so_once_and_stays(tmp_path, name):
    """As a package that was put on the wrong machine: one line, one metric, no end, no restart."""
    more = ["--shared", tmp_path / "none", "--source", "baker"] if name == "xentrace" else []
    with Telegraf(tmp_path / "telegraf", adapted(name, *more), environment()) as running:
        running.wait_output(rb"^xenmeter,host=testhost,plugin=%s .*\bup=0i" % name.encode(), 3, 30)
        lines = [line for line in running.complaints() if "xenmeter: " in line]
        assert len(lines) == 1 and lines[0].startswith("E! [inputs.execd] xenmeter: %s: " % name), lines
        assert running.log_text().count("Starting process") == 1
        assert set(re.findall(rb"^\w+", running.output(), re.M)) <= {b"xenmeter", b"xenmeter_errors"}


def test_who_leaves_signal_out_of_the_configuration_is_told(tmp_path, xentop):
    """Telegraf's default is none: it asks nobody, and our default waits to be asked."""
    with live("xentop", tmp_path, xentop) as (arguments, env):
        text, left_out = re.subn(r"^  signal = .*\n", "", adapted("xentop", *arguments), flags=re.MULTILINE)
        assert left_out == 1
        with Telegraf(tmp_path / "telegraf", text, env) as running:
            poll(lambda: "W! [inputs.execd] xenmeter: xentop: nobody has asked for figures in 3 s" in running.log_text(), 60,
                 lambda said: AssertionError(running.log_text()))
