"""Forms of xentop's text that no capture holds, and damage. Facts: tools/xentop/xentop.c, Xen 4.0 to 4.23."""
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xenmeter.xentop.text.encode import encode
from xenmeter.xentop.text.parse import MAX_LINE, Parser, parse
from xenmeter.xentop.text.records import Iteration

from helpers.xentop_rows import dead_disk, disk, iterations, net, row, streams, without_sectors


def lines(*rows, **how):
    return encode(Iteration(list(rows)), **how).split(b"\n")[:-1]


def read(data, **how):
    parser = Parser(**how)
    return parser.feed(data) + parser.close(), parser.skipped


def names(iterations):
    return [[row.name for row in iteration.rows] for iteration in iterations]


@settings(max_examples=40, deadline=None)
@given(streams(2))
def test_what_is_encoded_is_read_back(wanted):
    assert read(b"".join(encode(iteration) for iteration in wanted)) == (wanted, 0)


@settings(max_examples=40, deadline=None)
@given(streams(2), streams(1))
def test_columns_without_sectors_are_read_back(old, new):
    """Xen 3.1 to 4.0; a header that has them again is believed."""
    old = [without_sectors(iteration) for iteration in old]
    for one in old + new:
        one.pcpus = None        # a xentop prints them always or never
    text = b"".join(encode(iteration, sectors=False) for iteration in old)
    assert read(text) == (old, 0)
    assert read(text + encode(new[0])) == (old + new, 0)


@settings(max_examples=100, deadline=None)
@given(iterations(), st.data())
def test_a_cut_never_changes_a_figure(iteration, data):
    text = encode(iteration)
    found, _ = read(text[:data.draw(st.integers(0, len(text)))])
    for got, true in zip(found[0].rows if found else (), iteration.rows):
        assert (got.name, got.state, got.columns) == (true.name, true.state, true.columns)
        assert got.networks == true.networks[:len(got.networks)]


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=2000), st.integers(1, 50))
def test_random_bytes_are_no_figures(data, size):
    parser = Parser()
    found = []
    for start in range(0, len(data), size):
        found.extend(parser.feed(data[start:start + size]))
    assert found + parser.flush() + parser.close() == []


@settings(max_examples=30, deadline=None)
@given(streams(3), st.data())
def test_after_a_damaged_iteration_the_next_but_one_is_whole(wanted, data):
    """Whatever is lost inside the first, the third is untouched: damage reaches to the next header at the most. (Of one
    row nothing tells that what came before is not of the same iteration, as under -r; then it says that lines are missing.)"""
    texts = [encode(iteration) for iteration in wanted]
    start = data.draw(st.integers(0, len(texts[0]) - 1))
    end = data.draw(st.integers(start, len(texts[0])))
    found, _ = read(texts[0][:start] + data.draw(st.binary(max_size=30)) + texts[0][end:] + texts[1] + texts[2])
    if len(wanted[2].rows) == 1 and found[-1].skipped:
        assert (found[-1].rows[-1:], found[-1].pcpus) == (wanted[2].rows, wanted[2].pcpus)
    else:
        assert found[-1] == wanted[2]


@pytest.mark.parametrize("rows, skipped", [(1, 2), (2, 0)])
def test_lines_before_a_header_are_the_next_iterations_only_with_a_header_for_each_row(rows, skipped):
    """A header that is a blank too wide, as after the rest of a damaged one: no row before the next header can be read."""
    text = encode(Iteration([row(b"web%d" % number) for number in range(rows)]))
    found, _ = read(b" " + text.replace(b"Net", b"") + text)
    assert [iteration.skipped for iteration in found] == [skipped]


def test_special_values():
    strange = row(b"web", maxmem_kib=None, maxmem_permille=None, cpu_permille=None, disks=[dead_disk()])
    text = encode(Iteration([strange]))
    assert b"no limit" in text and b"n/a" in text and b" nan " in text and b" - " in text
    assert read(text) == ([Iteration([strange])], 0)
    for word in (b" inf ", b"-nan "):
        assert read(text.replace(b" nan ", word)) == ([Iteration([strange])], 0)


