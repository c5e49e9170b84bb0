"""collectd value lists: identifiers that collectd takes unchanged, values that their types take."""
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.publishing import HOSTILE, TIME, UUID, full, real, reading, thing, tiny
from xenmeter.core.reading import Reading, Who
from xenmeter.publish.collectdvalues import CollectdValues, plugin_instance, type_instance_part
from xenmeter.publish.stocktypes import STOCK_TYPES
from xenmeter.publish.text import digest

WEB = Who("web", UUID, 7)

#: Lines of collectd 5.12's types.db; 5.8 and 5.9 have the same.
TYPES_DB = """
contextswitch           value:DERIVE:0:U
count                   value:GAUGE:0:U
derive                  value:DERIVE:0:U
disk_octets             read:DERIVE:0:U, write:DERIVE:0:U
disk_ops                read:DERIVE:0:U, write:DERIVE:0:U
domain_state            state:GAUGE:0:U, reason:GAUGE:0:U
duration                seconds:GAUGE:0:U
gauge                   value:GAUGE:U:U
if_dropped              rx:DERIVE:0:U, tx:DERIVE:0:U
if_errors               rx:DERIVE:0:U, tx:DERIVE:0:U
if_octets               rx:DERIVE:0:U, tx:DERIVE:0:U
if_packets              rx:DERIVE:0:U, tx:DERIVE:0:U
latency                 value:GAUGE:0:U
memory                  value:GAUGE:0:281474976710656
percent                 value:GAUGE:0:100.1
queue_length            value:GAUGE:0:U
total_events            value:DERIVE:0:U
total_operations        value:DERIVE:0:U
total_requests          value:DERIVE:0:U
uptime                  value:GAUGE:0:4294967295
vcpu                    value:GAUGE:0:U
virt_cpu_total          value:DERIVE:0:U
virt_vcpu               value:DERIVE:0:U
"""


def values(one, catalogues=None, **options):
    return list(CollectdValues(catalogues or [tiny()], "xentop", **options).values(one))


def test_stock_types_are_those_of_types_db():
    written = {}
    for line in TYPES_DB.strip().splitlines():
        name, sources = line.split(None, 1)
        parts = [source.split(":") for source in sources.split(", ")]
        low, high = {(part[2], part[3]) for part in parts}.pop()
        kind, = {part[1] for part in parts}
        written[name] = (tuple(part[0] for part in parts), kind, None if low == "U" else float(low),
                         None if high == "U" else float(high))
    assert {name: tuple(stock) for name, stock in STOCK_TYPES.items()} == written


def test_units():
    assert values(thing(WEB, 5, 1500000000, 4096, 408000, True)) == [
        ("web", "derive", "count", [5]), ("web", "virt_cpu_total", "", [1500000000]),
        ("web", "memory", "total", [4096.0]), ("web", "percent", "share", [40.8]), ("web", "gauge", "up", [1.0])]


def test_real_catalogues():
    one = full(1)
    found = {(instance, kind, name): value for instance, kind, name, value in values(one, real())}
    domain = dict(zip(real()[0].entities["domain"].keys(), one.tables["domain"][0][2]))
    assert found["web0", "virt_cpu_total", ""] == [domain["cpu_time_ns"]]
    assert found["web0", "gauge", "start_time"] == [domain["start_time_ns"] / 1e9]
    assert found["web0", "domain_state", ""] == [domain["virt_state"], domain["virt_reason"]]
    assert found["web0", "disk_ops", ""] == [domain["read_requests"], domain["write_requests"]]
    vif = dict(zip(real()[0].entities["vif"].keys(), one.tables["vif"][0][2]))
    assert found["web0", "if_octets", "vif0"] == [vif["rx_bytes"], vif["tx_bytes"]]
    assert found["web0", "if_dropped", "vif0"] == [vif["rx_drops"], vif["tx_drops"]]
    vbd = dict(zip(real()[0].entities["vbd"].keys(), one.tables["vbd"][0][2]))
    assert found["web0", "disk_octets", "xvda"] == [vbd["read_bytes"], vbd["write_bytes"]]
    assert found["web0", "total_requests", "xvda_oo"] == [vbd["out_of_requests"]]
    assert ("host", "memory", "free") in found and ("host", "derive", "pcpu0_busy") in found
    assert ("xenmeter", "gauge", "xentop_up") in found and ("xenmeter", "derive", "xentop_cut") in found
    collect = one.tables["meter"][0][2][1]
    assert found["xenmeter", "duration", "xentop_collect"] == [collect / 1e9]
    named = {(entity.name, figure.collectd[:2]) for each in real() for entity in each.entities.values()
             for figure in entity.figures if figure.collectd}
    assert len(found) == len(named)


