"""A real trace through the real collectd, with the shipped xentrace.conf: bake's figures, windows and percentiles."""
import json

import pytest

from helpers.captures import KHZ, SECOND, START, unpacked
from helpers.collectd_stage import INTERVAL, Site
from helpers.stage import xenmeter
from helpers.xentrace_stage import CONF, bake, module
from tools import daemons

pytestmark = pytest.mark.daemon


def played(tmp_path, path, **options):
    """All values that collectd wrote of a trace, once it has ended: {identifier below "testhost/xentrace-": values}."""
    # With several threads the csv writer may create a file that another has just begun, and a line is lost.
    more = "WriteThreads 1\n" + module(Source=path, Interval=INTERVAL, Start=str(START), CpuKhz=KHZ, **options)
    with Site(tmp_path, more, conf=CONF.read_text()) as collectd:
        collectd.wait_log("the source has ended", timeout=40)
        collectd.settle()
        assert collectd.stop() == 0
        assert [line for line in collectd.lines() if "above its read interval" not in line] == []  # pure Python, busy host
        found = {}
        for value in collectd.values("testhost/xentrace-*"):
            found.setdefault(value.identifier.partition("xentrace-")[2], []).append((value.time, value.values))
        return found


@pytest.mark.parametrize("case", ["narrow-steady", "S1-sched"])
def test_counters_windows_and_percentiles_are_bakes(tmp_path, case):
    path = unpacked(tmp_path, case)
    document, table = bake(path), bake(path, "--window", "1")["windows"]
    found = played(tmp_path, path)
    for one in document["domains"]:
        instance = "Domain-0" if one["domid"] == 0 else "domid-%d" % one["domid"]
        for series, name in (("derive-running", "running_ns"), ("derive-waiting", "runnable_ns"),
                             ("derive-blocked", "blocked_ns"), ("contextswitch", "executions"),
                             ("total_events-migrations", "migrations"), ("total_operations-grant_map", "grant_maps")):
            assert found["%s/%s" % (instance, series)][-1][1] == (one[name],)
        assert found["%s/derive-full_run" % instance][-1][1] == (one["runstate"]["full_run_ns"],)
        for name in ("p50", "p90", "p99", "p999", "max"):
            for _, (seconds,) in found.get("%s/latency-wait_%s" % (instance, name), ()):
                assert 0 <= seconds < document["trace"]["span_ns"] / 1e9
    for one in document["pcpus"]:
        assert found["host/derive-pcpu%d_busy" % one["pcpu"]][-1][1] == (one["busy_ns"],)
    assert found["host/total_events-records"][-1][1] == (document["trace"]["records"],)
    assert_windows(found, [window for window in table if window["length_ns"] == SECOND])


def assert_windows(found, table):
    """A reading's time is the end of its window; the first may lack what was not seen yet. csv writes six decimals."""
    compared = 0
    for window in table[1:]:
        stamp = START + (window["start_ns"] + SECOND) / 1e9
        for one in window["domains"]:
            instance = "Domain-0" if one["domid"] == 0 else "domid-%d" % one["domid"]
            for series, name, scale in (("gauge-cpu_percent_1s", "cpu_percent", 1),
                                        ("gauge-wait_percent_1s", "wait_percent", 1),
                                        ("gauge-executions_per_s_1s", "executions_per_s", 1),
                                        ("duration-cpu_per_execution_1s", "cpu_per_execution_ns", SECOND),
                                        ("duration-wait_per_execution_1s", "wait_per_execution_ns", SECOND)):
                values = [numbers[0] for time, numbers in found["%s/%s" % (instance, series)] if abs(time - stamp) < 0.01]
                if one[name] is None or (not values and not one["executions"]):
                    assert values in ([], [0])
                    continue
                assert values == [pytest.approx(one[name] / scale, abs=0.0011 if scale == 1 else 6e-7)]
                compared += 1
    assert compared > 40


def test_the_percentiles_of_a_reading_are_those_of_its_window(tmp_path):
    """latency-wait_p99 in seconds, against the mirror's row of the same window, any cause."""
    path = unpacked(tmp_path, "narrow-steady")
    ran = xenmeter("xentrace", "--source", path, "--cpu-khz", KHZ, "--format", "json", "--start", START)
    samples = [json.loads(line) for line in ran.stdout.splitlines()]
    found = played(tmp_path, path)
    compared = 0
    for sample in samples:
        for one in sample["latencies"]:
            if one["cause"] != "any" or one["window"] != "1s" or not one["wait_count"]:
                continue
            for name in ("p50", "p90", "p99", "p999"):
                values = [numbers[0] for time, numbers in found["%s/latency-wait_%s" % (one["domain"], name)]
                          if abs(time - sample["time_ns"] / 1e9) < 0.01]
                assert values == [pytest.approx(one["wait_%s_ns" % name] / 1e9, rel=0.04, abs=6e-7)]
                compared += 1
    assert compared > 60


def test_per_vcpu(tmp_path):
    path = unpacked(tmp_path, "narrow-steady")
    found = played(tmp_path, path, PerVcpu="true", Group="runstate")
    for one in bake(path)["vcpus"]:
        instance = "Domain-0" if one["domid"] == 0 else "domid-%d" % one["domid"]
        assert found["%s/derive-vcpu%d_running" % (instance, one["vcpu"])][-1][1] == (one["running_ns"],)
        assert found["%s/contextswitch-vcpu%d" % (instance, one["vcpu"])][-1][1] == (one["executions"],)
    assert not any("latency" in series or "gauge" in series for series in found
                   if not series.startswith("xenmeter/"))


def test_a_bad_option_switches_off_this_plugin_only(tmp_path):
    with Site(tmp_path, module(Window="0", Source="/nowhere"), conf=CONF.read_text()) as collectd:
        collectd.wait_log("xenmeter xentrace: .*window", timeout=20)
        collectd.wait_beats()
        assert collectd.stop() == 0


def test_promtool_takes_the_histograms(tmp_path):
    path = unpacked(tmp_path, "narrow-steady")
    ran = xenmeter("xentrace", "--source", path, "--cpu-khz", KHZ, "--format", "prometheus", "--count", 2, "--per-vcpu")
    text = ran.stdout[ran.stdout.rindex("# HELP xen_sched_runstate_seconds_total"):]
    status, output = daemons.promtool_check_metrics(text.encode())
    assert status in (0, 3) and "error" not in output.lower(), output
    assert all("counter metrics" not in line for line in output.splitlines() if "xen_sched" in line), output
