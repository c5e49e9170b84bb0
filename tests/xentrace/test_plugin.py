"""The xentrace plugin on recordings: its figures are bake's, in every form, through pipes, and with names."""
import gzip
import io
import json
import os
import subprocess
import sys

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as prometheus_text

from helpers import encoding
from helpers.captures import KHZ, SECOND, capture
from helpers.paths import FIXTURES as ALL_FIXTURES, TOP
from xenmeter.core.errors import BadOption, SourceError
from xenmeter.core.options import from_pairs
from xenmeter.core.pipeline import Pipeline
from xenmeter.front.output import make_format
from xenmeter.xentrace.engine import records
from xenmeter.xentrace.plugin import PLUGIN, lengths_of

FIXTURES = str(ALL_FIXTURES / "xentrace")
ROOT = str(TOP)
CASES = sorted(case for case in os.listdir(FIXTURES) if os.path.isdir(os.path.join(FIXTURES, case)))
UUID = "6f5902ac-237a-4de9-9b6b-0fe1e5e7c1b%d"


@pytest.fixture(scope="module")
def trace(tmp_path_factory):
    """The path of a case's unpacked trace."""
    folder = tmp_path_factory.mktemp("traces")

    def unpack(case):
        path = folder / (case + ".bin")
        if not path.exists():
            path.write_bytes(capture(case))
        return str(path)
    return unpack


def command(*arguments, **options):
    environment = dict(os.environ, PYTHONPATH=os.path.join(ROOT, "plugins"))
    return subprocess.run([sys.executable, "-m", "xenmeter"] + list(arguments), stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, env=environment, check=False, **options)


def baked(path, window=1):
    done = command("bake", path, "--cpu-khz", str(KHZ), "--window", str(window))
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.decode())


def pipeline_of(path, **options):
    given = dict({"source": path, "cpu_khz": KHZ, "start": "1795192500"}, **options)
    pairs = [(key, value if isinstance(value, list) else [value]) for key, value in given.items()]
    return Pipeline(PLUGIN, from_pairs(PLUGIN.options, pairs)[0])


def formatted(path, form, **options):
    """All that a format gives of a recording, sample by sample."""
    pipeline = pipeline_of(path, **options)
    format_ = make_format(form, pipeline)
    pipeline.start()
    told = []
    while not pipeline.ended:
        told.extend(format_.sample(sample) for sample in pipeline.take())
    assert pipeline.error is None
    return told


def mirrored(path, **options):
    return [json.loads(line.decode()) for line in formatted(path, "json", **options)]


@pytest.mark.parametrize("case", CASES)
def test_the_counters_are_bakes(trace, case):
    path = trace(case)
    document = baked(path)
    told = {}
    for sample in mirrored(path, per_vcpu="true"):      # the last word on each life
        told.update({(one["domid"], one["generation"]): one for one in sample["domains"]})
        told.update({(one["domid"], one["generation"], one["vcpu"]): one for one in sample["vcpus"]})
    assert sample["span_ns"] == document["trace"]["span_ns"]
    for one in document["domains"] + document["vcpus"]:
        life = (one["domid"], one["generation"]) + ((str(one["vcpu"]),) if "vcpu" in one else ())
        mine = told.pop(life, None)
        if mine is None:
            assert sum(other["domid"] == one["domid"] for other in document["domains"]) > 1    # its domid went on
            continue
        for name, theirs in (("running_ns", "running_ns"), ("waiting_ns", "runnable_ns"), ("blocked_ns", "blocked_ns"),
                             ("offline_ns", "offline_ns"), ("unknown_ns", "unknown_ns"), ("executions",) * 2,
                             ("preemptions",) * 2, ("wakes",) * 2, ("migrations",) * 2):
            assert mine[name] == one[theirs], (life, name)
        if "vcpu" in one:
            wake, preempt = mine["wait_wake"], mine["wait_preempt"]
            assert wake["count"] + preempt["count"] <= one["wait_ns"]["count"]
            assert mine["run"] == one["run_ns"]
        else:
            for name in ("grant_maps", "grant_unmaps", "grant_transfers"):
                assert mine[name] == one[name]
            for name, theirs in one["runstate"].items():
                assert mine["full_blocked_ns" if name == "blocked_ns" else name] == theirs
    assert not told
    for mine, one in zip(sample["pcpus"], document["pcpus"]):
        for name in ("busy_ns", "idle_ns", "unknown_ns", "lost_records", "lost_ns"):
            assert mine[name] == one[name]
    assert sample["trace"]["records"] == document["trace"]["records"]