def test_a_wrapped_percentage_is_read_as_printed():
    found, _ = read(encode(Iteration([row(b"web", cpu_permille=6148914689570)])))
    assert found[0].rows[0].columns.cpu_permille == 6148914689570


@pytest.mark.parametrize("vcpus, printed", [
    ([0, 1, 2, 3, 4, 6, 7, 8, 9, 11], [10]),            # 5 and 10 are offline
    ([10], [0, 1]), ([5], [0, 1]), ([0, 5], [1, 1]), ([0, 5, 10, 15], [1, 1, 1, 1]), ([], [0]),
    ([1, 2, 3, 4, 6, 7, 8, 9, 11, 12, 13, 14, 16], [13]), (list(range(0, 26, 2)), [5, 5, 3]), (list(range(11)), [5, 5, 1]),
    ([vcpu for vcpu in range(512) if vcpu % 5], [409]),
])
def test_a_line_of_vcpus_breaks_before_each_multiple_of_five(vcpus, printed):
    """tools/xentop/xentop.c, print_vcpus: those of them that are online."""
    wanted = Iteration([row(b"big", vcpu=[(vcpu, 100 + vcpu) for vcpu in vcpus], vcpus=512, nets=[net()], disks=[disk()])])
    text = encode(wanted)
    found = [line for line in text.split(b"\n") if line.startswith((b"VCPUs(sec): ", b"         "))]
    assert [len(re.findall(rb"\d: +\d+s", line)) for line in found] == printed
    assert read(text) == ([wanted], 0)
    for size in (1, 7, 64):
        parser = Parser()
        pieces = [one for start in range(0, len(text), size) for one in parser.feed(text[start:start + size])]
        assert pieces + parser.close() == [wanted]


@pytest.mark.parametrize("damaged", [b"          0:        100s", b"          4:        100s", b"          5:        100s  x",
                                     b"          5:         10", b"         ", b"          5        100s"])
def test_vcpus_that_do_not_go_on_are_left_out(damaged):
    text = lines(row(b"big", vcpu=[(vcpu, 1) for vcpu in range(7)]))
    assert len(text) == 4
    found, skipped = read(b"\n".join(text[:3] + [damaged, b""]))
    assert skipped == 1 and found[0].rows[0].vcpu_seconds == [(vcpu, 1) for vcpu in range(5)]


@pytest.mark.parametrize("dev, shown", [(51712, b"51712 [ca: 0]"), (2 ** 31, b"-2147483648 [800000: 0]"),
                                        (2 ** 32 - 1, b"  -1 [ffffff:ff]"), (2 ** 32 - 202, b"-202 [ffffff:36]")])
def test_device_numbers_are_unsigned_and_printed_as_signed(dev, shown):
    wanted = Iteration([row(b"web", disks=[disk(dev)])])
    assert b"VBD BlkBack " + shown + b"  OO:" in encode(wanted)
    assert read(encode(wanted)) == ([wanted], 0)


def test_a_header_before_each_row_does_not_end_an_iteration():
    text = encode(Iteration([row(b"alpha"), row(b"Domain-0"), row(b"web")]), repeat_header=True)
    assert names(read(text * 3)[0]) == [[b"alpha", b"Domain-0", b"web"]] * 3
    alone = encode(Iteration([row(b"Domain-0")]), repeat_header=True)
    assert names(read(alone * 3)[0]) == [[b"Domain-0"]] * 3


def test_repeated_headers_with_twins_and_with_a_domain_that_comes():
    first = encode(Iteration([row(b"Domain-0"), row(b"web"), row(b"web")]), repeat_header=True)
    second = encode(Iteration([row(b"alpha"), row(b"Domain-0"), row(b"web")]), repeat_header=True)
    assert names(read(first + second)[0]) == [[b"Domain-0", b"web", b"web"], [b"alpha", b"Domain-0", b"web"]]


