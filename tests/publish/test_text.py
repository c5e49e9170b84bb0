"""Other people's text: what backends and terminals are given."""
import hashlib
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.publishing import HOSTILE
from xenmeter.publish.text import bounded, digest, display_width, for_terminal, plain

ANY = st.one_of(st.text(), st.sampled_from(HOSTILE), st.text(alphabet="a\u65e5\u0301\x1b\u202e\udcff ", max_size=12))


@pytest.mark.parametrize("text, safe", [
    ("web1", "web1"), ("a b", "a b"), ("a\tb\nc", "a_b_c"), ("\x1b[2J", "_[2J"), ("\u202eabc", "_abc"),
    ("a\u200bb", "a_b"),
    ("\udcff", "_"), ("b\u00fcro\u3000\u65e5", "b\u00fcro\u3000\u65e5"), ("\ue000", "\ue000"), ("", "")])
def test_plain(text, safe):
    assert plain(text) == safe


@given(ANY)
def test_plain_keeps_its_length_and_can_be_encoded(text):
    safe = plain(text)
    assert len(safe) == len(text) and plain(safe) == safe
    assert not any(unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp") for char in safe.encode().decode())


def test_bounded_tells_long_texts_apart():
    one, other = bounded("x" * 300 + "a"), bounded("x" * 300 + "b")
    assert len(one) == len(other) == 255 and one != other and one == "x" * 246 + "~" + digest("x" * 300 + "a")
    assert bounded("x" * 255) == "x" * 255 and len(bounded("x" * 256)) == 255


def test_digest_takes_lone_surrogates():
    assert digest("web") == hashlib.sha256(b"web").hexdigest()[:8]
    assert digest("\udcff") != digest("\udcfe")


@pytest.mark.parametrize("text, shown", [
    ("web1", "web1"), ("\x1b[31m", "\\x1b[31m"), ("a\nb", "a\\x0ab"), ("\x9b", "\\x9b"), ("\udcff", "\\xff"),
    ("\ud800", "\\ud800"), ("\u202e", "\\u202e"), ("\u200b", "\\u200b"), ("\U000e0041", "\\U000e0041"),
    ("b\u00fcro", "b\u00fcro"), ("\u65e5\u672c", "\u65e5\u672c"), ("e\u0301", "e\u0301"), ("\u0301", "\\u0301"),
    ("e" + "\u0301" * 4, "e" + "\u0301" * 3 + "\\u0301"), ("\xa0", "\\xa0"), ("a\\b", "a\\b")])
def test_for_terminal(text, shown):
    assert for_terminal(text) == shown


@pytest.mark.parametrize("text, width, shown", [
    ("abcdef", 6, "abcdef"), ("abcdef", 5, "abcd~"), ("abc", 1, "~"), ("abc", 0, ""), ("", 3, ""),
    ("\u65e5\u672c\u8a9e", 6, "\u65e5\u672c\u8a9e"), ("\u65e5\u672c\u8a9e", 5, "\u65e5\u672c~"),
    ("\u65e5\u672c\u8a9e", 4, "\u65e5~"), ("\u65e5\u672c", 2, "~"), ("ab\x1b", 5, "ab~"), ("ab\x1b", 6, "ab\\x1b"),
    ("e\u0301e\u0301", 2, "e\u0301e\u0301"), ("e\u0301ab", 2, "e\u0301~")])
def test_cut_by_columns(text, width, shown):
    assert for_terminal(text, width) == shown


@given(ANY, st.one_of(st.none(), st.integers(0, 40)))
def test_nothing_moves_the_cursor_and_nothing_is_wider(text, width):
    shown = for_terminal(text, width)
    assert shown == "" or shown.isprintable()
    shown.encode("utf-8")
    if width is not None:
        assert display_width(shown) <= width and len(shown) <= 4 * width
    else:
        assert for_terminal(shown) == shown
