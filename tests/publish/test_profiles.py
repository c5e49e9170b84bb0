"""Profiles in the forms of other people's programs: names that a guest made up do no harm in any of them."""
import gzip
import io
import json
import xml.etree.ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xenmeter.core.errors import BadInput
from xenmeter.publish import flamesvg, folded, pprof, speedscope

STACKS = [
    ({"domain": "web1", "vcpu": "0", "process": "nginx"}, ("entry", "do_syscall_64", "vfs_read"), 7, 700000000),
    ({"domain": "web1", "vcpu": "1", "process": "nginx"}, ("entry", "do_syscall_64"), 1, 100000000),
    ({"domain": "web1", "vcpu": "1", "process": "<b>&;\x1b[2J"}, ("0x401000",), 2, 200000000)]
#: Any text that a guest may call itself or its processes.
TEXTS = st.text(min_size=1, max_size=30)
ANY = st.lists(st.tuples(st.fixed_dictionaries({"domain": TEXTS, "vcpu": st.just("0"), "process": TEXTS}),
                         st.lists(TEXTS, min_size=1, max_size=5), st.integers(1, 100), st.integers(1, 10 ** 12)), max_size=6)
SVG = "{http://www.w3.org/2000/svg}"


class TestFolded:
    def test_lines(self):
        assert folded.encode(STACKS).decode() == (
            "web1;nginx;entry;do_syscall_64;vfs_read 700000000\nweb1;nginx;entry;do_syscall_64 100000000\n"
            "web1;<b>&:_[2J;0x401000 200000000\n")

    @given(ANY)
    def test_what_is_read_again_is_as_much(self, stacks):
        read = list(folded.decode(io.BytesIO(folded.encode(stacks))))
        assert [ns for _, ns in read] == [ns for _, _, _, ns in stacks]
        assert all(len(frames) == 2 + len(given[1]) for (frames, _), given in zip(read, stacks))

    @pytest.mark.parametrize("text", [b"a;b\n", b"a;b x\n", b" 5\n", b"a -5\n", b"a 99999999999999999999\n", b"\xff\xfe\n",
                                      "a \u00b2\n".encode(), "a \u0661\n".encode()])
    def test_what_is_none(self, text):
        with pytest.raises(BadInput, match="no line of folded stacks at byte 4"):
            list(folded.decode(io.BytesIO(b"a 1\n" + text)))


class TestFlameGraph:
    def test_boxes_are_as_wide_as_their_time(self):
        tree = xml.etree.ElementTree.fromstring(flamesvg.encode(STACKS, "a <title>"))
        boxes = {}
        for group in tree.iter(SVG + "g"):
            title = group.find(SVG + "title")
            if title is not None:
                boxes[title.text.partition(":")[0]] = float(group.find(SVG + "rect").get("width"))
        assert boxes["all"] == boxes["web1"] == pytest.approx(1199.6)
        assert boxes["vfs_read"] == pytest.approx(839.6) and boxes["do_syscall_64"] == pytest.approx(959.6)
        assert [text.text for text in tree.iter(SVG + "text")][0] == "a <title>"

    @given(ANY)
    def test_any_names(self, stacks):
        tree = xml.etree.ElementTree.fromstring(flamesvg.encode(stacks, "any"))
        assert {one.tag for one in tree.iter()} <= {SVG + name for name in ("svg", "g", "rect", "text", "title")}

    def test_a_stack_without_end_is_cut(self):
        deep = [(STACKS[0][0], ("f",) * 100000, 1, 10)]
        assert len(flamesvg.encode(deep, "deep")) < 100000

    def test_nothing_to_see(self):
        assert xml.etree.ElementTree.fromstring(flamesvg.encode([], "no CPU time")).get("width") == "1200"


def _boxes(svg):
    """(name, width, colour, tooltip) of each box."""
    for group in xml.etree.ElementTree.fromstring(svg).iter(SVG + "g"):
        title = group.find(SVG + "title")
        if title is not None:
            rect = group.find(SVG + "rect")
            yield title.text.partition(":")[0], float(rect.get("width")), rect.get("fill"), title.text