@pytest.mark.parametrize("twins", [2, 3])
def test_repeated_headers_and_twins_that_sort_first(twins):
    rows = [row(b"app")] * twins + [row(b"Domain-0"), row(b"web")]
    text = encode(Iteration(rows), repeat_header=True)
    assert names(read(text * 3)[0]) == [[one.name for one in rows]] * 3


def test_repeated_headers_and_dom0_that_is_alone_at_first():
    text = b"".join([encode(Iteration([row(name) for name in printed]), repeat_header=True)
                     for printed in ([b"Domain-0"], [b"Domain-0", b"web"])])
    assert names(read(text)[0]) == [[b"Domain-0"], [b"Domain-0", b"web"]]


def test_dom0_alone_and_then_a_guest_that_sorts_before_it():
    alone = encode(Iteration([row(b"Domain-0")]))
    assert names(read(alone * 2 + encode(Iteration([row(b"alpha"), row(b"Domain-0")])))[0]) == [
        [b"Domain-0"], [b"Domain-0"], [b"alpha", b"Domain-0"]]


def test_dom0_first_with_repeated_headers():
    text = encode(Iteration([row(b"Domain-0"), row(b"alpha"), row(b"web")]), repeat_header=True)
    assert names(read(text * 2)[0]) == [[b"Domain-0", b"alpha", b"web"]] * 2


def test_the_pcpu_table_ends_an_iteration_at_once():
    parser = Parser()
    iteration = Iteration([row(b"Domain-0")], [(0, 0), (1, 1000), (127, 555)])
    assert parser.feed(encode(iteration)) == [iteration]


def test_domains_that_share_a_name_are_both_rows():
    text = encode(Iteration([row(b"web", nets=[net()]), row(b"web")]))
    assert names(read(text)[0]) == [[b"web", b"web"]]


@pytest.mark.parametrize("name", [b"two\nlines", b"\nleading", b"trailing\n", b"a\n\nb", b"x\n" + b"y" * 30])
def test_a_name_with_line_ends_in_it(name):
    wanted = Iteration([row(b"Domain-0"), row(name, nets=[net()])])
    assert read(encode(wanted)) == ([wanted], 0)


def test_xen_44_pushes_long_names_to_the_right():
    head, body = lines(row(b"a-rather-long-name"), nets=False, vbds=False, vcpus=False)
    old = head[len(head) - 162:] + b"\n" + body + b"\n"
    assert names(read(old)[0]) == [[b"a-rather-long-name"]]


def test_empty_name():
    assert names(read(encode(Iteration([row(b"")])))[0]) == [[b""]]


def test_lines_of_the_other_form_are_no_figures():
    """Rows and disks of Xen 4.1 and later below a header without sectors, and the other way."""
    wanted = Iteration([row(b"web", disks=[disk()])])
    new = encode(wanted).split(b"\n")
    old = encode(without_sectors(Iteration([row(b"web", disks=[disk()])])), sectors=False).split(b"\n")
    assert read(b"\n".join([new[0]] + old[1:]))[0] == [] == read(b"\n".join([old[0]] + new[1:]))[0]
    for head, rest in ((new, old), (old, new)):
        found, skipped = read(b"\n".join(head[:3] + rest[3:]))
        assert found == [] or found[0].rows[0].vbds == [] and skipped


