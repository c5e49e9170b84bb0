"""Stamps that leap: time that nobody vouches for is not leapt over, and quiet hours are."""
import json

import pytest

from helpers import encoding
from helpers.summary import run
from xenmeter.core import histogram
from xenmeter.core.errors import BadOption, NotXen
from xenmeter.xentrace.baker import sources
from xenmeter.xentrace.engine import records
from xenmeter.xentrace.engine.distribution import Distribution
from xenmeter.xentrace.engine.engine import Engine

KHZ = 1000000
T = 10 ** 13
SECOND = 10 ** 9
DAY = 86400 * SECOND


def change(at, old, new, domid=1, vcpu=0):
    return encoding.runstate(T + at, domid, vcpu, old, new)


def bake(core, *windows, **options):
    engine = Engine(KHZ, core=core, **options)
    for pcpu, data in windows:
        engine.feed(records.window(pcpu, data))
    return engine.finish()


@pytest.mark.parametrize("leap", [10 * SECOND, 3600 * SECOND, DAY, 1000 * DAY])
def test_a_stamp_that_the_next_one_takes_back(core, leap):
    """In one window, and in a window of its own: nobody has run that long."""
    data = change(0, 1, 0), change(leap, 0, 2), change(1000, 0, 2), change(3000, 2, 1)
    for parts in (((0, b"".join(data)),), tuple((0, one) for one in data)):
        figures = bake(core, *parts)
        assert figures["trace"]["anomaly_kinds"]["wild_stamps"] == 1 and figures["trace"]["span_ns"] == 3000
        assert (figures["vcpus"][0]["running_ns"], figures["vcpus"][0]["blocked_ns"]) == (1000, 2000)


@pytest.mark.parametrize("gap", [10 * SECOND, 3600 * SECOND, DAY])
def test_a_quiet_time_is_one(core, gap):
    """At the end of a window, and of the trace, and where another pCPU is the next to say anything."""
    figures = bake(core, (0, change(0, 1, 0) + change(500, 0, 2)), (1, change(0, 0, 2, 2)), (0, change(gap, 2, 1)),
                   (1, change(gap + 300, 2, 1, 2) + change(gap + 400, 1, 0, 2)), (0, change(gap + 900, 1, 0)),
                   (1, change(2 * gap, 0, 2, 2)))
    assert figures["trace"]["anomalies"] == 0 and figures["trace"]["span_ns"] == 2 * gap
    one, two = figures["vcpus"]
    assert (one["running_ns"], one["blocked_ns"], one["runnable_ns"]) == (500 + gap - 900, gap - 500, 900)
    assert (two["blocked_ns"], two["runnable_ns"], two["running_ns"]) == (gap + 300, 100, gap - 400)


def test_a_quiet_time_beyond_all_bounds_needs_many_to_say_so(core):
    there = 100 * DAY
    data = [change(there + 1000 * place, 0, 0) for place in range(12)]
    figures = bake(core, (0, change(0, 2, 1) + b"".join(data)))
    assert figures["trace"]["span_ns"] == there + 11000 and figures["trace"]["anomaly_kinds"]["wild_stamps"] == 9
    same = [change(there + (place << 32), 0, 0) for place in range(12)]      # as records read from a wrong place
    assert bake(core, (0, change(0, 2, 1) + b"".join(same)))["trace"]["span_ns"] == 0


@pytest.mark.parametrize("shift", range(1, 16))
def test_records_read_from_a_wrong_place(core, shift):
    """Bytes that were put in between: the rest of the window is read askew, and the next ones are as they were."""
    data = b"".join(change(5000000 * place, place & 1 ^ 1, place & 1, place % 3) for place in range(200))
    damaged = data[:160] + b"\xa5" * shift + data[160:-16 - shift % 16]
    after = b"".join(change(10 ** 9 + 5000000 * place, place & 1 ^ 1, place & 1) for place in range(20))
    figures = bake(core, (0, damaged), (0, after))
    assert figures["trace"]["anomalies"] and figures["trace"]["span_ns"] < 5 * SECOND


