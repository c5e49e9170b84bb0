"""What the encoder writes, a real influxd gives back: values, types, tags and times, whatever the names hold."""
import collections

import pytest

from helpers.influx import HOSTILE, stored
from helpers.stage import CAPTURES, domain, iteration, source_of, told
from xenmeter.core.options import from_pairs
from xenmeter.core.pipeline import Pipeline
from xenmeter.core.reading import Reading, Who
from xenmeter.front.output import make_format
from xenmeter.publish.influx import LineProtocol
from xenmeter.xentop.plugin import CATALOGUE, PLUGIN

pytestmark = [pytest.mark.daemon, pytest.mark.xdist_group("influxd")]

UUID = "6f5902ac-237a-4de9-9b6b-0fe1e5e7c1b3"
TIME = 1795192500123456000


def expected(readings):
    """The same, worked out from the readings' tables and the catalogue: no code of the encoder's."""
    found = collections.defaultdict(dict)
    for reading in readings:
        for entity in (entity for one in (CATALOGUE,) for entity in one.entities.values()):
            for who, labels, values in reading.tables.get(entity.name, ()):
                for figure, value in zip(entity.figures, values):
                    if figure.influx is None or value is None:
                        continue
                    tags = {tag: dict(zip(entity.labels, labels))[tag] for tag in figure.influx.tags}
                    if who is not None:
                        shown = who.name.replace("\t", "_")
                        tags.update(domain=shown if who.uuid else told(who.name, shown), uuid=who.uuid)
                    tags = tuple(sorted((key, text) for key, text in tags.items() if text))
                    found[figure.influx.measurement, tags, reading.time_ns][figure.influx.field] = (
                        value / 10000 if figure.unit == "ppm" else value)
    return dict(found)


def collected(source):
    """All readings of a recording, and the encoder's bytes for them."""
    options = from_pairs(PLUGIN.options, [("source", [str(source)]), ("start", ["1795192500"]), ("interval", [1])])[0]
    pipeline = Pipeline(PLUGIN, options)
    encoder = LineProtocol([PLUGIN.catalogue])
    pipeline.start()
    found = []
    while not pipeline.ended:
        found.extend(pipeline.collect(sample) for sample in pipeline.take())
    return found, b"".join(encoder.encode(reading) for reading in found)


def write(influx, db, lines):
    influx.create(db)
    assert influx.write(db, lines) == (204, b"")


def types_of(influx, db):
    """{measurement: {field: type}}"""
    return {series["name"]: dict(series["values"]) for series in influx.query(db, "SHOW FIELD KEYS")["results"][0]["series"]}


@pytest.mark.parametrize("case", CAPTURES)
def test_a_capture_comes_back_equal(influx, case):
    readings, lines = collected(source_of(case))
    write(influx, case, lines)
    want = expected(readings)
    assert len(want) > 10
    assert stored(influx, case) == want


def test_types_are_what_the_catalogue_says(influx):
    readings, lines = collected(source_of(CAPTURES[0]))
    write(influx, "types", lines)
    units = {}
    for entity in CATALOGUE.entities.values():
        for figure in entity.figures:
            if figure.influx:
                units[figure.influx.measurement, figure.influx.field] = "float" if figure.unit == "ppm" else "integer"
    for measurement, fields in types_of(influx, "types").items():
        assert fields == {field: units[measurement, field] for field in fields}


def test_the_meter_comes_back_too(influx, tmp_path):
    options = from_pairs(PLUGIN.options, [("source", [str(source_of(CAPTURES[0]))]), ("start", ["1795192500"])])[0]
    pipeline = Pipeline(PLUGIN, options)
    format_ = make_format("influx", pipeline)
    pipeline.start()
    write(influx, "meter", format_.sample(pipeline.take()[0]))
    found = {key[0]: (dict(key[1]), key[2], fields) for key, fields in stored(influx, "meter").items()}
    tags, time, fields = found["xenmeter"]
    assert tags == {"plugin": "xentop"} and time == TIME // 10 ** 9 * 10 ** 9
    assert fields["up"] == 1 and fields["domains"] == sum(key[0] == "xen_domain" for key in stored(influx, "meter"))


