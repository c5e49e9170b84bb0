"""What a run of a benchmark program gave: figures with unit and direction, and the work that costs are divided by."""
from typing import NamedTuple, Optional, Tuple

from xenmeter.core.errors import XenmeterError

__all__ = ("Figure", "Work", "Result", "Unusable", "MORE", "LESS")

MORE, LESS = "more", "less"


class Figure(NamedTuple):
    """``value`` is None where the program ran and could not measure it (it says why in ``unit``: "too fast"). ``better`` is MORE,
    LESS or "": what only describes the run. The first figure of a result is its primary one: it gets the verdict.
    """

    name: str
    value: Optional[float]
    unit: str
    better: str


class Work(NamedTuple):
    """What was done, in the smallest unit that the program tells: bytes, requests, transactions, events."""

    amount: float
    unit: str


class Result(NamedTuple):
    """``notes`` are what the program says that a reader of its figures must know."""

    figures: Tuple[Figure, ...]
    work: Optional[Work]
    notes: Tuple[str, ...]


class Unusable(XenmeterError):
    """The run does not count, with the program's own reason, whatever its exit status was."""
