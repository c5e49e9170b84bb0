"""What the real collectd writes of captures and recordings: the right figures, under identifiers that it takes."""
import hashlib
import json
import re

import pytest

from helpers.collectd_stage import INTERVAL, Site, module
from helpers.stage import CAPTURES, FIXTURES, domain, iteration, readings, source_of
from tools import provision
from xenmeter.xen.domains import DomainDirectory
from xenmeter.xen.recordednames import snapshot_to_json
from xenmeter.xen.storedump import DumpStore

pytestmark = pytest.mark.daemon

START = 1795192500
JOINED = FIXTURES / "credit2-2pcpu-joined-b-d1-i3-fnxvr"


def played(tmp_path, text_or_path, more="", says="left out", **options):
    """All values that collectd wrote of a recording, once it has ended.

    :param says: what a line of its log may hold.
    """
    if isinstance(text_or_path, bytes):
        tmp_path.mkdir(exist_ok=True)
        (tmp_path / "xentop.txt").write_bytes(text_or_path)
        text_or_path = tmp_path / "xentop.txt"
    given = dict({"Source": text_or_path, "Interval": INTERVAL, "Start": str(START)}, **options)
    with Site(tmp_path, "WriteThreads 1\n" + more + module(**given)) as collectd:    # several write over each other in csv
        collectd.wait_log("the source has ended", timeout=30)
        collectd.settle()
        assert collectd.stop() == 0
        assert [line for line in collectd.lines() if says not in line] == []
        assert not re.search("too old.*xentop", collectd.log_text())
        return collectd.values("testhost/xentop-*")


def stock_types():
    types = {}
    for line in (provision.root_of("collectd") / "usr/share/collectd/types.db").read_text().splitlines():
        if line.strip() and not line.startswith("#"):
            name, _, sources = line.partition("\t") if "\t" in line else line.partition(" ")
            types[name.strip()] = [tuple(source.strip().split(":")) for source in sources.split(",")]
    return types


# --- figures ------------------------------------------------------------------------------------------------------

def instance_of(one, domains):
    """The plugin_instance that a domain must have, worked out here anew from collectd's rules."""
    shared = sum(other["name"] == one["name"] for other in domains) > 1
    safe = re.sub("[^A-Za-z0-9_.:+@ -]", "_", one["name"]).strip()
    if safe == one["name"] and safe and len(safe) <= 120 and safe not in ("host", "xenmeter") and not shared:
        return safe
    return safe[:111] + "~" + (one["uuid"][:8] if "uuid" in one else hashlib.sha256(one["name"].encode()).hexdigest()[:8])


def start_times(case):
    """{UUID: Unix time} from a case's xenstore-ls -f."""
    listing = FIXTURES / case / "xenstore-ls.txt"
    text = listing.read_text(errors="replace") if listing.exists() else ""
    return {uuid: float(value) for uuid, value in re.findall(r'^/vm/([0-9a-f-]{36})/start_time = "([0-9.]+)"', text, re.M)}


def held(name, one, own, before):
    """Totals never fall while a domain lives, also when a device is taken away: {series: values} of the totals."""
    cpu_s, totals = before.get(name, (0, {}))
    if one["cpu_seconds"] < cpu_s:
        totals = {}
    return {key: tuple(map(max, own[key], totals.get(key, own[key])))
            for key in ("if_octets", "disk_ops", "disk_octets", "total_requests-oo") if key in own}


