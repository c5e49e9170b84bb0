"""The screen in a real terminal: what is on it, keys, sizes, kinds of terminals, and what is left behind."""
import json
import os
import re
import signal
import subprocess
import sys

import pytest

from helpers.terminal_stage import KHZ, PATIENCE, START, Tmux, recording, unpacked
from helpers.paths import FIXTURES, PLUGINS
from tools import process

pytestmark = pytest.mark.daemon

HOSTILE = ["\x1b[2J\x1b]0;owned\x07", "g\u00e4st-\u00fcn\u00ef-\u65e5\u672c\u8a9e\u3067\u3059\u3088\u306d", "a\tb\nc\u202ed",
           "x" * 64]


def golden(case):
    return (FIXTURES / "screen" / case / "expected.txt").read_text(encoding="utf-8")


def named(tmp_path, names):
    """A recording's directory whose domains have these names, by domid from 0."""
    folder = tmp_path / "named"
    folder.mkdir()
    unpacked(tmp_path, "narrow-churn").rename(folder / "trace.bin")
    domains = [{"domid": domid, "name": name.encode("utf-8").decode("latin-1"), "start_time_ns": None, "vifs": [],
                "vbds": {}, "uuid": "00000000-0000-0000-0000-%012d" % domid} for domid, name in enumerate(names)]
    (folder / "names.jsonl").write_text(json.dumps({"iteration": 0, "domains": domains, "vif_order": None}) + "\n")
    (folder / "manifest.json").write_text(json.dumps({
        "format": "xenmeter-recording", "version": 1,
        "sources": {"xentrace": {"file": "trace.bin", "cpu_khz": int(KHZ)}, "names": {"file": "names.jsonl"}}}))
    return folder


def test_what_the_layout_says_is_what_is_on_the_screen(tmp_path):
    with Tmux(tmp_path, recording(unpacked(tmp_path, "narrow-churn"))) as terminal:
        terminal.wait(golden("narrow-churn-80x24").rstrip("\n"))
        terminal.keys("q")
        assert terminal.restored() == 0


def test_keys(tmp_path):
    with Tmux(tmp_path, recording(unpacked(tmp_path, "loss-sched-churn")), size=(100, 40)) as terminal:
        terminal.wait("ENDED", "LOST RECORDS: 8113 in the last minute")
        terminal.keys("v")
        terminal.wait("  vCPU 1")
        terminal.keys("v", "d")
        terminal.wait("sorted by cpu", gone=["  vCPU 1", "CPU gotten"])
        terminal.keys("d")
        terminal.wait("CPU gotten", gone=["WAITING %"], holds=lambda seen: seen.count("executions") >= 3)
        terminal.keys("d", "c")
        terminal.wait("vCPUs that ran last on pCPU 0")
        terminal.keys("n")
        terminal.wait("vCPUs that ran last on pCPU 1")
        terminal.keys("p", "p")
        terminal.wait("CPU gotten", gone=["ran last on"])
        terminal.keys("p")
        terminal.wait("vCPUs that ran last on pCPU 3")
        terminal.keys("c", "s")
        terminal.wait("sorted by wait")
        terminal.keys("S", "r")
        terminal.wait("sorted by cpu, reversed")
        terminal.keys("/")
        terminal.keys("-l", "d-3")
        terminal.wait("filter: d-3_", "domid-3", gone=["Domain-0 "])
        terminal.keys("Enter")
        terminal.wait("only names with d-3")
        terminal.keys("Escape")
        terminal.wait("Domain-0 ")
        terminal.keys("r", "Down")
        terminal.wait("Domain-0  domid 0, 2 vCPUs seen")
        terminal.keys("Home")
        terminal.wait("domid-2  domid 2, 2 vCPUs seen")
        terminal.keys("Space")
        terminal.wait("PAUSED")
        terminal.keys("Space", "h")
        terminal.wait("next pCPU; after the last one, all of them")
        terminal.keys("x")
        terminal.wait("CPU gotten")
        terminal.keys("q")
        assert terminal.restored() == 0


