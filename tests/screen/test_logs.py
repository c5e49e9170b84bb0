"""The logs: a real xenmon's form, our figures, and R, gnuplot and pandas as their readers."""
import csv
import json
import os
import re
import subprocess
import sys
import threading

import pandas
import pytest

from helpers.terminal_stage import PATIENCE, START, recording, unpacked
from helpers.paths import FIXTURES, PLUGINS
from helpers.pictures import picture_of
from tools import daemons, picture, process
from xenmeter.core.times import parse_time
from xenmeter.front.screen.history import History, Slice
from xenmeter.front.screen.logs import COLUMNS, HEADER, Logs
from xenmeter.front.screen.parts import PcpuPart
from xenmeter.xentrace.baker.document import Words
from xenmeter.xentrace.playback import Playback
from xenmeter.xentrace.baker.writing import Writer

REAL = FIXTURES / "xenmon" / "credit2-2pcpu"
#: The header's names, and those of the three first columns.
NAMES = HEADER.split()[1:]
SCREEN = PLUGINS / "xenmeter" / "front" / "screen"


def run(*words, **how):
    return subprocess.run([sys.executable, "-m", "xenmeter"] + [str(word) for word in words], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, env=dict(os.environ, PYTHONPATH=str(PLUGINS)), universal_newlines=True,
                          check=False, **how)


@pytest.fixture
def logged(tmp_path):
    """The folder with the logs ``host*`` of a trace that has allocations too, and bake's windows of it."""
    path = unpacked(tmp_path, "alloc-steady")
    ran = run(*recording(path), "--log", tmp_path / "logs" / "host")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout == "%s*: 5 intervals of 5 domains\n" % (tmp_path / "logs" / "host")
    baked = run("bake", path, "--cpu-khz", "2596120", "--window", "1")
    return tmp_path / "logs", [window["domains"] for window in json.loads(baked.stdout)["windows"]]


def lines_of(path):
    lines = path.read_text().splitlines()
    assert lines[0] + "\n" == HEADER
    return [dict(zip(NAMES, map(float, line.split(" ")))) for line in lines[1:]]


def test_the_files_of_a_real_xenmon_have_this_form():
    """What we write by the facts is what the program wrote: names, header, 16 fields, three decimals, units."""
    files = sorted(path.name for path in REAL.glob("*.log"))
    assert files == ["xenmon-log-dom0.log", "xenmon-log-dom19.log", "xenmon-log-idle.log"]
    form = re.compile(r"\d+\.\d{3} 0 -?\d+( \d+\.\d{3}){13}\Z")
    for name in files:
        lines = (REAL / name).read_text().splitlines()
        assert lines[0] + "\n" == HEADER and all(form.match(line) for line in lines[1:])


def test_lines_are_bakes_windows(logged):
    folder, windows = logged
    assert sorted(path.name for path in folder.iterdir()) == ["host-dom%d.log" % domid for domid in range(5)] + [
        "host-idle.log", "host.csv"]
    form = re.compile(r"\d+\.\d{3} 0 -?\d+( (\d+\.\d{3}|NaN)){13}\Z")
    for domid in range(5):
        lines = (folder / ("host-dom%d.log" % domid)).read_text().splitlines()[1:]
        assert all(form.match(line) for line in lines)
        for line, window in zip(lines_of(folder / ("host-dom%d.log" % domid)), windows):
            one = window[domid]
            length = 10 ** 9
            if line["passed"] % 1000:
                continue        # the end of the trace is no whole second
            assert line["cpu(tot)"] == pytest.approx(one["running_ns"] * 10 ** 9 / length, abs=0.001)
            assert line["cpu(%)"] == pytest.approx(one["running_ns"] * 100 / length, abs=0.001)
            assert line["cpu/ex"] == pytest.approx(one["running_ns"] / one["executions"], abs=0.001)
            assert line["waited(tot)"] == pytest.approx(one["waiting_ns"], abs=0.001)
            assert line["waited/ex"] == pytest.approx(one["waiting_ns"] / one["executions"], abs=0.001)
            assert line["ex/s"] == one["executions"] and line["dom"] == domid and line["cpu"] == 0
            ios = one["grant_maps"] + one["grant_unmaps"] + one["grant_transfers"]
            assert line["io(tot)"] == ios and line["blocked/io"] == pytest.approx(
                one["blocked_ns"] / ios if ios else 0, abs=0.001)
            assert int(line["allocated/ex"]) == one["allocation_avg_ns"]
    shares = [sum(line["cpu(%)"] for line in rows) for rows in zip(*[
        lines_of(folder / name) for name in ["host-dom%d.log" % domid for domid in range(5)] + ["host-idle.log"]])]
    assert shares == pytest.approx([200] * 5, abs=0.4)      # two pCPUs, and the time of the switches


