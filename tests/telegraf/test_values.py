"""What the plugins say, Telegraf writes to its file and to a real influxd: measurements, tags, fields, types and times."""
import pytest
from helpers.lineprotocol import parse
from helpers.telegraf_stage import (NAMES, adapted, environment, measured, recording, said_by_the_command, vcpu_recording,
                            without_host)
from helpers.influx import HOSTILE, stored
from helpers.stage import domain, iteration, told
from tools.telegraf_daemon import Telegraf

pytestmark = [pytest.mark.daemon, pytest.mark.xdist_group("influxd of Telegraf")]


def played(tmp_path, name, arguments, influx=None, db=None):
    """Let Telegraf play a recording, a sample per gather; what our command says of it, and what Telegraf's file holds."""
    want = said_by_the_command(name, arguments)
    with Telegraf(tmp_path / "telegraf", adapted(name, *arguments, interval="50ms"), environment(),
                  influx=(influx.url, db) if influx else None) as running:
        running.wait(lambda: len(measured(without_host(parse(running.output())))) >= len(want), 60, "%d points" % len(want))
        if influx:
            running.wait(lambda: len(measured(in_influx(influx, db))) >= len(want), 30, "the same in influxd")
        found = measured(without_host(parse(running.output())))
        assert running.stop() == 0
    assert running.complaints() == []
    return want, found


def in_influx(influx, db):
    """As `without_host` has it."""
    found = {}
    for (measurement, tags, time), fields in stored(influx, db).items():
        assert ("host", "testhost") in tags
        found[measurement, tuple(tag for tag in tags if tag[0] != "host"), time] = fields
    return found


@pytest.mark.parametrize("name", NAMES)
def test_a_recording_reaches_the_file_and_influxd_as_it_is(tmp_path, influx, name):
    want, found = played(tmp_path, name, recording(name, tmp_path), influx, name)
    assert len(want) > 15
    assert found == want
    kept = measured(in_influx(influx, name))
    assert kept == want
    for key, fields in want.items():
        assert {field: type(value) for field, value in kept[key].items() if value != int(value)} == {
            field: type(value) for field, value in fields.items() if value != int(value)}


@pytest.mark.parametrize("name", NAMES)
def test_types_in_influxd_are_the_catalogues(tmp_path, influx, name):
    """Integers stay integers on the way through Telegraf: a field that changed its type would be refused later."""
    played(tmp_path, name, recording(name, tmp_path), influx, name + "_types")
    answer = influx.query(name + "_types", "SHOW FIELD KEYS")["results"][0]["series"]
    for series in answer:
        for field, kind in series["values"]:
            floats = field.endswith("_percent") or field in ("executions_per_s", "io_per_s", "io_per_execution")
            assert kind == ("float" if floats else "integer"), (series["name"], field)


def test_a_gather_takes_one_sample_of_a_recording(tmp_path):
    """None is lost, whatever Telegraf's pace, and none comes twice."""
    want, found = played(tmp_path, "xentop", recording("xentop", tmp_path))
    assert found == want and len({time for _, _, time in found}) == 3


def test_hostile_names_from_xentop(tmp_path, influx):
    shown = {name.encode("utf-8", "surrogateescape"): told(name, text) for name, text in HOSTILE
             if not set(name) & set("\n\x00\udcff\ud800") and not name.startswith(" ")}
    names = sorted(shown)
    (tmp_path / "x.txt").write_bytes(iteration([domain(name, number) for number, name in enumerate(names)]) * 2)
    arguments = ["--source", tmp_path / "x.txt", "--start", 1795192500, "--interval", 1]
    want, found = played(tmp_path, "xentop", arguments, influx, "hostile")
    assert found == want == measured(in_influx(influx, "hostile"))
    cpu = {fields["cpu_time_ns"] // 10 ** 9: dict(tags)["domain"] for (measurement, tags, _), fields in found.items()
           if measurement == "xen_domain"}
    assert [cpu[number] for number in range(len(names))] == [shown[name] for name in names]


def test_hostile_names_from_vcpu(tmp_path, influx):
    names = [name for name, _ in HOSTILE if "\ud800" not in name and "\udcff" not in name]
    path = vcpu_recording(tmp_path / "vcpus", len(names), name=lambda number: names[number])
    want, found = played(tmp_path, "vcpu", ["--source", path], influx, "hostile_vcpu")
    assert found == want == measured(in_influx(influx, "hostile_vcpu"))
    shown = dict(HOSTILE)
    by_uuid = {dict(tags)["uuid"]: dict(tags)["domain"] for measurement, tags, _ in found if measurement == "xen_vcpu"}
    assert [by_uuid[uuid] for uuid in sorted(by_uuid)] == [shown[name] for name in names]