@pytest.mark.parametrize("case", ["narrow-steady", "alloc-steady", "S1-sched", "cap20"])
@pytest.mark.parametrize("window", [1, 0.5])
def test_the_windows_are_bakes(trace, case, window):
    """But for what only a later record revealed: a first record's state since the beginning, which has no executions."""
    path = trace(case)
    document = baked(path, window)
    samples = mirrored(path, window=str(window))
    complete = [one for one in document["windows"] if one["length_ns"] == window * SECOND]
    assert len(samples) in (len(complete), len(complete) + 1) and len(complete) > 2
    compared = 0
    for sample, theirs in zip(samples, complete):
        mine = {one["domid"]: one for one in sample["windows"]}
        for one in theirs["domains"]:
            own = mine.get(one["domid"])
            if own is None or abs(own["blocked_percent"] - one["blocked_percent"]) > 0.01:
                assert theirs["start_ns"] < 2 * SECOND or own["executions_per_s"] == 0
                continue
            compared += 1
            for name in ("cpu_percent", "wait_percent", "executions_per_s", "io_per_s", "io_per_execution"):
                assert own[name] == (None if one[name] is None else pytest.approx(one[name], abs=0.0011))
            for name in ("cpu_per_execution_ns", "wait_per_execution_ns", "blocked_per_io_ns", "allocation_avg_ns",
                         "allocation_min_ns", "allocation_max_ns"):
                assert own[name] == one[name]
    assert compared > 0.8 * sum(len(one["domains"]) for one in complete)


def test_window_latencies_add_up_to_the_histograms(trace):
    samples = mirrored(trace("sched-steady"), window=["0.5", "1"])
    totals = {}
    for sample in samples:
        for one in sample["latencies"]:
            key = one["window"], one["domid"], one["cause"]
            totals[key] = totals.get(key, 0) + one["wait_count"]
        for window in {one["window"] for one in sample["windows"]}:
            for one in sample["domains"]:
                assert totals[window, one["domid"], "wake"] == one["wait_wake"]["count"]
                assert totals[window, one["domid"], "preemption"] == one["wait_preempt"]["count"]
    assert {window for window, _, _ in totals} == {"0.5s", "1s"}


def test_a_window_of_the_whole_trace_has_bakes_percentiles(trace):
    """One window that holds all but the tail: its percentiles are those of the document of the same bytes."""
    samples = mirrored(trace("narrow-steady"), window="4")
    ending = next(sample for sample in samples if sample["windows"])
    for one in ending["lengths"]:
        whole = next(domain for domain in ending["domains"] if domain["domid"] == one["domid"])
        for name in ("p50", "p90", "p99", "p999", "max"):
            assert one["run_%s_ns" % name] == whole["run"][name]
            assert one["blocked_%s_ns" % name] == whole["blocked"][name]


def test_the_stream_may_come_in_a_pipe(trace):
    path = trace("narrow-churn")
    with open(path, "rb") as stream:
        piped = command("bake", "-", "--cpu-khz", str(KHZ), "--format", "csv", stdin=stream)
    read = command("bake", path, "--cpu-khz", str(KHZ), "--format", "csv")
    assert piped.returncode == read.returncode == 0
    strip = [[line.partition(b",")[2] for line in done.stdout.splitlines()] for done in (piped, read)]
    assert strip[0] == strip[1] and len(strip[0]) > 60


@pytest.mark.parametrize("form", ["influx", "openmetrics", "csv", "table"])
def test_bake_in_every_form(trace, form):
    done = command("bake", trace("narrow-steady"), "--cpu-khz", str(KHZ), "--format", form)
    assert (done.returncode, done.stderr) == (0, b"") and done.stdout
    if form == "openmetrics":
        assert len(list(openmetrics(done.stdout.decode()))) > 20


