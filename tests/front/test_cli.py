"""The command as a person meets it: formats, endings, and one clear line when something is wrong."""
import lzma
import os
import re
import subprocess
import sys

import pytest

from helpers.paths import FIXTURES, PLUGINS
from xenmeter import __version__
from xenmeter.front.cli import main

RECORDING = str(FIXTURES / "xentop" / "credit2-2pcpu-joined-b-d1-i3-fnxvr")


def run(*words, **how):
    """The command in a process of its own: (status, stdout, stderr). Nothing of this machine's tools is in PATH."""
    done = subprocess.run([sys.executable, "-m", "xenmeter"] + list(words), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          env=dict(os.environ, PYTHONPATH=str(PLUGINS), **how.pop("env", {})), timeout=120, **how)
    return done.returncode, done.stdout, done.stderr.decode()


def one_line(err):
    return err.endswith("\n") and err.count("\n") == 1 and "Traceback" not in err


def test_version_and_help():
    assert run("--version")[1].decode().strip() == "xenmeter " + __version__
    status, _, err = run()
    assert status == 2 and "COMMAND" in err
    for word in ("xentop", "record", "execd", "serve", "metrics", "check"):
        assert run(word, "--help")[0] == 0 and word in err


@pytest.mark.parametrize("words, status, text", [
    (["xentop", "--intervall", "5"], 2, "did you mean --interval?"),
    (["xentop", "--interval 5"], 2, "split it, each an item of its own in a list: \"--interval\", \"5\""),
    (["xentop", "-i", "1"], 2, "unrecognized arguments: -i 1; write --count 1"),
    (["xentop", "--once"], 2, "; write --count 1"),
    (["xentop", "--interval", "soon"], 2, "--interval: 'soon' is not what it takes: a number of seconds, at least 0.1"),
    (["xentop", "--group", "cpu,tape"], 2, "--group: 'tape'"),
    (["xentop", "--include", "/(/"], 2, "no regular expression"),
    (["xentop", "--source", "/nowhere"], 1, "/nowhere: no such file or directory"),
    (["xentop", "--source", "direct"], 1, "there is no /dev/xen/privcmd"),
    (["xentop", "--source", os.devnull], 1, "no iteration of xentop -b in it"),
    (["xentop", "--source", sys.executable], 1, "the first line that could not be read, at byte 0: b"),
    (["xentop", "--source", RECORDING, "--start", "tomorrow"], 2, "start: 'tomorrow' is no time"),
    (["xentop", "--source", RECORDING, "--start", "99999999999999999999"], 2, "start: '99999999999999999999' is no time"),
    (["xentop", "--source", RECORDING, "--start", "9999-12-31T23:59:59Z", "--interval", "86400"], 2, "of 1970 to 2199"),
    (["xentop", "--source", RECORDING, "--interval", "1e300"], 2, "at least 0.1, at most a year"),
    (["xentop", "--source", RECORDING, "--count", "-1"], 2, "--count -1: takes 0 or more"),
    (["execd", "xentop", "--interval", "abc"], 2, "E! xenmeter: xentop: --interval: 'abc' is not what it takes"),
    (["xentop", "--source", str(FIXTURES)], 1, "no manifest.json"),
    (["xentop", "--source", RECORDING, "--textfile", "/nowhere/x.prom"], 1, "/nowhere"),
    (["serve", "xentop", "--listen", "here:and there"], 2, "ADDRESS:PORT"),
    (["serve", "xentop", "--listen", ":9999"], 2, "':9999' names no address: 127.0.0.1:9999 is for this host alone, 0."),
    (["serve", "xentop", "--listen", "[]:9999"], 2, "'[]:9999' names no address"),
    (["record", "/proc/nothing"], 1, "/proc/nothing"),
])
def test_what_is_wrong_is_said_in_one_line(words, status, text):
    found, _, err = run(*words)
    assert found == status and text in err and "Traceback" not in err
    assert one_line(err) or status == 2 and "usage:" in err


def test_no_xen_here(tmp_path):
    env = {"PATH": str(tmp_path / "sbin")}
    status, out, err = run("xentop", env=env)
    assert (status, out) == (1, b"") and one_line(err) and "there is no /dev/xen/privcmd; this must run in a Xen dom0" in err
    assert "`xenmeter xentop --source example`" in err and str(PLUGINS / "xenmeter" / "example") in err
    status, out, err = run("record", str(tmp_path / "r"), env=env)
    assert status == 1 and one_line(err) and "there is no /dev/xen" in err and not (tmp_path / "r").exists()
    status, out, err = run("check", env=env)
    assert (status, err) == (3, "") and re.search(rb"^xentop +no +xentop is not installed", out, re.MULTILINE)
    assert b"--source example" in out