def test_a_list_with_an_unknown_part_is_left_out_as_a_whole():
    parts = reading(part=[(WEB, ("0",), (1, 2)), (WEB, ("1",), (1, None)), (WEB, ("2",), (None, 2))])
    assert values(parts) == [("web", "if_octets", "p0", [1, 2])]
    assert values(thing(WEB, None, None, 0)) == [("web", "memory", "total", [0.0])]
    assert values(reading()) == []


@pytest.mark.parametrize("ppm, kept", [(0, True), (1000000, True), (1001000, True), (1001001, False), (-1, False),
                                       (4000000, False), (float("nan"), False), (float("inf"), False)])
def test_percent_stays_within_its_type(ppm, kept):
    assert [value[0] <= 100.1 for _, _, _, value in values(thing(WEB, None, None, None, ppm))] == [True] * kept


@pytest.mark.parametrize("value, kept", [(2 ** 63 - 1, True), (2 ** 63, False), (2 ** 64, False),
                                         (float("nan"), False)])
def test_derive_is_int64(value, kept):
    found = values(thing(WEB, value))
    assert [each[3] for each in found] == ([[value]] if kept else [])


def test_gauges_within_their_type_and_finite():
    rows = [("t", "a", "gauge", "1", "g", "-", "-", "gauge-a", "x"),
            ("t", "b", "gauge", "bytes", "g", "-", "-", "memory-b", "x")]
    for bad in (float("nan"), float("inf"), float("-inf")):
        assert values(reading(t=[(WEB, (), (bad, bad))]), [tiny(rows)]) == []
    assert values(reading(t=[(WEB, (), (-1, -1))]), [tiny(rows)]) == [("web", "gauge", "a", [-1.0])]


def test_groups():
    assert values(thing(WEB, 1, 2, 3, 4, 1), groups={"memory"}) == [("web", "memory", "total", [3.0])]


@pytest.mark.parametrize("name, instance", [
    ("web", "web"), ("Domain-0", "Domain-0"), ("a b", "a b"), ("a:b+c@d.e", "a:b+c@d.e"), ("no limit", "no limit"),
    ("a/b", "a_b~c0ffee00"), ("web~c0ffee00", "web_c0ffee00~c0ffee00"), (" web", "web~c0ffee00"),
    ("web ", "web~c0ffee00"), ("b\u00fcro", "b_ro~c0ffee00"), ("", "~c0ffee00"), ("host", "host~c0ffee00"),
    ("xenmeter", "xenmeter~c0ffee00"), ("x" * 120, "x" * 120), ("x" * 121, "x" * 111 + "~c0ffee00"),
    ("a\x00b", "a_b~c0ffee00"), ("\udcff", "_~c0ffee00")])
def test_plugin_instance(name, instance):
    assert plugin_instance(Who(name, UUID), "name") == instance


def test_plugin_instance_formats():
    assert plugin_instance(WEB, "uuid") == UUID and plugin_instance(WEB, "name-uuid") == "web:" + UUID
    assert plugin_instance(Who("x" * 200, UUID), "name-uuid") == "x" * 83 + ":" + UUID
    for form in ("name", "uuid", "name-uuid"):
        assert plugin_instance(Who("web"), form) == "web"
        assert plugin_instance(Who("w/b"), form) == "w_b~" + digest("w/b")
    with pytest.raises(ValueError, match="name-uuid"):
        CollectdValues([tiny()], "xentop", instance_format="domid")


def test_a_shared_name_is_told_apart_and_is_plain_again_when_alone():
    publisher = CollectdValues([tiny()], "xentop")
    twin = Who("web", UUID.replace("c", "d"), shared=True)
    first = Who("web", UUID, shared=True)
    one = reading(thing=[(who, (), (1, None, None, None, None)) for who in (first, twin)])
    assert [value[0] for value in publisher.values(one)] == ["web~c0ffee00", "web~d0ffee00"]
    first.shared = False
    assert [value[0] for value in publisher.values(thing(first, 1))] == ["web"]


def test_without_uuid_two_domains_of_one_name_are_one_series():
    publisher = CollectdValues([tiny()], "xentop")
    rows = [(Who("web", shared=True), (), (count, None, None, None, None)) for count in (1, 2)]
    assert [value[3] for value in publisher.values(reading(thing=rows))] == [[1]] and publisher.duplicates == 1


