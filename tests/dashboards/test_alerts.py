"""The shipped alert rules, each firing and not firing, in the real promtool; and that their metrics are ours."""
import json
import os
import pathlib
import re
import shutil

from helpers.dashboards import alerts_governed
import pytest
from helpers.dashboards.metric_names import prometheus_names
from tools import daemons
from tools.promtool import promtool

pytestmark = pytest.mark.daemon

HERE = pathlib.Path(__file__).resolve().parent
CONF = HERE.parents[1] / "conf.d" / "prometheus"
RULES = CONF / "alerts.yml"
ALERTS = re.findall(r"^ *- alert: (\w+)$", RULES.read_text(), re.M)


def promtool_on(tmp_path, rules):
    (tmp_path / "alerts.yml").write_text(rules)
    shutil.copy(str(HERE / "alerts_test.yml"), str(tmp_path))
    return promtool("test", "rules", "alerts_test.yml", cwd=str(tmp_path))


def test_the_rules_are_rules():
    ran = promtool("check", "rules", RULES)
    assert ran.returncode == 0 and "%d rules found" % len(ALERTS) in ran.stdout, ran.stdout


def test_each_fires_and_does_not_fire(tmp_path):
    ran = promtool_on(tmp_path, RULES.read_text())
    assert ran.returncode == 0 and "SUCCESS" in ran.stdout, ran.stdout


@pytest.mark.parametrize("alert", ALERTS)
def test_the_test_knows_every_alert(tmp_path, alert):
    """One that never fired, or always did, would be seen."""
    never = re.sub(r"(alert: %s\n +expr: )(>-\n(?: {10}.*\n)+|.*\n)" % alert, r"\1vector(1) < 0\n", RULES.read_text())
    always = never.replace("vector(1) < 0", "vector(1)")
    for rules in (never, always):
        assert rules != RULES.read_text()
        ran = promtool_on(tmp_path, rules)
        assert ran.returncode != 0 and alert in ran.stdout


def firing(tmp_path, given, expected):
    """Ask the real rules which alerts fire on which host. expected: {minute: {(alert, instance)}}"""
    shutil.copy(str(RULES), str(tmp_path / "alerts.yml"))
    count = 'count by (alertname, instance) (ALERTS{alertstate="firing"})'
    asked = [{"expr": count, "eval_time": "%dm" % minute, "exp_samples": [
        {"labels": '{alertname="%s",instance="%s"}' % pair, "value": number} for pair, number in sorted(alerts.items())]}
        for minute, alerts in expected.items()]
    (tmp_path / "governed.yml").write_text(json.dumps({"rule_files": ["alerts.yml"], "evaluation_interval": "1m", "tests": [
        {"interval": "%ds" % alerts_governed.STEP, "input_series": given, "promql_expr_test": asked}]}))
    ran = promtool("test", "rules", "governed.yml", cwd=str(tmp_path))
    assert ran.returncode == 0 and "SUCCESS" in ran.stdout, ran.stdout


BAD = {("XenDom0Starved", "bad:1"): 1, ("XenDomainReady", "bad:1"): 1, ("XenWaitLatency", "bad:1"): 2,
       ("XenTraceRecordsLost", "bad:1"): 1}


@pytest.mark.parametrize("observation, cycle", [(10, 10), (10, 100), (10, 310)])
def test_a_host_whose_baker_rests_is_judged_by_what_it_observed(tmp_path, observation, cycle):
    """The shares of observed time are the same, however long it rests; and no alert comes and goes with the rests."""
    given = alerts_governed.series(observation, cycle, 75)
    resting = {("XenTraceObservedLow", instance): 1 for instance in alerts_governed.TRUTH} if 20 * observation < cycle else {}
    firing(tmp_path, given, {1: {}, **{minute: {**BAD, **resting} for minute in range(40, 74)}})


DOWN = {("XenmeterSourceDown", instance): 1 for instance in alerts_governed.TRUTH}


@pytest.mark.parametrize("end, down", [("gone", DOWN), ("frozen", {})])
def test_what_is_not_observed_any_more_is_not_judged(tmp_path, end, down):
    """The trace's source is down, or nothing new comes of it: nobody is called starved for what was long ago."""
    firing(tmp_path, alerts_governed.series(10, 100, 120, end), {79: BAD, 110: down})


def test_every_metric_is_in_the_catalogue():
    expressions = " ".join(re.findall(r"expr: (.*(?:\n {10}.*)*)", RULES.read_text()))
    parts_of_a_files_name = {"xenmeter", "xentop", "xentrace", "xenstored"}     # the last one is a label's value
    names = set(re.findall(r"\bxen[a-z0-9_]+(?=[{\[)]|\b)", expressions)) - parts_of_a_files_name
    assert len(names) == 24 and names <= prometheus_names()


@pytest.mark.parametrize("path", sorted(CONF.glob("*.yml")) , ids=lambda path: path.name)
def test_the_sample_configurations_load(path, tmp_path):
    """The files that one names are somebody's own: here in a folder of the test."""
    for name in ("xenmeter.crt", "xenmeter.password"):
        (tmp_path / name).write_text("x")
    copy = tmp_path / path.name
    copy.write_text(path.read_text().replace(": /etc/prometheus/", ": %s/" % tmp_path))
    kind = "rules" if path == RULES else "config"
    ran = promtool("check", kind, copy)
    assert ran.returncode == 0, ran.stdout


def test_node_exporter_names_the_files_as_the_rule_expects(tmp_path):
    """And the time that it tells is the file's own, so that a plugin's death shows."""
    folder = tmp_path / "text"
    folder.mkdir()
    for name in ("xentop.prom", "smartmon.prom"):
        (folder / name).write_text("a_%s 1\n" % name.partition(".")[0])
        os.utime(str(folder / name), (1000, 1000))
    with daemons.NodeExporter(tmp_path / "work", folder) as exporter:
        told = dict(re.findall(r'^node_textfile_mtime_seconds\{file="(.*)"\} (\S+)$', exporter.metrics(), re.M))
    assert len(told) == 2 and {float(value) for value in told.values()} == {1000}
    (pattern,) = set(re.findall(r'\{file=~"(.*?)"\}', RULES.read_text()))
    assert [pathlib.Path(name).name for name in told if re.fullmatch(pattern, name)] == ["xentop.prom"]
