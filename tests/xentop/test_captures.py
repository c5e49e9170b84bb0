"""Every real capture: read right, printed again to the same bytes, and the same whatever pieces it comes in."""
import pytest

from xenmeter.xentop.text.encode import encode
from xenmeter.xentop.text.parse import Parser, parse

from helpers import xentop_cases as cases


@pytest.mark.parametrize("case", cases.TEXTS)
def test_figures_are_those_at_the_columns_positions(case):
    data = cases.text(case)
    rows = [row for iteration in parse(data) for row in iteration.rows]
    expected = [cells for block in cases.by_position(data) for cells in block]
    assert len(rows) == len(expected) > 0 and expected.count(None) <= 1
    for row, cells in zip(rows, expected):
        if cells is None:
            continue
        columns = row.columns
        assert row.name.decode("utf-8", "backslashreplace").strip(" ") == cells["NAME"]
        assert row.state.decode() == cells["STATE"]
        numbers = [None if cells[heading] == "-" else int(cells[heading]) for heading in (
            "CPU(sec)", "MEM(k)", "MAXMEM(k)", "VCPUS", "NETS", "NETTX(k)", "NETRX(k)", "VBDS", "VBD_OO", "VBD_RD",
            "VBD_WR", "VBD_RSECT", "VBD_WSECT", "SSID")]
        assert [columns.cpu_seconds, columns.mem_kib, columns.maxmem_kib, columns.vcpus, columns.nets, columns.nettx_kib,
                columns.netrx_kib, columns.vbds, columns.vbd_oo, columns.vbd_rd, columns.vbd_wr, columns.vbd_rsect,
                columns.vbd_wsect, columns.ssid] == numbers
        assert [columns.cpu_permille, columns.mem_permille, columns.maxmem_permille] == [
            int(cells[heading].replace(".", "")) for heading in ("CPU(%)", "MEM(%)", "MAXMEM(%)")]


@pytest.mark.parametrize("case", cases.TEXTS)
def test_nothing_is_left_out_and_iterations_are_those_that_the_command_asked_for(case):
    parser = Parser()
    iterations = parser.feed(cases.text(case)) + parser.close()
    asked = int(cases.about(case)["command"].split("-i")[1].split()[0])
    assert (len(iterations), parser.skipped, parser.first_skipped) == (asked, 0, None)


@pytest.mark.parametrize("case", cases.TEXTS)
def test_encode_prints_the_capture_again(case):
    flags = cases.flags(case)
    data = cases.text(case)
    again = b"".join(encode(iteration, full_names="f" in flags, nets="n" in flags, vbds="x" in flags, vcpus="v" in flags,
                            repeat_header="r" in flags) for iteration in parse(data))
    if case == "credit2-2pcpu-churn-d1-i12-fnxv":   # xentop never narrows the column of a long name that has gone
        data, again = [b"\n".join(line.strip(b" ") for line in text.split(b"\n")) for text in (data, again)]
    assert again == data


@pytest.mark.parametrize("case", cases.TEXTS)
@pytest.mark.parametrize("size", [1, 7, 163, 4096])
def test_pieces_of_any_size_give_the_same(case, size):
    data = cases.text(case)
    if size == 1 and len(data) > 70000:
        data = data[:70000]
    parser = Parser()
    found = []
    for start in range(0, len(data), size):
        found.extend(parser.feed(data[start:start + size]))
    assert found + parser.close() == parse(data)


def test_what_curses_paints_is_no_iteration():
    parser = Parser()
    assert parser.feed(cases.text("credit2-2pcpu-pipe-tty")) + parser.close() == []
    assert parser.skipped > 0 and parser.first_skipped[0] == 0


@pytest.mark.parametrize("case", ["credit2-2pcpu-b-d1-i3-fnxvr", "odd-names-oddnames-fnxv"])
def test_cut_at_any_byte_every_iteration_is_a_true_one(case):
    """A cut may take rows off the end of the last iteration; it never changes a figure."""
    data = cases.text(case)
    whole = parse(data)
    for end in range(len(data)):
        found = parse(data[:end])
        assert found[:-1] == whole[:max(0, len(found) - 1)]
        for row, true in zip(found[-1].rows if found else (), whole[len(found) - 1].rows):
            assert (row.name, row.state, row.columns) == (true.name, true.state, true.columns)
            assert row.vcpu_seconds in (None, true.vcpu_seconds)
            assert row.networks == true.networks[:len(row.networks)] and row.vbds == true.vbds[:len(row.vbds)]


def test_a_vifs_bytes_add_up_to_the_column_in_every_capture():
    checked = 0
    for case in cases.TEXTS:
        for iteration in parse(cases.text(case)):
            for row in iteration.rows:
                if row.networks:
                    checked += 1
                    assert sum(net.tx_bytes for net in row.networks) // 1024 == row.columns.nettx_kib
                    assert sum(net.rx_bytes for net in row.networks) // 1024 == row.columns.netrx_kib
    assert checked >= 24    # captures become more
