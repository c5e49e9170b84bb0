"""``bake``: the contract's document, frequency out of the trace, one-line errors; and single rules of the accounts."""
import json
import lzma
import os

import pytest

from helpers import encoding
from helpers.paths import TRACES as FIXTURES
from helpers.summary import run
from xenmeter.core.errors import BadOption
from xenmeter.xentrace.engine import records
from xenmeter.xentrace.summary import contract
from xenmeter.xentrace.engine.engine import Engine
from xenmeter.xentrace.engine.frequency import rate_of

KHZ = 1000000       # a cycle is a nanosecond
VCPU = {"domid", "vcpu", "running_ns", "runnable_ns", "blocked_ns", "offline_ns", "unknown_ns", "executions",
        "preemptions", "wakes", "migrations", "generation", "wait_ns", "run_ns"}
SUMMARY = {"count", "sum", "p50", "p90", "p99", "p999", "max"}


def change(tsc, old, new, domid=1, vcpu=0):
    return encoding.runstate(1000 + tsc, domid, vcpu, old, new)


def bake(core, *pcpus, **options):
    engine = Engine(KHZ, core=core, **options)
    engine.feed(b"".join(records.window(pcpu, b"".join(held)) for pcpu, held in enumerate(pcpus)))
    return engine.finish()


def test_the_document(trace):
    path = trace("narrow-churn")
    done = run(path, "--cpu-khz", "2596120", "--window", "1")
    assert done.returncode == 0 and not done.stderr
    told = json.loads(done.stdout.decode())
    assert set(told) == {"trace", "vcpus", "domains", "pcpus", "windows"}
    assert set(told["trace"]) == {"records", "lost_records", "lost_before", "span_ns", "cpu_khz", "pcpus", "anomalies"}
    assert told["trace"]["cpu_khz"] == 2596120 and told["trace"]["pcpus"] == 2 and told["trace"]["records"] == 45247
    for one in told["vcpus"]:
        assert set(one) == VCPU and set(one["wait_ns"]) == set(one["run_ns"]) == SUMMARY
        assert one["domid"] != 32767
    for one in told["domains"]:
        assert set(one["runstate"]) == {"full_run_ns", "full_contention_ns", "concurrency_hazard_ns", "blocked_ns",
                                        "partial_run_ns", "partial_contention_ns"}
    for one in told["pcpus"]:
        assert set(one) == {"pcpu", "busy_ns", "idle_ns", "unknown_ns", "lost_records", "lost_ns"}
    assert [one["start_ns"] for one in told["windows"]] == [second * 10 ** 9 for second in range(12)]
    with open(path, "rb") as stream:
        assert json.loads(run("-", "--cpu-khz", "2596120", "--window", "1", stdin=stream).stdout.decode()) == told


def test_errors_are_one_line(tmp_path, trace):
    junk = tmp_path / "junk"
    junk.write_bytes(b"x" * 10000)
    for arguments, status, word in (((str(junk), "--cpu-khz", "1"), 1, "no window of a pCPU"),
                                    ((str(tmp_path / "none"), "--cpu-khz", "1"), 1, "no such file"),
                                    ((str(junk), "--cpu-khz", "0"), 2, "--cpu-khz"),
                                    ((str(junk), "--cpu-khz", "5", "--window", "0"), 2, "--window"),
                                    ((trace("narrow-steady"),), 2, "--cpu-khz")):
        done = run(*arguments)
        assert done.returncode == status and word in done.stderr.decode()
        assert done.stderr.count(b"\n") == 1 and not done.stdout


@pytest.mark.parametrize("case", ["alloc-steady", "sched-steady", "S1-sched", "loss-sched-churn", "cap20", "gen"])
def test_the_frequency_is_in_the_trace(case):
    with lzma.open(os.path.join(FIXTURES, case, "trace.bin.xz")) as stream:
        khz, used = rate_of(stream, [], 1 << 20, case)
    assert abs(khz - 2596120) * 1000 < 2596120 and used > 100


@pytest.mark.parametrize("case", ["narrow-steady", "pm-steady"])
def test_the_frequency_is_not_guessed(case):
    with lzma.open(os.path.join(FIXTURES, case, "trace.bin.xz")) as stream:
        with pytest.raises(BadOption, match="--cpu-khz is needed"):
            rate_of(stream, [], 1 << 20, case)


def test_a_found_frequency_is_told(trace):
    told = json.loads(run(trace("alloc-steady")).stdout.decode())
    assert "run times" in told["trace"]["cpu_khz_source"]


def test_waits_by_cause(core):
    figures = bake(core, [change(0, 2, 1), change(10, 1, 0), change(30, 0, 1), change(60, 1, 0), change(100, 0, 3),
                          change(150, 3, 1), change(157, 1, 0), change(160, 0, 2)])
    one = figures["vcpus"][0]
    assert (one["wait_wake_ns"], one["wait_preempt_ns"], one["runnable_ns"]) == (10, 30, 47)
    assert (one["executions"], one["preemptions"], one["wakes"], one["migrations"]) == (3, 1, 1, 0)
    assert contract(figures)["vcpus"][0]["wait_ns"] == {"count": 3, "sum": 47, "p50": 10, "p90": 30, "p99": 30,
                                                        "p999": 30, "max": 30}