@pytest.mark.parametrize("header, wrong", [
    (b"      NAME  STATE   CPU(sec) CPU(%)     MEM(k) MEM(%)  MAXMEM(k) MAXMEM(%) VCPUS NETS NETTX(k) NETRX(k) SSID",
     "without VBDS, VBD_OO, VBD_RD, VBD_WR, VBD_RSECT, VBD_WSECT"),
    (encode(Iteration([row(b"web")])).split(b"\n")[0].replace(b" SSID", b" VBD_LAT SSID"), "with VBD_LAT"),
    (encode(Iteration([row(b"web")])).split(b"\n")[0].replace(b" NETS", b" NICS"), "without NETS and with NICS"),
    (encode(Iteration([row(b"web")])).split(b"\n")[0].replace(b"VCPUS NETS", b"NETS VCPUS"), "in another order"),
])
def test_a_header_that_is_not_known_is_told(header, wrong):
    parser = Parser()
    assert parser.feed(header + b"\n" + b"\n".join(lines(row(b"web"))[1:]) + b"\n") + parser.close() == []
    assert parser.foreign == "columns of a xentop that is not known: %s; those of Xen 3.1 to 4.23 can be read" % wrong


class TestFlush:
    """xentop prints no end mark: silence and completeness are one."""

    def test_a_whole_iteration_is_given_out(self):
        parser = Parser("nxv")
        assert parser.feed(encode(Iteration([row(b"web", nets=[net()], disks=[disk()])]))) == []
        assert len(parser.flush()) == 1 and parser.flush() == []

    @pytest.mark.parametrize("missing", [1, 2, 3])
    def test_announced_lines_are_waited_for(self, missing):
        text = lines(row(b"web", nets=[net()], disks=[disk()]))
        parser = Parser("nxv")
        parser.feed(b"\n".join(text[:-missing]) + b"\n")
        assert parser.flush() == []
        parser.feed(b"\n".join(text[-missing:]) + b"\n")
        assert len(parser.flush()) == 1

    def test_what_the_stream_prints_is_learnt(self):
        text = lines(row(b"web", nets=[net()]))
        parser = Parser()
        parser.feed(b"\n".join(text) + b"\n")
        assert len(parser.flush()) == 1
        parser.feed(b"\n".join(text[:-1]) + b"\n")
        assert parser.flush() == []

    def test_half_a_line_is_waited_for(self):
        text = encode(Iteration([row(b"web")]))
        parser = Parser()
        parser.feed(text[:-1])
        assert parser.flush() == []
        parser.feed(text[-1:])
        assert len(parser.flush()) == 1


class TestHeldUp:
    """A pause between two rows, long enough to look like the end of an iteration."""

    ROWS = [row(b"Domain-0"), row(b"web", nets=[net()]), row(b"zeb")]

    def halves(self):
        text = lines(*self.ROWS)
        number = next(index for index, line in enumerate(text) if b" web " in line)
        return b"\n".join(text[:number]) + b"\n", b"\n".join(text[number:]) + b"\n"

    def test_the_rows_that_were_there_before_are_waited_for(self):
        parser = Parser("nxv")
        parser.feed(encode(Iteration(self.ROWS)))
        assert names(parser.flush()) == [[b"Domain-0", b"web", b"zeb"]] and not parser.waits
        first, second = self.halves()
        assert parser.feed(first) == [] and parser.flush() == [] and parser.flush() == [] and parser.waits
        assert parser.feed(second) == [] and parser.flush() == [Iteration(self.ROWS)]

    def test_not_for_ever(self):
        parser = Parser("nxv")
        parser.feed(encode(Iteration(self.ROWS)))
        parser.flush()
        parser.feed(self.halves()[0])
        assert [len(parser.flush()) for _ in range(11)] == [0] * 9 + [1, 0]
        parser.feed(self.halves()[0])
        assert len(parser.flush()) == 1     # they are gone

    def test_a_rest_without_a_header_is_no_whole_iteration(self):
        parser = Parser("nxv")
        first, second = self.halves()
        parser.feed(first)
        assert [iteration.skipped for iteration in parser.flush()] == [0]
        parser.feed(second)
        rest, = parser.flush()
        assert (names([rest]), rest.skipped, parser.skipped) == ([[b"web", b"zeb"]], 1, 0)
        parser.feed(encode(Iteration(self.ROWS)))
        assert parser.flush() == [Iteration(self.ROWS)]


