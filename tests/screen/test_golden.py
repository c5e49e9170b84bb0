"""The layout of real captures, character by character: fixtures/screen. `make golden`'s option writes them anew."""
import threading

import pytest

from helpers import golden
from helpers.terminal_stage import KHZ, START, unpacked
from helpers.paths import FIXTURES
from xenmeter.core.times import parse_time
from xenmeter.front.screen.history import History
from xenmeter.front.screen.layout import Status, draw
from xenmeter.front.screen.tables import pcpu_rows, rows_of
from xenmeter.front.screen.text import STYLES, Glyphs, width_of
from xenmeter.front.screen.view import View
from xenmeter.xentrace.playback import Playback

#: (trace, columns, lines, keys, more than ASCII)
CASES = [("narrow-churn", 80, 24, "", True), ("loss-sched-churn", 80, 24, "", True), ("alloc-steady", 160, 45, "v", True),
         ("loss-sched-churn", 100, 30, "cc", False), ("cap20", 120, 36, "dd", True), ("narrow-churn", 80, 24, "h", False),
         ("narrow-churn", 44, 8, "", False), ("narrow-churn", 100, 30, "jjj", True), ("narrow-churn", 20, 3, "", False),
         ("S1-sched", 60, 20, "swait", True), ("cap20", 100, 30, "bj", True)]


def history_of(path, per_vcpu=True):
    history = History()
    source = Playback(str(path), [10 ** 9, 10 ** 10], int(KHZ), parse_time(START), per_vcpu=per_vcpu, causes=8)
    for sample in source.samples(threading.Event(), None):
        history.add(sample)
    return history


@pytest.mark.parametrize("case, width, height, keys, unicode", CASES, ids=lambda value: str(value) or "none")
def test_golden(tmp_path, case, width, height, keys, unicode, pytestconfig):
    history = history_of(unpacked(tmp_path, case))
    view = View()
    for key in keys:
        view.key(key, [number for number, _, _ in pcpu_rows(history)])
        view.settle(len(rows_of(history, view)), height)        # as what is drawn after each key tells it
    frame = draw(history, view, Status(case + ".bin", "ended", "", 0), width, height, Glyphs(unicode))
    assert [width_of(line) for line in frame.lines] == [width] * height
    assert all(style in STYLES for line in frame.lines for _, style in line)
    text = "".join("".join(text for text, _ in line).rstrip() + "\n" for line in frame.lines)
    expected = FIXTURES / "screen" / ("%s-%dx%d%s" % (case, width, height, keys and "-" + keys)) / "expected.txt"
    golden.compare(text.encode("utf-8"), expected, pytestconfig)
