"""`xenmeter record` of a live host: what it wrote replays to the figures that were seen live."""
import json
import re
import signal
import subprocess
import time

import pytest

from helpers.fake_xenstored import FakeXenstored
from helpers.lineprotocol import parse
from helpers.stage import HOST, Running, capture_of, readings, xenmeter
from helpers.captures import KHZ, unpacked

pytestmark = pytest.mark.daemon

NAMES = [one["name"] for one in readings("--source", capture_of(HOST))[0]["domains"]]


def lacks_the_hypervisor(said):
    """One line on the sources that read the hypervisor itself: there is none where these tests run."""
    return said.startswith(b"xenmeter: not recorded: direct, vcpu: there is no /dev/xen/privcmd") and said.count(b"\n") == 1


def uuid_of(domid):
    return "%08x-0000-4000-8000-%012x" % (domid, domid)


def store():
    """xenstore's nodes of the captured host, with an UUID and a disk for each guest, and the capture's vif."""
    nodes = {b"/local/domain/0/name": b"Domain-0", b"/local/domain/0/domid": b"0"}
    for domid, name in enumerate(sorted(set(NAMES) - {"Domain-0"}), 1):
        uuid = uuid_of(domid).encode()
        nodes[b"/local/domain/%d/name" % domid] = name.encode()
        nodes[b"/local/domain/%d/vm" % domid] = b"/vm/" + uuid
        nodes[b"/vm/" + uuid + b"/start_time"] = b"%d.25" % (1795192454 + domid)
        if name == "io-guest":      # the others of the capture have none
            nodes[b"/local/domain/0/backend/vif/%d/3/state" % domid] = b"4"
        nodes[b"/local/domain/0/backend/vbd/%d/51712/dev" % domid] = b"xvda"
    return nodes


@pytest.fixture
def xentop(xentop):
    """One that is no faster than twice its interval: of four times, what a busy machine holds up looks as a clock set back."""
    xentop.play(capture_of(HOST), speedup=2)
    return xentop


@pytest.fixture(params=["xenstore", "names only"])
def environment(request, tmp_path):
    """With a xenstored, and on a host that has none."""
    if request.param == "names only":
        yield {"XENSTORED_PATH": str(tmp_path / "none")}
    else:
        with FakeXenstored(store(), str(tmp_path / "xenstored")) as server:
            yield {"XENSTORED_PATH": server.path}


def run(xentop, environment, *arguments):
    with Running(*arguments, path=xentop.path, environment=environment) as running:
        assert running.wait_end(20) == 0 and running.err == b""
        return running.out


def record(xentop, environment, folder, *more, until=lambda: True):
    """Record until six iterations of xentop are written and `until` holds, then end it; the process, which said good-bye.

    (The files are buffered, so the one of the text tells it, and late: six iterations are there when 24 kB are.)
    """
    with Running("record", folder, "--seconds", "600", "--interval", "1", *more, path=xentop.path,
                 environment=environment) as running:
        text = folder / "xentop.txt"
        running.wait_for(lambda: text.exists() and text.stat().st_size > 24000 and until(), 60, "the samples")
        running.process.send_signal(signal.SIGINT)
        assert running.wait_end(30) == 0
        return running


def test_a_recording_replays_to_what_was_seen_live(tmp_path, xentop, environment):
    folder = tmp_path / "recorded"
    began = time.time()
    running = record(xentop, environment, folder)
    samples = readings("--source", folder)
    assert lacks_the_hypervisor(running.err)
    assert running.out == b"%s: %d samples of xentop\n" % (str(folder).encode(), len(samples)) and len(samples) >= 3
    stamps = [sample["time_ns"] / 1e9 for sample in samples]
    assert began < stamps[0] and stamps[-1] < time.time() and all(a < b for a, b in zip(stamps, stamps[1:]))
    live = [json.loads(line) for line in run(xentop, environment, "xentop", "--interval", "1", "--count", "3", "--format",
                                             "json").splitlines()]
    assert [sample["domains"] for sample in samples[:3]] == [sample["domains"] for sample in live]
    plain = readings("--source", capture_of(HOST))
    if "none" in environment["XENSTORED_PATH"]:
        assert [sample["domains"] for sample in samples[:3]] == [sample["domains"] for sample in plain]
    else:
        uuids = {one["name"]: one["uuid"] for one in samples[0]["domains"] if one["name"] != "Domain-0"}
        assert uuids == {name: uuid_of(domid) for domid, name in enumerate(sorted(uuids), 1)}


def test_published_figures_are_the_same_too(tmp_path, xentop, environment):
    folder = tmp_path / "recorded"
    record(xentop, environment, folder)
    live = run(xentop, environment, "xentop", "--interval", "1", "--count", "3", "--format", "influx")
    replayed = xenmeter("xentop", "--source", folder, "--count", "3", "--format", "influx")
    assert replayed.stderr == ""

    def figures(text):
        return [line[:3] for line in parse(text) if not line[0].startswith("xenmeter")]

    assert figures(live) == figures(replayed.stdout.encode())
    disks = {tags["vbd"] for measurement, tags, _, _ in parse(live) if measurement == "xen_vbd"}
    assert disks == {"xvda"}