def test_no_xen_here_where_xen_utils_common_is(tmp_path):
    """What its wrapper says (xen-utils-wrapper of Debian) is not what people need to hear."""
    (tmp_path / "xentop").write_text("#!/bin/sh\necho \"ERROR:  Can't find hypervisor information in sysfs!\" >&2\nexit 1\n")
    (tmp_path / "xentop").chmod(0o755)
    status, out, err = run("xentop", env={"PATH": "%s:/bin" % tmp_path})
    assert (status, out) == (1, b"") and one_line(err) and err.startswith("xenmeter: there is no /dev/xen/privcmd; ")
    assert "sysfs" not in err


@pytest.mark.parametrize("words", [["xentop", "--source", "example"], ["vcpu", "--source", "example"],
                                   ["xentrace", "--source", "example"], ["bake", "example"],
                                   ["mon", "--source", "example", "--count", "2"],
                                   ["xentop", "--source", "Example".lower(), "--textfile", "x.prom"]])
def test_the_recording_that_comes_along_plays_from_anywhere(tmp_path, words):
    status, out, err = run(*words, cwd=str(tmp_path))
    assert status == 0 and err == ""
    assert b"io-guest" in (out if "--textfile" not in words else (tmp_path / "x.prom").read_bytes()) or words[0] == "bake"


@pytest.mark.parametrize("word, text", [("Direct", "there is no /dev/xen/privcmd"), ("XENTOP", "xentop is not installed")])
def test_a_live_source_is_known_however_it_is_written(tmp_path, word, text):
    status, _, err = run("xentop", "--source", word, env={"PATH": str(tmp_path / "sbin")})
    assert status == 1 and one_line(err) and text in err


def test_a_source_that_is_none_names_those_that_are():
    assert "example (one that comes with xenmeter), or a live source: auto, direct, xentop" in run(
        "xentop", "--source", "dirct")[2]
    assert "a live source: auto, baker" in run("xentrace", "--source", "bakr")[2]
    assert "a live source: auto, resource, hypercall" in run("vcpu", "--source", "x")[2]


def test_debug_shows_where():
    assert "Traceback" in run("xentop", "--source", "/nowhere", "--debug")[2]


def test_count_and_textfile(tmp_path):
    target = tmp_path / "x.prom"
    status, out, err = run("xentop", "--source", RECORDING, "--count", "2", "--textfile", str(target))
    text = target.read_text()
    assert (status, out, err) == (0, b"", "") and "# TYPE xen_domain_cpu_seconds_total counter\n" in text
    assert "# EOF" not in text and "xenmeter_build_info" not in text and os.listdir(str(tmp_path)) == ["x.prom"]


def test_a_reader_that_has_had_enough_is_no_failure():
    ours = subprocess.Popen([sys.executable, "-m", "xenmeter", "xentop", "--source", str(
        FIXTURES / "xentop" / "credit-4pcpu-cost-15domu-d0-i200" / "input.txt.gz"), "--format", "influx"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=dict(os.environ, PYTHONPATH=str(PLUGINS)))
    ours.stdout.readline()
    ours.stdout.close()
    assert ours.stderr.read() == b"" and ours.wait(60) == 0
    ours.stderr.close()


WRITERS = [
    ["xentop", "--source", RECORDING], ["xentop", "--source", RECORDING, "--format", "json"], ["metrics"], ["check"],
    ["--help"], ["--version"], ["execd", "xentop", "--source", RECORDING, "--signal", "none"], ["bake"]]


def ending(words, out):
    """Status and stderr of the command with a stdout of the shell's making; its stdin stays open till it ends."""
    running = subprocess.Popen(
        ["sh", "-c", 'exec "$@" ' + out, "sh", sys.executable, "-m", "xenmeter"] + words, stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=dict(os.environ, PYTHONPATH=str(PLUGINS)))
    err = running.stderr.read().decode()
    running.stderr.close()
    running.stdin.close()
    return running.wait(60), err


@pytest.mark.parametrize("words", WRITERS, ids=" ".join)
@pytest.mark.parametrize("out, why", [(">&-", "it is closed"), (">/dev/full", "No space left on device")])
def test_a_stdout_that_takes_nothing_is_told_in_one_line(words, out, why, tmp_path):
    if words == ["bake"]:
        trace = tmp_path / "trace.bin"
        trace.write_bytes(lzma.decompress((FIXTURES / "xentrace" / "cap20" / "trace.bin.xz").read_bytes()))
        words = ["bake", str(trace)]
    before, who = ("E! ", "xentop: ") if words[0] == "execd" else ("", "")
    assert ending(words, out) == (1, "%sxenmeter: %scannot write to stdout: %s\n" % (before, who, why))


def test_a_log_without_room_ends_nothing(tmp_path):
    """What is wrong is told in figures on stdout, whatever becomes of the line that says why."""
    words = [sys.executable, "-m", "xenmeter", "execd", "xentop", "--source", "xentop", "--interval", "0.2", "--signal", "none"]
    with open("/dev/full", "w") as full, subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=full,
            env=dict(os.environ, PYTHONPATH=str(PLUGINS), PATH=str(tmp_path))) as daemon:
        lines = [daemon.stdout.readline() for _ in range(3)]
        daemon.stdin.close()
        assert daemon.wait(120) == 0
    assert b"up=0i" in lines[0] and all(line.startswith(b"xenmeter") for line in lines), lines