def expected_of(domains, started, before):
    """{identifier below "testhost/xentop-": values} for one object of the JSON mirror; guest's view of directions.

    :param before: what the sample before left behind, by name; replaced by this one's.
    """
    if any("uuid" in one for one in domains):       # who has no UUID where others have is withheld
        domains = [one for one in domains if "uuid" in one]
    found = {"host/count-domains": (len(domains),), "xenmeter/count-xentop_domains": (len(domains),)}
    after = {}
    for one in domains:
        own = {}
        own["virt_cpu_total"] = (one["cpu_seconds"] * 10 ** 9,)
        if one["cpu_percent"] is not None:
            own["gauge-cpu_percent"] = (one["cpu_percent"],)
        own["vcpu-configured"] = (one["vcpus"],)
        own["memory-total"] = (one["mem_bytes"],)
        own["percent-memory"] = (one["mem_percent"],)
        if one["max_mem_bytes"] is not None:
            own["memory-maximum"] = (one["max_mem_bytes"],)
            own["percent-memory_maximum"] = (one["max_mem_percent"],)
        dying, shutdown, blocked, crashed, paused, running = [letter != "-" for letter in one["state"]]
        own["domain_state"] = (6 if crashed else 4 if dying else 5 if shutdown else 3 if paused else 1 if running else
                               2 if blocked else 0, 0)
        own["gauge-ssid"] = (one["ssid"],)
        own["count-vifs"] = (one["nets"],)
        own["count-vbds"] = (one["vbds"],)
        own["if_octets"] = (one["net_tx_bytes"], one["net_rx_bytes"])
        if one["vbd_oo"] is not None:
            own["total_requests-oo"] = (one["vbd_oo"],)
            own["disk_ops"] = (one["vbd_rd"], one["vbd_wr"])
            own["disk_octets"] = (one["vbd_rsect"] * 512, one["vbd_wsect"] * 512)
        if one.get("uuid") in started:
            own["gauge-start_time"] = (started[one["uuid"]],)
        for vcpu, seconds in one["vcpu_seconds"].items():
            own["virt_vcpu-" + vcpu] = (seconds * 10 ** 9,)
        for net in one.get("networks", ()):
            vif = "0" if "uuid" in one else "net%d" % net["index"]
            for type_, key in (("if_octets", "bytes"), ("if_packets", "packets"), ("if_errors", "errors"),
                               ("if_dropped", "drops")):
                own["%s-vif%s" % (type_, vif)] = (net["tx_" + key], net["rx_" + key])
        for vbd in one.get("vbd_devices", ()):
            assert vbd["dev"] == 51712
            if vbd["oo"] is None:
                continue
            dev = "xvda"
            own["total_requests-%s_oo" % dev] = (vbd["oo"],)
            own["disk_ops-" + dev] = (vbd["rd"], vbd["wr"])
            own["disk_octets-" + dev] = (vbd["rsect"] * 512, vbd["wsect"] * 512)
        own.update(held(one["name"], one, own, before))
        after[one["name"]] = (one["cpu_seconds"], own)
        found.update(("%s/%s" % (instance_of(one, domains), key), values) for key, values in own.items())
    before.clear()
    before.update(after)
    return found


@pytest.mark.parametrize("case", CAPTURES)
def test_a_capture_through_the_shipped_file_gives_exactly_its_figures(tmp_path, case):
    """collectd's csv against the mirror of xentop's own columns, worked out here; no series more, none less."""
    source = source_of(case)
    samples = readings("--source", source, "--interval", INTERVAL, "--start", START)
    written = {}
    for value in played(tmp_path, source):
        assert (value.identifier, round(value.time, 3)) not in written
        written[value.identifier, round(value.time, 3)] = value.values
    meters = {key: value for key, value in written.items() if re.search(
        "/xentop-xenmeter/(gauge-xentop_up|duration-xentop_collect|derive-xentop_cpu)$", key[0])}
    expected = {}
    started, before, withheld = start_times(case), {}, 0
    for sample in samples:
        own = expected_of(sample["domains"], started, before)
        withheld += len(sample["domains"]) - own["host/count-domains"][0]
        if withheld:
            own["xenmeter/derive-xentop_unjoined"] = (withheld,)
        expected.update((("testhost/xentop-" + key, round(sample["time_ns"] / 1e9, 3)), values)
                        for key, values in own.items())
    assert (len(samples) > 1 or "-i1-" in case) and len(expected) > 20 * len(samples)
    figures = {key: values for key, values in written.items() if key not in meters}
    assert sorted(figures) == sorted(expected)
    assert {key: values for key, values in figures.items() if values != pytest.approx(expected[key], rel=1e-12)} == {}
    assert len(meters) == 3 * len(samples)
    assert all(values == (1,) for (name, _), values in meters.items() if name.endswith("_up"))


