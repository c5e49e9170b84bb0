"""What does a request to web1 cost dom0, and did the new kernel make it better? README's two commands on a recording."""
import json
import re
import shlex
import subprocess
import sys

import pytest

from helpers import recorded_costs as recorded
from helpers.paths import PLUGINS
from helpers.recordings import recorded as recorded_trace
from xenmeter.bench import runs
from xenmeter.bench.runner import Ran

README = (PLUGINS / "xenmeter" / "bench" / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    folder = tmp_path_factory.mktemp("two")
    recorded.write(folder)
    return folder


def typed(folder, line):
    """A line of the README, as somebody types it."""
    words = shlex.split(line, comments=True)
    assert words[0] == "xenmeter"
    return subprocess.run([sys.executable, "-m", "xenmeter", *words[1:]], cwd=str(folder), stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, universal_newlines=True, timeout=300, env={"PYTHONPATH": str(PLUGINS)})


@pytest.fixture(scope="module")
def answers(host):
    lines = re.findall(r"^    (xenmeter (?:bench --source host|compare costs).*)$", README, re.MULTILINE)
    assert len(lines) == 2 and lines[0].startswith("xenmeter bench") and lines[1].startswith("xenmeter compare")
    return [typed(host, line) for line in lines]


def test_they_end_well(answers):
    assert [(ran.returncode, ran.stderr) for ran in answers] == [(0, ""), (0, "")]


def test_the_first_tells_what_a_request_costs_dom0(answers, host):
    heads = re.findall(r"^run \d+ \(6\.1\): 20\.00 s  reply_rate", answers[0].stdout, re.MULTILINE)
    assert len(heads) == 7
    rows = re.findall(r"^  Domain-0 +([\d.]+) +(\d+) % +([\d.]+)", answers[0].stdout, re.MULTILINE)
    assert len(rows) == 14
    for number, (cpu_ms, _, per_request) in enumerate(rows):
        truth = recorded.COSTS["6.1" if number < 7 else "6.12"]["Domain-0"]
        assert float(per_request) == pytest.approx(truth, rel=0.1)     # 2 % of noise
        assert float(cpu_ms) == pytest.approx(float(per_request) * recorded.REQUESTS / 1000, rel=0.001)


def test_the_second_says_that_the_new_kernel_made_it_better(answers):
    told = re.search(r"^CPU us of Domain-0 per request: median ([\d.]+), then ([\d.]+); better: (-[\d.]+) %", answers[1].stdout,
                     re.MULTILINE)
    assert float(told.group(1)) == pytest.approx(180, rel=0.03) and float(told.group(2)) == pytest.approx(126, rel=0.03)
    assert float(told.group(3)) == pytest.approx(-30, abs=3)
    assert re.search(r"^CPU us of web1 per request: .*(the same|no difference seen)", answers[1].stdout, re.MULTILINE)
    assert "kernel of dom0: 6.1, then 6.12\n" in answers[1].stdout
    assert re.search(r"^reply_rate: (the same within 2 %|no difference seen)", answers[1].stdout, re.MULTILINE)


def test_idle_is_no_cost(answers, host):
    """dom0 takes 20 ms each second of which no request is the reason."""
    for line in (host / "costs.jsonl").read_text().splitlines():
        dom0 = {domain["name"]: domain for domain in json.loads(line)["domains"]}["Domain-0"]
        span = json.loads(line)["lengths_ns"]["xentop"]
        assert dom0["costs"]["cpu_ns"] - dom0["above_idle"]["cpu_ns"] == pytest.approx(recorded.IDLE["Domain-0"] * span / 1e9,
                                                                                      rel=0.01)


def test_bytes_of_the_vif_are_there_above_idle(answers, host):
    for line in (host / "costs.jsonl").read_text().splitlines():
        web1 = {domain["name"]: domain for domain in json.loads(line)["domains"]}["web1"]
        moved = web1["above_idle"]
        assert moved["rx_bytes"] + moved["tx_bytes"] == pytest.approx(recorded.REQUESTS * (recorded.BYTES + 100), rel=0.001)
        assert moved["rx_packets"] + moved["tx_packets"] == pytest.approx(2 * recorded.REQUESTS, rel=0.001)


@pytest.mark.parametrize("interval, apart", [("1", 10 ** 9), ("0.02", 2 * 10 ** 7)])
def test_the_ends_of_a_run_are_known_to_the_interval_of_a_trace(tmp_path, interval, apart):
    """And the states of a domain add up to what lies between."""
    began, length = 1790000000 * 10 ** 9 + 1230000000, 2 * 10 ** 9
    recorded_trace(tmp_path / "host", "narrow-churn", {0: "Domain-0", 1: "busy"}, 1790000000 * 10 ** 9)
    record = runs.record_of("", 1, ["job"], None, Ran(0, began, length, [], {}, ""), None, None)
    (tmp_path / "runs.jsonl").write_text(json.dumps(runs.unwatched(record)) + "\n")
    ran = typed(tmp_path, "xenmeter bench --source host --runs-of runs.jsonl --idle 0 --interval %s --format json" % interval)
    assert (ran.returncode, ran.stderr) == (0, "")
    told = json.loads(ran.stdout)
    before, after = told["edges_ns"]["xentrace"]
    assert 0 <= before < apart and 0 <= after < apart
    costs = next(domain["costs"] for domain in told["domains"] if domain["name"] == "busy")
    assert costs["running_ns"] > 0 and sum(costs[state] for state in (
        "running_ns", "waiting_ns", "blocked_ns", "offline_ns", "unknown_ns")) == told["lengths_ns"]["xentrace"]