def test_hostile_names_come_back_as_names(influx):
    """One write of all: a name that broke its line would take others with it."""
    rows = []
    for number, (name, _) in enumerate(HOSTILE):
        rows.append((Who(name, UUID[:-4] + "%04x" % number), ("0",), (number,) * 8))
    lines = LineProtocol([CATALOGUE]).encode(Reading(TIME, {"vif": rows}))
    write(influx, "hostile", lines)
    found = {dict(tags)["uuid"]: (dict(tags), time, fields) for (_, tags, time), fields in stored(influx, "hostile").items()}
    assert len(found) == len(HOSTILE)
    for number, (name, shown) in enumerate(HOSTILE):
        tags, time, fields = found[UUID[:-4] + "%04x" % number]
        assert tags == {"domain": shown, "uuid": UUID[:-4] + "%04x" % number, "vif": "0"}, name
        assert time == TIME and set(fields.values()) == {number} and len(fields) == 8
    assert set(types_of(influx, "hostile")) == {"xen_vif"}


def test_long_names_stay_apart(influx):
    names = ["a" * 4096, "a" * 4095 + "b", "日" * 4096, "\\" * 4096, ", =" * 1365, "\n" * 4096, "\udcff" * 4096]
    lines = LineProtocol([CATALOGUE]).encode(Reading(TIME, {
        "vif": [(Who(name), ("0",), (number,) * 8) for number, name in enumerate(names)]}))
    write(influx, "long", lines)
    found = {next(iter(fields.values())): dict(tags)["domain"] for (_, tags, _), fields in stored(influx, "long").items()}
    assert sorted(found) == list(range(len(names))) and len(set(found.values())) == len(names)
    assert {len(shown) for shown in found.values()} == {255}
    assert [found[number][:246] for number in (0, 1, 2)] == ["a" * 246, "a" * 246, "日" * 246]


def test_hostile_names_all_the_way_from_xentop(influx, tmp_path):
    """As bytes in xentop's text, through parser and collector."""
    names = [name.encode("utf-8", "surrogateescape") for name, _ in HOSTILE
             if not set(name) & set("\n\x00\udcff\ud800") and not name.startswith(" ")]
    names.append(b"y" * 4000)
    (tmp_path / "x.txt").write_bytes(iteration([domain(name, number) for number, name in enumerate(names)]) * 2)
    readings, lines = collected(tmp_path / "x.txt")
    write(influx, "bytes", lines)
    cpu = {fields["cpu_time_ns"]: dict(tags)["domain"] for (measurement, tags, _), fields in stored(influx, "bytes").items()
           if measurement == "xen_domain"}
    assert sorted(cpu) == [number * 10 ** 9 for number in range(len(names))]
    shown = {name.encode("utf-8", "surrogateescape"): told(name, text) for name, text in HOSTILE if "\ud800" not in name}
    for number, name in enumerate(names[:-1]):
        assert cpu[number * 10 ** 9] == shown[name], name


def test_numbers_at_their_limits(influx):
    big = 2 ** 63 - 1
    rows = [(Who("low", UUID), ("0",), (0,) * 8), (Who("high", UUID), ("0",), (big,) * 8),
            (Who("beyond", UUID), ("0",), (2 ** 63, 1, None, 2 ** 64, 1, 1, 1, 1)),
            (Who("exact", UUID), ("0",), (2 ** 53 + 1,) * 8), (Who("none", UUID), ("0",), (None,) * 8)]
    write(influx, "limits", LineProtocol([CATALOGUE]).encode(Reading(TIME, {"vif": rows})))
    found = {dict(tags)["domain"]: fields for (_, tags, _), fields in stored(influx, "limits").items()}
    assert set(found) == {"low", "high", "beyond", "exact"}
    assert set(found["high"].values()) == {big} and set(found["exact"].values()) == {2 ** 53 + 1}
    assert set(found["low"].values()) == {0} and len(found["beyond"]) == 5