def test_only_stock_types_with_all_their_values(tmp_path):
    types = stock_types()
    values = played(tmp_path, JOINED)
    for value in values:
        type_ = value.identifier.split("/")[2].partition("-")[0]
        assert len(value.values) == len(types[type_]), value
        for number, (_, kind, low, high) in zip(value.values, types[type_]):
            if kind == "GAUGE":
                assert low == "U" or number >= float(low)
                assert high == "U" or number <= float(high)
    used = {value.identifier.split("/")[2].partition("-")[0] for value in values}
    assert {"virt_cpu_total", "virt_vcpu", "memory", "if_octets", "disk_ops", "domain_state", "percent"} <= used


def series(values, pattern):
    return [value.values for value in values if re.search(pattern, value.identifier)]


def test_a_percentage_over_100_never_comes_as_percent(tmp_path):
    """A limit over the host's memory, four busy vCPUs: gauge takes them, percent would be NaN in collectd's cache."""
    text = iteration([domain(b"big", 400, percent=399.9, vcpus=4), domain(b"Domain-0")]).replace(
        b"132096       3.1     4", b"132096     250.0     4")
    assert b"250.0" in text
    values = played(tmp_path, text * 2)
    assert series(values, "xentop-big/percent-memory$") == [(3.1,), (3.1,)]
    assert series(values, "xentop-big/percent-memory_maximum") == []
    assert series(values, "xentop-Domain-0/percent-memory_maximum") == [(3.1,), (3.1,)]
    assert series(values, "xentop-big/gauge-cpu_percent") == [(399.9,)]
    for value in values:
        if "/percent" in value.identifier:
            assert all(0 <= number <= 100.1 for number in value.values)


PCPUS = (b"\nPhysical CPU Usage:\n+-------+--------+\n| Core  | Usage  |\n+-------+--------+\n| 0     |  12.5% |\n"
         b"| 1     | 100.0% |\n| 2     | 101.3% |\n+-------+--------+\n")


def test_pcpus_of_xen_4_21(tmp_path):
    values = played(tmp_path, (iteration([domain(b"Domain-0")]) + PCPUS) * 2)
    found = {value.identifier.rpartition("/")[2]: value.values for value in values
             if re.match("testhost/xentop-host/percent", value.identifier)}
    assert found == {"percent-pcpu0": (12.5,), "percent-pcpu1": (100.0,)}


def test_a_domid_used_again_and_an_absurd_rate_are_no_spike(tmp_path):
    """CPU % of the first reading, of a wrapped difference, and of a life that began anew: none is dispatched."""
    steps = [domain(b"web", 500, 0.0), domain(b"web", 501, 20.0), domain(b"web", 2, 614891468957.0),
             domain(b"web", 3, 30.0), domain(b"web", 4, float("inf")), domain(b"web", 5, 40.0)]
    values = played(tmp_path, b"".join(iteration([step, domain(b"Domain-0")]) for step in steps))
    assert series(values, "xentop-web/gauge-cpu_percent") == [(20.0,), (30.0,), (40.0,)]
    assert series(values, "xentop-web/virt_cpu_total") == [(n * 10 ** 9,) for n in (500, 501, 2, 3, 4, 5)]


# --- identifiers --------------------------------------------------------------------------------------------------

