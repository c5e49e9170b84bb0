"""The study of 2005 as it was run on real Xen: its page says what its runs say, its recording gives those runs again, and the
report draws every figure."""
import html
import json
import re
import subprocess
import sys

import pytest

from helpers.paths import FIXTURES, PLUGINS, TOP
from lab.study.tables import DOMAINS, configurations, figure, share, tables
from xenmeter.front.report.runspage import page_of

STUDY = FIXTURES / "study"
RUNS = STUDY / "study.jsonl"
#: Of which the recording lies beside the runs, and what it was joined with.
RECORDED, LABEL, APART, IDLE = "credit2-0-10", "credit2, rate limit 0 us/dom0 x 10", "0.1", "4"


@pytest.fixture(scope="module")
def found():
    return configurations(RUNS)


@pytest.fixture(scope="module")
def drawn():
    return {html.unescape(title): svg for title, svg in re.findall(
        r'<section class="plot"><h3>(.*?)</h3>.*?(<svg .*?</svg>)', page_of(str(RUNS)), re.DOTALL)}


def test_the_page_has_the_tables_of_the_runs():
    assert "\n".join(tables(RUNS)) in (TOP / "tests" / "lab" / "study" / "README.md").read_text(encoding="utf-8")


def test_it_is_whole(found):
    assert len(found) == 2 * 3 * 4 and {len(those) for those in found.values()} == {5}
    assert not any(record["unusable"] or record["host"]["lost_records"] for those in found.values() for record in those)


@pytest.mark.parametrize("name", DOMAINS)
def test_shares_add_up(found, name):
    for those in found.values():
        for record in those:
            assert sum(share(record, name, state) for state in ("running_ns", "waiting_ns", "blocked_ns")) == pytest.approx(
                100, abs=2)


def test_every_figure_is_drawn(found, drawn):
    panels = {"reply_rate": 24, "response_time": 24, "CPU time": 48, "Blocked": 48, "Waiting": 48, "Executions": 48,
              "CPU time per execution": 48, "I/O count": 24, "I/O count per execution of Domain-0": 24,
              "Packets of the guests' networks": 24}
    for title, lines in panels.items():
        assert drawn[title].count("<polyline ") == lines and drawn[title].count("<circle ") == 5 * lines, title
    assert drawn["What a request costs, and what of it each execution"].count("<circle ") == 120 * len(DOMAINS)


def test_the_points_are_the_runs(found, drawn):
    for (scheduler, limit, weight), those in found.items():
        for record in those:
            assert "dom0 x %s: %.4g reply/s at %.6g" % (
                weight, figure(record, "reply_rate"), figure(record, "asked_rate")) in drawn["reply_rate"]


def test_the_recording_gives_its_runs_again(tmp_path):
    """A run's trace and readings, as they came from dom0, with the command of the README."""
    asked = [json.loads(line) for line in RUNS.read_text().splitlines() if json.loads(line)["label"] == LABEL]
    assert len(asked) == 5
    (tmp_path / "asked.jsonl").write_text("".join(json.dumps(dict(record, domains=[], lengths_ns={})) + "\n" for record in asked))
    ran = subprocess.run([sys.executable, "-m", "xenmeter", "bench", "--source", str(STUDY / RECORDED), "--runs-of",
                          str(tmp_path / "asked.jsonl"), "--interval", APART, "--idle", IDLE, "--format", "json"],
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=300, env={"PYTHONPATH": str(PLUGINS)})
    assert (ran.returncode, ran.stderr) == (0, b"")
    assert [json.loads(line) for line in ran.stdout.splitlines()] == asked
