"""Whatever is wrong with our plugin, its options or its source: collectd lives, and the other plugins write on."""
import os
import pwd
import re
import shutil

import pytest

from helpers.collectd_stage import INTERVAL, Site, module
from helpers.stage import FIXTURES, PLUGINS, many

pytestmark = pytest.mark.daemon

RECORDING = FIXTURES / "credit2-2pcpu-joined-b-d1-i3-fnxvr"
UP = "testhost/xentop-xenmeter/gauge-xentop_up"
#: At most so many of the other plugin's values, one each 0.1 s, between two of ours; two when all is even. A read that waits
#: for xentop waits for seconds.
BEATS = 16


def broken_copy(tmp_path, file, text):
    """The package with one file replaced."""
    shutil.copytree(str(PLUGINS), str(tmp_path / "broken"), ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "broken" / "xenmeter" / file).write_text(text)
    return tmp_path / "broken"


@pytest.mark.parametrize("file, text", [
    ("xentop/metrics.csv", "not,a,table\n"), ("collectd/bridge.py", "def broken(:\n"),
    ("core/pipeline.py", "raise RuntimeError('line one\\nline two')\n"), ("__init__.py", ""),
], ids=["table", "syntax", "raises", "version"])
def test_an_import_that_fails_costs_only_the_plugin(tmp_path, file, text):
    with Site(tmp_path, plugins=broken_copy(tmp_path, file, text)) as collectd:
        collectd.wait_beats()
        assert [("cannot be loaded, the plugin is off" in line) for line in collectd.lines()] == [True]
        assert collectd.values("testhost/xentop*") == []
        assert collectd.stop() == 0
    assert "Traceback" not in collectd.log_text()


@pytest.mark.parametrize("options, named", [
    ({"Interval": "soon"}, "Interval: 'soon'"), ({"Interval": -1}, "Interval: -1"), ({"Interval": 0}, "Interval: 0"),
    ({"Interval": [1, 2]}, "Interval: takes"), ({"Interval": True}, "Interval: True"),
    ({"Group": ["cpu", "cpus"]}, "Group: 'cpus'"), ({"Dom0": "maybe"}, "Dom0: 'maybe'"),
    ({"InstanceFormat": "domid"}, "InstanceFormat: 'domid'"), ({"Include": "/(/"}, "'/(/' is no regular expression"),
    ({"Source": "/does/not/exist"}, "/does/not/exist: no such file"), ({"Source": ""}, "Source: ''"),
    ({"Start": "yesterday", "Source": RECORDING}, "'yesterday' is no time"),
    ({"Source": FIXTURES}, "no manifest.json"), ({"Pace": -1}, "Pace: -1"),
], ids=lambda value: "-".join(value) if isinstance(value, dict) else "")
def test_a_bad_value_costs_only_the_plugin_and_says_which(tmp_path, options, named):
    with Site(tmp_path, module(**options)) as collectd:
        collectd.wait_beats()
        line, = collectd.lines()
        assert named in line and "off" in line
        assert collectd.values("testhost/xentop*") == []
        assert collectd.stop() == 0
    assert "Traceback" not in collectd.log_text() and "Unhandled python exception" not in collectd.log_text()


def test_the_direct_source_without_xen_is_said_once_and_tried_again(tmp_path):
    with Site(tmp_path, module(Source="direct")) as collectd:
        collectd.wait_log("there is no /dev/xen/privcmd")
        collectd.wait_beats()
        line, = [line for line in collectd.lines() if "there is no /dev/xen/privcmd" in line]
        assert collectd.values("testhost/xentop*/virt_cpu_total") == []
        assert collectd.stop() == 0
    assert "Unhandled python exception" not in collectd.log_text()