def test_two_domains_of_one_name_whose_uuids_begin_alike():
    """Eight digits do not tell them apart: all of the UUID does, from the first reading that has both, and from then on."""
    publisher = CollectdValues([tiny()], "xentop")
    one, other = [Who("web", UUID[:-1] + digit, shared=True) for digit in "12"]
    more = Who("web", "d" + UUID[1:], shared=True)
    rows = [(who, (), (count, None, None, None, None)) for count, who in enumerate((one, other, more))]
    assert [value[0] for value in publisher.values(reading(thing=rows[::2]))] == ["web~c0ffee00", "web~d0ffee00"]
    both = ["web~%s1" % UUID[:-1], "web~%s2" % UUID[:-1], "web~d0ffee00"]
    assert [value[0] for value in publisher.values(reading(thing=rows))] == both
    assert [value[0] for value in CollectdValues([tiny()], "xentop").values(reading(thing=rows[::-1]))] == both[::-1]
    assert [value[0] for value in publisher.values(reading(thing=rows[:1]))] == both[:1] and publisher.duplicates == 0


@given(st.lists(st.tuples(st.sampled_from(["web", "w/b", "w:b", "x" * 130, "host", ""]), st.integers(0, 0x1ff)),
                unique_by=lambda pair: pair[1], max_size=8))
def test_no_two_domains_ever_have_one_instance(domains):
    names = [name for name, _ in domains]
    whos = [Who(name, "c0ffee%02x-0000-4000-8000-%012x" % (number >> 8, number & 0xff), shared=names.count(name) > 1)
            for name, number in domains]
    rows = [(who, (), (1, None, None, None, None)) for who in whos]
    instances = [value[0] for value in CollectdValues([tiny()], "xentop").values(reading(thing=rows))]
    assert len(set(instances)) == len(whos) and all(len(instance) <= 120 for instance in instances)


@pytest.mark.parametrize("label, part", [("0", "0"), ("xvda", "xvda"), ("a-b", "a_b~" + digest("a-b")),
                                         ("a/b", "a_b~" + digest("a/b")), (" 0", "0~" + digest(" 0")), ("", ""),
                                         ("x" * 51, "x" * 41 + "~" + digest("x" * 51))])
def test_type_instance(label, part):
    assert type_instance_part(label) == part
    assert values(reading(part=[(WEB, (label,), (1, 2))]))[0][2] == "p" + part


def fit_for_collectd(text):
    """What escape_slashes, strjoin and a file system leave as it is."""
    return re.match(r"[A-Za-z0-9_.:+@ ~-]{0,120}\Z", text) and text == text.strip()


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("form", ["name", "uuid", "name-uuid"])
@pytest.mark.parametrize("uuid", [UUID, None])
def test_hostile_names_and_labels(name, form, uuid):
    one = Reading(TIME, {"thing": [(Who(name, uuid), (), (1, 2, 3, 4, 5))], "part": [(WEB, (name,), (1, 2))]})
    found = values(one, instance_format=form)
    assert len(found) == 6
    for instance, kind, type_instance, _ in found:
        assert fit_for_collectd(instance) and instance not in ("", "host", "xenmeter") and kind in STOCK_TYPES
        assert fit_for_collectd(type_instance) and "-" not in type_instance


@given(st.lists(st.one_of(st.text(), st.sampled_from(HOSTILE)), max_size=8, unique=True))
def test_two_names_never_become_one_series(names):
    """Also without UUIDs; and what is alike in a reading is written once."""
    publisher = CollectdValues([tiny()], "xentop")
    rows = [(Who(name), (), (place, None, None, None, None)) for place, name in enumerate(names)]
    found = list(publisher.values(Reading(TIME, {"thing": rows})))
    assert [value for _, _, _, value in found] == [[place] for place in range(len(names))]
    assert len({instance for instance, _, _, _ in found}) == len(names) and publisher.duplicates == 0


@pytest.mark.parametrize("stock, told", [("events-x", "no stock type"), ("bool-x", "no stock type"),
                                         ("if_octets-x:rx", "rx, tx"), ("if_octets-x", "rx, tx"),
                                         ("disk_ops-x:rx", "read, write"), ("gauge-{nix}", "label")])
def test_tables_that_collectd_would_refuse(stock, told):
    with pytest.raises(ValueError, match=told):
        CollectdValues([tiny([("t", "a", "counter", "1", "g", "-", "-", stock, "x")])], "xentop")


def test_two_figures_of_one_collectd_value():
    rows = [("t", key, "counter", "1", "g", "-", "-", "derive-x", "x") for key in "ab"]
    with pytest.raises(ValueError, match="same collectd value"):
        CollectdValues([tiny(rows)], "xentop")


def test_what_is_kept_per_domain_goes_with_it():
    publisher = CollectdValues([tiny()], "xentop")
    whos = [Who("d%d" % place) for place in range(9)]
    list(publisher.values(Reading(TIME, {"thing": [(who, (), (1, 2, 3, 4, 5)) for who in whos]})))
    list(publisher.values(thing(whos[0], 1)))
    list(publisher.values(Reading(TIME, {"part": [(None, ("one",), (1, 2))]})))     # another's reading takes nothing of it
    assert {who for entity in publisher._entities for who, _ in entity.identifiers} == {whos[0], None}
