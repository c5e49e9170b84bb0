"""The straight line through what was measured: what is on one is found, and what tells none is not."""
import pytest
from hypothesis import assume, given, strategies

from xenmeter.bench.line import fit

WHOLE = strategies.integers(min_value=-10 ** 6, max_value=10 ** 6)


@given(WHOLE, WHOLE.filter(bool), strategies.lists(WHOLE, min_size=3, max_size=50, unique=True))
def test_points_of_a_line_give_that_line(base, price, xs):
    found = fit([(x, base + price * x) for x in xs])
    scale = abs(base) + abs(price) * max(map(abs, xs))
    assert found.price == pytest.approx(price, rel=1e-6, abs=1e-6 * scale / (max(xs) - min(xs)))
    assert found.base == pytest.approx(base, abs=1e-6 * scale)
    assert found.r2 == pytest.approx(1, abs=1e-6) and found.points == len(xs)


@given(strategies.lists(strategies.tuples(WHOLE, WHOLE), min_size=3, max_size=50), WHOLE, WHOLE)
def test_no_other_line_is_nearer(points, base, price):
    found = fit(points)
    assume(found is not None)

    def apart(base, price):
        return sum((y - base - price * x) ** 2 for x, y in points)
    best = apart(found.base, found.price)
    assert best <= apart(base, price) * (1 + 1e-9) + 1e-3
    assert 0 <= found.r2 <= 1


def test_a_known_line():
    """Anscombe's first set: 3.00 + 0.500 x, R2 0.67."""
    xs = (10, 8, 13, 9, 11, 14, 6, 4, 12, 7, 5)
    ys = (8.04, 6.95, 7.58, 8.81, 8.33, 9.96, 7.24, 4.26, 10.84, 4.82, 5.68)
    found = fit(list(zip(xs, ys)))
    assert (round(found.base, 2), round(found.price, 3), round(found.r2, 2)) == (3.00, 0.500, 0.67)


@pytest.mark.parametrize("points", [[], [(1, 2)], [(1, 2), (2, 4)], [(1, 2), (1, 4), (1, 5)], [(1, 2), (2, 2), (3, 2)],
                                    [(1e300, 2), (-1e300, 3), (0, 1)], [(0, 1e300), (1, -1e300), (2, 1e300)]])
def test_what_tells_no_line(points):
    assert fit(points) is None