def test_options_in_shapes_that_are_none(tmp_path):
    """A block inside of the module, an option without a value, an interval beyond all times."""
    block = ("<Plugin python>\n<Module xentop>\n<Domain web>\nCpu true\n</Domain>\nSource \"%s\"\nInterval %s\n</Module>\n"
             "</Plugin>\n" % (RECORDING, INTERVAL))
    with Site(tmp_path / "block", block) as collectd:
        collectd.wait_log("the source has ended")
        assert len([line for line in collectd.lines("warning") if "unknown option Domain is ignored" in line]) == 1
        assert collectd.values("testhost/xentop-Domain-0/*")
    with Site(tmp_path / "huge", module(Interval=1e300)) as collectd:
        collectd.wait_beats()
        assert "Interval" in collectd.lines("error")[0]


def test_an_unknown_option_is_ignored_and_the_nearest_is_named(tmp_path):
    with Site(tmp_path, module(Source=RECORDING, Intervall=INTERVAL, Nonsense=1, Interval=INTERVAL)) as collectd:
        collectd.wait_log("the source has ended")
        warnings = collectd.lines("warning")
        assert any("unknown option Intervall is ignored; did you mean Interval?" in line for line in warnings)
        assert any("unknown option Nonsense is ignored; known are " in line for line in warnings)
        assert collectd.values("testhost/xentop-Domain-0/virt_cpu_total")


def test_the_shipped_file_without_xentop(tmp_path):
    """This machine has no xentop, and the file is as shipped but for the time between readings."""
    with Site(tmp_path, module(Interval=INTERVAL)) as collectd:
        collectd.wait_log("there is no /dev/xen/privcmd")
        down = collectd.wait_values(UP, count=5)
        collectd.wait_beats()
        line, = collectd.lines()
        assert "xenmeter xentop: there is no /dev/xen/privcmd; this must run in a Xen dom0" in line
        assert "--source example" in line
        assert {value.values for value in down} == {(0.0,)}
        assert collectd.values("testhost/xentop-Domain-0/*") == []
        assert collectd.stop() == 0


def test_the_shipped_file_unchanged(tmp_path):
    with Site(tmp_path) as collectd:
        collectd.wait_log("there is no /dev/xen/privcmd", timeout=15)
        collectd.wait_beats()
        assert len(collectd.lines()) == 1
        assert collectd.stop() == 0


@pytest.mark.parametrize("fault, said", [
    ("no-xen", "there is no /dev/xen/privcmd"), ("no-rights", "may not talk to Xen"),
    ("no-xenstore", "there is no /dev/xen/privcmd"),
    ("xenstore-denied", "may not talk to Xen"), ("no-statistics", "there is no /dev/xen/privcmd"),
    ("no-memory", "Failed to allocate memory"), ("no-handler", "Failed to install cleanup handler"),
    ("no-pcpus", "Error getting PCPU stats"), ("end", "without a word"),
])
def test_a_xentop_that_fails_says_why(tmp_path, xentop, fault, said):
    xentop.fault(fault)
    with Site(tmp_path, module(Interval=INTERVAL), xentop) as collectd:
        collectd.wait_values(UP)
        line, = collectd.lines()
        assert said in line
        assert {value.values for value in collectd.values(UP)} == {(0.0,)}
        assert collectd.stop() == 0


def test_a_failure_is_said_once_and_xentop_tried_again(tmp_path, xentop):
    xentop.fault("no-statistics")
    with Site(tmp_path, module(Interval=INTERVAL), xentop) as collectd:
        xentop.wait_start(3)
        assert len(collectd.lines()) == 1
        xentop.fault(None)
        collectd.wait_values("testhost/xentop-Domain-0/virt_cpu_total")
        collectd.wait_log("samples come again")
        collectd.wait_last(UP, (1.0,))
        assert len(collectd.lines()) == 1
        collectd.wait_values("testhost/xentop-xenmeter/derive-xentop_source")
        assert collectd.stop() == 0


def test_no_rights_says_what_the_system_said(tmp_path, xentop):
    """xentop's last line says nothing of it; the line before does."""
    xentop.fault("no-rights")
    with Site(tmp_path, module(Interval=INTERVAL), xentop) as collectd:
        collectd.wait_log("xenmeter xentop: .*Permission denied.*run as root")


