"""Two sets of runs, judged: better, worse, the same within so much, or undecided, and what could not have been seen."""
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

from xenmeter.bench.ranks import median, p_value, shift, smallest_p

__all__ = ("ALPHA", "SAME", "Verdict", "judge", "judge_all", "series", "directions")

ALPHA = 0.05
#: A difference of less than this share of the median is called the same, unless told otherwise.
SAME = 0.02


class Verdict(NamedTuple):
    """``word``: better, worse, same, unseen or undecided. ``shift``, ``low`` and ``high`` as shares of the first set's median."""

    word: str
    text: str
    p: float
    shift: float
    low: float
    high: float


def series(records: Sequence[Dict[str, Any]], name: str) -> List[float]:
    """The values of one figure in all runs that count, one of each."""
    found = [next((figure["value"] for figure in record["figures"] if figure["name"] == name), None)
             for record in records if not record["unusable"]]
    return [value for value in found if value is not None]


def judge(before: Sequence[float], after: Sequence[float], better: str, same: float = SAME, alpha: float = ALPHA) -> Verdict:
    """:param better: ``more`` or ``less``: which way is good.

    :raises ValueError: one of the sets is empty.
    """
    p, moved = p_value(before, after), shift(before, after)
    middle = median(before)
    scale = 1 / abs(middle) if middle else 0.0
    by, low, high = moved.shift * scale, moved.low * scale, moved.high * scale
    numbers = "%+.1f %% [%+.1f, %+.1f], p=%.3g, %d+%d runs" % (100 * by, 100 * low, 100 * high, p, len(before), len(after))
    least = smallest_p(len(before), len(after))
    if least > alpha:
        word = "undecided"
        text = "undecided: %d+%d runs can never show a difference%s (the least p is %.2g); run at least %s" % (
            len(before), len(after), "" if alpha >= ALPHA else " where several are judged, at p=%.3g" % alpha, least,
            _enough(len(before), len(after), alpha))
    elif max(abs(low), abs(high)) <= same:
        word, text = "same", "the same within %g %%" % (100 * same)
    elif p <= alpha:
        word = "better" if (moved.shift > 0) == (better == "more") else "worse"
        text = word
    else:
        widest = 100 * max(abs(low), abs(high))
        word, text = "unseen", "no difference seen, but one of up to %.1f %% would not have been" % widest
    return Verdict(word, "%s: %s" % (text, numbers), p, by, low, high)


def judge_all(pairs: Sequence[Tuple[Sequence[float], Sequence[float]]], better: str, same: float = SAME,
              alpha: float = ALPHA) -> List[Verdict]:
    """Several verdicts together, by Holm's rule: that chance alone makes one of them a difference is no likelier than with one
    verdict. The least p is judged at the level divided by their number, the next at that divided by one less, until one fails.
    """
    found: List[Optional[Verdict]] = [None] * len(pairs)
    left, level = len(pairs), alpha / max(1, len(pairs))
    for place in sorted(range(len(pairs)), key=lambda place: p_value(*pairs[place])):
        found[place] = judge(pairs[place][0], pairs[place][1], better, same, level)
        left -= 1
        if p_value(*pairs[place]) <= level and left:
            level = alpha / left
    return [verdict for verdict in found if verdict is not None]


def _enough(before: int, after: int, alpha: float) -> str:
    """The smallest equal numbers of runs that can show one."""
    number = min(before, after)
    while smallest_p(number, number) > alpha:
        number += 1
    return "%d+%d" % (number, number)


def directions(records: Sequence[Dict[str, Any]]) -> Dict[str, Optional[Dict[str, Any]]]:
    """The figures of the runs in their order, each as its first record has it; the first is the primary one."""
    found: Dict[str, Optional[Dict[str, Any]]] = {}
    for record in records:
        for figure in record["figures"]:
            found.setdefault(figure["name"], figure)
    return found
