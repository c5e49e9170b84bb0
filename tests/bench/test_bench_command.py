"""``xenmeter bench`` and ``xenmeter compare``, as one types them, beside a host that a stand-in of xentop plays."""
import json
import os
import re
import resource
import shlex
import signal
import socket
import subprocess
import sys
import time

import pytest

from helpers import recorded_costs as recorded
from helpers.stage import PATIENCE, FakeXentop, domain, iteration, wait_for
from helpers.paths import FIXTURES, PLUGINS


def host(steps, cpu_per_step=3):
    """A host whose web1 takes so many CPU seconds at each step, and receives 1 MiB; dom0 takes one second."""
    return b"".join(iteration([domain(b"Domain-0", 100 + step, state=b"-----r", vcpus=2),
                               domain(b"web1", 1000 + cpu_per_step * step, vif=(5, 5, 0, 0, (1 << 20) * step, step, 0, 0))])
                    for step in range(steps))


@pytest.fixture
def xentop(tmp_path):
    fake = FakeXentop(tmp_path / "xentop", host(400), speedup=4)
    yield fake
    fake.end()


def bench(*words, path=os.environ["PATH"], **options):
    return subprocess.run([sys.executable, "-m", "xenmeter", *words], env=dict(os.environ, PYTHONPATH=str(PLUGINS), PATH=path),
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True, timeout=120, **options)


def plays(case, seconds=1.0):
    """A command that prints what a benchmark program printed, and takes so long."""
    folder = FIXTURES / "bench" / case
    return ["sh", "-c", "cd %s; cat stdout; cat stderr >&2; sleep %s" % (shlex.quote(str(folder)), seconds)]


def test_a_run_has_its_figures_and_what_each_domain_paid(xentop, tmp_path):
    out = tmp_path / "runs.jsonl"
    ran = bench("bench", "--source", "xentop", "--reader", "fio", "--idle", "0", "--runs", "2", "-o", str(out), "--",
                *plays("fio-randread", 2), path=xentop.path)
    assert ran.returncode == 0, ran.stderr
    first, second = [json.loads(line) for line in out.read_text().splitlines()]
    assert (first["format"], first["version"], first["run"], second["run"]) == ("xenmeter-bench", 1, 1, 2)
    assert first["figures"][0] == {"name": "read_throughput", "value": 48715994.0029985, "unit": "byte/s", "better": "more"}
    web1 = {record["name"]: record for record in first["domains"]}["web1"]
    steps = web1["costs"]["cpu_ns"] // (3 * 10 ** 9)
    assert steps >= 2 and web1["costs"]["cpu_ns"] == steps * 3 * 10 ** 9       # whole steps of the host, none lost, none twice
    assert web1["costs"]["rx_bytes"] == steps << 20
    assert first["edges_ns"]["xentop"][0] >= 0 and first["edges_ns"]["xentop"][1] >= 0
    printed = (FIXTURES / "bench" / "fio-randread" / "stdout").read_bytes()
    assert (tmp_path / "runs.jsonl.d" / "run-002.stdout").read_bytes() == printed
    assert "web1" in ran.stdout and "did they stay in a cache" in ran.stdout and "short:" in ran.stdout


def test_idle_is_measured_first_and_taken_off(xentop, tmp_path):
    """A host that does always the same: what a run cost is nothing, whatever it did."""
    out = tmp_path / "runs.jsonl"
    ran = bench("bench", "--source", "xentop", "--idle", "3", "-o", str(out), "--", "sleep", "3", path=xentop.path)
    assert ran.returncode == 0, ran.stderr
    record = json.loads(out.read_text())
    for paid in record["domains"]:
        assert abs(paid["above_idle"]["cpu_ns"]) <= 0.4 * paid["costs"]["cpu_ns"]      # the ends are one step of some ten
    assert record["idle_ns"] >= 3 * 10 ** 9


@pytest.mark.parametrize("case, why", [("iperf3-refused", "Connection refused"), ("httperf-refused", "no reply at all"),
                                       ("fio-not-a-directory", "Not a directory")])
def test_a_program_that_failed_and_ended_with_0_does_not_count(xentop, case, why):
    ran = bench("bench", "--source", "xentop", "--reader", case.split("-")[0], "--idle", "0", "--", *plays(case, 0.1),
                path=xentop.path)
    assert ran.returncode == 1 and "does not count" in ran.stdout and why in ran.stdout, ran.stdout + ran.stderr