@pytest.mark.parametrize("options", [{}, {"per_vcpu": "true"}])
def test_histograms_are_read_back_by_prometheus_client(trace, options):
    path = trace("narrow-steady")
    whole = {one["domain"]: one for one in mirrored(path)[-1]["domains"]}
    families = {family.name: family for family in openmetrics(formatted(path, "openmetrics", **options)[-1].decode())}
    wait = families["xen_sched_wait_seconds"]
    assert wait.type == "histogram" and wait.unit == "seconds"
    for cause, name in (("wake", "wait_wake"), ("preemption", "wait_preempt")):
        for domain, one in whole.items():
            def of(suffix, **labels):
                found = [sample.value for sample in wait.samples if sample.name == wait.name + suffix
                         and sample.labels == dict(labels, domain=domain, cause=cause)]
                assert len(found) == 1
                return found[0]
            assert of("_count") == of("_bucket", le="+Inf") == one[name]["count"]
            assert of("_sum") == pytest.approx(one[name]["sum"] / 1e9)
    text = formatted(path, "prometheus", **options)[-1].decode()
    assert {family.name for family in prometheus_text(text)} >= {"xen_sched_wait_seconds", "xen_sched_run_seconds"}


def recording(tmp_path, case, names):
    folder = tmp_path / "recording"
    folder.mkdir()
    (folder / "trace.bin").write_bytes(capture(case))
    sources = {"xentrace": {"file": "trace.bin", "cpu_khz": KHZ, "start_ns": 1795192500 * SECOND}}
    if names:
        sources["names"] = {"file": "names.jsonl"}
        (folder / "names.jsonl").write_text("".join(json.dumps(one) + "\n" for one in names))
    manifest = {"format": "xenmeter-recording", "version": 1, "start_ns": 1, "sources": sources}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return str(folder)


def names_record(*domains):
    return {"iteration": 0, "vif_order": None, "domains": [
        {"domid": domid, "name": name, "uuid": UUID % domid, "start_time_ns": None, "vifs": [], "vbds": {}}
        for domid, name in domains]}


def test_a_recording_directory_tells_rate_time_and_names(tmp_path):
    path = recording(tmp_path, "narrow-steady", [names_record((0, "Domain-0"), (1, "b\u00fcro,1"), (3, "io"))])
    samples = mirrored(path, cpu_khz=0, start="")
    assert [sample["time_ns"] - sample["span_ns"] for sample in samples] == [1795192500 * SECOND] * len(samples)
    assert {(one["domain"], one["uuid"], one["domid"]) for one in samples[0]["domains"]} == {
        ("Domain-0", UUID % 0, 0), ("b\\xfcro,1", UUID % 1, 1), ("io", UUID % 3, 3)}
    lines = formatted(path, "influx", cpu_khz=0)[0].decode()
    assert ",domain=b\\xfcro\\,1,uuid=%s " % (UUID % 1) in lines and "domid-2" not in lines
    assert "errors=2i" in lines         # domids 2 and 4 are not in the directory: they wait


def test_filters(tmp_path):
    path = recording(tmp_path, "narrow-steady", [names_record((0, "Domain-0"), (1, "web"), (3, "io"))])
    names = lambda **options: {one["domain"] for one in mirrored(path, **options)[0]["domains"]}    # noqa: E731
    assert names(dom0="false") == {"web", "io"} and names(include="w*") == {"web"}
    assert names(exclude=UUID % 3) == {"Domain-0", "web"}


def test_xenmons_table_by_hand(tmp_path):
    """One second of one vCPU at 1 GHz: 300 ms running in 3 executions, 200 ms waiting, 500 ms blocked, 5 grant operations."""
    ms, held = 1000000, []

    def at(time_ms, old, new):
        held.append((time_ms, encoding.runstate(1 + time_ms * ms, 1, 0, old, new)))
    for begin in (0, 300, 600):
        at(begin + 100, 0, 2)                       # ran for 100 ms
        if begin < 600:
            at(begin + 200, 2, 1)                   # was blocked for 100 ms
            at(begin + 300, 1, 0)                   # waited for 100 ms
    grants = [records.GRANT_MAP] * 2 + [records.GRANT_UNMAP] * 2 + [records.GRANT_TRANSFER]
    for number, event in enumerate(grants):
        held.append((50 + number, encoding.encode(event, [1], 1 + (50 + number) * ms)))
    at(1000, 2, 1)                                  # blocked for the last 300 ms
    at(1001, 1, 0)
    held = [record for _, record in sorted(held, key=lambda item: item[0])]
    first = encoding.runstate(1, 1, 0, 1, 0)         # begins with an execution
    (tmp_path / "x.bin").write_bytes(records.window(0, first + b"".join(held)))
    sample = mirrored(str(tmp_path / "x.bin"), cpu_khz=1000000, window="1")[0]
    window, = sample["windows"]
    assert {name: window[name] for name in window if name not in ("domain", "uuid", "domid", "generation", "window")} == {
        "cpu_percent": 30.0, "wait_percent": 20.0, "blocked_percent": 50.0, "offline_percent": 0.0, "unknown_percent": 0.0,
        "cpu_per_execution_ns": 100 * ms, "wait_per_execution_ns": 66666666, "blocked_per_io_ns": 100 * ms,
        "allocation_avg_ns": None, "allocation_min_ns": None, "allocation_max_ns": None, "executions_per_s": 3.0,
        "io_per_s": 5.0, "io_per_execution": 1.667}
    length, = sample["lengths"]
    assert (length["run_count"], length["blocked_count"]) == (3, 2)     # the third ends on the border, in the next window
    assert abs(length["blocked_p50_ns"] - 100 * ms) <= 2 * ms and length["blocked_max_ns"] == 100 * ms


