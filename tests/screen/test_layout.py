"""The layout for any size, key and name: as wide and high as it must be, nothing that moves a cursor, never a wrong figure."""
import copy
import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.screen_samples import sample_of
from helpers.terminal_stage import KHZ, START, unpacked
from xenmeter.front.cli import main
from xenmeter.front.screen import text as texts
from xenmeter.front.screen.history import History
from xenmeter.front.screen.layout import SMALLEST, Status, draw
from xenmeter.front.screen.live import Rest
from xenmeter.front.screen.tables import pcpu_rows
from xenmeter.front.screen.text import STYLES, Glyphs, brief, cell, count, fit, percent, short, spark, width_of
from xenmeter.front.screen.view import View
from xenmeter.publish.text import display_width

SECOND = 10 ** 9


def history_of(names, steps=3, **how):
    history = History()
    for step in range(1, steps + 1):
        history.add(sample_of(step, names, **how))
    return history


def text_of(frame):
    return "\n".join("".join(text for text, _ in line) for line in frame.lines)


KEYS = list("cnpvdsSr hx/f?jk") + ["up", "down", "pageup", "pagedown", "home", "end", "enter", "escape", "backspace"]
NAMES = st.lists(st.one_of(st.text(max_size=70), st.binary(max_size=40)), max_size=6)


@settings(max_examples=150)
@given(NAMES, st.integers(0, 260), st.integers(0, 80), st.lists(st.sampled_from(KEYS), max_size=12), st.booleans(),
       st.integers(0, 3), st.sampled_from(["", "no baker\x1b[2J runs"]), st.integers(0, 1000000))
def test_any_size_names_and_keys(names, width, height, keys, unicode, lost, message, rest):
    history = history_of(names, steps=2, lost=lost, rest=rest)
    glyphs, view = Glyphs(unicode), View()
    status = Status("a\x07b\u65e5", "paused", message, 7 * SECOND)
    for key in keys + [""]:
        before = copy.deepcopy(vars(view))
        frame = draw(history, view, status, width, height, glyphs)
        assert vars(view) == before                     # drawing changes nothing
        if width and height:
            assert len(frame.lines) == height and {width_of(line) for line in frame.lines} == {width}
        for line in frame.lines:
            for text, style in line:
                assert style in STYLES and text.isprintable() and (unicode or text.isascii()), text
        view.settle(frame.rows, frame.page)
        if key:
            view.key(key, [number for number, _, _ in pcpu_rows(history)])


def test_every_domain_can_be_chosen_and_is_seen_then():
    history, view = history_of(["guest-%02d" % number for number in range(40)]), View()
    view.sort = "name"
    for number in range(40):
        frame = draw(history, view, Status("x", "", "", 0), 80, 24, Glyphs(True))
        view.settle(frame.rows, frame.page)
        assert frame.rows == 40 and 3 <= frame.page <= 12
        assert any(style == "chosen" and "guest-%02d" % number in text for line in frame.lines for text, style in line)
        view.key("down", [])
    view.key("end", [])
    view.key("up", [])
    assert view.place == 38


def test_the_figures_are_those_of_the_history():
    text = text_of(draw(history_of(["web"]), View(), Status("x", "", "", 0), 160, 30, Glyphs(True)))
    row = next(line for line in text.splitlines() if line.startswith("web ")).split()
    assert row[:9] == ["web", "33.3", "33.3", "33.3", "33.3", "33.3", "33.3", "1.0k", "1"]
    assert "CPU gotten         1.00s     33.3    333us      333ms     33.3    333us" in text
    assert "blocked            1.00s     33.3    333us      333ms     33.3    333us" in text
    assert re.search(r"^blocked per I/O +333ms +333ms *$", text, re.MULTILINE)


def test_lost_records_have_a_line_only_when_there_are_some():
    for lost, shown in ((0, False), (3, True)):
        frame = draw(history_of(["web"], lost=lost), View(), Status("x", "", "", 0), 80, 24, Glyphs(True))
        assert ("LOST RECORDS: 18 in the last minute" in text_of(frame)) == shown
        assert any(style == "lost" for line in frame.lines for _, style in line) == shown


def test_what_to_know_before_one_trusts_a_figure():
    history = history_of(["web"], rest=999999)
    assert "observed" not in text_of(draw(history, View(), Status("x", "", "", 0), 80, 24, Glyphs(True)))
    history = history_of(["web"], rest=120000)
    text = text_of(draw(history, View(), Status("this host", "", "the baker has ended", 9 * SECOND), 80, 24, Glyphs(True)))
    assert "observed 12.0 % of the time" in text and "the baker has ended" in text
    assert "nothing new for 9s" in text_of(draw(history, View(), Status("x", "", "", 9 * SECOND), 80, 24, Glyphs(True)))
    empty = text_of(draw(History(), View(), Status("x", "", "", 0), 80, 24, Glyphs(True)))
    assert "waiting for the first window to end" in empty


