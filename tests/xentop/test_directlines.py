"""What source direct read, as lines and back: nothing is lost, and what is none of it is told from the line's number."""
import gzip
import json
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.paths import FIXTURES
from xenmeter.core.errors import EXAMPLE_PATH, SourceError
from xenmeter.core.options import defaults
from xenmeter.core.recording import write_manifest
from xenmeter.front.cli import main
from xenmeter.xen import structs
from xenmeter.xen.backends import Vif
from xenmeter.xen.blkback import Disk
from xenmeter.xen.domains import DomainFacts
from xenmeter.xen.roster import Member
from xenmeter.xen.tapdisk import RequestTimes
from xenmeter.xentop.direct.collector import DirectCollector
from xenmeter.xentop.samples import DirectDomain, DirectSample
from xenmeter.xentop.direct.lines import START, from_json, to_line
from xenmeter.xentop.mirror import JsonMirror
from xenmeter.xentop.playback import Playback
from xenmeter.xentop.plugin import PLUGIN

UUID = "00010203-0405-0607-0809-0a0b0c0d0e0f"


def info(domid, **fields):
    """As the hypervisor's record is."""
    record = structs.domaininfo(112)
    values = {"domain": domid, "cpu_time": 7 * 10 ** 9 + 1, "max_vcpu_id": 1, "tot_pages": 1 << 17, "max_pages": 1 << 18,
              "flags": 0x10, "ssidref": 3, "handle": bytes(range(16))}
    values.update(fields)
    return record.unpack(record.pack(**values))


def host(**fields):
    return structs.PHYSINFO_LONG.unpack(structs.PHYSINFO_LONG.pack(total_pages=1 << 20, free_pages=5, nr_cpus=4))


def sample(time_ns, xen_ns=10 ** 12, trouble=None, **fields):
    facts = DomainFacts(7, b"\xff\xfeodd\n", UUID, 12, (0, 2), {51712: "xvda", 51728: "xvdb"}, "stub", (51728,))
    web = DirectDomain(Member(info(7, **fields), 7, UUID, "\\xff\\xfeodd\n", True, facts), [(0, 5), (1, 6)],
                       [Vif(0, False, (1, 2, 3, 4, 5, 6, 7, 8), 12), Vif(0, True, (1,) * 8)],
                       [Disk("Tapdisk3", 51712, (None, 1, 2, 512, 1024), RequestTimes(1, 2, 3, 4, 5), 77),
                        Disk("BlkBack", 51728, None)])
    bare = DirectDomain(Member(info(9, max_vcpu_id=structs.NO_VCPU, max_pages=(1 << 64) - 1, handle=bytes(16)), 9, None,
                               "nameless", False, None), [], None, None)
    return DirectSample(time_ns, xen_ns, [web, bare], host(), [5, 0, 7, 8], {"no_vifs": 1}, trouble,
                        () if trouble is None else ("domain 9 of UUID x is left out",))


def readings(samples):
    collector = DirectCollector()
    found = []
    for one in samples:
        found.append(collector.collect(one))
    return repr((found, collector.errors, collector.trouble, collector.notices))


def test_a_replay_gives_the_same_readings(tmp_path):
    live = [sample(10 ** 18, trouble="it is so"), sample(10 ** 18 + 10 ** 10, 10 ** 12 + 10 ** 10, cpu_time=9 * 10 ** 9)]
    for name, pack in (("direct.jsonl", bytes), ("direct.jsonl.gz", gzip.compress)):
        (tmp_path / name).write_bytes(pack(b"".join(map(to_line, live))))
        write_manifest(str(tmp_path), {"sources": {"direct": {"file": name}, "xentop": {"file": "none"}}})
        for path in (tmp_path, tmp_path / name):
            assert readings(Playback(str(path)).samples(threading.Event(), None)) == readings(live)


def test_every_value_survives():
    line = to_line(sample(5))
    assert line.startswith(START) and line.endswith(b"\n") and line.count(b"\n") == 1
    found = from_json(json.loads(line.decode()))
    assert found.domains[0].member.facts == sample(5).domains[0].member.facts
    assert found.domains[0]._replace(member=None) == sample(5).domains[0]._replace(member=None)
    assert to_line(found) == line


def wrong(change):
    told = json.loads(to_line(sample(5)).decode())
    change(told, told["domains"][0])
    return told


