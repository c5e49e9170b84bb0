"""Line protocol: checked by a strict reader of our own, and against influxdb-client where that is right."""
import pytest
from hypothesis import given
from hypothesis import strategies as st
from influxdb_client import Point

from helpers.lineprotocol import Refused, parse
from helpers.publishing import HOSTILE, ROWS, TIME, UUID, full, real, reading, thing, tiny
from xenmeter.core.reading import Reading, Who
from xenmeter.publish import influx
from xenmeter.publish.influx import LineProtocol, tag_value
from xenmeter.publish.text import NAME_LIMIT, bounded, digest

WEB = Who("web", UUID, 7)
NAMES = st.one_of(st.text(), st.sampled_from(HOSTILE), st.text(alphabet="a\\,= \"\n\t", max_size=8))


def encode(one, rows=ROWS, groups=None):
    return LineProtocol([tiny(rows)], groups).encode(one)


def test_units_and_types():
    line = b"x,domain=web,uuid=" + UUID.encode() + b" count=5i,time_ns=1500000000i,level_bytes=4096i,"
    assert encode(thing(WEB, 5, 1500000000, 4096, 408000, True)) == line + b"share_percent=40.8,up=1i %d\n" % TIME


@pytest.mark.parametrize("ppm, text", [(0, b"0.0"), (1000000, b"100.0"), (1, b"0.0001"), (12345678, b"1234.5678"),
                                       (333333, b"33.3333"), (-10000, b"-1.0")])
def test_percent_is_a_float_of_full_precision(ppm, text):
    assert encode(thing(WEB, None, None, None, ppm)).split(b" ")[1] == b"share_percent=" + text


def test_every_figure_of_the_real_catalogues_is_written_once():
    lines = parse(LineProtocol(real()).encode(full(1)))
    written = sorted("%s.%s" % (measurement, field) for measurement, _, fields, _ in lines for field in fields)
    named = sorted("%s.%s" % (figure.influx.measurement, figure.influx.field) for one in real()
                   for entity in one.entities.values() for figure in entity.figures if figure.influx)
    assert written == named
    vbd = [tags for measurement, tags, _, _ in lines if measurement == "xen_vbd"]
    assert vbd == [{"domain": "web0", "type": "vbd", "uuid": UUID[:-1] + "0", "vbd": "xvda"}]
    assert [tags for measurement, tags, _, _ in lines if measurement == "xen_host"] == [{}]


def test_fields_carry_the_values_of_their_figures():
    one = full(1)
    (_, _, fields, _), = [line for line in parse(LineProtocol(real()).encode(one)) if line[0] == "xen_domain"]
    entity = real()[0].entities["domain"]
    for figure, value in zip(entity.figures, one.tables["domain"][0][2]):
        if figure.influx:
            expected = value / 10000 if figure.unit == "ppm" else value
            assert fields[figure.influx.field] == expected, figure.key


def test_absent_is_left_out_and_a_line_without_a_field_is_not_written():
    assert encode(thing(WEB)) == b""
    assert b" level_bytes=0i " in encode(thing(WEB, None, None, 0))
    assert encode(reading()) == b""


@given(st.lists(st.lists(st.one_of(st.none(), st.integers(-2 ** 65, 2 ** 65), st.just(2 ** 63)),
                         min_size=5, max_size=5), max_size=8))
def test_any_pattern_of_absent_and_oversized_values(table):
    """One encoder over many patterns: what it keeps of one row must not leak into the next."""
    rows = [(Who("d%d" % place), (), tuple(values)) for place, values in enumerate(table)]
    lines = {tags["domain"]: fields for _, tags, fields, _ in parse(encode(Reading(TIME, {"thing": rows})))}
    keys = ("count", "time_ns", "level_bytes", "share_percent", "up")
    for who, _, values in rows:
        expected = {key: value / 10000 if key == "share_percent" else value for key, value in zip(keys, values)
                    if value is not None and -2 ** 63 <= value < 2 ** 63}
        assert lines.get(who.name, {}) == expected


@pytest.mark.parametrize("value, kept", [(2 ** 63 - 1, True), (2 ** 63, False), (-2 ** 63, True), (2 ** 64, False),
                                         (float("nan"), False), (float("inf"), False)])
def test_int64_is_the_limit(value, kept):
    assert (b"count=" in encode(thing(WEB, value, 1))) is kept
    assert b"time_ns=1i" in encode(thing(WEB, value, 1))


def test_groups():
    known = thing(WEB, 1, 2, 3, 4, 1)
    assert parse(encode(known, groups={"memory"}))[0][2] == {"level_bytes": 3}
    assert encode(known, groups=set()) == b""


def test_no_uuid_no_tag():
    assert encode(thing(Who("web"), 1)) == b"x,domain=web count=1i %d\n" % TIME
    assert encode(thing(Who("", UUID), 1)) == b"x,uuid=%s count=1i %d\n" % (UUID.encode(), TIME)
    assert encode(thing(Who(""), 1)) == b"x count=1i %d\n" % TIME


@given(st.lists(st.one_of(NAMES, st.sampled_from(HOSTILE), st.text(alphabet="\x01\x02_x\\,", max_size=4)), unique=True))
def test_without_a_uuid_no_two_names_are_one_series(names):
    names = [name for name in names + [tag_value(name) for name in names[:1]] if name]
    rows = [(Who(name), (), (1, None, None, None, None)) for name in sorted(set(names))]
    lines = LineProtocol([tiny()]).encode(Reading(TIME, {"thing": rows})).decode().split("\n")[:-1]
    assert len({line.rpartition(" count=")[0] for line in lines}) == len(rows)


