"""A real trace through execd, influxd and the HTTP endpoint: bake's figures."""
import json
import os
import re
import urllib.request

import pytest

from helpers.lineprotocol import parse
from helpers.stage import Running, xenmeter
from helpers.captures import KHZ, SECOND, START, unpacked
from helpers.xentrace_stage import bake
from tools import daemons

pytestmark = pytest.mark.daemon


def execd(path, *more):
    """All lines of a trace, as (measurement, tags, fields, time)."""
    with Running("execd", "xentrace", "--source", path, "--cpu-khz", KHZ, "--start", START, "--signal", "none",
                 *more) as running:
        assert running.wait_end(60) == 0
        assert all(re.match(rb"I! xenmeter: xentrace: ", line) for line in running.err.splitlines())
        return running.out, parse(running.out)


def name_of(one):
    return "Domain-0" if one["domid"] == 0 else "domid-%d" % one["domid"]


def test_execd_carries_counters_windows_and_percentiles(tmp_path):
    path = unpacked(tmp_path, "narrow-steady")
    document, table = bake(path), bake(path, "--window", "1")["windows"]
    lines = execd(path)[1]
    last = {tags["domain"]: fields for measurement, tags, fields, _ in lines if measurement == "xen_sched"}
    for one in document["domains"]:
        fields = last[name_of(one)]
        for mine, theirs in (("running_ns", "running_ns"), ("waiting_ns", "runnable_ns"), ("wakes", "wakes"),
                             ("blocked_ns", "blocked_ns"), ("executions", "executions"), ("domid", "domid")):
            assert fields[mine] == one[theirs]
        assert fields["full_blocked_ns"] == one["runstate"]["blocked_ns"]
    rows = {(tags["domain"], time): fields for measurement, tags, fields, time in lines
            if measurement == "xen_sched_window" and tags["window"] == "1s"}
    compared = 0
    for window in table[1:-1]:
        for one in window["domains"]:
            fields = rows[name_of(one), START * SECOND + window["start_ns"] + SECOND]
            assert fields["cpu_percent"] == pytest.approx(one["cpu_percent"], abs=0.0011)
            assert fields.get("wait_per_execution_ns") == one["wait_per_execution_ns"]
            compared += 1
    assert compared > 20
    waits = [(tags, fields) for measurement, tags, fields, _ in lines if measurement == "xen_sched_latency" and
             "cause" in tags and fields["wait_count"]]
    assert {tags["cause"] for tags, _ in waits} == {"wake", "preemption", "any"}
    for _, fields in waits:
        assert fields["wait_p50_ns"] <= fields["wait_p90_ns"] <= fields["wait_p99_ns"] <= fields["wait_p999_ns"]
        assert fields["wait_p999_ns"] <= fields["wait_max_ns"]


def test_the_percentiles_of_the_whole_trace_are_bakes(tmp_path):
    """A trace that is one window: cut at its own length, the window's percentiles are the document's."""
    path = unpacked(tmp_path, "sched-steady")
    document = bake(path)
    seconds = "%d.%09d" % divmod(document["trace"]["span_ns"], SECOND)
    lines = execd(path, "--window", seconds)[1]
    rows = {tags["domain"]: fields for measurement, tags, fields, _ in lines
            if measurement == "xen_sched_latency" and tags.get("cause") == "any"}
    lengths = {tags["domain"]: fields for measurement, tags, fields, _ in lines
               if measurement == "xen_sched_latency" and "cause" not in tags}
    single = [one for one in document["domains"] if sum(vcpu["domid"] == one["domid"] for vcpu in document["vcpus"]) == 1]
    assert single
    for one in single:
        vcpu = next(vcpu for vcpu in document["vcpus"] if vcpu["domid"] == one["domid"])
        # The last record lies on the window's border, and what it completes belongs to the next one.
        assert 0 <= vcpu["wait_ns"]["count"] - rows[name_of(one)]["wait_count"] <= 1
        assert 0 <= vcpu["run_ns"]["count"] - lengths[name_of(one)]["run_count"] <= 1
        for name in ("p50", "p90", "p99"):
            if vcpu["wait_ns"]["count"] == rows[name_of(one)]["wait_count"] > 0:
                assert rows[name_of(one)]["wait_%s_ns" % name] == vcpu["wait_ns"][name]


def test_influxd_takes_the_lines(tmp_path):
    path = unpacked(tmp_path, "narrow-churn")
    data, lines = execd(path, "--per-vcpu")
    with daemons.Influxd(tmp_path / "influx") as influx:
        influx.create("xen")
        assert influx.write("xen", data) == (204, b"")
        for measurement, field in (("xen_sched", "running_ns"), ("xen_sched_window", "io_per_execution"),
                                   ("xen_sched_latency", "wait_p99_ns"), ("xen_sched_vcpu", "executions"),
                                   ("xen_trace", "records"), ("xen_sched_pcpu", "busy_ns")):
            answer = influx.query("xen", 'SELECT COUNT("%s") FROM "%s"' % (field, measurement))
            assert answer["results"][0]["series"][0]["values"][0][1] == sum(
                field in fields for name, _, fields, _ in lines if name == measurement)


def test_gathers_take_one_window_each(tmp_path):
    path = unpacked(tmp_path, "narrow-steady")
    with Running("execd", "xentrace", "--source", path, "--cpu-khz", KHZ, "--start", START) as running:
        for number in range(1, 4):
            os.write(running.process.stdin.fileno(), b"\n")
            running.wait_out(rb"xen_trace [^\n]*observed_ns=%d000000000i" % number)
        running.process.stdin.close()
        assert running.wait_end() == 0
    times = {time for measurement, _, _, time in parse(running.out) if measurement == "xen_sched"}
    assert times == {(START + number) * SECOND for number in (1, 2, 3)}


def test_the_endpoint_serves_windows_of_a_trace(tmp_path):
    path = unpacked(tmp_path, "narrow-steady")
    with Running("serve", "xentrace", "--source", path, "--cpu-khz", KHZ, "--listen", "127.0.0.1:0") as running:
        url = running.wait_err(rb"(http://[^\n]*)\n").group(1).decode()
        first = urllib.request.urlopen(url, timeout=60).read().decode()
        then = urllib.request.urlopen(url, timeout=60).read().decode()
    seconds = [float(re.search(r"^xen_trace_observed_seconds_total (\S+)$", text, re.M).group(1)) for text in (first, then)]
    assert seconds == [1.0, 2.0] and 'le="+Inf"' in first


def test_the_recordings_own_pace(tmp_path):
    path = unpacked(tmp_path, "narrow-steady")
    ran = xenmeter("xentrace", "--source", path, "--cpu-khz", KHZ, "--pace", 20, "--format", "json")
    spans = [json.loads(line)["span_ns"] for line in ran.stdout.splitlines()]
    assert ran.returncode == 0 and spans[:3] == [SECOND, 2 * SECOND, 3 * SECOND]