NAMES = [
    b"a" * 120, b"a" * 121, b"a" * 127, b"a" * 128, b"a" * 3000, b"a" * 2999 + b"b",
    "日本".encode() * 40, "日本".encode() * 40 + b"!", "ä".encode() * 59 + b"x", "é".encode(), "e\u0301".encode(),
    b"\xff\xfe", b"\xc3",
    b"a/b", b"a_b", b"/", b"//", b"/etc/passwd", b"..", b".", b"../../up", b"a\\b", b"tab\there", b"\x01\x1b[2J", b"\x7f",
    "\u202egnp.exe".encode(), "zero\u200bwidth".encode(), b"quo\"te", b"it's", b"per%cent", b"semi;colon", b"a,b=c d",
    b"dash-ed", b"-", b"~", b"a b", b"*", b"host", b"xenmeter", b"Host", b"Domain-0", b"root", b"UPPER", b"upper2", b"123",
]


@pytest.mark.parametrize("instance_format", ["name", "uuid", "name-uuid"])
def test_hostile_names_become_identifiers_that_collectd_takes_and_keeps_apart(tmp_path, instance_format):
    """Without UUIDs all formats name by name. Whatever the name: 127 bytes, no separators, one series per domain."""
    names = sorted(set(NAMES), key=bytes.lower)
    text = iteration([domain(name, 10 + number, vif=(number,) * 8) for number, name in enumerate(names)])
    values = played(tmp_path, text * 2, InstanceFormat=instance_format)
    totals = [value for value in values if value.identifier.endswith("/virt_cpu_total")]
    instances = {value.identifier.split("/")[1][len("xentop-"):]: value.values for value in totals}
    assert sorted(instances.values()) == [((10 + number) * 10 ** 9,) for number in range(len(names))]
    for instance in instances:
        assert re.match(r"[A-Za-z0-9_.:+@~ -]{1,120}\Z", instance), instance
    plain = {"dash-ed", "Domain-0", "a_b", "UPPER", "a b", "123", "root", "a" * 120}
    assert plain <= set(instances) and not {"host", "xenmeter"} & set(instances)
    for value in values:
        parts = value.identifier.split("/")
        assert len(parts) == 3 and all(len(part.encode()) <= 127 + len("xentop-") for part in parts)
    assert len(series(values, "xentop-[^/]+/if_octets-vifnet0")) == 2 * len(names)


@pytest.mark.parametrize("instance_format, shown", [
    ("name", "io-guest"), ("uuid", "%s"), ("name-uuid", "io-guest:%s")])
def test_instance_formats(tmp_path, instance_format, shown):
    sample = readings("--source", JOINED)[0]
    uuid, = [one["uuid"] for one in sample["domains"] if one["name"] == "io-guest"]
    values = played(tmp_path, JOINED, InstanceFormat=instance_format)
    instances = {value.identifier.split("/")[1][len("xentop-"):] for value in values}
    assert (shown % uuid if "%" in shown else shown) in instances
    assert {"host", "xenmeter"} < instances and len(instances) == len(sample["domains"]) + 2


def recorded(folder, steps):
    """A recording of xentop's text with xenstore's word at each iteration: (domains' texts, their facts)."""
    folder.mkdir()
    (folder / "xentop.txt").write_bytes(b"".join(iteration([domain(b"Domain-0")] + domains) for domains, _ in steps))
    lines = []
    for number, (_, nodes) in enumerate(steps):
        found = DomainDirectory(DumpStore(nodes)).snapshot()
        lines.append(json.dumps(dict(snapshot_to_json(found), iteration=number)) + "\n")
    (folder / "names.jsonl").write_text("".join(lines))
    (folder / "manifest.json").write_text(json.dumps({
        "format": "xenmeter-recording", "version": 1, "host": {}, "start_ns": START * 10 ** 9,
        "sources": {"names": {"file": "names.jsonl"}, "xentop": {"file": "xentop.txt", "interval_s": 10}}}))
    return folder


