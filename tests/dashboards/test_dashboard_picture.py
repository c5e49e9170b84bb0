"""The picture of the README shows what the dashboard's queries give today, and every panel of it."""
from helpers.dashboards import captured
import pytest
from PIL import Image

from tools import dashboard_picture, dashboards


@pytest.mark.parametrize("unit, value, text", [
    ("percentunit", 0.1234, "12.3 %"), ("bytes", 1.5 * 2 ** 30, "1.5 GiB"), ("Bps", 4e6, "4 MB/s"), ("s", 0.00105, "1.05 ms"),
    ("s", 5e-6, "5 \u00b5s"), ("s", 2e-11, "0.02 ns"), ("s", 12, "12 s"), ("none", 0, "0"), ("cps", 250, "250 c/s")])
def test_values_are_said_with_their_unit(unit, value, text):
    assert dashboard_picture.said(unit, value) == text


@pytest.mark.parametrize("unit, most, found", [
    ("none", 0, [0, 1]), ("cps", 7, [0, 2, 4, 6, 8]), ("s", 0.0101, [0, 0.005, 0.01, 0.015]),
    ("percentunit", 1, [0, 0.25, 0.5, 0.75, 1]), ("bytes", 3 * 2 ** 29, [0, 2 ** 29, 2 ** 30, 3 * 2 ** 29])])
def test_axes_have_round_values(unit, most, found):
    assert dashboard_picture.ticks(unit, most) == pytest.approx(found)


def test_all_units_of_the_dashboards_are_known():
    assert {panel.unit for board in dashboards.BOARDS for _, panels in board.rows for panel in panels} <= set(
        dashboard_picture.UNITS)
    assert set(dashboard_picture.PICTURES) == {board.file for board in dashboards.BOARDS}
    assert set(dashboard_picture.PICTURES[""][1]) < {row for row, _ in dashboards.ROWS}


def inked(image):
    """Share of the picture's rows that are of more than the colours of an empty panel."""
    wide, high = image.size
    return sum(len(image.crop((0, y, wide, y + 1)).getcolors(wide)) > 6 for y in range(high)) / high


@pytest.mark.daemon
@pytest.mark.parametrize("loaded", ["prometheus"], indirect=True)
@pytest.mark.parametrize("board, unknown", [
    (dashboards.LONG, ["pCPU that each vCPU is on"]), (dashboards.LOOK, ["Free memory", "Load", "Sources that answer"])])
def test_it_is_up_to_date(loaded, browser, tmp_path, board, unknown):
    """It may be drawn a shade differently elsewhere; its words are the same."""
    image, words = dashboard_picture.of_prometheus(loaded[1], browser, tmp_path, board.file)
    picture, rows = dashboard_picture.PICTURES[board.file]
    titles = [title.replace("$guest", captured.GUEST) for row, panels in board.rows if (row or None) in rows
              for title in [row] * bool(row) + [panel.title for panel in panels]]
    assert [word for word in words if word in titles] == titles and dashboard_picture.SAYS in words
    assert [words[number - 1] for number, word in enumerate(words) if word == "No data"] == unknown
    with Image.open(str(picture)) as shown:
        assert shown.text["words"].split("\n") == words, "run: tests/tools/dashboard_picture.py"
        assert shown.size == image.size and picture.stat().st_size < 250000
        assert inked(image) > 0.5 and inked(shown.convert("RGB")) > 0.5


def test_a_blank_picture_would_be_seen():
    assert inked(Image.new("RGB", (600, 100), "white")) == 0
