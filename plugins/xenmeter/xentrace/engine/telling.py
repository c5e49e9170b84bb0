"""The accounts at a border as the sections of a picture, in pure Python; ``book.Teller`` is the same compiled.

At a border of the shortest window all that happened before it is accounted and nothing after it, so the figures taken
there are exact: cumulative sums of domains and vCPUs, the windows that end there, and the latencies in them.
"""
from array import array
from typing import Any, Dict, List

from xenmeter.xentrace.engine.cells import Cells
from xenmeter.xentrace.engine.columns import (KIND_COUNTS, KIND_DOMAINS, KIND_HISTOGRAMS, KIND_PCPUS, KIND_PLACES, KIND_VCPUS,
                                              KIND_WINDOW, SUMMARY)
from xenmeter.xentrace.engine.distribution import EMPTY, Distribution
from xenmeter.xentrace.engine.figures import COUNTERS, LATENCIES, MEASURED, MEASURES
from xenmeter.xentrace.engine.layout import (C_STATES, D_CURRENT, D_GRANTS, D_MASK, D_SINCE, D_SLICE_LIMITS, D_SLICES, P_CCOUNT,
                                             P_CSINCE, P_CSTATE, P_CTIME, P_FREQ_CHANGES, P_LOST, P_MHZ, P_RAN, RESTED, S_PENDING,
                                             S_UNKNOWN, V_LASTCPU, V_SEEN, V_SINCE, V_STATE, V_SUMS)
from xenmeter.xentrace.engine.picture import named
from xenmeter.xentrace.engine.records import IDLE_DOMAIN
from xenmeter.xentrace.engine.sections import Section, made

__all__ = ("Teller",)

#: State -> what was completed in it.
Parts = Dict[int, Distribution]
_NO_CELLS = [-1] * len(MEASURES)
#: Set of states (1 running, 2 runnable, 4 blocked or offline) -> one of the six.
_SETS = {1: 0, 2: 1, 3: 2, 7: 2, 4: 3, 5: 4, 6: 5}


class Teller:
    """:param accounts: of a PythonStore. :ivar cells: of the histograms."""

    def __init__(self, accounts: Any) -> None:
        self._accounts = accounts
        self.cells = Cells()
        self._before: Dict[int, Dict[Any, Parts]] = {}     # number of a length -> life -> its histograms at the last border

    def pcpus(self, now: int) -> Section:
        """PCPUS."""
        return made(KIND_PCPUS, [_pcpu(self._accounts, number, now) for number in sorted(self._accounts.pcpus)])

    def cumulative(self, now: int) -> List[Section]:
        """DOMAINS and VCPUS at ``now``, ns; what their histograms hold is in the cells."""
        own, domains, vcpus = self._accounts.per_vcpu, [], []
        for life in self._accounts.in_order():
            theirs = _vcpu_rows(life, now)
            vcpus += [row + (self._tell(vcpu.hist) if own else _NO_CELLS) for row, vcpu in zip(theirs, life.in_order())]
            domains.append(_domain_row(life, now, theirs) + (_NO_CELLS if own else self._tell(life.hist)))
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


def _rests(row):
    """Whether a vCPU is not told before it has a record."""
    return row[V_STATE] == S_PENDING and row[V_SEEN] == RESTED


def _times(row, end, ended):
    sums = list(row[V_SUMS:V_SUMS + 8])
    if not ended and not _rests(row):
        state = row[V_STATE]
        sums[S_UNKNOWN if state == S_PENDING else state] += end - row[V_SINCE]
    return [sums[0], sums[1] + sums[5] + sums[6], sums[2], sums[3], sums[4], sums[5], sums[6]]


def _vcpu_rows(life, now):
    """Of each vCPU of a life the columns of VCPU, without its cells."""
    return [_times(vcpu.row, now, life.end is not None) + [vcpu.row[place] for _, place in COUNTERS]
            + [life.domid, vcpu.key & 0xFFFF, life.generation, vcpu.row[V_LASTCPU]] for vcpu in life.in_order()]


def _domain_row(life, now, theirs):
    """The columns of DOMAIN, without cells. :param theirs: rows of its vCPUs."""
    row = life.row
    sums = [sum(column) for column in zip(*theirs)][:7 + len(COUNTERS)] or [0] * (7 + len(COUNTERS))
    end = -1 if life.end is None else life.end
    return ([life.domid] + sums + _runstate(life, now) + list(row[D_GRANTS:D_GRANTS + 3]) + [life.generation, life.start, end]
            + list(row[D_SLICES:D_SLICES + 2]) + list(row[D_SLICE_LIMITS:D_SLICE_LIMITS + 2]))


def _runstate(life, now):
    """The domain's own states; time in which some vCPU's state was unknown is in none of them."""
    row = life.row
    times = list(row[D_CURRENT:D_CURRENT + 16])
    if life.end is None:
        times[row[D_MASK]] += now - row[D_SINCE]
    pending = life.end is None and any(vcpu.row[V_STATE] == S_PENDING and not _rests(vcpu.row) for vcpu in life.vcpus)
    told = [0] * 6
    for mask, which in _SETS.items():
        told[which] += life.past[mask] + (0 if pending else times[mask])
    return told


def _pcpu(accounts, number, now):
    row = accounts.pcpus[number]
    lost = accounts.lost_for(number, now)
    idle = accounts.vcpus.get(IDLE_DOMAIN << 16 | number)
    if idle is not None:
        times = _times(idle.row, now, False)
        idle_ns, unknown = times[0], times[4] + (now - idle.row[V_SINCE] if _rests(idle.row) else 0)
    else:
        # No idle vCPU in the trace: something ran all the time, or nothing is known.
        idle_ns, unknown = 0, lost if row[P_RAN] else now
    told = [number, now - idle_ns - unknown, idle_ns, unknown, row[P_LOST], lost, row[P_MHZ], row[P_FREQ_CHANGES]]
    for state in range(C_STATES):
        entries = row[P_CCOUNT + state]
        told += [row[P_CTIME + state] + (now - row[P_CSINCE] if row[P_CSTATE] == state else 0) if entries else 0, entries]
    return told
