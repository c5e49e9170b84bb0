"""What source direct read, as lines and back: nothing is lost, and what is none of it is told from the line's number."""
import gzip
import json
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xenmeter.core.errors import SourceError
from xenmeter.core.recording import write_manifest
from xenmeter.front.cli import main
from xenmeter.xen import structs
from xenmeter.xen.backends import Disk
from xenmeter.xen.domains import DomainFacts
from xenmeter.xen.roster import Member
from xenmeter.xen.tapdisk import Served
from xenmeter.xentop.direct import DirectCollector, DirectDomain, DirectSample
from xenmeter.xentop.directlines import START, from_json, to_line
from xenmeter.xentop.playback import Playback

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
                       [(0, False, (1, 2, 3, 4, 5, 6, 7, 8)), (0, True, (1,) * 8)],
                       [Disk("Tapdisk3", 51712, (None, 1, 2, 512, 1024), Served(1, 2, 3, 4, 5)), Disk("BlkBack", 51728, None)])
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
    lambda told, web: told.pop("xen_ns"), lambda told, web: told.update(idle_ns=[-1]), lambda told, web: told.update(host=5),
    lambda told, web: told.update(left_out=[]), lambda told, web: told.update(trouble=7),
    lambda told, web: told.update(domains=0),
    lambda told, web: web.update(shared=0), lambda told, web: web.update(name=None), lambda told, web: web.update(uuid=1),
    lambda told, web: web["info"].update(handle="00"), lambda told, web: web["info"].update(cpu_time=1 << 64),
    lambda told, web: web.update(vcpu_ns=[[0]]), lambda told, web: web.update(vifs=[[0, False, [1]]]),
    lambda told, web: web.update(disks=[["x", 1, [1], None]]), lambda told, web: web.update(disks=[["x", 1, None, [1]]]),
    lambda told, web: web["facts"].update(name=5), lambda told, web: web["facts"].update(start_time_ns="x"),
    lambda told, web: web["facts"].update(vbds=[])])
def test_what_is_none_of_it_is_said_with_its_line(tmp_path, change, capsysbinary):
    path = tmp_path / "direct.jsonl"
    path.write_bytes(to_line(sample(5)) + json.dumps(wrong(change), separators=(",", ":")).encode() + b"\n")
    assert main(["xentop", "--source", str(path), "--format", "influx"]) == 1
    out, err = capsysbinary.readouterr()
    assert b"cpu_time_ns=7000000001i" in out
    assert err.startswith(b"xenmeter: %s, line 2: not a reading of source direct" % str(path).encode()) and err.count(b"\n") == 1


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
