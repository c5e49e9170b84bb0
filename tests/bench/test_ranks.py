"""The statistics of compare, against R's own exact test, against all permutations counted, and by what must hold for any runs."""
import itertools
import json
import random

import pytest
from hypothesis import given, strategies as st

from tools.daemons import r_script
from xenmeter.bench import ranks

RUNS = st.lists(st.integers(-40, 40), min_size=1, max_size=6)


def by_all_permutations(before, after):
    """p by its definition: the share of all ways to part the values whose rank sum is as far from the mean as this one."""
    values = ranks.doubled_ranks(before + after)
    mean = len(before) * sum(values) / len(values)
    seen = abs(sum(values[:len(before)]) - mean)
    sums = [sum(chosen) for chosen in itertools.combinations(values, len(before))]
    return sum(abs(total - mean) >= seen - 1e-9 for total in sums) / len(sums)


@given(RUNS, RUNS)
def test_p_is_the_share_of_all_permutations_with_ties_too(before, after):
    assert ranks.p_value(before, after) == pytest.approx(by_all_permutations(before, after), abs=1e-12)


@given(RUNS, RUNS)
def test_the_order_of_the_sets_and_of_their_runs_does_not_matter(before, after):
    p, moved = ranks.p_value(before, after), ranks.shift(before, after)
    assert ranks.p_value(after, before) == p
    assert ranks.p_value(before[::-1], after) == p
    back = ranks.shift(after, before)
    assert (back.shift, back.low, back.high, back.confidence) == (-moved.shift, -moved.high, -moved.low, moved.confidence)


@given(RUNS, RUNS, st.integers(-1000, 1000))
def test_the_shift_follows_what_is_added_to_every_run(before, after, more):
    first, then = ranks.shift(before, after), ranks.shift(before, [run + more for run in after])
    assert (then.shift, then.low, then.high) == (first.shift + more, first.low + more, first.high + more)
    assert first.low <= first.shift <= first.high


def test_many_runs_are_as_r_has_them_by_the_normal_distribution(tmp_path):
    """With ties and without, in two sets of unlike sizes; and the shares of the interval are R's to a place."""
    chance, sets = random.Random(12), []
    for digits in (0, 1, 9) * 4:
        sets.append([[round(chance.gauss(mean, 5), digits) for _ in range(chance.randint(52, 120))]
                     for mean in (100, 100 + chance.random() * 3)])
    lines = ["w <- function(a, b) { r <- wilcox.test(b, a, exact=FALSE, correct=TRUE, conf.int=TRUE); "
             "cat(sprintf('[%.15g,%.15g,%.15g]\\n', r$p.value, r$conf.int[1], r$conf.int[2])) }"]
    lines += ["w(c(%s), c(%s))" % (",".join(map(repr, before)), ",".join(map(repr, after))) for before, after in sets]
    (tmp_path / "w.R").write_text("\n".join(lines) + "\n")
    ran = r_script("source('%s')" % (tmp_path / "w.R"))
    answers = [json.loads(line) for line in ran.stdout.splitlines() if line.startswith("[")]
    assert len(answers) == len(sets), ran.stderr
    for (before, after), (p, low, high) in zip(sets, answers):
        ours = ranks.shift(before, after)
        assert ranks.p_value(before, after) == pytest.approx(p, rel=1e-9)
        assert (ours.low, ours.high) == (pytest.approx(low, abs=0.1), pytest.approx(high, abs=0.1))
        assert 0.95 <= ours.confidence < 0.951


def test_where_ways_are_no_longer_counted_little_changes(monkeypatch):
    chance = random.Random(3)
    for more in (0, 0.3, 0.6, 1):
        before, after = [[chance.gauss(mean, 1) for _ in range(ranks.EXACT // 2)] for mean in (0, more)]
        p, bounds = ranks.p_value(before, after), ranks.shift(before, after)
        with monkeypatch.context() as patched:
            patched.setattr(ranks, "EXACT", 0)
            assert ranks.p_value(before, after) == pytest.approx(p, abs=0.002)
            assert ranks.shift(before, after)[:3] == pytest.approx(bounds[:3], abs=0.02)
    assert ranks.p_value([7] * 80, [7] * 90) == 1.0


def test_as_rs_wilcox_test_says(tmp_path):
    """R's exact test and interval over sets without ties, of 2 to 10 runs."""
    chance = random.Random(11)
    sets = [([chance.gauss(100, 5) for _ in range(chance.randint(2, 10))],
             [chance.gauss(104, 9) for _ in range(chance.randint(2, 10))]) for _ in range(60)]
    lines = ["w <- function(a, b) { suppressWarnings(r <- wilcox.test(b, a, exact=TRUE, conf.int=TRUE)); "
             "cat(sprintf('[%.15g,%.15g,%.15g,%.15g,%.15g]\\n', r$p.value, r$estimate, r$conf.int[1], r$conf.int[2], "
             "attr(r$conf.int, 'conf.level'))) }"]
    for before, after in sets:
        lines.append("w(c(%s), c(%s))" % (",".join(map(repr, before)), ",".join(map(repr, after))))
    (tmp_path / "w.R").write_text("\n".join(lines) + "\n")     # an argument of -e may have 10000 characters
    ran = r_script("source('%s')" % (tmp_path / "w.R"))
    answers = [json.loads(line) for line in ran.stdout.splitlines() if line.startswith("[")]
    assert len(answers) == len(sets), ran.stderr
    for (before, after), (p, estimate, low, high, _) in zip(sets, answers):
        ours = ranks.shift(before, after)
        assert ranks.p_value(before, after) == pytest.approx(p, rel=1e-9)
        assert ours.shift == pytest.approx(estimate, rel=1e-9)
        assert (ours.low, ours.high) == (pytest.approx(low, rel=1e-9), pytest.approx(high, rel=1e-9))


def test_the_interval_holds_the_truth_as_often_as_it_says():
    """Not of normal runs: those of an exponential distribution, moved by 1. 1500 pairs of 5+5 and of 8+8."""
    chance = random.Random(5)
    for number in (5, 8):
        held = 0
        for _ in range(1500):
            found = ranks.shift([chance.expovariate(1) for _ in range(number)],
                                [chance.expovariate(1) + 1 for _ in range(number)])
            held += found.low <= 1 <= found.high
        # three standard errors of 1500 tries
        assert held / 1500 == pytest.approx(found.confidence, abs=3 * (found.confidence * (1 - found.confidence) / 1500) ** 0.5)


def test_three_and_three_can_never_show_a_difference():
    assert ranks.smallest_p(3, 3) == 0.1 == ranks.p_value([1, 2, 3], [4, 5, 6])
    assert ranks.smallest_p(4, 4) < 0.05
    assert ranks.smallest_p(1, 1) == 1.0 == ranks.p_value([1], [2])


def test_a_set_without_runs_is_an_error():
    for function in (ranks.p_value, ranks.shift):
        with pytest.raises(ValueError):
            function([], [1])
        with pytest.raises(ValueError):
            function([1], [])