def test_the_loops_count_long_times_alike(core):
    """Hours in a histogram of either loop are where core.histogram puts them."""
    lengths = [80 * 60 * SECOND] * 9 + [10 * 3600 * SECOND]
    at, data = 1000, [change(0, 0, 2), change(1000, 2, 1)]
    for length in lengths:
        data.append(change(at + length, 1, 0))
        data.append(change(at + length + 100, 0, 1))
        at += length + 100
    told = bake(core, (0, b"".join(data)))["vcpus"][0]["histograms"]["wait"]
    row = histogram.new()
    for length in lengths:
        histogram.add(row, length)
    assert told == Distribution.of(row)


def test_all_windows_come(core):
    """More than any number that was ever kept, all equal to those of an engine that keeps them as lists."""
    engine = Engine(KHZ, [10 ** 6], None, core=core)
    count = 100000
    data = [change(10 ** 6 * place + 500, place & 1, place & 1 ^ 1) for place in range(1, count)]
    for place in range(0, len(data), 1000):
        engine.feed(records.window(0, b"".join(data[place:place + 1000])))
    figures = engine.finish(windows=False)
    assert figures["windows"] == []
    made = engine.accounts.windows.told(0, figures["trace"]["span_ns"])
    assert [one.start for one in made] == [10 ** 6 * place for place in range(count - 1)][:len(made)]
    assert len(made) == count - 2 and sum(life["running_ns"] + life["waiting_ns"] for one in made
                                          for life in one.records()) == figures["trace"]["span_ns"]


def test_more_windows_than_can_be_kept_are_refused(tmp_path):
    path = tmp_path / "long.bin"
    path.write_bytes(records.window(0, change(0, 1, 0) + change(10 * 3600 * SECOND, 0, 2)
                                    + change(10 * 3600 * SECOND + 1000, 2, 1)))
    done = run(str(path), "--cpu-khz", "1000000", "--window", "0.001")
    assert done.returncode == 2 and done.stderr.count(b"\n") == 1 and b"longer ones" in done.stderr and not done.stdout
    told = json.loads(run(str(path), "--cpu-khz", "1000000", "--window", "1").stdout.decode())
    assert len(told["windows"]) == 36001 and told["windows"][0]["start_ns"] == 0


def test_limits_of_options(trace):
    path = trace("narrow-steady")
    for option, value in (("--window", "1e9"), ("--window", "1e-9"), ("--window", "nan"), ("--cpu-khz", "1" + "0" * 30),
                          ("--cpu-khz", "100000001"), ("--cpu-khz", "-1")):
        done = run(path, "--cpu-khz", "2596120", option, value)
        assert done.returncode == 2 and done.stderr.count(b"\n") == 1 and option.encode() in done.stderr, option


@pytest.mark.parametrize("content", [b"", b"root:x:0:0:root:/root:/bin/bash\n" * 30])
def test_what_is_no_trace_is_named(tmp_path, content):
    path = tmp_path / "passwd"
    path.write_bytes(content)
    for options in ((), ("--cpu-khz", "2596120")):
        done = run(str(path), *options)
        assert done.returncode == 1 and str(path) in done.stderr.decode()
        assert (b"xentrace writes" if content else b"is empty\n") in done.stderr


def test_where_no_xen_is_that_is_what_is_said(monkeypatch):
    """The TSC's rate is only wanted of a stream, which needs no Xen here."""
    def none():
        raise NotXen("there is no Xen")
    monkeypatch.setattr(sources, "Hypervisor", none)
    for source in ("rings", "xentrace"):
        with pytest.raises(NotXen, match="^there is no Xen$"):
            sources.host_khz(source)
    with pytest.raises(BadOption, match="--cpu-khz is needed.*/some/fifo.*there is no Xen"):
        sources.host_khz("/some/fifo")