def test_sizes(tmp_path):
    with Tmux(tmp_path, recording(unpacked(tmp_path, "narrow-churn"))) as terminal:
        terminal.wait("ENDED")
        terminal.resize(200, 50)
        wide = terminal.wait("ALLOC")
        assert "LAST MINUTE" in wide and len(wide.splitlines()) == 50
        terminal.resize(30, 6)
        terminal.wait("30x6 is too small", gone=["CPU gotten"])
        terminal.resize(3, 2)
        terminal.resize(80, 24)
        assert terminal.wait("CPU gotten", "q quit").rstrip("\n") == golden("narrow-churn-80x24").rstrip("\n")
        terminal.resize(44, 8)
        terminal.wait("xenmeter mon", "CPU %", gone=["CPU gotten"])
        terminal.keys("q")
        assert terminal.restored() == 0


def test_a_recording_at_its_pace_and_a_pause(tmp_path):
    path = unpacked(tmp_path, "narrow-churn")
    with Tmux(tmp_path, recording(path, pace=0.5)) as terminal:
        terminal.wait("2026-11-20 16:35:0", gone=["ENDED"])
        terminal.keys("Space")
        paused = terminal.wait("PAUSED", gone=["ENDED"])
        # it goes on below the pause, whose end shows the last second
        terminal.keys("h", "h")
        assert terminal.wait("PAUSED", "CPU gotten").partition("PAUSED")[2][:30] == paused.partition("PAUSED")[2][:30]
        terminal.keys("Space")
        terminal.wait("ENDED", "16:35:11Z")
        terminal.keys("q")
        assert terminal.restored() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_it_in_order(tmp_path, number):
    with Tmux(tmp_path, recording(unpacked(tmp_path, "pm-steady"))) as terminal:
        terminal.wait("q quit", "Domain-0")
        os.kill(terminal.pid(), number)
        assert terminal.restored() == 0


def test_stopped_and_continued(tmp_path):
    with Tmux(tmp_path, recording(unpacked(tmp_path, "pm-steady"))) as terminal:
        terminal.wait("q quit", "Domain-0")
        pid = terminal.pid()
        os.kill(pid, signal.SIGSTOP)    # SIGTSTP is curses' own, and does nothing where no shell controls jobs
        process.poll(lambda: open("/proc/%d/stat" % pid).read().rpartition(")")[2].split()[0] == "T", PATIENCE,
                     AssertionError)
        os.kill(pid, signal.SIGCONT)
        terminal.keys("h")
        terminal.wait("next pCPU; after the last one")
        terminal.keys("q", "q")
        assert terminal.restored() == 0


def test_a_fault_of_ours_leaves_a_terminal_that_works(tmp_path):
    code = ("import sys; from xenmeter.front.screen import show; show.draw = lambda *_: 1 // 0; "
            "from xenmeter.front.cli import main; sys.exit(main())")
    with Tmux(tmp_path, recording(unpacked(tmp_path, "pm-steady")), code=code) as terminal:
        assert terminal.restored() == 1
        assert "xenmeter: fault: ZeroDivisionError" in terminal.screen()


def test_it_ends_with_its_terminal(tmp_path):
    with Tmux(tmp_path, recording(unpacked(tmp_path, "pm-steady"))) as terminal:
        terminal.wait("q quit", "Domain-0")
        pid = terminal.pid()
        terminal.tmux("kill-server")
        process.poll(lambda: not process.is_running(pid), PATIENCE, AssertionError)


def test_hostile_and_wide_names(tmp_path):
    with Tmux(tmp_path, ["mon", "--source", named(tmp_path, HOSTILE), "--pace", 0, "--start", START]) as terminal:
        seen = terminal.wait("ENDED")
        title = terminal.tmux("display-message", "-p", "#{pane_title}")
        assert "owned" not in title and "\n\\x1b[2J\\x1b]0;o~ " in seen
        assert "\n" + HOSTILE[1][:12] in seen and "\na\\x09b\\x0ac~ " in seen
        rows = seen.splitlines()[5:9]
        # the columns of all rows lie one below the other: tmux gives a wide character two cells, and we one space less
        widths = {len(row.partition(".")[0]) + sum(1 for char in row if char > "\u2e80") for row in rows}
        assert len(widths) == 1, rows
        terminal.keys("Down", "Down")
        terminal.wait("domid 1, 1 vCPU seen", "2 without a name in xenstore: not shown")
        terminal.keys("q")
        assert terminal.restored() == 0


@pytest.mark.parametrize("term, locale, blocks", [
    ("xterm-256color", "C.UTF-8", True), ("linux", "C.UTF-8", False), ("vt220", "C.UTF-8", False),
    ("xterm-mono", "C.UTF-8", True), ("xterm", "C", False)])