def test_a_start_is_no_failure(tmp_path, xentop):
    """Before xentop has said anything, it is not known to be down either."""
    with Site(tmp_path, module(Interval=0.1), xentop) as collectd:
        collectd.wait_values(UP, count=5)
        assert {value.values for value in collectd.values(UP)} == {(1.0,)}


def test_garbage_is_left_out_and_said_once(tmp_path, xentop):
    xentop.play(many(5))
    with Site(tmp_path, module(Interval=INTERVAL), xentop) as collectd:
        collectd.wait_values("testhost/xentop-guest-0001/virt_cpu_total")
        xentop.fault("garbage")
        collectd.wait_log("left out lines that are none of xentop's")
        errors = collectd.wait_values("testhost/xentop-xenmeter/derive-xentop_skipped_line", count=3)
        before = len(collectd.values("testhost/xentop-guest-0004/virt_cpu_total"))
        collectd.wait_values("testhost/xentop-guest-0004/virt_cpu_total", count=before + 5)
        line, = collectd.lines()
        assert "left out lines" in line
        assert all(byte.isprintable() for byte in line)
        assert errors[-1].values[0] > 0
        assert len(xentop.starts()) == 1
        assert {value.identifier.split("/")[1] for value in collectd.values("testhost/xentop*")} == {
            "xentop-" + name for name in ["Domain-0", "host", "xenmeter"] + ["guest-000%d" % i for i in range(1, 5)]}


SABOTAGE = """\
import collectd
from xenmeter.core.pipeline import Pipeline
calls = [0]
def collect(self, sample):
    calls[0] += 1
    raise %s
Pipeline.collect = collect
def read():
    collectd.Values(plugin="calls", type="gauge").dispatch(values=[calls[0]])
collectd.register_read(read, 0.1, name="calls")
"""


@pytest.mark.parametrize("error", ["ZeroDivisionError('line one\\nline two')", "MemoryError()", "UnicodeError('\\udcff')"])
def test_a_fault_of_ours_in_read_is_said_once_and_never_stretches_the_interval(tmp_path, xentop, error):
    with Site(tmp_path, module(Interval=INTERVAL), xentop, modules={"sabotage": SABOTAGE % error}) as collectd:
        collectd.wait(lambda: (collectd.last("testhost/calls/gauge") or (0,))[0] >= 12, 8, "12 calls")
        line, = collectd.lines("error")
        assert "fault in read" in line
        # on a slow machine collectd says "read-function of the ... took", too
        assert not re.search("read-function of plugin .* failed|Will suspend it", collectd.log_text())
        assert collectd.stop() == 0


def test_reads_keep_their_interval_whatever_xentop_does(tmp_path, xentop):
    """The meter's own series shows when read ran: evenly, while xentop is well, hangs, dies and is missing.

    Evenly by the beat plugin, which the same daemon reads at twice the rate: a machine that stands still holds up both.
    """
    with Site(tmp_path, module(Interval=INTERVAL), xentop) as collectd:
        for fault in ("", "hang", "die", "end", "garbage", ""):
            xentop.fault(fault)
            seen = len(collectd.values(UP))
            collectd.wait_values(UP, count=seen + 6)
            for pid in xentop.running() if fault == "hang" else []:
                os.kill(pid, 9)
        collectd.settle()
        times = [value.time for value in collectd.values(UP)]
        beats = [value.time for value in collectd.values("testhost/beat/gauge")]
        assert max(sum(before < beat < after for beat in beats) for before, after in zip(times, times[1:])) <= BEATS
        assert "too old" not in collectd.log_text()
        assert collectd.stop() == 0


EXEC = """\
LoadPlugin exec
<Plugin exec>
  Exec "%s" "/bin/sh" "-c" "while sleep 0.05; do /bin/true; done"
</Plugin>
"""


def exec_plugin():
    """The exec plugin with a child of its own, and with it a SIGCHLD handler that reaps whatever ends."""
    user = pwd.getpwuid(os.getuid()).pw_name
    return EXEC % ("nobody" if user == "root" else user)


