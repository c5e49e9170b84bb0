"""The compiled reader of the kernel's counters and its Python twin: the same of the same bytes, whatever these are."""
import os
from array import array

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from helpers.sysfs import HEADER, net_dev

from xenmeter.core.errors import BadInput
from xenmeter.xen import blkback, compiled
from xenmeter.xen.netdev import NetDev, parse_net_dev

numbers = st.one_of(st.integers(0, 2 ** 65), st.integers(2 ** 64 - 2, 2 ** 64 + 1))
names = st.text(st.characters(blacklist_categories=("Cs",)), min_size=1, max_size=20)
lines = st.builds(lambda name, figures, gap: "%s:%s\n" % (name, gap + gap.join(map(str, figures))),
                  names, st.lists(numbers, min_size=15, max_size=17), st.sampled_from([" ", "  ", "\t"]))
texts = st.one_of(st.lists(lines, max_size=4).map(lambda found: "".join(found).encode()), st.binary(max_size=120),
                  st.lists(st.sampled_from([b"vif1.0:", b" 1" * 16, b"\n", b"\r", b":", b" ", b"-1", b"18446744073709551616",
                                            b"\x0b"]), max_size=12).map(b"".join))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=300)
@given(texts)
@example(b"")
@example(b"  vif1.0 : " + b" 18446744073709551615" * 16 + b"\n")
@example(b"a:b: 1" + b" 2" * 15 + b"\r\n")
def test_any_net_dev(compiled_counts, body):
    data = HEADER + body
    try:
        expected = parse_net_dev(data)
    except BadInput:
        with pytest.raises(BadInput):
            NetDev(compiled_counts).parse(data)
    else:
        found, counters = NetDev(compiled_counts).parse(data)
        assert list(zip(found, counters)) == expected


def test_names_are_the_same_object_while_they_are_the_same(compiled_counts):
    for read in (compiled_counts, None):
        parser = NetDev(read)
        first = parser.parse(net_dev("lo", "vif1.0"))
        assert parser.parse(net_dev("lo", "vif1.0"))[0] is first[0]
        assert parser.parse(net_dev("lo", "vif2.0"))[0] == ["lo", "vif2.0"]


def test_another_text_than_linux_prints(compiled_counts):
    for text in (b"", b"Inter-|", HEADER[:-1]):
        with pytest.raises(BadInput):
            NetDev(compiled_counts).parse(text)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.one_of(st.binary(max_size=40), st.integers(-2 ** 63, 2 ** 70).map(lambda number: b"%d\n" % number),
                          st.text("-0123456789 \n\x0b", max_size=24).map(str.encode)), max_size=8))
def test_any_files(compiled_counts, tmp_path_factory, contents):
    folder = tmp_path_factory.mktemp("files")
    files = array("i")
    for number, data in enumerate(contents):
        (folder / str(number)).write_bytes(data)
        files.append(os.open(str(folder / str(number)), os.O_RDONLY))
    try:
        expected, wrong = blkback._read_files(files)
        out, bad = compiled_counts.files(files)
        assert bad == wrong and [value for value, one in zip(out, bad) if not one] == [
            value for value, one in zip(expected, wrong) if not one]
    finally:
        for file in files:
            os.close(file)


def test_an_object_of_another_release(tmp_path, monkeypatch, counts_object):
    assert compiled.load(str(tmp_path / "none.so")) is None
    monkeypatch.setattr(compiled, "ABI", 99)
    assert compiled.load(counts_object) is None


def test_it_is_switched_off(monkeypatch):
    monkeypatch.setenv("XENMETER_COMPILED", "0")
    assert compiled.load() is None
