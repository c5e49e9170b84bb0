"""Plain records of the accounts as the sections of a picture: what ``Picture`` makes records of, the other way round."""
from array import array
from typing import Any, Callable, Dict, List, Optional, Sequence

from xenmeter.xentrace.engine.cells import Cells
from xenmeter.xentrace.engine.distribution import Distribution
from xenmeter.xentrace.engine.figures import COUNTS, DOMAIN_STATES, GRANTS, LATENCIES, MEASURES, STATES, WAITS
from xenmeter.xentrace.engine.layout import C_STATES
from xenmeter.xentrace.engine.picture import (AFTER_SUMMARIES, ALLOCATIONS, ANOMALIES, DOMAIN, KIND_COUNTS, KIND_DOMAINS,
                                              KIND_HISTOGRAMS, KIND_MUTE, KIND_PCPUS, KIND_PLACES, KIND_TEXT, KIND_TRACE,
                                              KIND_VCPUS, KIND_WINDOW, PCPU, SUMMARY, TRACE, VCPU, VCPU_CELLS, WIDTHS, WINDOW,
                                              Picture, Section)

__all__ = ("picture_of", "life_sections", "window_sections", "trace_section", "pcpu_section", "mute_section", "text_section")

_NO_CELLS = [-1] * len(MEASURES)
#: Of a domain's record: what goes with its life, up to its allocations.
_OF_LIFE = DOMAIN[DOMAIN.index(GRANTS[0]):DOMAIN.index(ALLOCATIONS[0])]


def trace_section(trace: Dict[str, Any], observed: Optional[Sequence[int]] = None) -> Section:
    kinds = trace["anomaly_kinds"]
    given = dict(trace, observed_ns=observed[0] if observed else -1, elapsed_ns=observed[1] if observed else -1)
    row = [given[name] for name in TRACE[:12]] + [kinds[name] for name in ANOMALIES]
    return _made(KIND_TRACE, [row])


def mute_section(trace: Dict[str, Any]) -> Section:
    return _made(KIND_MUTE, [[pcpu] for pcpu in trace["mute"]])


def pcpu_section(pcpus: Sequence[Dict[str, Any]]) -> Section:
    rows = []
    for one in pcpus:
        row = [one[name] or 0 for name in PCPU[:8]]
        for state in range(C_STATES):
            told = one["cstates"].get(state, {"ns": 0, "entries": 0})
            row += [told["ns"], told["entries"]]
        rows.append(row)
    return _made(KIND_PCPUS, rows)


def text_section(text: bytes) -> Section:
    return Section(KIND_TEXT, 1, len(text), text)


def _made(kind: int, rows: Sequence[Sequence[int]]) -> Section:
    flat = array("q", [-1 if value is None else value for row in rows for value in row])
    return Section(kind, WIDTHS[kind], len(rows), flat)


def picture_of(figures: Dict[str, Any]) -> Picture:
    """Of all that ``Picture`` makes records of."""
    cells = Cells()
    told = [trace_section(figures["trace"], figures["observed"]), mute_section(figures["trace"]), pcpu_section(figures["pcpus"])]
    told += life_sections(figures["domains"], figures["vcpus"], lambda one: [
        cells.tell(one["histograms"][name], {}) for name in MEASURES])
    return Picture(told + [section for window in figures["windows"] for section in window_sections(window)], cells)


def life_sections(lives: Sequence[Dict[str, Any]], theirs: Sequence[Dict[str, Any]], tell: Callable[[Any], List[int]]
                  ) -> List[Section]:
    """Of plain records of domains and vCPUs what ``hot_tell.inc`` makes of the rows. :param tell: gives the cells of a record
    that has histograms."""
    domains, vcpus = [], []
    mine: Dict[Any, List[Dict[str, Any]]] = {}
    for one in theirs:
        mine.setdefault((one["domid"], one["generation"]), []).append(one)
    own = any("histograms" in one for one in theirs)
    for one in lives:
        for vcpu in mine.get((one["domid"], one["generation"]), ()):
            vcpus.append([vcpu[name] for name in VCPU[:VCPU_CELLS.start]] + (tell(vcpu) if "histograms" in vcpu else _NO_CELLS))
        slices = one["allocation"] or {"count": 0, "sum_ns": 0, "min_ns": -1, "max_ns": -1}
        domains.append([one["domid"]] + [one[name] for name in STATES + WAITS + COUNTS]
                       + [one["runstate"][name] for name in DOMAIN_STATES] + [one[name] for name in _OF_LIFE]
                       + [slices[name] for name in ("count", "sum_ns", "min_ns", "max_ns")]
                       + (_NO_CELLS if own else tell(one)))
    return [_made(KIND_DOMAINS, domains), _made(KIND_VCPUS, vcpus)]


def window_sections(window: Dict[str, Any]) -> List[Section]:
    books, rows = _Books(), []
    for one in window["domains"]:
        row: List[Any] = []
        for name, _ in LATENCIES:
            told = one["latency"][name].summary()
            row += [told[part] for part in SUMMARY]
        row += [one[name] for name in WINDOW[AFTER_SUMMARIES][:-1]]
        rows.append(row + [books.add(one["latency"])])
    return [_made(KIND_WINDOW, rows)._replace(length_ns=window["length_ns"], start_ns=window["start_ns"])] + books.sections()


class _Books:
    """Histograms on their way into sections."""

    def __init__(self) -> None:
        self._rows: List[List[int]] = []
        self._counts = array("q")
        self._places = array("H")

    def add(self, histograms: Optional[Dict[str, Distribution]]) -> int:
        """The number of the first of the five; -1 where there are none."""
        if histograms is None:
            return -1
        for name in MEASURES:
            one = histograms[name]
            self._rows.append([one.sum, one.most, len(self._counts), len(one.counts)])
            self._counts.extend(one.counts)
            self._places.extend(one.places)
        return len(self._rows) - len(MEASURES)

    def sections(self) -> List[Section]:
        return [_made(KIND_HISTOGRAMS, self._rows), Section(KIND_COUNTS, 8, len(self._counts), self._counts),
                Section(KIND_PLACES, 2, len(self._places), self._places)]