@pytest.mark.parametrize("more", ["", "exec"])
@pytest.mark.parametrize("daemonise", [False, True])
def test_the_end_of_xentop_is_noticed_and_values_go_on(tmp_path, xentop, more, daemonise):
    """collectd ignores SIGCHLD, or its exec plugin reaps our child: neither may hide that xentop ended."""
    configuration = module(Interval=INTERVAL) + (exec_plugin() if more else "")
    with Site(tmp_path, configuration, xentop, daemonise=daemonise) as collectd:
        first = xentop.wait_start(1)
        collectd.wait_values("testhost/xentop-io-guest/virt_cpu_total")
        os.kill(first, 9)
        collectd.wait_log("xentop ended without a word")
        second = xentop.wait_start(2)
        assert second != first
        collectd.wait_log("samples come again")
        seen = len(collectd.values("testhost/xentop-io-guest/virt_cpu_total"))
        collectd.wait_values("testhost/xentop-io-guest/virt_cpu_total", count=seen + 3)
        assert len(collectd.lines("error")) == 1
        if not daemonise:
            assert collectd.pid == collectd.process.pid
        assert collectd.stop() == 0
        xentop.wait_gone()


def test_xentop_is_started_once_with_all_it_can_tell(tmp_path, xentop):
    with Site(tmp_path, module(Interval=3), xentop) as collectd:
        collectd.wait_values("testhost/xentop-io-guest/virt_cpu_total")
        assert [arguments for _, arguments in xentop.starts()] == ["-b -f -n -x -v -d 3"]


def test_the_source_is_opened_in_the_process_that_collects(tmp_path, xentop):
    """Threads and children begun before the daemon forks would be the parent's, and do nothing."""
    with Site(tmp_path, module(Interval=INTERVAL), xentop, daemonise=True) as collectd:
        collectd.wait_values("testhost/xentop-io-guest/virt_cpu_total", count=3)
        assert collectd.pid != collectd.process.pid
        assert len(xentop.starts()) == 1
        shell = parent_of(xentop.running()[0])
        assert parent_of(shell) == collectd.pid
        assert collectd.stop() == 0
        xentop.wait_gone()


def parent_of(pid):
    with open("/proc/%d/stat" % pid) as file:
        return int(file.read().rpartition(")")[2].split()[1])


@pytest.mark.parametrize("daemonise", [False, True])
@pytest.mark.parametrize("how", [15, 9])
@pytest.mark.parametrize("fault", ["", "hang", "stuck"])
def test_no_xentop_outlives_collectd(tmp_path, xentop, fault, how, daemonise):
    with Site(tmp_path, module(Interval=INTERVAL), xentop, daemonise=daemonise) as collectd:
        collectd.wait_values("testhost/xentop-io-guest/virt_cpu_total")
        xentop.fault(fault)
        shown = len(collectd.values("testhost/xentop-io-guest/virt_cpu_total"))
        if fault:       # it hangs once a whole interval of reads has found nothing new
            seen = len(collectd.values(UP))
            collectd.wait_values(UP, count=seen + 4)
        else:
            collectd.wait_values("testhost/xentop-io-guest/virt_cpu_total", count=shown + 1)
        pid, = xentop.running()
        assert pid
        os.kill(collectd.pid, how)
        xentop.wait_gone()      # before stop(), which kills the whole process group
        assert collectd.stop() == (0 if how == 15 or daemonise else -9)


def test_a_capture_of_another_width_of_columns_and_a_host_that_changes(tmp_path, xentop):
    """xentop restarted on a host that has other domains now: the old ones are gone, the new ones come."""
    with Site(tmp_path, module(Interval=INTERVAL), xentop) as collectd:
        collectd.wait_values("testhost/xentop-io-guest/virt_cpu_total")
        xentop.play(many(3))
        os.kill(xentop.running()[0], 9)
        collectd.wait_values("testhost/xentop-guest-0002/virt_cpu_total", count=2)
        collectd.wait_last("testhost/xentop-host/count-domains", (3.0,))