def test_an_interval_whose_beginning_was_not_seen_enters_no_histogram(core):
    figures = bake(core, [change(0, 1, 1, domid=9), change(50, 1, 0), change(60, 0, 2)])
    one = contract(figures)["vcpus"][0]
    assert one["runnable_ns"] == 50 and one["wait_ns"]["count"] == 0 and one["run_ns"]["sum"] == 10


def test_a_contradiction_is_unknown_and_counted(core):
    figures = bake(core, [change(0, 1, 0), change(10, 0, 2), change(50, 0, 2), change(60, 2, 1)])
    one = figures["vcpus"][0]
    assert figures["trace"]["anomaly_kinds"]["contradictions"] == 1
    assert (one["running_ns"], one["unknown_ns"], one["blocked_ns"]) == (10, 40, 10)


def test_lives_of_a_domid(core):
    def event(tsc, event, domid=1):
        return encoding.encode(event, [domid], 1000 + tsc)
    figures = bake(core, [change(0, 2, 1), change(10, 1, 3), event(20, records.DOM0_DOM_REM),
                          event(50, records.DOM0_DOM_ADD), change(70, 3, 1), change(80, 1, 0), change(100, 0, 2)])
    lives = [(one["generation"], one["start_ns"], one["end_ns"], one["offline_ns"]) for one in figures["domains"]]
    assert lives == [(0, 0, 20, 10), (1, 50, None, 20)]
    assert [one["executions"] for one in figures["vcpus"]] == [0, 1] and figures["trace"]["anomalies"] == 0


def test_a_loss(core):
    """pCPU 1 loses records from 100 to 200. What ran on pCPU 0 is known; a vCPU that waited is not, until 200."""
    figures = bake(core,
                   [change(0, 1, 0, domid=1), change(300, 0, 2, domid=1)],
                   [change(0, 2, 1, domid=2), change(5, 1, 0, domid=3), change(50, 0, 2, domid=3),
                    encoding.lost(1200, 7, 3, 0, 1100), change(250, 0, 2, domid=3), change(260, 1, 0, domid=2)])
    by = {one["domid"]: one for one in figures["vcpus"]}
    assert by[1]["unknown_ns"] == 0 and by[1]["running_ns"] == 300
    assert (by[2]["runnable_ns"], by[2]["unknown_ns"], by[2]["running_ns"]) == (100 + 60, 100, 40)
    assert (by[3]["running_ns"], by[3]["blocked_ns"], by[3]["unknown_ns"], by[3]["runnable_ns"]) == (
        45 + 50, 50 + 50, 100, 5)
    assert figures["pcpus"][1]["lost_records"] == 7 and figures["pcpus"][1]["lost_ns"] == 100
    assert figures["trace"]["lost_records"] == 7 and figures["trace"]["lost_before"] == 0


def test_c_states_and_frequencies(core):
    def event(tsc, event, *words):
        return encoding.encode(event, words, 1000 + tsc)
    figures = bake(core, [event(0, records.PM_IDLE_ENTRY, 2, 0, 0, 0), event(40, records.PM_IDLE_EXIT, 2, 0),
                          event(50, records.PM_FREQ_CHANGE, 2600, 1200), event(60, records.PM_IDLE_ENTRY, 1, 0),
                          event(65, records.PM_IDLE_EXIT, 1, 0), event(70, records.PM_IDLE_ENTRY, 2, 0),
                          event(100, records.PM_IDLE_EXIT, 2, 0)])
    one = figures["pcpus"][0]
    assert one["cstates"] == {1: {"ns": 5, "entries": 1}, 2: {"ns": 70, "entries": 2}}
    assert one["mhz"] == 1200 and one["frequency_changes"] == 1


def test_windows_are_cut_at_the_border(core):
    figures = bake(core, [change(0, 1, 0), change(25, 0, 2), change(30, 2, 1), change(39, 1, 0), change(45, 0, 2)],
                   windows=[10, 20])
    cut = [[(one["domains"][0]["running_ns"], one["domains"][0]["waiting_ns"], one["domains"][0]["blocked_ns"],
             one["domains"][0]["executions"]) for one in length["windows"]] for length in figures["windows"]]
    assert cut[0] == [(10, 0, 0, 1), (10, 0, 0, 0), (5, 0, 5, 0), (1, 9, 0, 1), (5, 0, 0, 0)]
    assert cut[1] == [(20, 0, 0, 1), (6, 9, 5, 1), (5, 0, 0, 0)]


def test_a_late_first_record_fills_closed_windows(core):
    figures = bake(core, [change(0, 1, 0), change(35, 0, 2), change(36, 2, 1, domid=2)], windows=[10])
    two = [{one["domid"]: one["blocked_ns"] for one in window["domains"]}.get(2)
           for window in figures["windows"][0]["windows"]]
    assert two == [10, 10, 10, 6]


def test_a_pcpu_that_only_a_marker_shows_at_work_was_at_work(core):
    told = bake(core, [change(0, 2, 1), change(2000, 0, 2, domid=2)], [encoding.lost(1500, 7, 1, 0, 1100)])
    one = told["pcpus"][1]
    assert (one["lost_ns"], one["unknown_ns"], one["busy_ns"]) == (400, 400, 1600)
