"""Sections of a picture: rows of a kind, in memory of whoever made them; and the small ones that both loops make alike."""
import struct
from array import array
from operator import itemgetter
from typing import Any, Dict, List, NamedTuple, Sequence, Tuple

from xenmeter.xentrace.engine.columns import ANOMALIES, KIND_MUTE, KIND_TEXT, KIND_TRACE, TRACE, WIDTHS

__all__ = ("Section", "rows_of", "column", "made", "empty", "trace_section", "mute_section", "text_section")

_GIVEN, _KINDS = itemgetter(*[name for name in TRACE if name not in ANOMALIES]), itemgetter(*ANOMALIES)


class Section(NamedTuple):
    kind: int
    width: int
    rows: int
    data: Any           # bytes-like, at least as long as its rows
    length_ns: int = 0
    start_ns: int = 0


def rows_of(section: Section) -> List[Tuple[int, ...]]:
    known = WIDTHS[section.kind]
    form = struct.Struct("<%dq%dx" % (known // 8, section.width - known))
    return list(form.iter_unpack(memoryview(section.data).cast("B")[:section.rows * section.width]))


def made(kind: int, rows: Sequence[Sequence[int]]) -> Section:
    return Section(kind, WIDTHS[kind], len(rows), array("q", [value for row in rows for value in row]))


def empty(kind: int, rows: int) -> Section:
    """Room for so many rows."""
    return Section(kind, WIDTHS[kind], rows, array("q", bytes(rows * WIDTHS[kind])))


def column(section: Section, code: Any) -> Any:
    return memoryview(section.data).cast("B")[:section.rows * section.width].cast(code)


def trace_section(trace: Dict[str, Any], observed: Any = (-1, -1)) -> Section:
    """:param observed: ns that were observed, of how many."""
    given = dict(trace, observed_ns=observed[0], elapsed_ns=observed[1])
    for name in ("left_out_from", "damaged_from"):
        given[name] = -1 if given[name] is None else given[name]
    return Section(KIND_TRACE, WIDTHS[KIND_TRACE], 1, array("q", _GIVEN(given) + _KINDS(trace["anomaly_kinds"])))


def mute_section(trace: Dict[str, Any]) -> Section:
    return made(KIND_MUTE, [[pcpu] for pcpu in trace["mute"]])


def text_section(text: Any) -> Section:
    return Section(KIND_TEXT, 1, len(text), text)