class TestDamage:
    def test_a_line_without_digits_that_were_there_is_no_device_line(self):
        text = lines(row(b"web", nets=[net()], disks=[disk()]))
        for number, cut in ((3, text[3].replace(b" 1000bytes", b"00bytes")), (4, text[4][:-1]),
                            (4, text[4].replace(b"RSECT", b"RSEKT")), (3, text[3].replace(b"Net0", b"Net1")),
                            (2, text[2][:-1]), (2, text[2].replace(b"s", b"", 1)), (2, text[2].replace(b"1s", b"1ss"))):
            assert cut != text[number]
            damaged = text[:number] + [cut] + text[number + 1:]
            found, skipped = read(b"\n".join(damaged) + b"\n")
            assert skipped >= 1
            got = found[0].rows[0] if found else None
            assert got is None or len(got.networks) + len(got.vbds) + (got.vcpu_seconds is not None) < 3

    @pytest.mark.parametrize("old, new", [(b" 131072", b" 13_072"), (b" 131072", b" -31072"), (b" 131072", b" +31072"),
                                          (b"  3.1 ", b"  3,1 "), (b" 131072", b"  0x1f2"), (b"--b---", b"--bb--")])
    def test_what_int_would_take_but_xentop_never_prints(self, old, new):
        text = encode(Iteration([row(b"web")]))
        assert old in text
        assert read(text.replace(old, new, 1))[0] == []

    def test_two_lines_run_into_one_are_not_a_domain(self):
        head, first, second = lines(row(b"aaaaaaaaaa"), row(b"bbbbbbbbbb"), nets=False, vbds=False, vcpus=False)
        for cut in range(18, len(first)):     # a shorter one may be a long name, as Xen 4.4 prints it
            found, skipped = read(b"\n".join([head, first[:cut] + second]) + b"\n")
            assert (found, skipped) == ([], 1), cut

    def test_a_devices_line_whose_row_was_lost_hangs_on_no_other_domain(self):
        text = lines(row(b"aaa"), row(b"bbb", nets=[net()], disks=[disk()]))
        damaged = b"\n".join(text[:3] + [text[3][:50]] + text[4:]) + b"\n"
        found, skipped = read(damaged)
        assert names(found) == [[b"aaa"]] and found[0].rows[0].networks == [] and found[0].rows[0].vbds == []
        assert skipped == 4 and found[0].skipped == 4

    def test_an_endless_line_takes_no_memory(self):
        parser = Parser()
        for _ in range(50):
            assert parser.feed(b"x" * MAX_LINE) == []
        assert len(parser._tail) <= MAX_LINE and parser.skipped == 1
        good = Iteration([row(b"web")], skipped=1)
        assert parser.feed(b"\n" + encode(good)) + parser.close() == [good]

    def test_a_stream_that_begins_inside_an_iteration(self):
        text = lines(row(b"alpha"), row(b"web"), nets=False, vbds=False)
        found, skipped = read(b"\n".join(text[2:]) + b"\n" + b"\n".join(text) + b"\n")
        assert names(found) == [[b"alpha", b"web"]] and skipped == 3

    def test_a_lost_header_after_damage_does_not_merge_two_iterations(self):
        text = lines(row(b"alpha"), row(b"web"), nets=False, vbds=False, vcpus=False)
        found, _ = read(b"\n".join(text + [text[0][:40]] + text[1:] + text) + b"\n")
        assert names(found) == [[b"alpha", b"web"]] * 3

    def test_the_first_thing_left_out_is_remembered_with_its_place(self):
        parser = Parser()
        good = encode(Iteration([row(b"web")]))
        parser.feed(good + b"what is this\n" + b"and that\n")
        assert parser.first_skipped == (len(good), b"what is this") and parser.skipped == 2


def test_parse_gives_all_iterations():
    assert len(parse(encode(Iteration([row(b"web")])) * 4)) == 4