def test_c_states_and_frequencies(tmp_path):
    held = [encoding.encode(records.PM_IDLE_ENTRY, [2, 0, 0, 0], 1000), encoding.encode(records.PM_IDLE_EXIT, [2, 0], 1600),
            encoding.encode(records.PM_FREQ_CHANGE, [2600, 1200], 1700), encoding.encode(records.PM_FREQ_CHANGE, [1200, 2400],
                                                                                       2000)]
    (tmp_path / "pm.bin").write_bytes(records.window(3, b"".join(held)))
    sample, = mirrored(str(tmp_path / "pm.bin"), cpu_khz=1000000)
    assert sample["cstates"] == [{"pcpu": "3", "cstate": "2", "residency_ns": 600, "entries": 1}]
    assert (sample["pcpus"][0]["frequency_hertz"], sample["pcpus"][0]["frequency_changes"]) == (2400000000, 2)
    assert b'xen_sched_pcpu_cstate_seconds_total{pcpu="3",cstate="2"} 0.0000006' in formatted(
        str(tmp_path / "pm.bin"), "openmetrics", cpu_khz=1000000)[0]


def test_bake_tells_power_management_where_it_was_traced(tmp_path):
    held = [encoding.encode(records.PM_IDLE_ENTRY, [2, 0, 0, 0], 1000), encoding.encode(records.PM_IDLE_EXIT, [2, 0], 1600),
            encoding.encode(records.PM_FREQ_CHANGE, [2600, 1200], 2000)]
    (tmp_path / "pm.bin").write_bytes(records.window(3, b"".join(held)))
    done = command("bake", str(tmp_path / "pm.bin"), "--cpu-khz", "1000000")
    pcpu, = json.loads(done.stdout.decode())["pcpus"]
    assert pcpu["cstates"] == {"2": {"ns": 600, "entries": 1}} and (pcpu["mhz"], pcpu["frequency_changes"]) == (1200, 1)


def test_bake_takes_a_recording_and_a_packed_trace(tmp_path, trace):
    path = recording(tmp_path, "narrow-steady", [])
    expected = baked(trace("narrow-steady"))
    told = json.loads(command("bake", path, "--window", "1").stdout.decode())
    assert told["trace"].pop("cpu_khz_source") == "the recording says it" and told == expected
    (tmp_path / "trace.bin.gz").write_bytes(gzip.compress(capture("narrow-steady")))
    assert baked(str(tmp_path / "trace.bin.gz")) == expected
    (tmp_path / "cut.bin.gz").write_bytes(gzip.compress(capture("narrow-steady"))[:5000])
    done = command("bake", str(tmp_path / "cut.bin.gz"), "--cpu-khz", "1")
    assert done.returncode == 1 and b"cut.bin.gz: the recording cannot be read on: " in done.stderr
    assert done.stderr.count(b"\n") == 1
    csv = command("bake", path, "--format", "csv")
    assert csv.returncode == 0 and csv.stdout.count(b"\n") > 5


def test_loss_is_published(trace):
    text = formatted(trace("all-lost-slowpoll"), "openmetrics")[-1].decode()
    lost = [line for line in text.splitlines() if line.startswith("xen_trace_lost_records_total")]
    expected = baked(trace("all-lost-slowpoll"))["trace"]["lost_records"]
    assert sum(int(line.rpartition(" ")[2]) for line in lost) == expected > 0


