"""Rows by compiled code are those of Python, whatever the text is and wherever its pieces end."""
import pathlib
import sys

import pytest
from fuzz.objects import built
from hypothesis import given, settings
from hypothesis import strategies as st
from tools.compiler import build_shared

from xenmeter.xentop.text import batches as batching
from xenmeter.xentop.text.encode import encode
from xenmeter.xentop.text.parse import Parser
from xenmeter.xentop.text.records import Iteration

from helpers import xentop_cases as cases
from helpers.xentop_rows import dead_disk, disk, net, row, streams, without_sectors

SOURCE = pathlib.Path(batching.__file__).with_name("rows.c")


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    """The compiled reader, built with the flags of setup.py, or with the sanitizers of a run of test_sanitized."""
    found = batching.batches(built("rows") or build_shared(SOURCE, tmp_path_factory.mktemp("rows") / "_rows.so",
                                                           "-Wall", "-Wextra", "-Werror"))
    assert found is not None
    return found


class Watched:
    """A compiled reader that counts its rows."""

    def __init__(self, compiled):
        self.compiled, self.number = compiled, 0

    def rows(self, *where):
        for one in self.compiled.rows(*where):
            self.number += 1
            yield one


def same(compiled, *pieces):
    """That both ways give the same of these pieces; how many rows compiled code has read."""
    told = []
    watched = Watched(compiled)
    for reader in (watched, None):
        parser = Parser()
        parser._batches = reader
        found = [parser.feed(piece) if piece else parser.flush() for piece in pieces] + [parser.close()]
        told.append((found, parser.skipped, parser.first_skipped, parser._offset, parser._kinds))
    assert told[0] == told[1]
    return watched.number


@pytest.mark.parametrize("case", cases.TEXTS)
def test_recorded_texts(case, compiled):
    text = cases.text(case)
    same(compiled, text)
    same(compiled, *[text[start:start + 1000] for start in range(0, len(text), 1000)])


def test_most_recorded_texts_are_read_by_compiled_code(compiled):
    assert len([case for case in cases.TEXTS if same(compiled, cases.text(case))]) > len(cases.TEXTS) // 2


@settings(max_examples=100, deadline=None)
@given(streams(3), st.data())
def test_any_text_in_any_pieces_with_any_damage(compiled, wanted, data):
    text = b"".join(encode(iteration) for iteration in wanted)
    for _ in range(data.draw(st.integers(0, 3))):
        at = data.draw(st.integers(0, len(text)))
        damage = data.draw(st.one_of(st.binary(max_size=30), st.sampled_from([b"\n", b" ", b"9" * 19, b"1" * 18, b"-", b"VBD "])))
        text = text[:at] + damage + text[at + data.draw(st.integers(0, 100)):]
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=4)))
    same(compiled, *[text[begin:end] for begin, end in zip([0] + cuts, cuts + [len(text)])])


def host(number=600, **more):
    return Iteration([row(b"Domain-0")] + [
        row(b"guest-%04d" % place, nets=[net(0), net(1)], disks=[disk(), disk(51728)],
            vcpu=[(vcpu, place) for vcpu in range(7)], **more)
        for place in range(number)])


def test_a_large_host_is_read_by_compiled_code(compiled):
    assert same(compiled, encode(host()) * 2) == 2 * 601


def test_rows_with_special_values_and_what_follows_them_are_pythons(compiled):
    rows = host(5).rows + [row(b"limitless", maxmem_kib=None, maxmem_permille=None, nets=[net()], disks=[disk()]),
                           row(b"dead", nets=[net()], disks=[dead_disk()]), row(b"none", vcpu=[]), row(b"huge", mem_kib=10 ** 18)]
    assert same(compiled, encode(Iteration(rows)) * 2) == 2 * 7


@pytest.mark.parametrize("change", [
    (b"Net1 RX", b"Net2 RX"), (b"bytes", b"byte"), (b"TX:", b"TX "), (b"drop\n", b"drop \n"), (b"WSECT:", b"WSECT"),
    (b"VBD BlkBack 51728", b"VBD BlkBack 5172x"), (b"VBD BlkBack 51728", b"VBDBlkBack 51728"), (b"  RD:", b"RD:"),
    (b"OO:", b"00:"), (b"0:", b"0"), (b"          ", b"         "), (b"\n", b"\r\n"), (b"VCPUs(sec): ", b"VCPUs(sec):"),
    (b"    0.5", b"    0,5"), (b" 3.1", b" +3.1"), (b"guest-0002 ", b"guest-0002\t"), (b"--b---", b"--x---"),
    (b"--b---", b"VBD --b---"), (b" 6:", b" 4:"), (b"5:", b"3:"), (b"131072", b"1" * 18), (b"131072", b"1" * 17),
    (b"131072", b"0" * 15 + b"131072"), (b"11pkts", b"1" * 19 + b"pkts"), (b"11pkts", b"1" * 18 + b"pkts")])
def test_what_is_not_quite_so_is_judged_as_python_judges(change, compiled):
    text = encode(host(5))
    assert change[0] in text
    for damaged in (text.replace(*change), text.replace(*change, 3), text[::1].replace(change[0], change[1], 1)):
        assert damaged != text
        same(compiled, damaged + text)


@pytest.mark.parametrize("blanks, skipped", [(0, 0), (1, 1), (39, 1)])
def test_a_line_of_vcpus_is_empty_or_damaged_whoever_reads_it(blanks, skipped, compiled):
    """xentop ends the line behind its title where no vCPU is online: more blanks are where numbers were."""
    text = encode(Iteration([row(b"Domain-0"), row(b"busy", vcpu=[])])).replace(
        b"VCPUs(sec): \n", b"VCPUs(sec): " + b" " * blanks + b"\n")
    lines = text.splitlines(True)
    assert b"VCPUs(sec): " + b" " * blanks + b"\n" in lines
    for pieces in ([text], lines, [text[at:at + 1] for at in range(len(text))]):
        same(compiled, *pieces)
        for reader in (compiled, None):
            parser = Parser()
            parser._batches = reader
            found = [one for piece in pieces for one in parser.feed(piece)] + parser.close()
            assert [len(one.rows) for one in found] == [2] and parser.skipped == skipped
            assert found[0].rows[1].vcpu_seconds == (None if skipped else [])


def test_more_lines_of_a_row_than_there_is_room_for(compiled):
    many = row(b"many", nets=[net(index) for index in range(1500)], disks=[disk(number) for number in range(1500)],
               vcpu=[(vcpu, 5) for vcpu in range(3000)])
    same(compiled, encode(Iteration([row(b"Domain-0"), many, row(b"web")])) * 2)


def test_old_texts_and_names_with_line_ends(compiled):
    assert same(compiled, encode(without_sectors(host(5)), sectors=False) * 2) == 0
    same(compiled, encode(Iteration([row(b"Domain-0"), row(b"a\nb"), row(b"web", nets=[net()])])) * 3)


def test_nothing_is_kept_that_is_not_used(compiled):
    text, parser = encode(host(20)), Parser("nxv")
    parser._batches = compiled
    for number in range(60):
        parser.feed(text)
        parser.flush()
        if number == 40:
            before = sys.getallocatedblocks()
    assert sys.getallocatedblocks() - before < 100


def test_an_object_of_another_release_is_not_used(tmp_path, monkeypatch):
    path = build_shared(SOURCE, tmp_path / "rows.so")
    assert batching.batches(path) is not None
    monkeypatch.setattr(batching, "_ABI", 99)
    assert batching.batches(path) is None