def test_the_csv_says_more_and_all_of_it_in_integers(logged):
    folder, windows = logged
    with open(str(folder / "host.csv"), newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS and len(rows) == 25
    assert rows[0]["time"] == "2026-11-20T16:35:01.000Z" and rows[0]["domain"] == "Domain-0" and rows[0]["uuid"] == ""
    for row in rows:
        assert all(re.match(r"-?\d*\Z", value) for name, value in row.items() if name not in ("time", "domain", "uuid"))
        states = sum(int(row[name + "_ns"]) for name in ("running", "waiting", "blocked", "offline", "unknown"))
        assert states == (2 if row["domid"] == "0" else 1) * int(row["length_ns"])
    for row, one in zip(rows, [one for window in windows[:4] for one in window]):
        assert [int(row[name]) for name in ("domid", "running_ns", "waiting_ns", "blocked_ns", "executions")] == [
            one[name] for name in ("domid", "running_ns", "waiting_ns", "blocked_ns", "executions")]
        assert int(row["allocation_sum_ns"]) // int(row["allocations"]) == one["allocation_avg_ns"]
        assert int(row["wait_p50_ns"]) <= int(row["wait_p99_ns"]) <= int(row["wait_max_ns"])


def test_passed_never_falls_whatever_the_clock_is_set_to(tmp_path):
    """An hour back after two intervals; the CSV has the clock's own times."""
    logs, second = Logs(str(tmp_path / "h"), 10 ** 9), 10 ** 9
    ends = [5001, 5002, 1403, 1404, 1405]
    for end in ends:
        logs.add(Slice(end * second, second, {}, {}, {0: PcpuPart(second, (0, second, 0, 0, 0))}, 0), History())
    logs.close()
    assert [line["passed"] for line in lines_of(tmp_path / "h-idle.log")] == [1000, 2000, 3000, 4000, 5000]


def test_intervals_and_their_end(tmp_path):
    path = unpacked(tmp_path, "narrow-churn")
    ran = run(*recording(path), "--log", tmp_path / "h", "--interval", "2", "--seconds", "6")
    assert (ran.returncode, ran.stderr) == (0, "") and "3 intervals" in ran.stdout
    assert [line["passed"] for line in lines_of(tmp_path / "h-dom0.log")] == [2000, 4000, 6000]
    with open(str(tmp_path / "h.csv"), newline="") as file:
        assert {row["length_ns"] for row in csv.DictReader(file)} <= {"2000000000", "1000000000"}
    for words, status, text in (
            (["--log", "/proc/nothing/h"], 1, "/proc/nothing"), (["--log", tmp_path / "i", "--interval", "60"], 1, "nothing is"),
            (["--log", tmp_path / "i", "--seconds", "0"], 2, "--seconds"), (["--log", tmp_path / "i", "--interval", "x"], 2,
                                                                             "--interval")):
        ran = run(*recording(path), *words)
        assert ran.returncode == status and text in ran.stderr and ran.stderr.count("\n") == 1, ran


def test_what_is_not_known_is_nan_and_empty(tmp_path):
    ran = run(*recording(unpacked(tmp_path, "narrow-steady")), "--log", tmp_path / "h")     # no time slices in it
    assert ran.returncode == 0
    assert all(line["allocated/ex"] != line["allocated/ex"] for line in lines_of(tmp_path / "h-dom0.log"))
    found = pandas.read_csv(str(tmp_path / "h.csv"))
    assert found.allocations.isna().all() and not found.running_ns.isna().any()


@pytest.mark.daemon
def test_r_reads_both(logged):
    folder, windows = logged
    ran = daemons.r_script("""
log <- read.table("host-dom0.log", col.names = strsplit(readLines("host-dom0.log", 1), " ")[[1]][-1], check.names = FALSE)
cat("log:", nrow(log), sum(sapply(log, is.numeric)), sum(log$`cpu(tot)`[1:4]), "\\n")
idle <- read.table("host-idle.log")
cat("idle:", sum(is.nan(idle$V6)), sum(idle$V5 > 0), "\\n")
csv <- read.csv("host.csv", na.strings = "")
cat("csv:", nrow(csv), format(sum(csv$running_ns[csv$domid == 0][1:4]), digits = 15), class(csv$wait_p99_ns), "\\n")
""", cwd=str(folder))
    assert ran.returncode == 0, ran.stderr
    said = dict(line.split(": ", 1) for line in ran.stdout.splitlines())
    total = sum(window[0]["running_ns"] for window in windows[:4])
    assert said["log"].split()[:2] == ["5", "16"] and float(said["log"].split()[2]) == pytest.approx(total, abs=100)
    assert said["idle"].split() == ["5", "5"]
    assert said["csv"].split() == ["25", str(total), "integer"]


def test_pandas_reads_both(logged):
    folder, windows = logged
    log = pandas.read_csv(str(folder / "host-dom2.log"), sep=" ", comment=None, skiprows=1, header=None, names=NAMES)
    assert log.shape == (5, 16) and log.dtypes.map(lambda kind: kind.kind in "if").all()
    assert log["cpu(tot)"][0] == windows[0][2]["running_ns"]
    table = pandas.read_csv(str(folder / "host.csv"), parse_dates=["time"])
    assert str(table.time.dt.tz) == "UTC" and (table.time_ns.dtype, table.running_ns.dtype) == ("int64", "int64")
    pivot = table.pivot(index="time", columns="domain", values="running_ns")
    assert pivot.shape == (5, 5) and pivot["domid-2"].iloc[0] == windows[0][2]["running_ns"]


@pytest.mark.daemon
def test_gnuplot_draws_the_plot_of_the_readme(logged):
    """The commands as the README shows them."""
    folder, _ = logged
    drawn = picture.drawn(folder)
    # the columns that the README picks are the ones that its axes name
    assert [NAMES[int(number) - 1] for number in re.findall(r"\):(\d+) with", (SCREEN / "README.md").read_text())] == [
        "cpu(%)", "waited(%)"]
    shown = (SCREEN / "plot.svg").read_text()
    for one in (drawn, shown):
        assert all("dom%d" % domid in one for domid in range(5)) and "waiting, %" in one and "CPU gotten, %" in one
        assert one.count("<path") > 20


@pytest.mark.daemon
def test_live_until_there_is_enough(tmp_path):
    """A baker's documents, one after the other, as fast as the log follows."""
    source = Playback(str(unpacked(tmp_path, "narrow-steady")), [10 ** 9], 2596120, parse_time(START))
    writer = Writer(str(tmp_path / "baker"), 60 * 10 ** 9)
    log = subprocess.Popen([sys.executable, "-m", "xenmeter", "mon", "--log", str(tmp_path / "host"), "--source", "baker",
                            "--shared", str(tmp_path / "baker"), "--seconds", "4"], stdout=subprocess.PIPE,
                           stderr=subprocess.PIPE, env=dict(os.environ, PYTHONPATH=str(PLUGINS)), universal_newlines=True)
    try:
        for number, sample in enumerate(source.samples(threading.Event(), None), 1):
            whole = picture_of(sample.figures)
            writer.write(Words().parts(whole, None, None), sample.time_ns, whole.cells)
            process.poll(lambda number=number: log.poll() is not None or len(lines_of(tmp_path / "host-dom0.log")) >= number
                         if (tmp_path / "host-dom0.log").exists() else False, PATIENCE, AssertionError)
            if log.poll() is not None:
                break
        out, err = log.communicate(timeout=PATIENCE)
    finally:
        log.kill()
        log.wait()
        writer.close()
    assert (log.returncode, err) == (0, "") and "4 intervals of 5 domains" in out
    assert [line["passed"] for line in lines_of(tmp_path / "host-dom0.log")] == [1000, 2000, 3000, 4000]


@pytest.mark.daemon
def test_a_signal_ends_a_log_in_order(tmp_path):
    words = recording(unpacked(tmp_path, "narrow-churn"), pace=1)
    log = subprocess.Popen([sys.executable, "-m", "xenmeter"] + words + ["--log", str(tmp_path / "host")],
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=dict(os.environ, PYTHONPATH=str(PLUGINS)))
    process.poll((tmp_path / "host-dom0.log").exists, PATIENCE, AssertionError)
    log.terminate()
    out, err = log.communicate(timeout=PATIENCE)
    assert (log.returncode, err) == (0, b"") and b"intervals of" in out
    assert 1 <= len(lines_of(tmp_path / "host-dom0.log")) < 12