def nodes_of(*domains):
    """xenstore's nodes of dom0 and of domains: (domid, name, UUID, more nodes below /vm/UUID)."""
    nodes = {b"/local/domain/0/name": b"Domain-0"}
    for domid, name, uuid, more in domains:
        nodes[b"/local/domain/%d/name" % domid], nodes[b"/local/domain/%d/vm" % domid] = name, b"/vm/" + uuid
        nodes.update({b"/vm/" + uuid + b"/" + node: value for node, value in more.items()})
    return nodes


def test_the_instance_keeps_its_name_through_xcpngs_migration(tmp_path):
    """Both ends bear the machine's name, and each in turn a UUID that is nobody's."""
    real = b"814c8b22-d896-bc76-a421-7afce8e8a538"
    zero, one = real[:24] + b"000000000000", real[:24] + b"000000000001"
    target, source = (9, b"web", one, {b"final-uuid": real}), (8, b"web", zero, {b"origin-uuid": real})
    row, away = domain(b"web", 0, state=b"----p-"), domain(b"web", 52, state=b"-s--p-")
    values = played(tmp_path / "site", recorded(tmp_path / "host", [
        ([domain(b"web", 50)], nodes_of((8, b"web", real, {}))),
        ([domain(b"web", 51), row], nodes_of((8, b"web", real, {}), target)),
        ([row, away], nodes_of(source, target)),
        ([domain(b"web", 1, state=b"-----r"), away], nodes_of(source, (9, b"web", real, {}))),
        ([domain(b"web", 2)], nodes_of((9, b"web", real, {})))]))
    assert {value.identifier.split("/")[1] for value in values} == {"xentop-web", "xentop-Domain-0", "xentop-host",
                                                                   "xentop-xenmeter"}
    assert series(values, "xentop-web/virt_cpu_total") == [(n * 10 ** 9,) for n in (50, 51, 52, 1, 2)]


def test_domains_of_one_name_whose_uuids_differ_at_the_end_only(tmp_path):
    uuids = [b"814c8b22-d896-bc76-a421-7afce8e8a53%d" % number for number in (1, 2)]
    nodes = nodes_of(*[(number, b"web", uuid, {}) for number, uuid in enumerate(uuids, 5)])
    for number in (5, 6):
        nodes[b"/local/domain/0/backend/vbd/%d/%d/dev" % (number, 51712 + 16 * number)] = b"xvd%d" % number
    rows = [(b"web", row, lines.replace(b"51712 [ca: 0]", b"%d [ca:%2x]" % (51712 + 16 * number, 16 * number)))
            for number, (_, row, lines) in ((5, domain(b"web", 5, vbd=(0, 1, 1, 8, 8))),
                                            (6, domain(b"web", 6, vbd=(0, 2, 2, 8, 8))))]
    values = played(tmp_path / "site", recorded(tmp_path / "host", [(rows, nodes)] * 2))
    for number, uuid in enumerate(uuids, 5):
        assert series(values, "xentop-web~%s/virt_cpu_total" % uuid.decode()) == [(number * 10 ** 9,)] * 2
    assert len([value for value in values if value.identifier.endswith("/virt_cpu_total")]) == 2 * 3


def instances_of(recording):
    domains = readings("--source", recording)[0]["domains"]
    return {instance_of(one, domains) for one in domains}


# --- options ------------------------------------------------------------------------------------------------------

GROUPS = {"cpu": {"virt_cpu_total", "gauge-cpu_percent", "vcpu-configured"}, "vcpu": {"virt_vcpu-0", "virt_vcpu-1"},
          "memory": {"memory-total", "percent-memory", "memory-maximum", "percent-memory_maximum"},
          "network": {"count-vifs", "if_octets", "if_octets-vif0", "if_packets-vif0", "if_errors-vif0", "if_dropped-vif0"},
          "disk": {"count-vbds", "total_requests-oo", "disk_ops", "disk_octets", "disk_ops-xvda", "disk_octets-xvda",
                   "total_requests-xvda_oo"},
          "state": {"domain_state", "gauge-ssid"}, "host": {"count-domains"}}