def test_kinds_of_terminals(tmp_path, term, locale, blocks):
    source = named(tmp_path, HOSTILE)
    with Tmux(tmp_path, ["mon", "--source", source, "--pace", 0, "--start", START], term=term,
              env={"LC_ALL": locale}) as terminal:
        seen = terminal.wait("ENDED", "CPU gotten", "q quit")
        assert ("\u2583" in seen) == blocks and ("\u2500" in seen) == blocks
        assert blocks or "----" in seen
        coloured = "\x1b[32m" in terminal.screen("-e") or "\x1b[36m" in terminal.screen("-e")
        assert coloured == (term not in ("vt220", "xterm-mono"))
        if locale == "C":
            assert "g\\xe4st-\\xf" in seen and seen.isascii()
        terminal.keys("q")
        assert terminal.restored() == 0


@pytest.mark.parametrize("term", ["dumb", "no-such-terminal"])
def test_a_terminal_that_cannot_be_drawn_on_gets_pages(tmp_path, term):
    with Tmux(tmp_path, recording(unpacked(tmp_path, "narrow-churn")), term=term, size=(90, 50)) as terminal:
        seen = terminal.wait("status 0")
        assert "CPU %   WAITING %" in seen or "CPU gotten" in seen


def test_pages_in_a_pipe(tmp_path):
    words = [str(word) for word in recording(unpacked(tmp_path, "narrow-churn"))]
    ran = subprocess.run([sys.executable, "-m", "xenmeter"] + words + ["--count", "2"], stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE, env=dict(os.environ, PYTHONPATH=str(PLUGINS), LC_ALL="C", PYTHONUTF8="0",
                                                          PYTHONCOERCECLOCALE="0"))
    assert (ran.returncode, ran.stderr) == (0, b"")
    text = ran.stdout.decode("ascii")
    assert text.count("xenmeter mon  narrow-churn.bin") == 2 and "\x1b" not in text
    assert "2026-11-20 16:35:01Z" in text and "16:35:02Z" in text and "16:35:03Z" not in text


def test_live_from_a_baker_and_its_end(tmp_path):
    path = unpacked(tmp_path, "narrow-churn")
    os.mkfifo(str(tmp_path / "fifo"))
    baker = subprocess.Popen([sys.executable, "-m", "xenmeter", "baker", "--source", str(tmp_path / "fifo"), "--shared",
                              str(tmp_path / "baker"), "--cpu-khz", KHZ, "--per-vcpu", "--stay"],
                             env=dict(os.environ, PYTHONPATH=str(PLUGINS)), stderr=subprocess.DEVNULL)
    try:
        process.poll((tmp_path / "baker.sock").exists, PATIENCE, AssertionError)
        with Tmux(tmp_path, ["mon", "--source", "auto", "--shared", tmp_path / "baker", "--share", "5"]) as terminal:
            terminal.wait("waiting for the first window to end")
            data = path.read_bytes()
            with open(str(tmp_path / "fifo"), "wb") as fifo:
                fifo.write(data[:len(data) // 2])
                fifo.flush()
                terminal.wait("this host", "domid-2", "CPU gotten",
                              "a baker runs here already: --share 5 would be for one of our own")
                (tmp_path / "later").mkdir()    # who comes later sees what was before too
                with Tmux(tmp_path / "later", ["mon", "--shared", tmp_path / "baker"], size=(160, 30)) as later:
                    later.wait("CPU gotten", gone=["already"], holds=lambda seen: (
                        re.search(r"last [3-6]s", seen) and re.search("[\u2582-\u2588]{3}", seen)))
                    later.keys("q")
                    assert later.restored() == 0
                fifo.write(data[len(data) // 2:])
            terminal.wait("6 domains")
            baker.terminate()
            baker.wait(PATIENCE)
            terminal.wait("no baker runs here, and none can be started")
            terminal.keys("q")
            assert terminal.restored() == 0
    finally:
        baker.kill()
        baker.wait()


def test_where_no_baker_can_be_started_it_says_why_and_ends(tmp_path):
    with Tmux(tmp_path, ["mon", "--shared", tmp_path / "baker"]) as terminal:
        assert terminal.restored() == 1
        assert "xenmeter: no baker runs here, and none can be started" in terminal.screen("-J")
