"""A straight line through what was measured: so much anyway, and so much for each."""
import math
from typing import NamedTuple, Optional, Sequence, Tuple

__all__ = ("Fit", "fit")


class Fit(NamedTuple):
    """``y = base + price * x`` by least squares over so many ``points``; ``r2``: the share of the spread of y that it tells."""

    base: float
    price: float
    r2: float
    points: int


def fit(points: Sequence[Tuple[float, float]]) -> Optional[Fit]:
    """None where no line is told by them: fewer than three points, all of one x or of one y, or too large to have a square."""
    count = len(points)
    if count < 3:
        return None
    middle_x, middle_y = sum(x for x, _ in points) / count, sum(y for _, y in points) / count
    spread_x = sum((x - middle_x) * (x - middle_x) for x, _ in points)
    spread_y = sum((y - middle_y) * (y - middle_y) for _, y in points)
    if not 0 < spread_x < math.inf or not 0 < spread_y < math.inf:
        return None
    price = sum((x - middle_x) * (y - middle_y) for x, y in points) / spread_x
    base = middle_y - price * middle_x
    errors = [y - base - price * x for x, y in points]
    r2 = 1 - sum(error * error for error in errors) / spread_y
    return Fit(base, price, max(0.0, r2), count) if all(map(math.isfinite, (price, base, r2))) else None