METER = {"gauge-xentop_up", "duration-xentop_collect", "derive-xentop_cpu", "count-xentop_domains"}


@pytest.mark.parametrize("group", sorted(GROUPS))
def test_a_group_alone(tmp_path, group):
    values = played(tmp_path, JOINED, Group=group)
    found = {value.identifier.rpartition("/")[2] for value in values} - METER
    assert found - {"gauge-start_time"} == GROUPS[group]


def test_groups_may_be_listed_and_repeated(tmp_path):
    values = played(tmp_path, JOINED, module(Group=["cpu", "STATE"]), Group="memory")
    found = {value.identifier.rpartition("/")[2] for value in values} - METER
    assert found - {"gauge-start_time"} == GROUPS["cpu"] | GROUPS["state"] | GROUPS["memory"]


@pytest.mark.parametrize("options, wanted", [
    ({"Include": "io-*"}, {"io-guest"}), ({"Exclude": ["/guest/", "/vcpu/"]}, None), ({"Dom0": False}, None),
    ({"Include": ["io*", "Domain-0"], "Exclude": "Domain*"}, {"io-guest"}), ({"Include": "nothing*"}, set()),
], ids=["include", "exclude", "dom0", "both", "nothing"])
def test_domains_are_chosen(tmp_path, options, wanted):
    names = instances_of(JOINED)
    if wanted is None:
        wanted = {name for name in names if name != "Domain-0"} if "Dom0" in options else {
            name for name in names if "guest" not in name and "vcpu" not in name}
    assert wanted < names
    values = played(tmp_path, JOINED, says="left out" if wanted else "no domain fits the filters", **options)
    found = {value.identifier.split("/")[1][len("xentop-"):] for value in values} - {"host", "xenmeter"}
    assert found == wanted
    assert set(series(values, "xentop-host/count-domains")) == {(len(names),)}
    assert set(series(values, "xentop-xenmeter/count-xentop_domains")) == {(len(wanted),)}


def test_a_domain_is_chosen_by_uuid(tmp_path):
    uuid, = [one["uuid"] for one in readings("--source", JOINED)[0]["domains"] if one["name"] == "io-guest"]
    values = played(tmp_path, JOINED, Include=uuid)
    assert {value.identifier.split("/")[1] for value in values} == {"xentop-io-guest", "xentop-host", "xentop-xenmeter"}


def test_blocks_add_up_whatever_they_are_called(tmp_path):
    """Two <Module> blocks, several <Plugin python> blocks, our module's other name, any case: one set of options."""
    more = ('<Plugin python>\n<Module "xenmeter.collectd.xentop">\nGroup "cpu"\n</Module>\n</Plugin>\n'
            '<Plugin python>\n<Module XENTOP>\nEXCLUDE "pz*"\ndom0 false\n</Module>\n<Module xentop>\nExclude "io*"\n'
            '</Module>\n</Plugin>\n')
    names = instances_of(JOINED)
    values = played(tmp_path, JOINED, more)
    found = {value.identifier.split("/")[1][len("xentop-"):] for value in values} - {"host", "xenmeter"}
    assert found == {name for name in names if not name.startswith(("pz", "io")) and name != "Domain-0"}
    types = {value.identifier.rpartition("/")[2] for value in values} - METER
    assert types - {"virt_cpu_total", "gauge-cpu_percent", "vcpu-configured"} == set()


def test_without_a_module_block_the_defaults_hold(tmp_path, xentop):
    conf = 'LoadPlugin python\n<Plugin python>\n  Import "xenmeter.collectd.xentop"\n</Plugin>\n'
    with Site(tmp_path, xentop=xentop, conf=conf) as collectd:
        collectd.wait_log("source auto, every 10 s")
        assert xentop.wait_start()
        collectd.wait_beats()
        assert collectd.lines() == []
        assert xentop.starts()[0][1] == "-b -f -n -x -v -d 10"
