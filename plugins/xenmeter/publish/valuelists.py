"""How each of collectd's value lists is made of a row's figures: by Python, and for many rows at once by compiled code, if it is
there (core.compiled), to the same numbers.
"""
import ctypes
import os
import sys
from typing import Any, Callable, List, NamedTuple, Optional, Sequence, Tuple

from xenmeter.core.catalogue import Entity, Figure
from xenmeter.core.compiled import load
from xenmeter.core.reading import IMPOSSIBLE
from xenmeter.publish.stocktypes import STOCK_TYPES

__all__ = ("ABI", "ValueList", "list_of", "lists_made")

ABI = 1


def lists_made(path: Optional[str] = None) -> Any:
    """The compiled maker of value lists (lists.c), or None. ``path``: of another object (tests)."""
    library = load(os.path.dirname(os.path.abspath(__file__)), "lists", ABI, path, objects=True)
    if library is None:
        return None
    make = library.xenmeter_lists_make
    make.restype, many, number = ctypes.c_int64, ctypes.py_object, ctypes.c_int64
    make.argtypes = (many, many, number, number, many, ctypes.POINTER(ctypes.c_double), many)
    return make


class ValueList(NamedTuple):
    """How one value list of a row is made. (lists.c takes the first three by their places.)

    ``convert``: a function from a row's values to the numbers, or None where they are not whole.
    """

    stock: str      # collectd's type
    places: Tuple[int, ...]
    divisors: Tuple[Optional[int], ...]     # None: the integer itself
    low: float
    high: float
    convert: Callable[[Tuple[Any, ...]], Optional[List[float]]]


def list_of(entity: Entity, name: str, figures: List[Tuple[int, Figure]]) -> ValueList:
    stock = STOCK_TYPES.get(name)
    if stock is None:
        raise ValueError("%s.%s: %s is no stock type of collectd" % (entity.name, figures[0][1].key, name))
    places = {figure.collectd.source or "value": (place, figure) for place, figure in figures if figure.collectd}
    if len(stock.sources) == 1 and set(places) == {"value"}:
        places[stock.sources[0]] = places["value"]
    elif set(places) != set(stock.sources):
        raise ValueError("%s.%s: collectd's %s has the data sources %s, the table %s" % (
            entity.name, figures[0][1].key, name, ", ".join(stock.sources), ", ".join(sorted(places))))
    if len(figures) != len(stock.sources):
        raise ValueError("%s.%s: two figures have the same collectd value" % (entity.name, figures[0][1].key))
    ordered = [places[source] for source in stock.sources]
    all_places = tuple([place for place, _ in ordered])
    if stock.kind == "DERIVE":
        return ValueList(name, all_places, (None,) * len(ordered), 0, 0, _derive(all_places))
    low = -sys.float_info.max if stock.low is None else stock.low
    high = sys.float_info.max if stock.high is None else stock.high
    divisors = tuple([_divisor(figure.unit) for _, figure in ordered])
    return ValueList(name, all_places, divisors, low, high, _gauge(list(zip(all_places, divisors)), low, high))


def _divisor(unit: str) -> int:
    return {"ppm": 10000, "ns": 1000000000, "milli": 1000, "micro": 1000000}.get(unit, 1)


def _derive(places: Sequence[int]) -> Callable[[Tuple[Any, ...]], Optional[List[float]]]:
    def convert(values: Tuple[Any, ...]) -> Optional[List[float]]:
        numbers: List[float] = []
        for place in places:
            value = values[place]
            if value is None or not -IMPOSSIBLE <= value < IMPOSSIBLE:
                return None
            numbers.append(int(value))
        return numbers
    return convert


def _gauge(parts: List[Tuple[int, int]], low: float, high: float) -> Callable[[Tuple[Any, ...]], Optional[List[float]]]:
    def convert(values: Tuple[Any, ...]) -> Optional[List[float]]:
        numbers = []
        for place, divisor in parts:
            value = values[place]
            if value is None or isinstance(value, int) and not -IMPOSSIBLE <= value < IMPOSSIBLE:
                return None
            value = value / divisor
            if not low <= value <= high:  # so for NaN and infinity too
                return None
            numbers.append(value)
        return numbers
    return convert
