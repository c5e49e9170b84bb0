"""The plugin in every form: catalogue and contract, recordings, and each format from one reading."""
import csv
import io
import json
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xenmeter.core.errors import SourceError
from xenmeter.core.options import Options, defaults
from xenmeter.core.pipeline import Pipeline
from xenmeter.front.output import FORMATS, make_format
from xenmeter.vcpu.live import LiveVcpus
from xenmeter.vcpu.playback import Playback
from xenmeter.vcpu.plugin import PLUGIN
from xenmeter.vcpu.records import DomainVcpus, Sample, Vcpu, from_json, to_json

UUID = "00010203-0405-0607-0809-0a0b0c0d0e0f"
FIRST = Sample(1795192454000000000, [
    DomainVcpus(0, "00000000-0000-0000-0000-000000000000", "Domain-0", False, "own_runstate", 1, 500, None,
                [Vcpu(0, 500000000, 60000000, 7000000, 1000000, 1, 3)]),
    DomainVcpus(7, UUID, "web", False, "resource", 2, 300, None, [Vcpu(0, 100, None, None, None, 1, None)]),
    DomainVcpus(8, None, "=cmd,\"x\"\n", False, "runstate_domctl", 1, 9, (1, 2, 3, 4, 5, 6),
                [Vcpu(0, 9, None, None, None, 0, 2)])], {}, None)


def options(**given):
    values = dict(vars(defaults(PLUGIN.options)))
    values.update(given)
    return Options(values)


@pytest.fixture
def recording(tmp_path):
    path = tmp_path / "vcpu.jsonl"
    second = FIRST._replace(time_ns=FIRST.time_ns + 10 ** 10)
    path.write_text("".join(json.dumps(to_json(sample)) + "\n" for sample in (FIRST, second)))
    return str(path)


def published(recording, name, **given):
    pipeline = Pipeline(PLUGIN, options(source=recording, **given))
    pipeline.start()
    format_ = make_format(name, pipeline)
    out = format_.header()
    while not pipeline.ended:
        for sample in pipeline.take():
            out += format_.sample(sample)
    assert pipeline.error is None
    pipeline.stop()
    return out.decode("utf-8")


def test_the_contract():
    """The public names."""
    families = {(figure.openmetrics.name, figure.openmetrics.labels) for entity in PLUGIN.catalogue.entities.values()
                for figure in entity.figures if figure.openmetrics}
    assert {("xen_vcpu_runstate_seconds_total", ("vcpu",)), ("xen_vcpu_online", ("vcpu",)), ("xen_vcpu_pcpu", ("vcpu",)),
            ("xen_vcpu_source_info", ("source",))} <= families
    vcpu = PLUGIN.catalogue.entities["vcpu"].figures
    assert [figure.influx.field for figure in vcpu] == ["running_ns", "runnable_ns", "blocked_ns", "offline_ns", "online",
                                                        "pcpu", "state_entry_time_ns"]
    assert {figure.influx.measurement for figure in vcpu} == {"xen_vcpu"}
    assert [figure.collectd.instance for figure in vcpu[:4]] == [
        "vcpu{vcpu}_" + state for state in ("running", "runnable", "blocked", "offline")]
    assert {figure.collectd.type for figure in vcpu[:4]} == {"derive"}


def test_openmetrics(recording):
    text = published(recording, "openmetrics")
    assert 'xen_vcpu_runstate_seconds_total{domain="Domain-0",uuid="00000000-0000-0000-0000-000000000000",vcpu="0",' \
           'state="runnable"} 0.06' in text
    assert 'xen_vcpu_source_info{domain="web",uuid="%s",source="resource"} 1' % UUID in text
    assert 'state="blocked"} 0.007' in text and 'vcpu="0",state="blocked"' in text
    web = [line for line in text.splitlines() if 'domain="web"' in line]
    assert len([line for line in web if "xen_vcpu_runstate" in line]) == 2      # one known state, two readings
    assert not any("xen_vcpu_pcpu" in line for line in web)


def test_influx(recording):
    text = published(recording, "influx")
    line = [line for line in text.splitlines() if line.startswith("xen_vcpu,") and "domain=web" in line][0]
    assert line.startswith("xen_vcpu,domain=web,") and "vcpu=0" in line and "source=resource" in line
    assert " running_ns=100i,online=1i 1795192454000000000" in line


