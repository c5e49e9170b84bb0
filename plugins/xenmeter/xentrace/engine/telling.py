"""The accounts at a border as the sections of a picture, in pure Python; ``book.Teller`` is the same compiled.

At a border of the shortest window all that happened before it is accounted and nothing after it, so the figures taken
there are exact: cumulative sums of domains and vCPUs, the windows that end there, and the latencies in them.
"""
from array import array
from typing import Any, Dict, Iterator, List

from xenmeter.xentrace.engine.cells import Cells
from xenmeter.xentrace.engine.columns import (KIND_COUNTS, KIND_DOMAINS, KIND_HISTOGRAMS, KIND_PCPUS, KIND_PLACES, KIND_VCPUS,
                                              KIND_WINDOW, SUMMARY, window_record)
from xenmeter.xentrace.engine.distribution import EMPTY, Distribution
from xenmeter.xentrace.engine.figures import LATENCIES, MEASURED, MEASURES
from xenmeter.xentrace.engine.picture import named
from xenmeter.xentrace.engine.readout import domain_row, pcpu_rows, vcpu_rows
from xenmeter.xentrace.engine.sections import Section, made

__all__ = ("Teller", "domains_of")

#: State -> what was completed in it.
Parts = Dict[int, Distribution]
_NO_CELLS = [-1] * len(MEASURES)


class Teller:
    """:param accounts: of a PythonStore. :ivar cells: of the histograms."""

    def __init__(self, accounts: Any) -> None:
        self._accounts = accounts
        self.cells = Cells()
        self._before: Dict[int, Dict[Any, Parts]] = {}     # number of a length -> life -> its histograms at the last border

    def pcpus(self, now: int) -> Section:
        """PCPUS."""
        return made(KIND_PCPUS, pcpu_rows(self._accounts, now))

    def cumulative(self, now: int) -> List[Section]:
        """DOMAINS and VCPUS at ``now``, ns; what their histograms hold is in the cells."""
        own, domains, vcpus = self._accounts.per_vcpu, [], []
        for life in self._accounts.in_order():
            theirs = vcpu_rows(life, now)
            vcpus += [row + (self._tell(vcpu.hist) if own else _NO_CELLS) for row, vcpu in zip(theirs, life.in_order())]
            domains.append(domain_row(life, now, theirs) + (_NO_CELLS if own else self._tell(life.hist)))
        return [made(KIND_DOMAINS, domains), made(KIND_VCPUS, vcpus)]

    def _tell(self, hists: Any) -> List[int]:
        return [0 if hists is None else hists[state].tell(self.cells) for state in MEASURED]

    def window(self, which: int, window: Any) -> List[Section]:
        """WINDOW and its histograms, of one that ends now, of the length with that number."""
        before, after = self._before.get(which, {}), {}
        rows: List[List[int]] = []
        heads: List[List[int]] = []
        counts, places = array("q"), array("H")
        for life, figures in window.ordered():
            now = after[life] = _parts(life)
            old = before.get(life, {})
            latency = named([now[state].since(old.get(state, EMPTY)) for state in MEASURED])
            rows.append(_summaries(latency) + [life.domid, life.generation] + figures + [len(heads)])
            for name in MEASURES:
                one = latency[name]
                heads.append([one.sum, one.most, len(counts), len(one.counts)])
                counts.extend(one.counts)
                places.extend(one.places)
        self._before[which] = after
        return [made(KIND_WINDOW, rows)._replace(length_ns=window.length, start_ns=window.start), made(KIND_HISTOGRAMS, heads),
                Section(KIND_COUNTS, 8, len(counts), counts), Section(KIND_PLACES, 2, len(places), places)]


def _parts(life: Any) -> Parts:
    """What the life's vCPUs have completed so far."""
    hists = [{state: Distribution.of(one[state]) for state in MEASURED} for one in life.histograms()]
    return {state: EMPTY.plus([one[state] for one in hists]) for state in MEASURED}


def _summaries(latency: Dict[str, Distribution]) -> List[int]:
    told = [latency[name].summary() for name, _ in LATENCIES]
    return [-1 if value is None else value for one in told for value in [one[part] for part in SUMMARY]]


def domains_of(window: Any) -> Iterator[Dict[str, Any]]:
    """The records of a window's domains, by domid and generation; each is made as it is asked for."""
    for life, figures in window.ordered():
        yield window_record([life.domid, life.generation] + figures)