@pytest.mark.parametrize("change", [
    lambda told, web: told.pop("time_ns"), lambda told, web: web.pop("domid"), lambda told, web: told.update(version=2),
    lambda told, web: told.update(idle_ns=[-1]), lambda told, web: told.update(host=5),
    lambda told, web: told.update(left_out=[]), lambda told, web: told.update(trouble=7),
    lambda told, web: told.update(domains=0),
    lambda told, web: web.update(shared=0), lambda told, web: web.update(name=None), lambda told, web: web.update(uuid=1),
    lambda told, web: web["info"].update(handle="00"), lambda told, web: web["info"].update(cpu_time=1 << 64),
    lambda told, web: web.update(vcpu_ns=[[0]]), lambda told, web: web.update(vifs=[[0, False, [1]]]),
    lambda told, web: web.update(disks=[["x", 1, [1], None]]), lambda told, web: web.update(disks=[["x", 1, None, [1]]]),
    lambda told, web: web.update(disks=[["x", 1, [], None]]),
    lambda told, web: web["facts"].update(name=5), lambda told, web: web["facts"].update(start_time_ns="x"),
    lambda told, web: web["facts"].update(vbds=[])])
def test_what_is_none_of_it_is_said_with_its_line(tmp_path, change, capsysbinary):
    path = tmp_path / "direct.jsonl"
    path.write_bytes(to_line(sample(5)) + json.dumps(wrong(change), separators=(",", ":")).encode() + b"\n")
    assert main(["xentop", "--source", str(path), "--format", "influx"]) == 1
    out, err = capsysbinary.readouterr()
    assert b"cpu_time_ns=7000000001i" in out
    assert err.startswith(b"xenmeter: %s, line 2: not a reading of source direct" % str(path).encode()) and err.count(b"\n") == 1


#: Of a line, what says which domain it is of, or when; all else may be missing.
NEEDED = {"time_ns", "domains", "domid", "name", "info", "handle", "vifs", "disks"}


def places(told):
    """Each key of a line that may be missing: (the dictionary that holds it, the key)."""
    inner = [told, told["host"]] + [part for domain in told["domains"] for part in (domain, domain["info"])]
    return [(part, key) for part in inner for key in sorted(part) if key not in NEEDED]


@pytest.mark.parametrize("number", range(len(places(json.loads(to_line(sample(5)).decode())))))
def test_what_a_recording_of_before_does_not_have_is_absent_and_nothing_else_changes(tmp_path, number, capsys):
    """As a key that a later release adds is missing from the recordings that there are."""
    told = json.loads(to_line(sample(10 ** 18)).decode())
    holder, key = places(told)[number]
    del holder[key]
    ten_seconds_later = sample(10 ** 18 + 10 ** 10, xen_ns=10 ** 12 + 10 ** 10)
    later = dict(json.loads(to_line(ten_seconds_later).decode()), more={"of": "a later release"})
    later["domains"][0]["info"]["more"] = 7
    path = tmp_path / "direct.jsonl"
    path.write_text("".join(json.dumps(line, separators=(",", ":")) + "\n" for line in (told, later)))
    for form in ("influx", "json", "csv", "openmetrics", "collectd", "table"):
        assert main(["xentop", "--source", str(path), "--format", form]) == 0, (key, form)
        out, err = capsys.readouterr()
        assert err == "" and out
        if form == "influx":
            whole = readings_of_lines(json.loads(to_line(sample(5)).decode()))
            assert readings_of_lines(told).items() <= whole.items() or key in ("uuid", "shared", "facts", "left_out", "trouble")


def readings_of_lines(told):
    """Figure -> value, of all that is known in one reading."""
    found = {}
    for entity, rows in DirectCollector().collect(from_json(told)).tables.items():
        for who, labels, values in rows:
            found.update({(entity, who and who.name, labels, place): value for place, value in enumerate(values)
                          if value is not None})
    return found


def test_a_line_of_a_later_form_is_refused_with_what_to_know(tmp_path, capsys):
    path = tmp_path / "direct.jsonl"
    path.write_bytes(to_line(sample(5)).replace(b'"version":1', b'"version":2'))
    assert main(["xentop", "--source", str(path)]) == 1
    assert "it is of version 2, and this xenmeter knows version 1" in capsys.readouterr().err