@pytest.mark.parametrize("texts, lengths", [
    (["10", "1"], [SECOND, 10 * SECOND]), (["1,10, 0.5"], [SECOND // 2, SECOND, 10 * SECOND]), (["1", "1"], [SECOND])])
def test_lengths(texts, lengths):
    assert lengths_of(texts) == lengths


@pytest.mark.parametrize("texts", [["0"], ["-1"], ["x"], ["nan"], ["inf"], ["1e9"], [""], [str(n) for n in range(1, 10)]])
def test_lengths_that_are_none(texts):
    with pytest.raises(BadOption):
        lengths_of(texts)


@pytest.mark.parametrize("data", [b"", b"no trace at all, only text\n" * 9, bytes(5000)])
def test_what_is_no_trace_is_said(tmp_path, data):
    (tmp_path / "x.bin").write_bytes(data)
    pipeline = pipeline_of(str(tmp_path / "x.bin"))
    pipeline.start()
    assert pipeline.take() == [] and isinstance(pipeline.error, SourceError)
    assert ("not what xentrace writes" if data else "x.bin is empty") in str(pipeline.error)


def test_an_unknown_rate_is_never_guessed(trace):
    pipeline = pipeline_of(trace("narrow-steady"), cpu_khz=0)
    pipeline.start()
    assert pipeline.take() == [] and "--cpu-khz is needed" in str(pipeline.error)
    done = command("bake", trace("narrow-steady"), "--format", "csv")
    assert (done.returncode, done.stdout) == (2, b"") and b"--cpu-khz" in done.stderr


def test_a_rate_that_was_found_is_said(trace):
    pipeline = pipeline_of(trace("sched-steady"), cpu_khz=0)
    pipeline.start()
    pipeline.collect(pipeline.take()[0])
    assert "kHz was found from" in pipeline.remarks()[0]


def test_allocation_is_said_to_be_missing_where_it_is_wanted(trace):
    for case, missing in (("alloc-steady", False), ("narrow-steady", True)):
        for wanted in (True, False):
            pipeline = pipeline_of(trace(case), allocation=wanted)
            pipeline.start()
            sample, = pipeline.take()
            said = "no time slices" in " ".join(pipeline.remarks())
            assert said == (missing and wanted) and said == ("no time slices" in (sample.remark or ""))
            shown = mirrored(trace(case), allocation=wanted)[0]["windows"]
            assert {one["allocation_avg_ns"] is None for one in shown} == {missing}
        done = command("bake", trace(case), "--cpu-khz", str(KHZ), "--allocation")
        assert done.returncode == 0 and (b"no time slices" in done.stderr) == missing
        domains = json.loads(done.stdout.decode())["domains"]
        assert all(("allocation" in one) != missing for one in domains)


def test_what_a_baker_of_our_own_is_told_to_do(monkeypatch):
    started = []
    monkeypatch.setattr("xenmeter.xentrace.plugin.OwnBaker", lambda shared, wishes: started.append(wishes))
    for options in ({}, dict(allocation="true", cpus="0-3", per_vcpu="true", window="2")):
        PLUGIN.open_source(pipeline_of("auto", **options).options)
    assert started == [
        ["--window", "1", "--window", "10", "--cpus", "all", "--cpu-khz", str(KHZ)],
        ["--window", "2", "--per-vcpu", "--allocation", "--cpus", "0-3", "--cpu-khz", str(KHZ)]]
    PLUGIN.open_source(pipeline_of("auto").options, 2.5)
    assert started.pop() == started[0] + ["--share", "2.5"]
    with pytest.raises(BadOption, match="cpus"):
        PLUGIN.open_source(pipeline_of("auto", cpus="x").options)


def test_memory_is_bounded_by_the_windows_not_by_the_trace(trace, monkeypatch):
    """Ended lives are dropped once they are told."""
    from xenmeter.xentrace.engine.windowed import Baking
    baking = Baking(KHZ, [SECOND])
    baking.engine.feed(capture("narrow-churn"))
    baking.finish()
    ended = {one["domid"] for figures in baking.taken for one in figures["domains"] if one["end_ns"] is not None}
    assert ended and all(life.end is None for life in baking.engine.accounts.lives)
    baking.close()


def test_pieces_of_any_size_give_the_same_samples(trace, monkeypatch):
    from xenmeter.xentrace import playback
    path = trace("narrow-churn")
    whole = formatted(path, "influx")
    monkeypatch.setattr(playback, "_BLOCK", 4099)
    pieces = formatted(path, "influx")
    strip = [[b"\n".join(line for line in part.splitlines() if b"meter" not in line and b"xen_trace" not in line)
              for part in parts] for parts in (whole, pieces)]
    assert strip[0] == strip[1]
    assert io.BytesIO(whole[-1]).readline()
