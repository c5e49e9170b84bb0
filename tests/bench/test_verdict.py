"""Verdicts: what is said of two sets of runs, how often chance alone is called a difference, and how often one is seen."""
import random

import pytest

from xenmeter.bench.verdict import judge, judge_all


@pytest.mark.parametrize("before, after, better, word", [
    ([100, 101, 99, 100, 102], [110, 111, 109, 112, 110], "more", "better"),
    ([100, 101, 99, 100, 102], [110, 111, 109, 112, 110], "less", "worse"),
    ([100.0, 100.1, 99.9, 100.2, 100.05], [100.15, 99.95, 100.02, 100.12, 99.98], "more", "same"),
    ([100, 101, 99], [200, 201, 199], "more", "undecided"),
    ([100, 120, 80, 95, 105], [101, 119, 82, 97, 104], "more", "unseen"),
    ([0, 0, 0, 0], [0, 0, 0, 0], "less", "same")])
def test_words(before, after, better, word):
    found = judge(before, after, better)
    assert found.word == word and found.text


def test_undecided_says_how_many_runs_would_do():
    assert "run at least 4+4" in judge([1, 2, 3], [4, 5, 6], "more").text


def test_verdicts_together_go_by_holms_rule():
    """Two p of 0.029 and 0.008: the less one is judged at 0.025, and as that holds the other at 0.05; alone it would not do."""
    clear, barely = ([1, 2, 3, 4, 5], [6, 7, 8, 9, 10]), ([1, 2, 3, 4], [5, 6, 7, 8])
    alike = ([1, 2, 3, 4, 5], [1, 2, 3, 4, 5])
    assert [found.word for found in judge_all([barely, clear], "less")] == ["worse", "worse"]
    assert [found.word for found in judge_all([clear, alike], "less")] == ["worse", "unseen"]
    first, second = judge_all([barely, alike], "less")
    assert first.word == "undecided" and "where several are judged, at p=0.025" in first.text and "at least 5+5" in first.text
    assert judge_all([barely], "less")[0].word == "worse" and judge_all([], "less") == [] and second.word == "unseen"


def test_a_difference_that_is_sure_and_small_is_the_same():
    """30 runs tell a tenth of a percent apart; nobody cares for it."""
    chance = random.Random(1)
    found = judge([chance.gauss(1000, 0.1) for _ in range(30)], [chance.gauss(1001, 0.1) for _ in range(30)], "more")
    assert found.word == "same" and found.p < 0.001


def test_chance_alone_is_rarely_called_a_difference_and_ten_percent_are_seen():
    """400 pairs of 7+7 runs with 5 % of noise: false alarms at most at the level and three standard errors."""
    chance = random.Random(2)

    def pairs(by):
        return [judge([chance.gauss(100, 5) for _ in range(7)], [chance.gauss(100 + by, 5) for _ in range(7)], "more").word
                for _ in range(400)]
    alarms = sum(word in ("better", "worse") for word in pairs(0)) / 400
    assert alarms <= 0.05 + 3 * (0.05 * 0.95 / 400) ** 0.5
    assert sum(word == "better" for word in pairs(10)) / 400 > 0.75