def test_configurations_alternate_are_judged_and_put_back(xentop, tmp_path):
    """B prints half of what A does; the order is A B B A, and what they changed is restored."""
    state, out = tmp_path / "state", tmp_path / "ab.jsonl"
    program = "read speed < %s; echo speed=$speed$(( $$ %% 10 ))" % shlex.quote(str(state))
    ran = bench("bench", "--source", "xentop", "--idle", "0", "--interval", "0.5", "--runs", "5",
                "--reader", r"speed=(?P<value>\d+)", "--a", "sh -c 'echo 20 > %s'" % state, "--b", "sh -c 'echo 10 > %s'" % state,
                "--restore", "sh -c 'echo restored > %s'" % state, "-o", str(out), "--", "sh", "-c", program, path=xentop.path)
    assert ran.returncode == 0, ran.stderr
    assert [json.loads(line)["label"] for line in out.read_text().splitlines()] == list("ABBAABBAAB")
    assert state.read_text() == "restored\n"
    judged = bench("compare", str(out), "--worse", "5")
    assert judged.returncode == 3 and "worse: -" in judged.stdout, judged.stdout + judged.stderr
    assert bench("compare", str(out), "--worse", "70").returncode == 0


def test_a_server_is_waited_for_and_ended(xentop, tmp_path):
    pid = tmp_path / "pid"
    free = socket.socket()
    free.bind(("127.0.0.1", 0))
    port = free.getsockname()[1]
    free.close()
    text = ("import os, socket, time; open(%r, 'w').write(str(os.getpid())); time.sleep(0.5); s = socket.socket(); "
            "s.bind(('127.0.0.1', %d)); s.listen(5); time.sleep(600)" % (str(pid), port))
    ran = bench("bench", "--source", "xentop", "--idle", "0", "--serve", shlex.join([sys.executable, "-c", text]), "--ready",
                "tcp:127.0.0.1:%d" % port, "--", sys.executable, "-c",
                "import socket; socket.create_connection(('127.0.0.1', %d)).close()" % port, path=xentop.path)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert not os.path.exists("/proc/" + pid.read_text())