@pytest.mark.parametrize("fault, said", [("no-rights", b"may not talk to Xen"), ("no-xen", b"there is no /dev/xen/privcmd"),
                                         ("end", b"ended without a word")])
def test_a_host_that_says_nothing_leaves_no_recording(tmp_path, xentop, fault, said):
    xentop.fault(fault)
    folder = tmp_path / "recorded"
    with Running("record", folder, "--seconds", "30", "--interval", "1", path=xentop.path,
                 environment={"XENSTORED_PATH": str(tmp_path / "none")}) as running:
        assert running.wait_end(10) == 1
        assert running.err.count(b"\n") == 1 and said in running.err and running.out == b""
    assert not folder.exists()


@pytest.mark.parametrize("number", [2, 15])
def test_a_recording_that_is_interrupted_is_whole(tmp_path, xentop, number):
    """Ctrl-C is how people end it."""
    folder = tmp_path / "recorded"
    with Running("record", folder, "--seconds", "600", "--interval", "1", path=xentop.path,
                 environment={"XENSTORED_PATH": str(tmp_path / "none")}) as running:
        stamps = folder / "xentop.txt"
        running.wait_for(lambda: stamps.exists() and stamps.stat().st_size > 8000, what="an iteration")
        running.process.send_signal(number)
        assert running.wait_end(10) == 0
        assert lacks_the_hypervisor(running.err) and b" samples of xentop\n" in running.out
    xentop.wait_gone()
    assert len(readings("--source", folder)) >= 1


def test_a_xentop_that_says_nothing_leaves_no_recording(tmp_path, xentop):
    xentop.fault("hang")
    ran = xenmeter("record", tmp_path / "recorded", "--seconds", "5", path=xentop.path)
    assert ran.returncode == 1 and ran.stderr.startswith("xenmeter: xentop: it has said nothing; direct, vcpu: there is no ")
    assert ran.stderr.endswith("; there is no recording\n") and ran.stderr.count("\n") == 1
    assert not (tmp_path / "recorded").exists()


def test_an_existing_recording_is_not_written_over(tmp_path, xentop):
    (tmp_path / "recorded").mkdir()
    (tmp_path / "recorded" / "mine").write_text("kept")
    ran = xenmeter("record", tmp_path / "recorded", path=xentop.path)
    assert ran.returncode == 1 and "is not empty" in ran.stderr and ran.stderr.count("\n") == 1
    assert (tmp_path / "recorded" / "mine").read_text() == "kept" and xentop.starts() == []


def test_only_what_was_made_goes_again(tmp_path, xentop):
    xentop.fault("end")
    (tmp_path / "mine").mkdir()
    for folder in (tmp_path / "mine", tmp_path / "mine" / "new" / "newer"):
        ran = xenmeter("record", folder, "--seconds", "30", path=xentop.path)
        assert ran.returncode == 1 and "there is no recording" in ran.stderr and ran.stderr.count("\n") == 1
        assert list((tmp_path / "mine").iterdir()) == []


@pytest.mark.parametrize("option, value", [
    ("--seconds", "0"), ("--seconds", "-5"), ("--seconds", "nan"), ("--seconds", "inf"), ("--seconds", "1e300"),
    ("--interval", "0"), ("--interval", "-1"), ("--trace-mb", "0"),
    ("--only", "direct,baker"), ("--only", "\x1b[31m")])
def test_an_option_that_cannot_be_is_named_and_nothing_is_made(tmp_path, xentop, option, value):
    ran = xenmeter("record", tmp_path / "recorded", option + "=" + value, path=xentop.path)
    assert ran.returncode == 2 and ran.stderr.startswith("xenmeter: %s " % option) and ran.stderr.count("\n") == 1
    assert not (tmp_path / "recorded").exists() and xentop.starts() == []


XENTRACE = """#!/bin/sh
trap 'exit 0' TERM
echo "$@" > {0}.new && mv {0}.new {0}
head -c 1000000 {1}
touch {0}.said
tail -c +1000001 {1}
while :; do sleep 0.05; done
"""


@pytest.fixture
def traced(tmp_path, xentop):
    """An xentrace beside the xentop that says a whole captured trace, and goes on until it is ended. When `called.said` is
    there, 1 MB of it, or all, were read but for what a pipe holds."""
    path = unpacked(tmp_path, "narrow-steady")
    program = xentop.bin / "xentrace"
    program.write_text(XENTRACE.format(tmp_path / "called", path))
    program.chmod(0o755)
    return path


def record_trace(tmp_path, xentop, environment, *more):
    return record(xentop, environment, tmp_path / "recorded", "--trace", "--trace-source", "xentrace", *more,
                  until=(tmp_path / "called.said").exists)