@pytest.mark.parametrize("plugin, words", [("xentop", ["direct-xen-4_14"]), ("xentop", ["direct-xen-4_20"])])
def test_the_oldest_recordings_stay_readable(plugin, words, capsys):
    """Lines without a version, as the first release wrote them; golden cases say what they mean."""
    case = FIXTURES / plugin / words[0]
    assert b'"version"' not in (case / "direct.jsonl").read_bytes()
    assert main([plugin, "--source", str(case), "--format", "json"]) == 0
    out, err = capsys.readouterr()
    assert err == "" and len(out.splitlines()) == 5


def test_percentages_are_xentops():
    """Of one host at about the same time: the program's own text and what direct says in its form."""
    shares = {}
    for source in ("xentop.text", "direct.jsonl"):
        options = defaults(PLUGIN.options)
        mirror = JsonMirror(options)
        for one in Playback(EXAMPLE_PATH + "/" + source).samples(threading.Event(), None):
            for domain in mirror.domains(one):
                shares.setdefault(source, {})[domain["name"]] = domain["mem_percent"], domain["max_mem_percent"]
    assert shares["xentop.text"] == shares["direct.jsonl"] and (4.2, 4.2) in shares["direct.jsonl"].values()


@given(st.integers(1, 1 << 40), st.integers(1, 1 << 40))
def test_a_percentage_is_rounded_as_printf_does(part, whole):
    """100.0 * mem / total under %.1f (tools/xentop/xentop.c); bytes there, pages here."""
    from xenmeter.xentop.direct.rows import _permille
    assert _permille(part, whole) / 10 == float("%.1f" % (part * 4096 / (whole * 4096) * 100.0))


JSON = st.recursive(st.none() | st.booleans() | st.integers(-1, 1 << 65) | st.text(max_size=3), lambda inner: (
    st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["name", "uuid", "vbds", "domid"]), inner)), max_leaves=5)


@given(st.data())
def test_any_value_in_the_place_of_any_other(data):
    """It is refused, or it is collected without a fault."""
    told = json.loads(to_line(sample(5)).decode())
    place = told
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        key = data.draw(st.sampled_from(keys))
        if not isinstance(place[key], (dict, list)) or not place[key] or data.draw(st.booleans()):
            break
        place = place[key]
    place[key] = data.draw(JSON)
    try:
        found = from_json(told)
    except (ValueError, KeyError, TypeError, AttributeError):
        return
    readings([found])


@pytest.mark.parametrize("plugin, file, data", [
    ("xentop", "xentop.txt.gz", b"xentop's text\n" * 500), ("xentop", "direct.jsonl.gz", to_line(sample(5)) * 500),
    ("vcpu", "vcpu.jsonl.gz", b'{"time_ns":1,"domains":[]}\n' * 500)])
@pytest.mark.parametrize("damage", [lambda data: gzip.compress(data)[:-9], lambda data: data, lambda data: b"\0" * 90])
def test_a_damaged_gz_is_one_line_that_names_the_file(tmp_path, plugin, file, data, damage, capsys):
    path = tmp_path / file
    path.write_bytes(damage(data))
    write_manifest(str(tmp_path), {"sources": {file.partition(".")[0]: {"file": file}}})
    for source in (path, tmp_path):
        assert main([plugin, "--source", str(source), "--format", "json"]) == 1
        said = capsys.readouterr().err
        assert said.startswith("xenmeter: %s: the recording cannot be read on: " % path) and said.count("\n") == 1


@pytest.mark.parametrize("key, value", [("start_ns", "99999999999999999999"), ("interval_s", "1e400"), ("interval_s", "-3")])
def test_a_manifest_that_says_nonsense(tmp_path, key, value, capsys):
    write_manifest(str(tmp_path), {"sources": {"xentop": {"file": "x"}}})
    text = (tmp_path / "manifest.json").read_text()
    inside = '"file": "x", "interval_s": %s' % value if key == "interval_s" else '"file": "x"'
    text = text.replace('"file": "x"', inside).replace("{", '{"start_ns": %s,' % value if key == "start_ns" else "{", 1)
    (tmp_path / "manifest.json").write_text(text)
    (tmp_path / "x").write_text("")
    assert main(["xentop", "--source", str(tmp_path), "--format", "csv"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("xenmeter: %s: manifest.json: %s is " % (tmp_path, key)) and said.count("\n") == 1


def test_no_line_at_all(tmp_path):
    (tmp_path / "direct.jsonl").write_bytes(b"")
    write_manifest(str(tmp_path), {"sources": {"direct": {"file": "direct.jsonl"}}})
    with pytest.raises(SourceError, match="no iteration of xentop"):
        list(Playback(str(tmp_path)).samples(threading.Event(), None))