def test_only_what_had_to_be_altered_is_marked():
    names = ["web", "a b", "web~2", "\u65e5\u672c", "_x", "\x01x", "_x~%s" % digest("\x01x")]
    assert [parse(encode(thing(Who(name), 1)))[0][1]["domain"] for name in names] == names[:5] + [
        "_x~" + digest("\x01x"), names[6] + "~" + digest(names[6])]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_and_labels(name):
    one = Reading(TIME, {"thing": [(Who(name, UUID), (), (1, 2, 3, 4, 5))], "part": [(WEB, (name,), (1, 2))]})
    first, second = parse(encode(one))
    assert first[1]["uuid"] == UUID and len(first[1].get("domain", "")) <= NAME_LIMIT
    assert second[1].get("domain") == "web" and len(second[1].get("part", "")) <= NAME_LIMIT
    if name:
        assert first[1]["domain"] == second[1]["part"]


@given(NAMES)
def test_names_come_back(name):
    """Exact but for what no reader could be given; a backslash changes only where readers differ about it."""
    (_, tags, _, _), = parse(encode(thing(Who(name, UUID), 1)))
    expected, back = bounded(name), tags.get("domain", "")
    assert len(back) == len(expected)
    for place, (sent, got) in enumerate(zip(expected, back)):
        if sent != got:
            assert sent == "\\" and got == "_" and expected[place + 1:place + 2] in ("", ",", "=", " ", '"', "\\")


@given(st.text(alphabet=st.characters(blacklist_characters="\\", blacklist_categories=("Cc", "Cf", "Cs", "Zl", "Zp")),
               min_size=1, max_size=40), st.integers(-2 ** 63, 2 ** 63 - 1), st.integers(0, 10 ** 9))
def test_as_influxdb_client_writes_it(name, count, ppm):
    """Without backslashes (it doubles them) and control characters (it leaves some) both must agree byte for byte."""
    point = Point("x").tag("domain", name).tag("uuid", UUID).field("count", count).field("level_bytes", ppm).time(TIME)
    assert encode(thing(Who(name, UUID), count, None, ppm)).decode() == point.to_line_protocol() + "\n"


def test_tag_value_of_windows_style_names():
    assert tag_value("DOM\\user") == "DOM\\user"
    assert tag_value("DOM\\") == "DOM_"
    assert tag_value("a\\,b") == "a_\\,b"


def test_what_is_kept_per_domain_goes_with_it():
    encoder = LineProtocol([tiny()])
    whos = [Who("d%d" % place) for place in range(50)]
    encoder.encode(Reading(TIME, {"thing": [(who, (), (1, 2, 3, 4, 5)) for who in whos]}))
    encoder.encode(Reading(TIME, {"thing": [(who, (), (1, 2, 3, 4, 5)) for who in whos[:3]]}))
    kept = [entity for entity in encoder._entities if entity.name == "thing"][0].heads
    assert {who for who, _ in kept} == set(whos[:3])
    encoder.encode(Reading(TIME, {"thing": []}))
    assert not kept


def test_a_reading_of_others_takes_nothing_of_what_is_kept(monkeypatch):
    """The meter's reading follows each of the plugin's: names are escaped once in a life, not once in a reading."""
    encoder, escaped = LineProtocol([tiny()]), []
    monkeypatch.setattr(influx, "tag_value", lambda text: escaped.append(text) or tag_value(text))
    for count in (1, 2):
        assert b"x,domain=web,uuid=%s count=%di" % (UUID.encode(), count) in encoder.encode(thing(WEB, count))
        encoder.encode(Reading(TIME, {"part": [(None, ("one",), (1, 2))]}))
    assert sorted(escaped) == sorted([WEB.name, WEB.uuid, "one"])


@given(st.lists(st.lists(st.tuples(st.integers(0, 2), st.one_of(st.none(), st.integers(0, 1), st.booleans())), max_size=5),
                min_size=2, max_size=6))
def test_what_stays_the_same_is_told_as_what_changes(steps):
    """An encoder that has told other figures of the same rows tells what a new one does."""
    whos, kept = [Who("d%d" % place) for place in range(3)], LineProtocol([tiny()])
    for number, step in enumerate(steps):
        one = Reading(TIME + number, {"thing": [(whos[place], (), (value, 2, None, 4, value)) for place, value in step]})
        assert kept.encode(one) == LineProtocol([tiny()]).encode(one)


def test_two_lives_under_one_name_keep_their_own_uuid():
    encoder = LineProtocol([tiny()])
    for uuid in (UUID, UUID.replace("c", "d")):
        assert uuid.encode() in encoder.encode(thing(Who("web", uuid), 1))


def test_catalogues_that_do_not_fit():
    with pytest.raises(ValueError, match="thing"):
        LineProtocol([tiny(), tiny(plugin="other")])
    with pytest.raises(ValueError, match="histogram"):
        LineProtocol([tiny([("h", "wait", "histogram", "ns", "cpu", "-", "h.wait", "-", "x")])])
    with pytest.raises(ValueError, match="implied"):
        LineProtocol([tiny([("h", "wait", "gauge", "ns", "cpu", "-", "h{uuid}.wait", "-", "x")])])


@pytest.mark.parametrize("line", [b"x,a= f=1i 1\n", b"x,a=b\\ f=1i 1\n", b"x,b=1,a=1 f=1i 1\n", b"x f=1i 1", b"x  1\n",
                                  b"x,a=\\\\ f=1i 1\n", b"x f=9223372036854775808i 1\n", b"x f=nan 1\n", b"x f=1u 1\n",
                                  b"x,a=\t f=1i 1\n", b"x,a f=1i 1\n", b"x f=1i\n", b"x f=1i 1 \n", b"#x f=1i 1\n"])
def test_the_reader_itself_is_strict(line):
    with pytest.raises(Refused):
        parse(line)