def test_a_baker_that_rests_says_so():
    history = history_of(["web"], rest=120000)
    status = Status("this host", "", "", 9 * SECOND, "", Rest(212, 23 * SECOND, 310 * SECOND))
    text = text_of(draw(history, View(), status, 80, 24, Glyphs(True)))
    assert " RESTING for 212s more: 23.0s of 5m observed; --share bounds the baker's cost" in text
    assert "nothing new" not in text and "observed 12.0 %" not in text
    text = text_of(draw(history, View(), status._replace(rest=None), 80, 24, Glyphs(True)))
    assert "observed 12.0 % of the time, 33h of 277h: the baker rests, to bound its cost" in text
    assert "RESTING" not in text and "nothing new for 9s" in text


def test_a_note_that_is_longer_than_the_screen_goes_on_below():
    note = "a baker runs here already: --share 2.5 --cpus 0-3 would be for one of our own"
    for width, lines in ((100, 1), (50, 2)):
        frame = draw(history_of(["web"]), View(), Status("this host", "", "", 0, note), width, 24, Glyphs(True))
        shown = ["".join(text for text, _ in line).strip() for line in frame.lines[2:2 + lines]]
        assert " ".join(shown) == note


@pytest.mark.parametrize("least, most, mean, cells", [
    (1000000, 10000000, 3880000, ("min 1.0ms max 10ms", "3.88ms")), (999400, 999400, 999400, ("min 999us max 999us", "999us")),
    (850, 99600000000, 12345, ("min 850ns max 100s", "12.3us")), (None, None, None, ("-", "-"))])
@pytest.mark.parametrize("width", [44, 80])
def test_every_time_slice_has_a_name(least, most, mean, cells, width):
    """At the narrowest width and at 80 columns, the mean under its heading, the others with a word; nothing touches."""
    history = history_of(["web"])
    for part in [slice_.domains[0, 0] for slice_ in history.slices]:
        part.slices, part.slice_sum, part.slice_min, part.slice_max = (1, mean, least, most) if mean else (0, 0, None, None)
    text = text_of(draw(history, View(), Status("x", "", "", 0), width, 24, Glyphs(True)))
    head, row = (next(line for line in text.splitlines() if word in line) for word in ("per exec", "allocated"))
    shown = head.count("per exec")
    assert row.split() == ["allocated"] + " ".join(cells).split() * shown and shown == (2 if width == 80 else 1)
    for end in [match.end() for match in re.finditer("per exec", head)]:
        assert row[:end].endswith(" " + cells[1]) and row[:end - 8].rstrip().endswith(cells[0])


def test_names_of_any_script_keep_the_columns():
    frame = draw(history_of(["\u65e5\u672c\u8a9e\u306e\u540d\u524d\u3067\u3059", "e\u0301\u0301\u0301", "plain"]), View(),
                 Status("x", "", "", 0), 80, 24, Glyphs(True))
    rows = ["".join(text for text, _ in line) for line in frame.lines[4:7]]
    assert len({display_width(row.partition("33.3")[0]) for row in rows}) == 1


def test_sizes_at_the_border():
    history = history_of(["web"])
    for width, height, small in ((SMALLEST[0], SMALLEST[1], False), (SMALLEST[0] - 1, 99, True), (200, SMALLEST[1] - 1, True)):
        text = text_of(draw(history, View(), Status("x", "", "", 0), width, height, Glyphs(True)))
        assert ("too small" in text) == small and ("web" in text) != small


class TestView:
    def test_pcpus_are_turned_as_in_xenmon(self):
        view = View()
        seen = []
        for key in "cncp" + "pp":
            view.key(key, [0, 2])
            seen.append(view.pcpu)
        assert seen == [0, 2, None, 2, 0, None]
        view.pcpu = 7           # it has gone
        view.key("n", [0, 2])
        assert view.pcpu == 0

    def test_a_filter_is_typed(self):
        view = View()
        for key in ["/", "W", "q", "backspace", "e", "\x1b[", "escape"]:
            view.key(key, [])
        assert not view.quit and view.filter == "" and view.typing is None
        for key in ["f", "W", "e", "enter"]:
            view.key(key, [])
        assert view.filter == "We" and view.wanted("myWEB") and not view.wanted("db")
        view.key("escape", [])
        assert view.wanted("db")
        view.key("q", [])
        assert view.quit

    def test_help_that_is_longer_than_the_screen_scrolls(self):
        view, seen = View(), set()
        view.key("h", [])
        for _ in range(20):
            frame = draw(history_of(["web"]), view, Status("x", "", "", 0), 44, 8, Glyphs(True))
            view.settle(frame.rows, frame.page)
            seen |= set(text_of(frame).splitlines()[2:-1])
            assert "arrows show more" in text_of(frame).splitlines()[-1] and len(frame.lines) == 8
            view.key("down", [])
        assert view.help and any(line.startswith("s S r") for line in seen) and any(line.startswith("unknown") for line in seen)
        view.key("home", [])
        assert view.help_top == 0
        view.key("x", [])
        assert not view.help
        view.key("h", [])
        assert "show more" not in text_of(draw(history_of(["web"]), view, Status("x", "", "", 0), 80, 30, Glyphs(True)))

    def test_help_ends_with_any_key_and_q_quits(self):
        view = View()
        view.key("h", [])
        view.key("s", [])
        assert not view.help and view.sort == "cpu"
        view.key("?", [])
        view.key("q", [])
        assert view.quit


