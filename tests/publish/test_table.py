"""The table for people."""
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.publishing import HOSTILE, TIME, UUID, full, real, reading, tiny
from xenmeter.core.reading import Reading, Who
from xenmeter.publish.table import Block, Column, Table, humanise
from xenmeter.publish.text import display_width

THINGS = Block("thing", "things", [
    Column("NAME", "domain", width=12), Column("CPU", "share_ppm"), Column("MEM", "level"), Column("TIME", "time_ns"),
    Column("UP", "up"), Column("TWICE", lambda who, labels, known: known["count"] and 2 * known["count"], "1")])


def test_a_block():
    rows = [(Who("web"), (), (1, 1500000000, 512 << 20, 408000, 1)),
            (Who("\u65e5\u672c"), (), (None, None, None, None, None)),
            (Who("a-very-long-name"), (), (21, 90 * 10 ** 9, 3 << 29, 4000000, 0))]
    empty = Block("part", "parts", [Column("RX", "rx")])
    assert Table([tiny()], [THINGS, empty]).render(reading(thing=rows, part=[])) == (
        "things\n"
        "NAME             CPU        MEM   TIME   UP  TWICE\n"
        "web            40.8%  512.0 MiB  1.5 s  yes      2\n"
        "\u65e5\u672c               -          -      -    -      -\n"
        "a-very-long~  400.0%    1.5 GiB  1m30s   no     42\n")


def test_real_catalogues_and_groups():
    blocks = [Block("domain", "", [Column("ID", "domid"), Column("NAME", "domain"), Column("UUID", "uuid"),
                                   Column("START", "start_time_ns", "time"), Column("VIFS", "vifs")]),
              Block("vbd", "", [Column("DOMAIN", "domain"), Column("ID", "domid"), Column("VBD", "vbd"),
                                Column("READ", "read_bytes")]),
              Block("host", "", [Column("DOMAINS", "domains")])]
    text = Table(real(), blocks, groups={"state", "disk"}).render(full(1))
    assert UUID[:-1] + "0" in text and "1970-01-01 00:00:00Z" in text and "VIFS" not in text and "DOMAINS" not in text
    assert "DOMAIN  ID  VBD        READ\nweb0     0  xvda  " in text


@pytest.mark.parametrize("value, unit, text", [
    (None, "bytes", "-"), (0, "bytes", "0 B"), (1023, "bytes", "1023 B"), (1024, "bytes", "1.0 KiB"),
    (1048575, "bytes", "1.0 MiB"), (1 << 40, "bytes", "1.0 TiB"), (1 << 80, "bytes", "1048576.0 EiB"),
    (999, "ns", "999 ns"), (1000, "ns", "1 us"), (999499, "ns", "999 us"), (999500, "ns", "1 ms"),
    (-1500, "ns", "-1.5 us"),
    (59949999999, "ns", "59.9 s"), (59950000000, "ns", "1m00s"), (3599500000000, "ns", "1h00m"),
    (86400 * 10 ** 9, "ns", "1d00h"), (199 * 3600 * 10 ** 9, "ns", "8d07h"), (0, "ppm", "0.0%"), (1, "1", "1"),
    (TIME, "time", "2023-11-14 22:13:20Z"), (True, "bool", "yes")])
def test_humanise(value, unit, text):
    assert humanise(value, unit) == text


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_keep_the_lines_whole(name):
    rows = [(Who(name), (), (1, 2, 3, 4, 5)), (Who("web"), (), (1, 2, 3, 4, 5))]
    text = Table([tiny()], [Block("thing", "", [Column("NAME", "domain", width=20), Column("N", "count")])]).render(
        Reading(TIME, {"thing": rows}))
    title, first, second, end = text.split("\n")
    assert end == "" and title.startswith("NAME") and all(line.isprintable() for line in (first, second))
    assert display_width(first) == display_width(second) == display_width(title) <= 23 and first.endswith("  1")


@given(st.text(), st.text())
def test_any_label_and_title(label, title):
    text = Table([tiny()], [Block("part", title, [Column(title, "part"), Column("RX", "rx")])]).render(
        Reading(TIME, {"part": [(None, (label,), (1, 2))]}))
    assert text.replace("\n", "").isprintable() and len(text.split("\n")) == (4 if title else 3)


@pytest.mark.parametrize("block, told", [
    (Block("nothing", "", []), "no entity nothing"), (Block("thing", "", [Column("X", "nix")]), "thing has no nix"),
    (Block("thing", "", [Column("X", "count", "parsec")]), "unit parsec")])
def test_specifications_that_do_not_fit(block, told):
    with pytest.raises(ValueError, match=told):
        Table([tiny()], [block])
