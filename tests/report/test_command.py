"""`xenmeter report` as people run it: every kind of input, what it says when something is wrong, how large it gets."""
import csv
import gzip
import html.parser
import io
import json
import os
import pty
import re
import resource
import shlex
import subprocess
import sys

import pytest
from helpers.recordings import HOSTILE, recorded
from helpers.captures import KHZ, capture
from helpers.paths import PLUGINS
from helpers.traces import TRC_SCHED, lengthened, save, without_class

from xenmeter.front.commands import report
from xenmeter.front.report.csvlog import of_csv
from xenmeter.front.report.make import document_of

MOST_BYTES = 3000000
MOST_CPU_S = 30.0
"""Of CPU time, so that a busy machine does not matter."""


def data_of(path):
    """What the page's plots are drawn from."""
    found = re.search(r'<script type="application/json" id="xenmeter-data">(.*?)</script>',
                      path.read_text(encoding="utf-8"), re.DOTALL)
    return json.loads(found.group(1))


def made(xenmeter, tmp_path, *arguments, **more):
    target = tmp_path / "report.html"
    ran = xenmeter("report", *arguments, "-o", target, **more)
    assert (ran.returncode, ran.stdout.decode(), ran.stderr) == (0, "%s\n" % target, b""), ran.stderr
    assert not (tmp_path / "report.html.new").exists()
    return target


def test_it_says_what_bake_says(xenmeter, tmp_path):
    for case in ("narrow-churn", "loss-sched-churn", "all-steady"):
        trace = save(tmp_path, case)
        told = data_of(made(xenmeter, tmp_path, trace, "--cpu-khz", KHZ))
        length = told["windows"]["length_ns"]
        bake = json.loads(xenmeter("bake", trace, "--cpu-khz", KHZ, "--window", length / 1e9).stdout)
        windows = bake.pop("windows")
        assert told["bake"] == bake
        assert [one["start_ns"] for one in windows] == told["windows"]["start_ns"]
        for at, window in enumerate(windows):
            for one in window["domains"]:
                series = [domain["series"] for domain in told["domains"]
                          if (domain["domid"], domain["generation"]) == (one["domid"], one["generation"])][0]
                mine = told["windows"]["series"][series]
                for name in ("running", "waiting", "blocked", "offline", "unknown"):
                    assert (mine[name][at] or 0) == one[name + "_ns"]
                assert (mine["executions"][at] or 0) == one["executions"]
                assert (mine["ios"][at] or 0) == one["grant_maps"] + one["grant_unmaps"] + one["grant_transfers"]
        wait = {one["domid"]: one["wait_ns"]["max"] for one in told["domains"]}
        for one in bake["domains"]:
            assert wait[one["domid"]] == max([vcpu["wait_ns"]["max"] or 0 for vcpu in bake["vcpus"]
                                              if vcpu["domid"] == one["domid"]] or [0]) or wait[one["domid"]] is None


def test_packed_and_piped_traces_are_the_same(xenmeter, tmp_path):
    plain = data_of(made(xenmeter, tmp_path, save(tmp_path, "loss-narrow"), "--cpu-khz", KHZ))
    packed = tmp_path / "trace.bin.gz"
    packed.write_bytes(gzip.compress(capture("loss-narrow")))
    piped = made(xenmeter, tmp_path, "-", "--cpu-khz", KHZ, input=capture("loss-narrow"))
    told = [data_of(piped), data_of(made(xenmeter, tmp_path, packed, "--cpu-khz", KHZ))]
    for one in told + [plain]:
        del one["source"]
    assert told == [plain, plain]


def test_a_recording_gives_names_rate_and_time(xenmeter, tmp_path):
    folder = recorded(tmp_path / "host", "narrow-churn", {0: "Domain-0", 1: "web <1>", 3: "db & co"})
    told = data_of(made(xenmeter, tmp_path, folder))
    names = {one["domid"]: (one["name"], one["uuid"]) for one in told["domains"]}
    assert names[1] == ("web <1>", "00000002-0000-4000-8000-000000000000") and names[3][0] == "db & co"
    assert names[2] == ("domid-2", None)        # xenstore does not know it
    assert told["source"]["cpu_khz_from"] == "told by the recording"
    assert told["source"]["start_ns"] == 1790000000 * 10 ** 9


def test_the_rate_is_found_where_the_trace_tells_it(xenmeter, tmp_path):
    told = data_of(made(xenmeter, tmp_path, save(tmp_path, "sched-steady")))
    assert "found from" in told["source"]["cpu_khz_from"] and told["bake"]["trace"]["cpu_khz_source"]
    assert told["bake"]["trace"]["cpu_khz"] == pytest.approx(KHZ, rel=0.001)