def test_collectd(recording):
    text = published(recording, "collectd")
    assert "/vcpu-web/derive-vcpu0_running" in text or "/xenvcpu-web/derive-vcpu0_running" in text
    assert "gauge-vcpu0_pcpu" in text and "derive-full_contention" in text


def test_csv(recording):
    rows = list(csv.DictReader(io.StringIO(published(recording, "csv"), newline="")))
    assert len(rows) == 6 and rows[1]["domain"] == "web" and rows[1]["running_ns"] == "100" and rows[1]["pcpu"] == ""
    assert rows[2]["domain"].startswith("'=cmd")
    assert len(published(recording, "csv", include=["web"]).splitlines()) == 3


def test_json_is_a_recording(recording, tmp_path):
    text = published(recording, "json")
    again = tmp_path / "again.jsonl"
    again.write_text(text)
    assert published(str(again), "json") == text
    assert [json.loads(line)["domains"][1]["vcpus"][0]["running_ns"] for line in text.splitlines()] == [100, 100]


def test_a_recording_of_before_the_entry_time_was_known():
    old = json.loads(json.dumps(to_json(FIRST)))
    for domain in old["domains"]:
        for vcpu in domain["vcpus"]:
            del vcpu["state_entry_time_ns"]
    assert from_json(old) == FIRST


def test_table(recording):
    text = published(recording, "table")
    assert "RUNNABLE" in text and "Domain-0" in text and "own_runstate" in text and "\x1b" not in text


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_of_groups(recording, name):
    for group in ("runstate", "placement", "source", "domain"):
        published(recording, name, group=[group])


class TestPlayback:
    def test_a_time_is_told_once(self, tmp_path):
        path = tmp_path / "file"
        path.write_text((json.dumps(to_json(FIRST)) + "\n") * 3)
        playback = Playback(str(path))
        assert [sample.time_ns - FIRST.time_ns for sample in playback.samples(threading.Event(), None)] == [0]
        assert "the clock was set back" in playback.timeline.remark

    def test_pace_and_stop(self, recording):
        playback = Playback(recording, 1000)
        assert not playback.stepwise and len(list(playback.samples(threading.Event(), None))) == 2
        stop = threading.Event()
        samples = Playback(recording, 0.001).samples(stop, None)
        next(samples)
        stop.set()
        assert list(samples) == []

    @pytest.mark.parametrize("text", [
        "x\n", "[]\n", "{}\n", '{"time_ns": 1}\n', '{"time_ns": -1, "domains": []}\n', "\xff\n", "[" * 100000 + "\n",
        '{"time_ns": 1, "domains": [{"domid": 1}]}\n'])
    def test_what_is_no_recording(self, tmp_path, text):
        path = tmp_path / "file"
        path.write_bytes(text.encode("latin-1"))
        with pytest.raises(SourceError, match="line 1: not a reading"):
            list(Playback(str(path)).samples(threading.Event(), None))

    def test_an_empty_one(self, tmp_path):
        (tmp_path / "file").write_text("\n")
        with pytest.raises(SourceError, match="no reading in it"):
            list(Playback(str(tmp_path / "file")).samples(threading.Event(), None))


JSON = st.recursive(st.none() | st.booleans() | st.integers(-5, 10) | st.text(max_size=5), lambda inner: (
    st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([
        "time_ns", "domains", "domid", "uuid", "name", "shared", "source", "configured", "cpu_time_ns", "runstates", "vcpus",
        "vcpu", "running_ns"]), inner, max_size=8)), max_leaves=20)


@given(JSON)
def test_any_json(value):
    try:
        sample = from_json(value)
    except (ValueError, KeyError, TypeError):
        return
    assert from_json(to_json(sample)) == sample


def test_sources():
    assert isinstance(PLUGIN.open_source(options()), LiveVcpus)
    assert isinstance(PLUGIN.open_source(options(source="hypercall")), LiveVcpus)
    with pytest.raises(SourceError, match="no such file"):
        PLUGIN.open_source(options(source="/nowhere/file"))
