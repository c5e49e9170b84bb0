"""What stands where in the rows of a picture (picture.py), and a row as a plain record."""
from operator import itemgetter
from typing import Any, Dict, Optional, Sequence

from xenmeter.xentrace.engine.figures import COUNTS, DOMAIN_STATES, GRANTS, LATENCIES, MEASURES, STATES, WAITS, WINDOW_STATES
from xenmeter.xentrace.engine.layout import C_STATES, T_DOMAIN, T_PCPU, T_VCPU, T_WINDOW

__all__ = ("TRACE", "PCPU", "DOMAIN", "VCPU", "WINDOW", "CAUSE", "WIDTHS", "life_of_domain", "life_of_vcpu", "life_of_window",
           "vcpu_record", "domain_record", "pcpu_record", "window_record", "known")

(KIND_TRACE, KIND_PCPUS, KIND_DOMAINS, KIND_VCPUS, KIND_WINDOW, KIND_HISTOGRAMS, KIND_COUNTS, KIND_PLACES, KIND_MUTE,
 KIND_TEXT, KIND_CAUSES) = range(1, 12)

_TIMES = STATES + WAITS
ANOMALIES = ("resynchronised", "cut_windows", "truncated", "backwards", "wild_stamps", "late", "contradictions",
             "interruptions", "left_out")
_CELLS = tuple(name + "_cell" for name in MEASURES)
TRACE = ("records", "cpu_khz", "skipped_bytes", "anomalies", "span_ns", "left_out_from", "damaged_from", "pcpus",
         "lost_records", "lost_before", "observed_ns", "elapsed_ns") + ANOMALIES
OBSERVED = slice(TRACE.index("observed_ns"), TRACE.index("elapsed_ns") + 1)
PCPU = ("pcpu", "busy_ns", "idle_ns", "unknown_ns", "lost_records", "lost_ns", "mhz", "frequency_changes") + tuple(
    "c%d_%s" % (state, name) for state in range(C_STATES) for name in ("ns", "entries"))
DOMAIN = ("domid",) + _TIMES + COUNTS + tuple(
    "full_" + name if name == "blocked_ns" else name for name in DOMAIN_STATES) + GRANTS + (
    "generation", "start_ns", "end_ns", "allocations", "allocation_sum_ns", "allocation_min_ns", "allocation_max_ns") + _CELLS
VCPU = _TIMES + COUNTS + ("domid", "vcpu", "generation", "pcpu") + _CELLS
#: Of the intervals that ended in a window, count and percentiles of each latency; then the domain's figures.
SUMMARY = ("count", "p50", "p90", "p99", "p999", "max")
WINDOW = tuple(latency + "_" + name for latency, _ in LATENCIES for name in SUMMARY) + ("domid", "generation") + (
    WINDOW_STATES + ("executions",) + GRANTS + ("allocations", "allocation_sum_ns", "allocation_min_ns", "allocation_max_ns")
    + ("histogram",))
assert (len(DOMAIN), len(VCPU), len(WINDOW), len(PCPU)) == (T_DOMAIN, T_VCPU, T_WINDOW, T_PCPU)
#: Of a domain's waits: what they were caused by, as far as it has a name, and how long. What has none is a number below 0:
#: nobody, not known, others, domains that are gone; and the waits that last, which nobody has caused yet.
CAUSE = ("domid", "generation", "by", "by_generation", "caused_ns")
BY_IDLE, BY_UNKNOWN, BY_OTHER, BY_GONE, BY_LASTING = range(-1, -6, -1)
#: (domid, generation) of a row.
life_of_domain, life_of_vcpu, life_of_window = [itemgetter(columns.index("domid"), columns.index("generation"))
                                                for columns in (DOMAIN, VCPU, WINDOW)]
#: Where in a row stand: the figures that the catalogue has; what goes with the life; the cells.
DOMAIN_FIGURES, DOMAIN_CELLS = slice(0, DOMAIN.index("generation")), slice(DOMAIN.index(_CELLS[0]), None)
VCPU_FIGURES, VCPU_CELLS = slice(0, VCPU.index("domid")), slice(VCPU.index(_CELLS[0]), None)
WINDOW_FIGURES = slice(WINDOW.index(WINDOW_STATES[0]), WINDOW.index("histogram"))
#: The summary of each of LATENCIES; what follows them all.
SUMMARIES = tuple(slice(place, place + len(SUMMARY)) for place in range(0, WINDOW.index("domid"), len(SUMMARY)))
AFTER_SUMMARIES = slice(WINDOW.index("domid"), None)
_IN_WINDOW = WINDOW[AFTER_SUMMARIES][:-1]
#: Of a domain: its vCPUs' figures; the states of it as a whole; all else; its allocations are the last of that.
_SUMS, _WHOLE = slice(0, 1 + len(_TIMES + COUNTS)), slice(1 + len(_TIMES + COUNTS), DOMAIN.index(GRANTS[0]))
_REST = slice(_WHOLE.stop, DOMAIN_CELLS.start)
ALLOCATIONS = DOMAIN[DOMAIN.index("allocations"):DOMAIN_CELLS.start]
#: kind -> bytes of a row, as far as this release knows them.
WIDTHS = {KIND_TRACE: 8 * len(TRACE), KIND_PCPUS: 8 * len(PCPU), KIND_DOMAINS: 8 * len(DOMAIN), KIND_VCPUS: 8 * len(VCPU),
           KIND_WINDOW: 8 * len(WINDOW), KIND_HISTOGRAMS: 32, KIND_COUNTS: 8, KIND_PLACES: 2, KIND_MUTE: 8, KIND_TEXT: 1,
           KIND_CAUSES: 8 * len(CAUSE)}


def vcpu_record(row: Sequence[int]) -> Dict[str, Any]:
    """Of a row of VCPU, without its histograms."""
    one: Dict[str, Any] = dict(zip(VCPU[:VCPU_CELLS.start], row))
    one["pcpu"] = known(one["pcpu"])
    return one


def domain_record(row: Sequence[int]) -> Dict[str, Any]:
    """Of a row of DOMAIN, without its histograms."""
    one: Dict[str, Any] = dict(zip(DOMAIN[_SUMS] + DOMAIN[_REST], [*row[_SUMS], *row[_REST]]))
    one["runstate"] = dict(zip(DOMAIN_STATES, row[_WHOLE]))
    one["end_ns"] = known(one["end_ns"])
    count, total, low, high = [one.pop(name) for name in ALLOCATIONS]
    one["allocation"] = {"count": count, "sum_ns": total, "min_ns": low, "max_ns": high} if count else None
    return one


def pcpu_record(row: Sequence[int]) -> Dict[str, Any]:
    one: Dict[str, Any] = dict(zip(PCPU[:8], row))
    one["mhz"] = one["mhz"] or None
    one["cstates"] = {state: {"ns": row[8 + 2 * state], "entries": row[9 + 2 * state]} for state in range(C_STATES)
                      if row[9 + 2 * state]}
    return one


def window_record(values: Sequence[int]) -> Dict[str, Any]:
    """Of a domain in a window: the columns of WINDOW from ``domid`` on."""
    one: Dict[str, Any] = dict(zip(_IN_WINDOW, values))
    slices = one["allocations"]
    if slices:
        one["allocation_avg_ns"] = one["allocation_sum_ns"] // slices
    else:
        one["allocation_avg_ns"] = one["allocation_min_ns"] = one["allocation_max_ns"] = None
    return one


def known(value: int) -> Optional[int]:
    """None for -1."""
    return value if value >= 0 else None
