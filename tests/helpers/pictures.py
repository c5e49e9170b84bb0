"""Pictures of plain records: what ``Picture`` makes records of, the other way round."""
from array import array

from xenmeter.xentrace.engine.cells import Cells
from xenmeter.xentrace.engine.figures import COUNTS, DOMAIN_STATES, GRANTS, LATENCIES, MEASURES, STATES, WAITS
from xenmeter.xentrace.engine.layout import C_STATES
from xenmeter.xentrace.engine.columns import (AFTER_SUMMARIES, ALLOCATIONS, DOMAIN, KIND_COUNTS, KIND_DOMAINS, KIND_HISTOGRAMS,
                                              KIND_PCPUS, KIND_PLACES, KIND_VCPUS, KIND_WINDOW, PCPU, SUMMARY, VCPU, VCPU_CELLS,
                                              WINDOW)
from xenmeter.xentrace.engine.picture import Picture
from xenmeter.xentrace.engine.sections import Section, made as rows_of, mute_section, trace_section

__all__ = ("picture_of",)

_NO_CELLS = [-1] * len(MEASURES)
#: Of a domain's record: what goes with its life, up to its allocations.
_OF_LIFE = DOMAIN[DOMAIN.index(GRANTS[0]):DOMAIN.index(ALLOCATIONS[0])]


def picture_of(figures):
    """Of all that ``Picture`` makes records of."""
    cells = Cells()
    told = [trace_section(figures["trace"], figures["observed"] or (-1, -1)), mute_section(figures["trace"]),
            pcpu_section(figures["pcpus"])]
    told += life_sections(figures["domains"], figures["vcpus"], lambda one: [
        cells.tell(one["histograms"][name], {}) for name in MEASURES])
    return Picture(told + [section for window in figures["windows"] for section in window_sections(window)], cells)


def pcpu_section(pcpus):
    rows = []
    for one in pcpus:
        row = [one[name] or 0 for name in PCPU[:8]]
        for state in range(C_STATES):
            told = one["cstates"].get(state, {"ns": 0, "entries": 0})
            row += [told["ns"], told["entries"]]
        rows.append(row)
    return made(KIND_PCPUS, rows)


def life_sections(lives, theirs, tell):
    """:param tell: gives the cells of a record that has histograms."""
    domains, vcpus = [], []
    mine = {}
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
    return [made(KIND_DOMAINS, domains), made(KIND_VCPUS, vcpus)]


def window_sections(window):
    books, rows = _Books(), []
    for one in window["domains"]:
        row = []
        for name, _ in LATENCIES:
            told = one["latency"][name].summary()
            row += [told[part] for part in SUMMARY]
        row += [one[name] for name in WINDOW[AFTER_SUMMARIES][:-1]]
        rows.append(row + [books.add(one["latency"])])
    return [made(KIND_WINDOW, rows)._replace(length_ns=window["length_ns"], start_ns=window["start_ns"])] + books.sections()


class _Books:
    """Histograms on their way into sections."""

    def __init__(self):
        self._rows = []
        self._counts = array("q")
        self._places = array("H")

    def add(self, histograms):
        """The number of the first of the five; -1 where there are none."""
        if histograms is None:
            return -1
        for name in MEASURES:
            one = histograms[name]
            self._rows.append([one.sum, one.most, len(self._counts), len(one.counts)])
            self._counts.extend(one.counts)
            self._places.extend(one.places)
        return len(self._rows) - len(MEASURES)

    def sections(self):
        return [made(KIND_HISTOGRAMS, self._rows), Section(KIND_COUNTS, 8, len(self._counts), self._counts),
                Section(KIND_PLACES, 2, len(self._places), self._places)]


def made(kind, rows):
    return rows_of(kind, [[-1 if value is None else value for value in row] for row in rows])
