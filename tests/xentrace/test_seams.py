"""Several recordings in one file, and what else makes a trace doubtful: recognised, and said where people look."""
import lzma
import os
import subprocess
import sys

import pytest

from helpers import encoding
from helpers.captures import KHZ, SECOND, capture
from helpers.captures import stamps_of
from helpers.paths import TRACES as FIXTURES
from helpers.paths import PLUGINS
from xenmeter.core.errors import SourceError
from xenmeter.xentrace.engine import records
from xenmeter.xentrace.engine.doubts import NO_EVENTS, doubts
from xenmeter.xentrace.engine.engine import Engine
from xenmeter.xentrace.engine.splitter import Splitter

STEADY, CHURN = "narrow-steady", "narrow-churn"


def bake(core, data, piece=None, windows=(), khz=KHZ):
    engine = Engine(khz, windows, core=core)
    for at in range(0, len(data), piece or len(data)):
        engine.feed(data[at:at + (piece or len(data))])
    figures = engine.finish()
    engine.close()
    return figures


def but_for(figures, *names):
    """Without what tells of the part that was left out."""
    trace = {name: value for name, value in figures["trace"].items()
             if name not in ("anomalies", "anomaly_kinds", "left_out_from")}
    return dict(figures, trace=trace)


@pytest.mark.parametrize("second", [CHURN, STEADY])
@pytest.mark.parametrize("piece", [None, 70001, 997])
def test_an_older_trace_behind_another_is_left_out(core, second, piece):
    """Another boot, or the same file twice: the first part's figures stand, and nothing of the second is in them."""
    first, behind = capture(CHURN), capture(second)
    if second == STEADY:        # of a host that was booted anew
        behind = shifted(behind, -40 * SECOND)
    figures = bake(core, first + behind, piece)
    assert but_for(figures) == but_for(bake(core, first))
    assert figures["trace"]["left_out_from"] == len(first) and figures["trace"]["anomaly_kinds"]["left_out"] == 1
    assert doubts(figures) == ["from byte %d on the stamps are older than before: another boot, or the same trace again; "
                               "left out" % len(first)]


@pytest.mark.parametrize("piece", [None, 70001, 997])
def test_the_time_between_two_recordings_of_a_boot_is_unknown(core, piece):
    """No pCPU has a record in it, and a vCPU that waited when the first ended did not wait until the second began."""
    one, other = capture(CHURN), shifted(capture(STEADY), 6 * SECOND)
    alone, after = bake(core, one), bake(core, other)
    both = bake(core, one + other, piece)
    between = 6 * SECOND
    assert 0 <= both["trace"]["span_ns"] - alone["trace"]["span_ns"] - after["trace"]["span_ns"] - between <= 1
    assert both["trace"]["anomaly_kinds"]["interruptions"] == 1 == both["trace"]["anomalies"]
    assert both["trace"]["records"] == alone["trace"]["records"] + after["trace"]["records"]
    for life in both["domains"]:
        vcpus = [vcpu for vcpu in both["vcpus"] if vcpu["domid"] == life["domid"]]
        if life["end_ns"] is None and life["start_ns"] == 0 and vcpus:
            assert all(vcpu["unknown_ns"] >= between for vcpu in vcpus)
            assert life["histograms"]["wait"].most < SECOND
    for pcpu in both["pcpus"]:
        assert pcpu["unknown_ns"] >= between and pcpu["lost_ns"] == between and pcpu["lost_records"] == 0
    assert "once no pCPU has a record for more than a second" in doubts(both)[0]