def test_a_signal_ends_all_of_it_and_puts_back_what_was_changed(xentop, tmp_path):
    started, state = tmp_path / "started", tmp_path / "state"
    child = subprocess.Popen(
        [sys.executable, "-m", "xenmeter", "bench", "--source", "xentop", "--idle", "0", "--a", "true", "--b", "true",
         "--restore", "sh -c 'echo restored > %s'" % state, "--", "sh", "-c", "echo $$ > %s; sleep 600" % started],
        env=dict(os.environ, PYTHONPATH=str(PLUGINS), PATH=xentop.path), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 60
    while not (started.exists() and started.read_text().strip()):
        assert time.monotonic() < deadline and child.poll() is None
        time.sleep(0.05)
    child.send_signal(signal.SIGTERM)
    out, err = child.communicate(timeout=60)
    assert child.returncode == 130, err
    assert state.read_text() == "restored\n" and not os.path.exists("/proc/" + started.read_text().strip())


def test_a_span_of_a_recording_off_a_dom0():
    ran = bench("bench", "--source", str(FIXTURES / "xentop" / "credit2-2pcpu-joined-churn-d1-i12-fnxv"))
    assert ran.returncode == 0 and "multi vcpu 2" in ran.stdout and "10000.0" in ran.stdout, ran.stderr


def test_a_span_with_what_a_program_printed_in_it(tmp_path):
    """The result of somebody who ran httperf from elsewhere, per request; it can be kept like any run."""
    case = FIXTURES / "bench" / "httperf-good" / "stdout"
    ran = bench("bench", "--source", str(FIXTURES / "xentop" / "credit2-2pcpu-joined-churn-d1-i12-fnxv"), "--reader", "httperf",
                "--printed", str(case), "-o", str(tmp_path / "x"))
    assert ran.returncode == 0 and "reply_rate" in ran.stdout and "us/request" in ran.stdout, ran.stderr
    record = json.loads((tmp_path / "x").read_text())
    assert record["reader"] == "httperf" and record["work"]["unit"] == "request" and record["unusable"] is None
    assert bench("bench", "--source", str(tmp_path / "x")).stdout == ran.stdout


def test_a_run_that_the_recording_does_not_hold_has_no_costs(tmp_path):
    host, file = recorded.write(tmp_path, 1)
    lines = file.read_text().splitlines()
    late = dict(json.loads(lines[1]), began_ns=recorded.BEGAN + 10 ** 15)
    file.write_text(lines[0] + "\n" + json.dumps(late) + "\n")
    ran = bench("bench", "--source", str(host), "--runs-of", str(file), "--format", "json")
    first, second = map(json.loads, ran.stdout.splitlines())
    assert first["domains"] and not second["domains"]
    assert second["checks"] == ["the recording does not hold all of this run: no costs"]


def test_without_a_xen_the_runs_are_kept_for_a_recording(tmp_path):
    """On the client's machine; its program has no reader, so it has one figure."""
    ran = bench("bench", "--source", "none", "--runs", "2", "-o", str(tmp_path / "runs.jsonl"), "--", "sleep", "0.2")
    assert ran.returncode == 0 and ran.stderr == "", ran.stderr
    first, _ = map(json.loads, (tmp_path / "runs.jsonl").read_text().splitlines())
    assert first["domains"] == [] and first["watching_ns"] is None
    assert first["figures"] == [{"name": "duration", "value": first["length_ns"] / 1e9, "unit": "s", "better": "less"}]
    assert first["figures"][0]["value"] >= 0.2


def test_what_watching_costs_is_told_and_judged_by_compare(xentop, tmp_path):
    """Unwatched, watched, watched, unwatched: beside the first and the last there is no xentop at all."""
    out = tmp_path / "blind.jsonl"
    seen = "ls %s >/dev/null; cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' '\\n' | grep -c '^%s' | sed 's/^/children=/'" % (
        tmp_path, xentop.path.split(os.pathsep)[0])
    ran = bench("bench", "--source", "xentop", "--no-trace", "--idle", "0", "--blind", "--runs", "2", "-o", str(out), "--reader",
                r"children=(?P<value>\d+)", "--", "sh", "-c", seen + "; sleep 1", path=xentop.path)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    records = [json.loads(line) for line in out.read_text().splitlines()]
    assert [record["label"] for record in records] == ["unwatched", "watched", "watched", "unwatched"]
    assert [bool(record["figures"][0]["value"]) for record in records] == [False, True, True, False]
    assert [record["watching_ns"] is None for record in records] == [True, False, False, True]
    assert all(record["watching_ns"] > 0 for record in records[1:3])
    said = bench("compare", str(out)).stdout
    assert re.search(r"^CPU ms of xenmeter itself per run: unwatched, then median [\d.]+$", said, re.MULTILINE), said
    assert "value: undecided: 2+2 runs" in said


def test_a_client_at_its_limit_is_told(xentop, tmp_path):
    """It takes all of a CPU here, and it is a program that can use one."""
    busy = ("import sys, time\nend = time.process_time() + 1\nwhile time.process_time() < end: pass\n"
            "print(open(sys.argv[1]).read())")
    ran = bench("bench", "--source", "none", "--reader", "httperf", "--format", "json", "--", sys.executable, "-c", busy,
                str(FIXTURES / "bench" / "httperf-good" / "stdout"))
    record = json.loads(ran.stdout)
    used = record["command_cpu_ns"] / record["length_ns"]       # less than 1 where others want the CPU too
    assert record["command_cpu_ns"] >= 10 ** 9
    assert any("limited by the client" in note for note in record["notes"]) == (used > 0.97)


def test_an_endless_flood_is_ended_and_does_not_count(xentop, tmp_path):
    ran = bench("bench", "--source", "xentop", "--no-trace", "--idle", "0", "--timeout", "1", "-o", str(tmp_path / "x"), "--",
                "yes", path=xentop.path)
    record = json.loads((tmp_path / "x").read_text())
    assert ran.returncode == 1 and "ended after 1 s (--timeout)" in record["unusable"]
    assert os.path.getsize(str(tmp_path / "x.d" / "run-001.stdout")) > 100000


@pytest.mark.parametrize("words, what", [
    (["bench"], "which command?"), (["bench", "--source", "/nonexistent", "--", "true"], "no such recording"),
    (["bench", "--a", "true", "--", "true"], "go together"), (["bench", "--reader", "fioo", "--", "true"], "is none of"),
    (["bench", "--source", str(FIXTURES / "bench"), "--", "true"], "is a recording"),
    (["bench", "--runs", "0", "--", "true"], "1 or more"),
    (["bench", "--blind", "--source", "none", "--", "true"], "two sides of its own"),
    (["bench", "--timeout", "0", "--", "true"], "more than 0"), (["bench", "--from", "1", "--", "true"], "are for a recording"),
    (["bench", "--source", "example", "--runs-of", "x", "--from", "1"], "not with --from"),
    (["bench", "--source", "example", "--printed", "x"], "go together"),
    (["bench", "--source", "example", "--from", "2", "--to", "1"], "is not after"),
    (["compare", "a", "b", "c"], "one file or two"), (["compare", "--same", "200", "a", "b"], "0 to 100")])
def test_wrong_usage_is_one_line(words, what):
    ran = bench(*words)
    assert ran.returncode == 2 and what in ran.stderr and len(ran.stderr.splitlines()) == 1, ran.stderr


def test_compare_of_what_is_no_run_says_the_line(tmp_path):
    (tmp_path / "x").write_text('{"format": "other"}\n')
    ran = bench("compare", str(tmp_path / "x"))
    assert ran.returncode == 1 and "x, line 1: no run of `xenmeter bench`" in ran.stderr
    ran = bench("compare", "/dev/zero")
    assert ran.returncode == 1 and "/dev/zero, line 1: it is longer than" in ran.stderr


def records(label, number, *values):
    """Lines of runs, of which each says the same figure so many times."""
    figures = [{"name": "rate", "value": value, "unit": "reply/s", "better": "more"} for value in values]
    record = {"format": "xenmeter-bench", "version": 1, "made_by": "x", "label": label, "command": ["x"], "reader": "x",
              "began_ns": 0, "length_ns": 1, "status": 0, "unusable": None, "figures": figures, "work": None, "notes": [],
              "command_cpu_ns": 0, "lengths_ns": {}, "host": {}, "domains": [], "came": [], "went": [], "reborn": [],
              "idle_ns": None, "watching_ns": None, "edges_ns": {}, "missing": {}, "phases": [], "checks": []}
    return "".join(json.dumps(dict(record, run=run)) + "\n" for run in range(number))


def test_what_compare_takes_does_not_grow_with_what_a_file_says(tmp_path):
    """A figure that a run says 2000 times is one of it; hundreds of runs are judged, more than a thousand are not."""
    (tmp_path / "x").write_text(records("A", 3, *range(2000)) + records("B", 3, 5.0))
    ran = bench("compare", str(tmp_path / "x"))
    assert ran.returncode == 0 and "3 of 3 runs count" in ran.stdout and "3+3 runs" in ran.stdout, ran.stderr
    (tmp_path / "x").write_text(records("A", 400, 1.0) + records("A", 400, 1.1) + records("B", 400, 1.2) + records("B", 300, 1.0))
    ran = bench("compare", str(tmp_path / "x"))
    assert ran.returncode == 0 and "800+700 runs" in ran.stdout, ran.stderr
    (tmp_path / "x").write_text(records("A", 1001, 1.0) + records("B", 3, 1.0))
    ran = bench("compare", str(tmp_path / "x"))
    assert ran.returncode == 1 and "1001 runs, and 1000 at most" in ran.stderr and len(ran.stderr.splitlines()) == 1


@pytest.mark.parametrize("room", [0, 5000])
def test_what_cannot_be_written_is_one_line_with_its_place(tmp_path, room):
    """As on a full disk: a file that may not grow any more, at once or later."""
    ran = bench("bench", "--source", "none", "-o", str(tmp_path / "runs"), "--", "seq", "20000",
                preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (room, room)))
    assert ran.returncode == 1 and len(ran.stderr.splitlines()) == 1, ran.stderr
    assert "runs.d: File too large" in ran.stderr
    assert not list(tmp_path.iterdir())     # nothing half-written stays