def test_without_any_standard_descriptor():
    assert ending(["metrics"], "<&- >&- 2>&-")[0] == 1


def test_a_stdout_that_is_not_needed_may_be_closed(tmp_path):
    """The file's descriptor is the first free one, and nobody takes it for stdout."""
    path = tmp_path / "x.prom"
    assert ending(["xentop", "--source", RECORDING, "--count", "1", "--textfile", str(path)], ">&-") == (0, "")
    assert path.read_bytes().startswith(b"# HELP")


def test_filters_reach_the_mirror_too(capsysbinary):
    assert main(["xentop", "--source", RECORDING, "--format", "csv", "--include", "io-*", "--count", "1"]) == 0
    assert capsysbinary.readouterr().out.count(b"\n") == 2
    assert main(["xentop", "--source", RECORDING, "--format", "json", "--dom0", "false", "--count", "1"]) == 0
    assert b"Domain-0" not in capsysbinary.readouterr().out


def test_groups_leave_out_their_figures(capsysbinary):
    assert main(["xentop", "--source", RECORDING, "--format", "influx", "--group", "cpu", "--count", "1"]) == 0
    out = capsysbinary.readouterr().out
    assert b"cpu_time_ns" in out and b"memory_bytes" not in out and b"xen_vif" not in out and b"xenmeter," in out


def test_own_pace_is_that_of_the_recording(tmp_path):
    status, out, _ = run("xentop", "--source", RECORDING, "--format", "csv", "--csv-time", "epoch", "--pace", "1000")
    times = sorted({line.split(b",")[0] for line in out.splitlines()[1:]})
    assert status == 0 and len(times) == 3


def test_metrics_are_told(capsys):
    assert main(["metrics", "xentop"]) == 0
    assert "xen_vif_receive_bytes_total{vif}" in capsys.readouterr().out


@pytest.mark.parametrize("plugin", ["xentop", "vcpu", "xentrace"])
@pytest.mark.parametrize("words", [["--include", "nomatch*"], ["--include", "BURNER"], ["--exclude", "/./"]])
def test_a_filter_that_fits_nothing_is_told_once(plugin, words):
    status, _, err = run(plugin, "--source", "example", *words)
    assert status == 0 and one_line(err)
    assert "no domain fits the filters (%s %s); a pattern is a glob" % (words[0][2:], words[1]) in err
    assert run(plugin, "--source", "example", "--include", "burner")[2] == ""


@pytest.mark.parametrize("words", [["--count", "1"], ["--format", "csv"], ["--format", "json", "--count", "2"],
                                   ["--textfile", "{folder}/x.prom"]], ids=["first", "csv", "json", "textfile"])
@pytest.mark.parametrize("plugin", ["xentop", "vcpu", "xentrace"])
def test_it_is_told_in_every_form_and_of_the_first_sample(plugin, words, tmp_path):
    words = [word.format(folder=tmp_path) for word in words]
    status, _, err = run(plugin, "--source", "example", "--include", "nomatch*", *words)
    assert status == 0 and one_line(err) and "no domain fits the filters (include nomatch*)" in err
    assert run(plugin, "--source", "example", "--include", "burner", *words)[2] == ""


@pytest.mark.parametrize("listen, told", [("127.0.0.1:0", ""), ("0:0", ", on every address of this host"),
                                          ("0.0.0.0:0", ", on every address of this host")])
def test_serve_says_when_all_may_ask(listen, told):
    process = subprocess.Popen([sys.executable, "-m", "xenmeter", "serve", "xentop", "--source", RECORDING, "--listen", listen],
                               stderr=subprocess.PIPE, env=dict(os.environ, PYTHONPATH=str(PLUGINS)))
    try:
        line = process.stderr.readline().decode()
    finally:
        process.terminate()
        process.communicate()
    assert re.match(r"xenmeter: http://%s:[1-9][0-9]*/metrics%s\n\Z" % (listen.partition(":")[0], told), line)