class TestDifference:
    BEFORE = [(("web1", "nginx", "main", "old"), 500), (("web1", "nginx", "main", "same"), 500)]
    AFTER = [(("web1", "nginx", "main", "new"), 1000), (("web1", "nginx", "main", "same"), 1000)]

    def test_what_grew_is_red_and_what_shrank_blue(self):
        boxes = list(_boxes(flamesvg.difference(self.BEFORE, self.AFTER, ("before", "after"))))
        names = [name for name, _, _, _ in boxes]
        assert names.count("same") == 2 and names.count("new") == names.count("old") == 1
        told = {name: (width, colour, text) for name, width, colour, text in boxes}
        assert told["new"] == (pytest.approx(599.6), "rgb(255,0,0)", "new: 0.000 s, 50.00 %; before 0.00 %, after 50.00 %")
        assert told["old"][1:] == ("rgb(0,0,255)", "old: 0.000 s, 50.00 %; before 50.00 %, after 0.00 %")
        assert {colour for name, _, colour, _ in boxes if name in ("same", "main", "all")} == {"rgb(235,235,235)"}

    def test_a_change_that_is_small_is_pale(self):
        after = [(("a", "b", "f"), 520), (("a", "b", "g"), 480)]
        told = {name: colour for name, _, colour, _ in _boxes(flamesvg.difference(
            [(("a", "b", "f"), 50), (("a", "b", "g"), 50)], after, ("before", "after")))}
        assert told["f"] == "rgb(255,176,176)" and told["g"] == "rgb(176,176,255)"

    @given(ANY, ANY)
    def test_any_names(self, before, after):
        pairs = [list(folded.decode(io.BytesIO(folded.encode(stacks)))) for stacks in (before, after)]
        tree = xml.etree.ElementTree.fromstring(flamesvg.difference(*pairs, ("<b>", "\x1b")))
        assert {one.tag for one in tree.iter()} <= {SVG + name for name in ("svg", "g", "rect", "text", "title")}


class TestEvents:
    """What is no time is told as the event that was counted."""

    def test_in_each_form(self):
        assert "vfs_read: 700000000 cycles, 70.00 %" in flamesvg.encode(STACKS, "x", "cycles").decode()
        assert json.loads(speedscope.encode(STACKS, "x", "cycles"))["profiles"][0]["unit"] == "none"
        raw = gzip.decompress(pprof.encode(STACKS, 1, 2, 3, (), "cycles"))
        assert b"cycles" in raw and b"nanoseconds" not in raw


class TestSpeedscope:
    def test_profiles(self):
        told = json.loads(speedscope.encode(STACKS, "web1"))
        profile, = told["profiles"]
        assert profile["weights"] == [700000000, 100000000, 200000000] and profile["endValue"] == 10 ** 9
        names = [frame["name"] for frame in told["shared"]["frames"]]
        assert [names[place] for place in profile["samples"][0]] == ["nginx", "entry", "do_syscall_64", "vfs_read"]
        assert all(0 <= place < len(names) for stack in profile["samples"] for place in stack)

    @given(ANY)
    def test_any_names(self, stacks):
        told = json.loads(speedscope.encode(stacks, "any"))
        assert sum(profile["endValue"] for profile in told["profiles"]) == sum(ns for _, _, _, ns in stacks)


@given(ANY)
def test_pprof_is_whole(stacks):
    """Each field's length holds; the texts are those of the stacks."""
    data = gzip.decompress(pprof.encode(stacks, 1, 2, 3, ["a comment"]))
    at, texts = 0, []

    def number():
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value
    samples = 0
    while at < len(data):
        field = number()
        if field & 7 == 2:
            size = number()
            if field >> 3 == 6:
                texts.append(data[at:at + size].decode())
            samples += field >> 3 == 2
            at += size
        else:
            number()
    assert at == len(data) and samples == len(stacks) and texts[0] == "" and len(set(texts)) == len(texts)
    assert {frame for _, frames, _, _ in stacks for frame in frames} <= set(texts)