def test_a_trace_in_the_recording_is_baked_like_the_trace_itself(tmp_path, xentop, environment, traced):
    running = record_trace(tmp_path, xentop, environment)
    assert running.out.endswith(b", and a trace\n") and lacks_the_hypervisor(running.err)
    assert (tmp_path / "called").read_text() == "-D -e 0x00161000 -c all -S 32\n"
    manifest = json.loads((tmp_path / "recorded" / "manifest.json").read_text())
    assert manifest["start_ns"] <= manifest["sources"]["xentrace"]["start_ns"] < manifest["sources"]["xentrace"]["end_ns"]
    assert "cpu_khz" not in manifest["sources"]["xentrace"]     # no hypervisor here tells it
    assert (tmp_path / "recorded" / "trace.bin").read_bytes() == traced.read_bytes()
    baked = [json.loads(xenmeter("bake", path, "--cpu-khz", KHZ).stdout) for path in (traced, tmp_path / "recorded")]
    assert baked[0] == baked[1] and baked[0]["trace"]["records"] > 1000
    samples = xenmeter("xentrace", "--source", tmp_path / "recorded", "--cpu-khz", KHZ, "--format", "json")
    assert samples.returncode == 0
    names = {one["domain"] for one in json.loads(samples.stdout.splitlines()[0])["domains"]}
    assert "Domain-0" in names and ("domid-1" in names) == environment["XENSTORED_PATH"].endswith("none")
    assert len(readings("--source", tmp_path / "recorded")) >= 3


def test_a_trace_is_bounded_and_its_end_is_said(tmp_path, xentop, environment, traced):
    traced.write_bytes(traced.read_bytes() * 12)
    running = record_trace(tmp_path, xentop, environment, "--trace-mb", "1")
    assert b"it has reached --trace-mb" in running.err
    size = (tmp_path / "recorded" / "trace.bin").stat().st_size
    assert 0 < size <= 1 << 20 < traced.stat().st_size
    assert xenmeter("bake", tmp_path / "recorded", "--cpu-khz", KHZ).returncode == 0


def test_a_trace_that_cannot_be_is_said_before_anything_is_recorded(tmp_path, xentop, environment):
    for words, reason in (([], "xenmeter: there is no /dev/xen"), (["--trace-source", "xentrace"], "xentrace is not installed"),
                          (["--trace-mb", "0"], "--trace-mb 0: takes")):
        with Running("record", tmp_path / "recorded", "--trace", *words, path=xentop.path,
                     environment=environment) as running:
            assert running.wait_end(30) in (1, 2)
        assert reason in running.err.decode() and running.err.count(b"\n") == 1
        assert not (tmp_path / "recorded").exists() or not list((tmp_path / "recorded").iterdir())


def test_a_disk_that_fills_up_leaves_a_recording_that_plays(tmp_path):
    """The manifest has its room from the beginning."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "xentop").write_text("#!/bin/sh\nwhile cat %s; do sleep 0.2; done\n" % capture_of(HOST))
    (tmp_path / "bin" / "xentop").chmod(0o755)
    place = tmp_path / "small"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24k", "tmpfs", str(place)], check=True)
    try:
        with Running("record", place / "r", "--seconds", "600", "--interval", "1", path="%s:/usr/bin:/bin" % (
                tmp_path / "bin"), environment={"XENSTORED_PATH": str(tmp_path / "none")}) as running:
            assert running.wait_end(60) == 1
        last = running.err.decode().splitlines()[-1]
        assert re.match(r"xenmeter: the recording of xentop ends early: %s/xentop\.\w+ cannot be written: No space left on device"
                        % (place / "r"), last), running.err
        assert {"manifest.json", "xentop.txt"} <= {path.name for path in (place / "r").iterdir()} <= {
            "manifest.json", "xentop.txt", "xentop.stamps", "names.jsonl"}
        assert len(readings("--source", place / "r")) >= 1
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_disk_that_is_full_is_said_before_anything_is_recorded(tmp_path, xentop):
    place = tmp_path / "small"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8k", "tmpfs", str(place)], check=True)
    try:
        ran = xenmeter("record", place / "r", "--seconds", "600", path=xentop.path)
        assert ran.returncode == 1 and "cannot be written: No space left on device" in ran.stderr and ran.stderr.count("\n") == 1
        assert list(place.iterdir()) == [] and xentop.starts() == []
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_trace_that_fails_at_once_ends_the_recording(tmp_path, xentop, environment):
    """xen-utils-common's xentrace where there is no Xen; not an hour later, and not with status 0."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "xentrace").write_text(
        "#!/bin/sh\necho \"ERROR:  Can't find hypervisor information in sysfs!\" >&2\nexit 1\n")
    (tmp_path / "bin" / "xentrace").chmod(0o755)
    with Running("record", tmp_path / "recorded", "--trace", "--trace-source", "xentrace", "--seconds", "600",
                 path="%s:%s" % (tmp_path / "bin", xentop.path), environment=environment) as running:
        assert running.wait_end(60) == 1
    line, = running.err.decode().splitlines()
    assert line.startswith("xenmeter: there is no trace: ") and "Can't find hypervisor information" in line
    assert not (tmp_path / "recorded").exists()