class Elements(html.parser.HTMLParser):
    """:ivar tags: of all elements; :ivar attributes: names of all their attributes."""

    def __init__(self):
        super().__init__()
        self.tags, self.attributes = [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [name for name, _ in attrs]


def test_hostile_names_stay_text(xenmeter, tmp_path):
    folder = recorded(tmp_path / "host", "narrow-churn", dict(enumerate(HOSTILE)))
    text = made(xenmeter, tmp_path, folder).read_text(encoding="utf-8")
    assert "\u202e" not in text and "\x1b" not in text and "n" * 300 not in text
    page = Elements()
    page.feed(text)
    assert not {"img", "b"} & set(page.tags) and page.tags.count("script") == 5
    assert not [name for name in page.attributes if name.startswith("on")]
    assert HOSTILE[0] in [one["name"] for one in data_of(tmp_path / "report.html")["domains"]]


def test_a_log_of_ours_makes_a_report_without_a_timeline(xenmeter, tmp_path):
    folder = recorded(tmp_path / "host", "narrow-churn", {0: "Domain-0", 1: "web", 2: "db", 3: "c", 4: "d"})
    log = tmp_path / "log.csv"
    log.write_bytes(xenmeter("xentrace", "--source", folder, "--format", "csv", "--window", "1,5").stdout)
    told = data_of(made(xenmeter, tmp_path, log))
    assert told["kind"] == "csv" and "overview" not in told and told["windows"]["length_ns"] == 10 ** 9
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "there is no timeline" in text
    rows = [row for row in csv.DictReader(log.open(newline="")) if row["window"] == "1s"]
    assert len(rows) > 40
    series = {one["name"]: told["windows"]["series"][number] for number, one in enumerate(told["series"])}
    first = min(row["time"] for row in rows)
    for row in rows:
        at = int(round(seconds(row["time"]) - seconds(first)))
        mine = series[row["domain"]]
        for name, column in (("running", "cpu"), ("waiting", "wait"), ("blocked", "blocked"), ("unknown", "unknown")):
            assert 100 * mine[name][at] / mine["observed"][at] == pytest.approx(float(row[column + "_percent"]), abs=1e-4)
        assert mine["executions"][at] == pytest.approx(float(row["executions_per_s"]), abs=0.51)
        for name in ("p50", "p99", "max"):
            assert mine["wait"][name][at] == (int(row["wait_%s_ns" % name]) if row["wait_%s_ns" % name] else None)


def test_mons_log_is_taken_as_it_is(xenmeter, tmp_path):
    trace = save(tmp_path, "loss-sched-churn")
    ran = xenmeter("mon", "--log", tmp_path / "host", "--source", trace, "--cpu-khz", KHZ)
    assert ran.returncode == 0, ran.stderr
    told = data_of(made(xenmeter, tmp_path, tmp_path / "host.csv"))
    rows = list(csv.DictReader((tmp_path / "host.csv").open(newline="")))
    assert len(rows) > 20 and told["tells_losses"]
    lost = {row["time_ns"] for row in rows if row["lost_records"] != "0"}
    assert len(told["lost"]) == len(lost) > 0
    for number, one in enumerate(told["series"]):
        mine = [row for row in rows if row["domain"] == one["name"]]
        for name, column in (("running", "running_ns"), ("waiting", "waiting_ns"), ("unknown", "unknown_ns"),
                             ("executions", "executions"), ("ios", "io")):
            assert sum(value or 0 for value in told["windows"]["series"][number][name]) == sum(
                int(row[column]) for row in mine), column


def seconds(text):
    hours, minutes, rest = text[11:-1].split(":")
    return int(hours) * 3600 + int(minutes) * 60 + float(rest)


def log_of(count, **changed):
    told = "time,domain,uuid,domid,window,cpu_percent,wait_percent,blocked_percent,executions_per_s,wait_p99_ns\n"
    for number in range(count):
        row = dict({"time": "%d.000" % (1000 + number), "domain": "a", "window": "1s", "cpu": "25", "p99": str(number)},
                   **changed.get("row%d" % number, {}))
        told += "%(time)s,%(domain)s,,1,%(window)s,%(cpu)s,10,65,4,%(p99)s\n" % row
    return io.StringIO(told)


def test_a_long_log_is_merged_and_says_so():
    told = of_csv(log_of(5000), "log", {"name": "log"})
    assert told["merged"] == 16 and told["windows"]["length_ns"] == 16 * 10 ** 9
    one = told["windows"]["series"][0]
    assert len(one["running"]) == 313 and one["running"][0] == 4 * 10 ** 9 and one["executions"][0] == 64
    assert one["wait"]["p99"][:2] == [15, 31] and sum(one["running"]) == 5000 * 10 ** 9 // 4
    assert one["observed"][-1] == 8 * 10 ** 9


@pytest.mark.parametrize("back", [2, 3600])
def test_a_log_in_which_the_clock_was_set_back_goes_on(back):
    """Before, the rows after it were no log any more, or were added to others."""
    later = {"row%d" % number: {"time": "%d.000" % (1000 + number - back)} for number in range(5, 10)}
    told = of_csv(log_of(10, **later), "log", {"name": "log"})
    assert told["merged"] == 1
    one = told["windows"]["series"][0]
    assert one["running"] == [10 ** 9 // 4] * 10 and one["wait"]["p99"] == list(range(10))


def test_what_a_log_does_not_tell_is_unknown():
    told = of_csv(log_of(4, row2={"cpu": "", "p99": ""}), "log", {"name": "log"})
    one = told["windows"]["series"][0]
    assert one["running"][2] is None and one["wait"]["p99"][2] is None and one["waiting"][2] == 10 ** 8
    assert one["ios"] == [None] * 4 and one["offline"] == [None] * 4


@pytest.mark.parametrize("text, says", [
    ("time,domain,window\n1,a,1s\n", "no column cpu_percent"),
    (log_of(3, row1={"cpu": "many"}).getvalue(), "line 3 cannot be read"),
    (log_of(3, row1={"window": "0s"}).getvalue(), "line 3 cannot be read: a window of 0s"),
    (log_of(3, row1={"time": "yesterday"}).getvalue(), "line 3 cannot be read"),
    (log_of(3).getvalue() + "2026-11-20T16:", "line 5 cannot be read: it has fewer fields than the header; was it cut off?"),
    (log_of(3).getvalue().rstrip() + ",1,2\n", "line 4 cannot be read: it has more fields"),
    (log_of(0).getvalue(), "there is no row in it"),
    ("time,domain,\udcff\n", "no column window"),
], ids=["columns", "number", "window", "time", "cut", "more", "empty", "bytes"])
def test_a_wrong_log_is_one_clear_line(text, says, xenmeter, tmp_path):
    log = tmp_path / "log.csv"
    log.write_bytes(text.encode("utf-8", "surrogateescape"))
    ran = xenmeter("report", log, "-o", tmp_path / "report.html")
    assert ran.returncode == 1 and not (tmp_path / "report.html").exists()
    assert ran.stderr.decode().count("\n") == 1 and "fault" not in ran.stderr.decode()
    assert says in ran.stderr.decode()


@pytest.mark.parametrize("arguments, status, says", [
    (["{trace}", "--exact", "3-2"], 2, "--exact 3-2: takes two times"),
    (["{trace}", "--exact", "now"], 2, "takes two times in seconds"),
    (["{trace}", "--cpu-khz", "0"], 2, "kHz, from 1 to 100000000"),
    (["{trace}", "--cpu-khz", "1000000", "-o", "{folder}/no/report.html"], 1, "cannot write"),
    (["{trace}"], 2, "--cpu-khz is needed"),
    (["{trace}", "--cpu-khz", "2596120", "--exact", "900-900.5"], 2, "--exact 900-900.5: this trace ends after "),
    (["{folder}/nothing.bin"], 1, "no such file"),
    (["{folder}"], 1, "no manifest.json"),
    (["{text}", "--cpu-khz", "1000000"], 1, "this is not what xentrace writes"),
    (["{short}"], 1, "cannot be read on"),
    (["{empty}"], 1, "is empty"),
    (["{hvm}", "--cpu-khz", "2596120"], 1, "no scheduler events; record with -e 0x00161000"),
], ids=["backwards", "words", "rate", "output", "no-rate", "beyond", "no-file", "no-recording", "no-trace", "cut-gz", "empty-xz",
        "no-events"])
def test_what_is_wrong_is_one_clear_line(arguments, status, says, xenmeter, tmp_path):
    (tmp_path / "text").write_text("this is not a trace\n" * 40)
    (tmp_path / "short.gz").write_bytes(gzip.compress(capture("loss-narrow"))[:9000])
    (tmp_path / "empty.xz").write_bytes(b"")
    (tmp_path / "hvm").write_bytes(without_class(capture("all-steady"), TRC_SCHED))
    places = {"trace": save(tmp_path, "loss-narrow"), "folder": tmp_path, "text": tmp_path / "text",
              "short": tmp_path / "short.gz", "empty": tmp_path / "empty.xz", "hvm": tmp_path / "hvm"}
    ran = xenmeter("report", *[one.format(**places) for one in arguments])
    assert ran.returncode == status and says in ran.stderr.decode() and ran.stderr.decode().count("\n") == 1


def test_without_bokeh_it_says_what_to_install(hot, tmp_path):
    trace = save(tmp_path, "loss-narrow")
    ran = subprocess.run([sys.executable, "-S", "-m", "xenmeter", "report", str(trace)], stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE, universal_newlines=True, cwd=str(tmp_path))
    assert ran.returncode == 1 and ran.stderr.count("\n") == 1
    assert ("python3 -m venv --system-site-packages v; v/bin/pip install 'bokeh>=3.9,<4'; v/bin/python3 -I -c "
            + report._by_pip(str(PLUGINS / "xenmeter" / "__init__.py")).partition(" -c ")[2] + " ...") in ran.stderr


@pytest.mark.parametrize("above, command", [
    ("usr/lib/python3/dist-packages", "v/bin/python3 -I -m xenmeter report"),
    ("home/me/a clone/plugins", "v/bin/python3 -I -c 'import sys; sys.path.insert(0, sys.argv.pop(1)); import xenmeter; del "
                                "sys.path[0]; from xenmeter.front.cli import main; sys.exit(main())' '{}' report"),
    ("opt/xenmeter.pyz", "v/bin/python3 -I {} report"),
])
def test_what_it_says_fits_the_installation(tmp_path, above, command):
    """An environment that sees the system's packages sees neither a clone nor the one file."""
    place = tmp_path / above
    place.parent.mkdir(parents=True)
    if place.suffix == ".pyz":
        place.write_bytes(b"")
    told = report._by_pip(str(place / "xenmeter" / "__init__.py"))
    assert told == report._BY_PIP + command.format(place)


def test_the_command_for_a_clone_works_and_imports_nothing_from_where_it_is_typed(tmp_path):
    (tmp_path / "xenmeter").mkdir()
    (tmp_path / "xenmeter" / "__init__.py").write_text("raise SystemExit('from the working directory')")
    command = report._by_pip(str(PLUGINS / "xenmeter" / "__init__.py")).rpartition("v/bin/python3 ")[2]
    ran = subprocess.run("%s %s --help" % (shlex.quote(sys.executable), command), shell=True, cwd=str(tmp_path), check=True,
                         stdout=subprocess.PIPE, universal_newlines=True)
    assert "xenmeter report" in ran.stdout


@pytest.mark.parametrize("case", ["sched-steady", "narrow-churn", "loss-sched-churn"])
def test_20_mb_stay_below_3_mb_and_take_seconds(case, xenmeter, tmp_path):
    trace = tmp_path / "long.bin"
    trace.write_bytes(lengthened(capture(case), 20000000))
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    target = made(xenmeter, tmp_path, trace, "--cpu-khz", KHZ)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    taken = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print("%s: %.1f s of CPU" % (case, taken))
    assert 0 < taken < MOST_CPU_S
    assert target.stat().st_size < MOST_BYTES
    told = data_of(target)
    assert told["exact"]["intervals"] <= 16000 < told["exact"]["of"]
    assert len(told["windows"]["start_ns"]) <= 241 and len(told["series"]) <= 13
    # what has no series of its own is in the last one, and nothing is missing
    running = sum(sum(value or 0 for value in one["running"]) for one in told["windows"]["series"])
    assert running == sum(one["running_ns"] for one in told["bake"]["domains"])
    assert told["lost_more"] == max(0, 104 * 11 - 500) if case == "loss-sched-churn" else told["lost"] == []


def test_progress_is_shown_on_a_terminal(hot, tmp_path):
    trace = tmp_path / "long.bin"
    trace.write_bytes(lengthened(capture("narrow-churn"), 6000000))
    leader, follower = pty.openpty()
    ran = subprocess.Popen([sys.executable, "-m", "xenmeter", "report", str(trace), "--cpu-khz", str(KHZ), "-o",
                            str(tmp_path / "report.html")], stderr=follower, env=dict(os.environ, XENMETER_COMPILED="0"))
    os.close(follower)
    said = b""
    while True:
        try:
            said += os.read(leader, 4096)
        except OSError:     # the terminal's other end is closed
            break
    os.close(leader)
    assert ran.wait(600) == 0
    assert b"reading long.bin  [" in said and b"% " in said


def test_many_domains_are_summed_up_and_say_so():
    """More domains than have a colour: each stays in the table, the rest is one series."""
    told = of_csv(io.StringIO(log_of(1).getvalue() + "".join(
        "1001.000,guest-%d,,%d,1s,%d,0,0,1,\n" % (number, number, number) for number in range(2, 40))), "log", {"name": "x"})
    assert len(told["series"]) == 13 and told["series"][-1]["name"] == "27 other domains"
    assert len(told["domains"]) == 39


def test_exact_is_asked_for(hot, tmp_path):
    told = document_of(str(save(tmp_path, "narrow-churn")), KHZ, (2 * 10 ** 9, 2 * 10 ** 9 + 5 * 10 ** 7))
    exact = told["exact"]
    assert (exact["from_ns"], exact["to_ns"]) == (2 * 10 ** 9, 2 * 10 ** 9 + 5 * 10 ** 7)
    assert all(sum(one["lengths_ns"]) == 5 * 10 ** 7 for one in exact["pcpus"])
