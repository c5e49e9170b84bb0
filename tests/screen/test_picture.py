"""The picture of the README is what the screen shows today."""
import re

import pytest

from tools import picture


def words(svg):
    return re.sub(r"<[^>]*>", " ", svg).split()


def test_styles_last_beyond_a_line():
    first, second = picture.cells_of("\x1b[1;32ma\x1b[0mb\x1b[7m\u65e5\n\x1b[44mc\x1b[49;39md")
    assert first == [("a", 1, (picture.COLOURS[2], None, True)), ("b", 1, (picture.FRONT, None, False)),
                     ("\u65e5", 2, (picture.BACK, picture.FRONT, False))]
    assert [char for char, _, _ in second] == ["c", "d"] and second[0][2] == (picture.BACK, picture.FRONT, False)


def test_other_peoples_text_is_text():
    svg = picture.svg_of("<a&b>\n", 80, 1)
    assert ">&lt;a&amp;b&gt;</text>" in svg


@pytest.mark.daemon
def test_it_is_up_to_date(tmp_path):
    """If this waits in vain: run tests/tools/picture.py"""
    shown = picture.PICTURE.read_text(encoding="utf-8")
    assert len(shown) < 20000
    picture.taken(tmp_path, lambda seen: words(picture.svg_of(seen, *picture.SIZE)) == words(shown))