def test_a_full_disk_takes_nothing_of_the_runs_that_are_kept(tmp_path):
    """The second record finds no room: the file has the first one as it was, and no other run's output is left."""
    words = ["bench", "--source", "none", "-o", str(tmp_path / "runs"), "--", "echo", "x"]
    assert bench(*words).returncode == 0
    kept, size = (tmp_path / "runs").read_bytes(), (tmp_path / "runs").stat().st_size
    ran = bench(*words, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size + 20, size + 20)))
    assert ran.returncode == 1 and len(ran.stderr.splitlines()) == 1 and "runs: File too large" in ran.stderr, ran.stderr
    assert (tmp_path / "runs").read_bytes() == kept
    assert sorted(path.name for path in (tmp_path / "runs.d").iterdir()) == ["run-001.stderr", "run-001.stdout"]
    assert bench(*words).returncode == 0 and len((tmp_path / "runs").read_bytes().splitlines()) == 2


def test_one_that_is_interrupted_leaves_nothing(tmp_path):
    process = subprocess.Popen([sys.executable, "-m", "xenmeter", "bench", "--source", "none", "-o", str(tmp_path / "runs"), "--",
                                "sh", "-c", "echo x; sleep 100"], env=dict(os.environ, PYTHONPATH=str(PLUGINS)))
    wait_for(lambda: list(tmp_path.glob("runs.d/*")), PATIENCE, "its output's file")
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 130
    assert not list(tmp_path.iterdir())
