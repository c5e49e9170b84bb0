"""The accounts at a border as the sections of a picture, in pure Python; ``compiled.Teller`` is the same compiled.

At a border of the shortest window all that happened before it is accounted and nothing after it, so the figures taken
there are exact: cumulative sums of domains and vCPUs, the windows that end there, and the latencies in them.
"""
from typing import Any, Dict, Iterator, List

from xenmeter.xentrace.engine.cells import Cells
from xenmeter.xentrace.engine.distribution import EMPTY, Distribution
from xenmeter.xentrace.engine.figures import GRANTS, MEASURED, WINDOW_STATES
from xenmeter.xentrace.engine.layout import F_EXECUTIONS, F_GRANTS, F_SLICE_MAX, F_SLICE_MIN, F_SLICE_SUM, F_SLICES
from xenmeter.xentrace.engine.picture import Section, named
from xenmeter.xentrace.engine.readout import pcpus_of, readout
from xenmeter.xentrace.engine.sections import life_sections, pcpu_section, window_sections

__all__ = ("Teller", "domains_of")

#: State -> what was completed in it.
Parts = Dict[int, Distribution]


class Teller:
    """:param accounts: of a PythonStore. :ivar cells: of the histograms."""

    def __init__(self, accounts: Any) -> None:
        self._accounts = accounts
        self.cells = Cells()
        self._before: Dict[int, Dict[Any, Parts]] = {}     # number of a length -> life -> its histograms at the last border

    def pcpus(self, now: int) -> Section:
        """PCPUS."""
        return pcpu_section(pcpus_of(self._accounts, now))

    def cumulative(self, now: int) -> List[Section]:
        """DOMAINS and VCPUS at ``now``, ns; what their histograms hold is in the cells."""
        accounts = self._accounts
        told = readout(accounts, now, {}, whole=False)
        lives = accounts.in_order()
        for life, one in zip(lives, told["domains"]):
            one["histograms"] = life.hist or {}
        if accounts.per_vcpu:
            for vcpu, one in zip([vcpu for life in lives for vcpu in life.in_order()], told["vcpus"]):
                one["histograms"] = vcpu.hist
        return life_sections(told["domains"], told["vcpus"], self._tell)

    def _tell(self, one: Any) -> List[int]:
        hists = [one["histograms"].get(state) for state in MEASURED]
        return [0 if hist is None else hist.tell(self.cells) for hist in hists]

    def window(self, which: int, window: Any) -> List[Section]:
        """WINDOW and its histograms, of one that ends now, of the length with that number."""
        before, after = self._before.get(which, {}), {}
        domains = list(domains_of(window))
        for life, one in zip(sorted(window.lives, key=lambda life: life.place), domains):
            now = after[life] = _parts(life)
            old = before.get(life, {})
            one["latency"] = named([now[state].since(old.get(state, EMPTY)) for state in MEASURED])
        self._before[which] = after
        return window_sections({"start_ns": window.start, "length_ns": window.length, "domains": domains})


def _parts(life: Any) -> Parts:
    """What the life's vCPUs have completed so far."""
    hists = [{state: Distribution.of(one[state]) for state in MEASURED} for one in life.histograms()]
    return {state: EMPTY.plus([one[state] for one in hists]) for state in MEASURED}


def domains_of(window: Any) -> Iterator[Dict[str, Any]]:
    """The records of a window's domains, by domid and generation; each is made as it is asked for."""
    for life, figures in window.ordered():
        one = {"domid": life.domid, "generation": life.generation}
        one.update(zip(WINDOW_STATES, figures))
        one["executions"] = figures[F_EXECUTIONS]
        one.update(zip(GRANTS, figures[F_GRANTS:]))
        slices = one["allocations"] = figures[F_SLICES]
        one["allocation_sum_ns"] = figures[F_SLICE_SUM]
        one["allocation_avg_ns"] = figures[F_SLICE_SUM] // slices if slices else None
        one["allocation_min_ns"] = figures[F_SLICE_MIN] if slices else None
        one["allocation_max_ns"] = figures[F_SLICE_MAX] if slices else None
        yield one
