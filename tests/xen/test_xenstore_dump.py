"""The text of xenstore-ls, both ways, and the store that answers from it."""
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xenmeter.core.errors import BadInput
from xenmeter.xen.storedump import DumpStore, encode_dump, parse_dump

CASES = os.path.join(os.path.dirname(__file__), "..", "..", "fixtures", "xenstore")
CAPTURES = sorted(case for case in os.listdir(CASES) if os.path.isdir(os.path.join(CASES, case)))

paths = st.lists(st.text("azAZ09-_@", min_size=1, max_size=8), min_size=1, max_size=4).map(
    lambda names: "".join("/" + name for name in names).encode())
values = st.one_of(st.binary(max_size=40), st.sampled_from(
    [b'"', b'"   (n0)', b"\\x41", b"a\nb\t\r\\", b' = "', b"\0\x07\x08\x7f"]))
stores = st.dictionaries(paths, values, max_size=8)


def capture(case):
    with open(os.path.join(CASES, case, "xenstore-ls.txt"), "rb") as file:
        return file.read()


@given(stores, st.sampled_from([None, b"n0", b"n0,r3", b"b1,w22"]))
def test_round_trip(nodes, permissions):
    assert parse_dump(encode_dump(nodes, permissions)) == nodes


@pytest.mark.parametrize("case", CAPTURES)
def test_captures_are_read_whole_and_written_the_same(case):
    text = capture(case)
    nodes = parse_dump(text)
    assert len(nodes) == text.count(b"\n")
    lines = [line.rpartition(b"   (")[0] for line in text.splitlines()]
    assert encode_dump(nodes).splitlines() == lines


def test_escapes_as_xenstore_ls_prints_them():
    assert encode_dump({b"/a": b'x"y\t\n\r\\\0\x07\x08\x1f \x7f~\xc3\xa4'}) == (
        b'/a = "x"y\\t\\n\\r\\\\\\000\\007\\x08\\x1f \\x7f~\\xc3\\xa4"\n')


def test_nodes_that_vanished_are_not_there():
    assert parse_dump(b'/a = "1"   (n0)\n/b:\n\n/c:\n  (n0,r1)\n/d = "" \n/e:\n') == {b"/a": b"1", b"/d": b""}
    assert parse_dump(b'/b:\n/a = "1"\n') == {b"/a": b"1"}
    assert parse_dump(b"") == {}


@pytest.mark.parametrize("text, offset", [
    (b"x\n", 0), (b'/a = "1"\n\n/b = "2"\n', 9), (b'/a = "1"\n/b = "2', 15), (b'/a = "1"', 8), (b'/a = "\\q"\n', 6),
    (b'/a = "\\\\\\x4"\n', 8), (b'/a = "\\777"\n', 6), (b'/a b = "1"\n', 0), (b'a = "1"\n', 0), (b'/ = "1"\n', 0),
    (b'//a = "1"\n', 0), (b'/a = "1"  (n0)\n', 6), (b'/a = "1"   (n0\n', 6), (b'/a = 1\n', 0), (b'/a/:\n', 0),
])
def test_what_xenstore_ls_does_not_print(text, offset):
    with pytest.raises(BadInput) as caught:
        parse_dump(text)
    assert caught.value.offset == offset


@given(st.lists(st.one_of(st.binary(max_size=12), st.sampled_from(
    [b'/a = "', b'"\n', b'"   (n0)\n', b"/b:\n", b"\n", b"\\", b"\\x4", b'"'])), max_size=8).map(b"".join))
def test_random_text_is_read_or_refused(text):
    try:
        nodes = parse_dump(text)
    except BadInput as error:
        assert 0 <= error.offset <= len(text)
    else:
        assert parse_dump(encode_dump(nodes)) == nodes


@given(st.integers(min_value=0))
def test_a_dump_that_was_cut_is_refused_unless_between_lines(at):
    text = capture(CAPTURES[0])
    at %= len(text)
    if at and text[at - 1:at] != b"\n":
        with pytest.raises(BadInput):
            parse_dump(text[:at])
    else:
        assert len(parse_dump(text[:at])) == text[:at].count(b"\n")


@pytest.mark.parametrize("path", [b"", b"/", b"a", b"/a b", b"/a/", b"/a\n"])
def test_paths_that_no_store_has(path):
    with pytest.raises(ValueError):
        encode_dump({path: b""})


def test_dump_store_answers_as_xenstore_does(server, store):
    nodes = dict(server.values)
    nodes.pop(b"/")
    dump = DumpStore({path: value for path, value in nodes.items() if value})
    for path in server.values:
        assert dump.read(path) == store.read(path)
        assert sorted(dump.directory(path)) == sorted(store.directory(path))
    assert dump.read("/nothing") is store.read("/nothing") is None
    assert dump.directory("/nothing") == store.directory("/nothing") == []
    paths = ["/local/domain/1/name", "/nothing"]
    assert dump.read_many(paths) == store.read_many(paths)
    assert dump.directory_many(["/local", "/nothing"]) == store.directory_many(["/local", "/nothing"])


@given(stores)
def test_dump_store_has_every_node_and_its_parents(nodes):
    dump = DumpStore(nodes)
    seen = {}

    def walk(path):
        for name in dump.directory(path):
            child = path.rstrip(b"/") + b"/" + name
            seen[child] = dump.read(child)
            walk(child)
    walk(b"/")
    assert {path: seen[path] for path in nodes} == nodes
    assert all(value == b"" or path in nodes for path, value in seen.items())