def shifted(data, ns):
    """The trace as it would be, had it begun so long after the end of the churning one."""
    first = min(stamp for _, stamp in stamps_of(data))
    last = max(stamp for _, stamp in stamps_of(capture(CHURN)))
    told = bytearray(data)
    for place, stamp in stamps_of(data):
        told[place:place + 8] = (stamp - first + last + ns * KHZ // 1000000).to_bytes(8, "little")
    return bytes(told)


def change(at, old, new, vcpu=0, domid=1):
    return encoding.runstate(10 ** 12 + at, domid, vcpu, old, new)


def test_a_host_that_sleeps_is_not_interrupted(core):
    """All are blocked, and go on from there: hours without a record are theirs."""
    asleep = records.window(0, change(0, 1, 0) + change(500, 0, 2))
    asleep += records.window(1, change(400, 1, 0, 1) + change(700, 0, 2, 1))
    awake = records.window(0, change(9 * SECOND, 2, 1) + change(9 * SECOND + 50, 1, 0))
    figures = bake(core, asleep + awake, khz=1000000)
    assert figures["trace"]["anomalies"] == 0 and figures["vcpus"][0]["blocked_ns"] == 9 * SECOND - 500
    assert doubts(figures) == []


@pytest.mark.parametrize("before, after", [
    (change(500, 0, 2), change(9 * SECOND, 0, 1) + change(9 * SECOND + 9, 1, 0)),   # blocked before, ran when it was resumed
    (change(500, 0, 1), change(9 * SECOND, 1, 0) + change(9 * SECOND + 9, 0, 1)),   # waited with nobody at work
])
def test_what_cannot_have_lasted_is_unknown(core, before, after):
    figures = bake(core, records.window(0, change(0, 1, 0) + before) + records.window(0, after), khz=1000000)
    assert figures["trace"]["anomaly_kinds"]["interruptions"] == 1
    vcpu, = figures["vcpus"]
    assert vcpu["unknown_ns"] == 9 * SECOND - 500 and vcpu["runnable_ns"] + vcpu["blocked_ns"] < 100


def test_one_damaged_stamp_is_no_other_trace(core):
    """A window that begins with an old stamp and goes on as before, or one whose pCPU alone fell back."""
    data = b"".join(records.window(pcpu, b"".join(change(10 ** 8 * turn + 1000 * place, place & 1 ^ 1, place & 1, 0, 1 + pcpu)
                                                  for place in range(4))) for turn in range(20) for pcpu in (0, 1))
    for spoilt in (10, 11):
        at = 12 + spoilt * (12 + 64)
        damaged = data[:at + 4] + (10 ** 12 - 5 * 10 ** 8).to_bytes(8, "little") + data[at + 12:]
        figures = bake(core, damaged, khz=1000000)
        assert figures["trace"]["left_out_from"] is None and figures["trace"]["records"] == 160
        assert figures["trace"]["anomalies"] > 0 and "anomalies: " in doubts(figures)[0]


def without_events(data):
    """The same trace, recorded without the scheduler's class of events."""
    told, at = b"", 0
    while at < len(data):
        pcpu, size = (int.from_bytes(data[at + place:at + place + 4], "little") for place in (4, 8))
        at, end, kept = at + 12, at + 12 + size, b""
        while at < end:
            word = int.from_bytes(data[at:at + 4], "little")
            length = 4 + 8 * (word >> 31) + 4 * (word >> 28 & 7)
            kept += data[at:at + length] if word >> 16 & 0xFFF != 2 else b""
            at += length
        told += records.window(pcpu, kept) if kept else b""
    return told


@pytest.fixture(scope="module")
def nosched(tmp_path_factory):
    with lzma.open(os.path.join(FIXTURES, "all-steady", "trace.bin.xz")) as stream:
        data = without_events(stream.read())
    path = tmp_path_factory.mktemp("nosched") / "trace.bin"
    path.write_bytes(data)
    return path, data


def test_without_scheduler_events_no_domain_is_told(core, nosched):
    figures = bake(core, nosched[1], windows=(SECOND,))
    assert figures["trace"]["records"] > 1000
    assert figures["domains"] == [] and figures["vcpus"] == [] and not figures["windows"]
    assert doubts(figures) == [NO_EVENTS]


def run(*words):
    return subprocess.run([sys.executable, "-m", "xenmeter"] + [str(word) for word in words], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, universal_newlines=True,
                          env=dict(os.environ, PYTHONPATH=str(PLUGINS), LC_ALL="C.UTF-8"))


@pytest.mark.parametrize("form", ["json", "table", "influx", "openmetrics", "csv"])
def test_doubts_are_said_beside_the_figures(tmp_path, nosched, form):
    ran = run("bake", nosched[0], "--cpu-khz", KHZ, "--format", form)
    assert ran.returncode == 0 and ran.stderr == "xenmeter: %s\n" % NO_EVENTS
    twice = tmp_path / "twice.bin"
    twice.write_bytes(capture(CHURN) * 2)
    ran = run("bake", twice, "--cpu-khz", KHZ, "--format", form)
    assert ran.returncode == 0 and ran.stderr.count("\n") == 1
    assert "from byte %d on the stamps are older" % len(capture(CHURN)) in ran.stderr
    if form == "table":
        assert "ANOMALIES" in ran.stdout


def test_an_empty_file_is_said_to_be_empty(tmp_path):
    empty = tmp_path / "empty.bin"
    empty.write_bytes(b"")
    for words in (("bake", empty), ("bake", empty, "--cpu-khz", KHZ), ("bake", empty, "--format", "table", "--cpu-khz", KHZ),
                  ("xentrace", "--source", empty, "--cpu-khz", KHZ)):
        ran = run(*words)
        assert ran.returncode == 1 and ran.stderr.count("\n") == 1 and "empty.bin is empty" in ran.stderr, words


def test_a_vcpu_that_ran_where_nothing_was_lost_is_known_from_there_on(core):
    """Losses elsewhere, and later ones there, are nothing to it. Without them it would be known from the beginning."""
    begins = records.window(2, change(0, 1, 0, 0, 5) + change(9500000, 0, 2, 0, 5))

    def first(*parts):
        return {one["domid"]: one for one in bake(core, begins + b"".join(parts), khz=1000000)["vcpus"]}[7]
    lost_elsewhere = records.window(0, encoding.lost(10 ** 12 + 5000000, 40, 0x7FFF, 0, 10 ** 12 + 1000))
    ran = change(6000000, 0, 2, 0, 7) + change(7000000, 2, 1, 0, 7)
    told = first(lost_elsewhere, records.window(1, ran))
    assert (told["running_ns"], told["blocked_ns"], told["unknown_ns"]) == (6000000, 1000000, 0)
    lost_later = records.window(1, encoding.lost(10 ** 12 + 9000000, 40, 0x7FFF, 1, 10 ** 12 + 8000000))
    told = first(lost_elsewhere, records.window(1, ran), lost_later)
    assert (told["running_ns"], told["blocked_ns"], told["unknown_ns"]) == (6000000, 1000000, 1500000)
    lost_before = records.window(1, encoding.lost(10 ** 12 + 3000, 40, 0x7FFF, 1, 10 ** 12 + 1000))
    told = first(lost_elsewhere, lost_before, records.window(1, ran))
    assert (told["running_ns"], told["blocked_ns"], told["unknown_ns"]) == (6000000 - 3000, 1000000, 3000)


def test_what_is_empty_is_an_error_of_the_source():
    with pytest.raises(SourceError, match="is empty"):
        from xenmeter.xentrace.engine.frequency import rate_of
        import io
        rate_of(io.BytesIO(b""), [], 4096, "nothing")


def streamed(core, data):
    """The engine as the baker feeds it from a pipe or file: pass by pass. None where it refuses to go on."""
    engine, splitter = Engine(KHZ, core=core), Splitter()
    passes = [one for at in range(0, len(data), 70001) for one in splitter.feed(data[at:at + 70001])]
    for one in passes + [splitter.rest()]:
        if engine.other_recording(one):
            engine.close()
            return None
        for pcpu, ring in one:
            engine.feed_rings([(pcpu, ring)])
        engine.pass_done()
    figures = engine.finish()
    engine.close()
    return figures


def test_a_stream_is_not_gone_on_with_where_another_recording_follows(core):
    assert streamed(core, capture(CHURN) + capture(CHURN)) is None
    assert streamed(core, capture(CHURN) + shifted(capture(STEADY), -40 * SECOND)) is None
    assert streamed(core, capture(CHURN))["trace"]["records"] == bake(core, capture(CHURN))["trace"]["records"]


def test_what_a_stream_leaves_out_is_unknown(core):
    between = 6 * SECOND
    both = streamed(core, capture(CHURN) + shifted(capture(STEADY), between))
    assert both["trace"]["anomaly_kinds"]["interruptions"] == 1
    for pcpu in both["pcpus"]:
        assert pcpu["unknown_ns"] >= between and pcpu["lost_ns"] == between
    for life in both["domains"]:
        if life["end_ns"] is None and life["start_ns"] == 0:
            assert life["histograms"]["wait"].most < SECOND


def test_the_baker_refuses_two_traces_in_one_line(tmp_path):
    (tmp_path / "two.bin").write_bytes(capture(STEADY) * 2)
    words = ["baker", "--source", str(tmp_path / "two.bin"), "--cpu-khz", str(KHZ), "--shared", str(tmp_path / "baker")]
    ran = subprocess.run([sys.executable, "-m", "xenmeter", *words, "--share", "0"], stdout=subprocess.PIPE, timeout=60,
                         stderr=subprocess.PIPE, universal_newlines=True, env=dict(os.environ, PYTHONPATH=str(PLUGINS)))
    assert ran.returncode == 1, ran.stderr
    assert ran.stderr.splitlines()[-1].startswith("xenmeter: the stamps are older than before"), ran.stderr
    assert "Traceback" not in ran.stderr and sorted(os.listdir(str(tmp_path))) in (["two.bin"], ["baker.lock", "two.bin"])


def test_a_silence_that_markers_explain_is_a_loss_and_no_interruption(core):
    """Nobody had read the rings for seconds, and they were full: each begins anew with what was lost."""
    before = b"".join(records.window(pcpu, change(400, 1, 0, pcpu) + change(500 + pcpu, 0, 1, pcpu)) for pcpu in (0, 1))
    after = b"".join(records.window(pcpu, encoding.lost(10 ** 12 + 9 * SECOND, 70, 0x7FFF, pcpu, 10 ** 12 + 600) + change(
        9 * SECOND + 50 + pcpu, 1, 0, pcpu)) for pcpu in (0, 1))
    figures = bake(core, before + after, khz=1000000)
    assert figures["trace"]["anomaly_kinds"]["interruptions"] == 0 and figures["trace"]["lost_records"] == 140
    for vcpu in figures["vcpus"]:
        assert vcpu["unknown_ns"] >= 8 * SECOND