@pytest.mark.parametrize("ns, text", [
    (None, "-"), (0, "0ns"), (999, "999ns"), (1000, "1.00us"), (9994, "9.99us"), (9996, "10.0us"),
    (99960, "100us"), (999600, "1.00ms"), (1250000, "1.25ms"),
    (59900000000, "59.9s"), (99900000000, "99.9s"), (720 * SECOND, "12m"), (86400 * SECOND, "24h")])
def test_times(ns, text):
    assert brief(ns) == text and len(brief(ns)) <= 6


@pytest.mark.parametrize("ns, text", [
    (None, "-"), (999, "999ns"), (1000, "1.0us"), (9940, "9.9us"), (9960, "10us"), (99600, "100us"), (999600, "1.0ms"),
    (59900000000, "60s"), (720 * SECOND, "12m")])
def test_shorter_times(ns, text):
    assert short(ns) == text


@pytest.mark.parametrize("number, text", [
    (None, "-"), (0, "0"), (0.25, "0.25"), (9.82, "9.82"), (637.4, "637"), (999.6, "1.0k"), (12500, "12.5k"), (104000, "104k"),
    (3100000, "3.1M"), (7 * 10 ** 12, "7000G")])
def test_counts(number, text):
    assert count(number) == text


@given(st.integers(0, 10 ** 19))
def test_numbers_are_never_longer_than_their_cells(number):
    assert len(short(min(number, 10 ** 16))) <= 5
    assert len(brief(min(number, 3 * 10 ** 17))) <= 6 and len(count(min(number, 10 ** 12))) <= 5
    assert len(percent(min(number, 10 ** 9))) <= 6
    assert cell("123456", 5) == "#####" and cell("12", 5) == "   12" and cell("abcdef", 5, left=True) == "abcd~"


def test_percent():
    assert [percent(ppm) for ppm in (None, 0, 333333, 1000000, 9999400, 9999500, 64000000)] == [
        "-", "0.0", "33.3", "100.0", "999.9", "1000", "6400"]


def test_sparklines():
    levels = Glyphs(True).levels
    assert spark([], 5, levels) == "     " and spark([(1, 5)], 0, levels) == ""
    assert spark([(SECOND, 0), (SECOND, None), (SECOND, 1000000)], 60, levels) == " " * 57 + "\u2581 \u2588"
    assert spark([(SECOND, 500000)] * 60, 12, levels) == "\u2585" * 12
    # a character of five seconds is the mean of what is known in them
    assert spark([(SECOND, 1000000), (SECOND, 0), (SECOND, None), (SECOND, 0), (SECOND, 0)], 12, levels)[-1] == "\u2583"
    assert spark([(SECOND, 4000000), (SECOND, 1000000)], 60, "0123")[-2:] == "31"
    assert all(len(spark([(SECOND, 1)] * 61, width, levels)) == width for width in range(1, 80))


def test_lines_are_filled_and_cut():
    assert fit([("ab", "head"), ("cd", "")], 3) == [("ab", "head"), ("~", "")]
    assert fit([("ab", "title")], 4) == [("ab", "title"), ("  ", "title")]
    assert fit([("\u65e5\u672c", "")], 3) == [("\u65e5~", "")] and fit([], 2) == [("  ", "")]
    assert width_of(fit([("\u65e5\u672c", "")], 4)) == 4


@pytest.mark.parametrize("term, locale, spoken", [("xterm", "C.UTF-8", True), ("linux", "C.UTF-8", False), ("xterm", "C", False),
                                                  ("xterm", "xx_YY.UTF-8", False)])
def test_what_the_terminal_can_show(monkeypatch, term, locale, spoken):
    monkeypatch.setenv("TERM", term)
    monkeypatch.setenv("LC_ALL", locale)
    try:
        assert texts.speaks_unicode() is spoken
    finally:
        monkeypatch.undo()
        texts.speaks_unicode()


@pytest.mark.parametrize("words, told", [([], "0:00:01 in, date unknown"), (["--start", START], "2026-11-20 16:35:01Z")])
def test_the_time_of_a_bare_trace_is_not_ours(tmp_path, capsys, words, told):
    """Nobody knows when it was, unless --start says so; a recording's manifest tells it."""
    trace = unpacked(tmp_path, "narrow-churn")
    assert main(["mon", "--source", str(trace), "--cpu-khz", KHZ, "--pace", "0", "--count", "1"] + words) == 0
    title, day = capsys.readouterr().out.splitlines()[0], time.strftime("%Y-%m-%d")
    assert title.endswith(told) and (day not in title or day == told[:10])


def test_the_time_of_a_recording_is_its_own(capsys):
    assert main(["mon", "--source", "example", "--pace", "0", "--count", "1"]) == 0
    assert re.search(r"  2026-\d\d-\d\d \d\d:\d\d:\d\dZ$", capsys.readouterr().out.splitlines()[0])
