"""Figures of the engine to readings: identity, cumulative counters, windows and latencies per domain.

All numbers are integers here: nanoseconds, counts, parts per million, thousandths. What is not known is None.
"""
import os
from typing import Any, Dict, List, Optional, Tuple

from xenmeter.core import catalogue, source
from xenmeter.core.reading import Reading, Row, Who
from xenmeter.core.select import Wanted, domain_filter
from xenmeter.xen.domains import Unreadable
from xenmeter.xentrace.attribute import Attribution, LifeKey
from xenmeter.xentrace.blames import Blames
from xenmeter.xentrace.engine.distribution import EMPTY, Distribution
from xenmeter.xentrace.engine.figures import COUNTS, GRANTS, WINDOW_STATES
from xenmeter.xentrace.engine.columns import (DOMAIN, DOMAIN_CELLS, DOMAIN_FIGURES, KIND_CAUSES, KIND_VCPUS, SUMMARIES, VCPU,
                                              VCPU_CELLS, VCPU_FIGURES, WINDOW_FIGURES, life_of_domain, life_of_vcpu,
                                              life_of_window)
from xenmeter.xentrace.engine.picture import Picture
from xenmeter.xentrace.samples import Sample, window_name

__all__ = ("CATALOGUE", "Collector", "make_collector")

CATALOGUE = catalogue.load("xentrace", os.path.dirname(os.path.abspath(__file__)))

_TIMES = WINDOW_STATES + ("waiting_wake_ns", "waiting_preempt_ns")
_HISTOGRAMS = ("wait_wake", "wait_preempt", "run", "blocked")
_PERCENTILES = ("p50", "p90", "p99", "p999", "max")

CATALOGUE.expect("domain", ("domid",) + _TIMES + COUNTS + (
    "full_run_ns", "full_contention_ns", "concurrency_hazard_ns", "full_blocked_ns", "partial_run_ns",
    "partial_contention_ns") + GRANTS + _HISTOGRAMS + tuple("wait_%s_ns" % name for name in _PERCENTILES))
CATALOGUE.expect("vcpu", _TIMES + COUNTS + _HISTOGRAMS)
CATALOGUE.expect("cause", ("caused_ns",))
CATALOGUE.expect("lasting", ("wait_lasting_ns",))
CATALOGUE.expect("latency", ("wait_count",) + tuple("wait_%s_ns" % name for name in _PERCENTILES))
CATALOGUE.expect("length", tuple(name + part for name in ("run", "blocked") for part in (
    "_count", "_p50_ns", "_p90_ns", "_p99_ns", "_p999_ns", "_max_ns")))
CATALOGUE.expect("window", (
    "cpu_ppm", "wait_ppm", "blocked_ppm", "offline_ppm", "unknown_ppm", "cpu_per_execution_ns",
    "wait_per_execution_ns", "blocked_per_io_ns", "allocation_avg_ns", "allocation_min_ns", "allocation_max_ns",
    "executions_per_s", "io_per_s", "io_per_execution"))
CATALOGUE.expect("pcpu", ("busy_ns", "idle_ns", "unknown_ns", "frequency_hertz", "frequency_changes", "lost_records",
                          "lost_ns"))
CATALOGUE.expect("cstate", ("residency_ns", "entries"))
CATALOGUE.expect("trace", ("records", "anomalies", "skipped_bytes", "observed_ns", "observed_ppm", "tsc_hertz"))

_VCPU, _END, _RUNNING = VCPU.index("vcpu"), DOMAIN.index("end_ns"), DOMAIN.index("running_ns")
_CAUSES = ("wake", "preemption", "any")
_WAKE, _PREEMPTION, _ANY, _RUN, _BLOCKED = SUMMARIES
#: Of a latency in which nothing ended: its count, and no percentiles.
_NO_WAITS = (0,) + (None,) * 5
_NO_HISTOGRAMS = (None,) * 9
Rows = List[Tuple[int, ...]]


def make_collector(options: Any) -> "Collector":
    return Collector(domain_filter(options.include, options.exclude, options.dom0), options.per_vcpu)


class Collector(source.Collector):
    """Keeps what lasts between samples.

    :param wanted: ``wanted(name, uuid, domid)`` says whether a domain is published.
    :param per_vcpu: whether there are rows for vCPUs too.
    :ivar errors: kind -> how often: ``unjoined``, ``same_uuid``, ``no_names``.
    """

    def __init__(self, wanted: Optional[Wanted] = None, per_vcpu: bool = False) -> None:
        super().__init__()
        self._wanted = wanted
        self.per_vcpu = per_vcpu
        self._attribution = Attribution()
        self._blames = Blames()
        self._waits: Dict[LifeKey, Distribution] = {}   # of the last reading

    def collect(self, sample: Sample) -> Reading:
        """The reading of one sample. Domains whose identity is not known now are missing from it."""
        figures = sample.figures
        self.trouble = None
        if isinstance(sample.names, Unreadable):
            self._count("no_names", 1)
            self.trouble = sample.names.reason
        lives, windows = figures.domain_rows(), figures.window_rows()
        named = self._whose(lives, windows, sample.names)
        whose = named if self._wanted is None else {
            life: who for life, who in named.items() if self._wanted(who.name, who.uuid, who.domid)}
        tables: Dict[str, List[Row]] = {"domain": self._domains(figures, lives, whose), "latency": [], "length": [],
                                        "window": [], "pcpu": [], "cstate": [], "vcpu": [], "cause": [], "lasting": []}
        self._blames.tell(figures.rows(KIND_CAUSES), whose, named, tables)
        if self.per_vcpu:
            tables["vcpu"] = [(whose[life_of_vcpu(row)], (str(row[_VCPU]),),
                               row[VCPU_FIGURES] + self._of_vcpu(figures, row[VCPU_CELLS]))
                              for row in figures.rows(KIND_VCPUS) if life_of_vcpu(row) in whose]
        for length, _, rows in windows:
            _window(length, rows, whose, tables)
        for one in figures["pcpus"]:
            _pcpu(one, tables)
        tables["trace"] = [(None, (), _trace(figures))]
        return Reading(sample.time_ns, tables)

    def _whose(self, rows: Rows, windows: List[Tuple[int, int, Rows]], names: Any) -> Dict[LifeKey, Who]:
        """Life -> name, of all whose identity is known; lives that only a window still knows are among them."""
        lives: List[Dict[str, Any]] = []
        for row in rows:
            domid, generation = life_of_domain(row)
            lives.append({"domid": domid, "generation": generation, "end_ns": row[_END] if row[_END] >= 0 else None,
                          "running_ns": row[_RUNNING]})
        known = set(map(life_of_domain, rows))
        for _, start, domains in windows:
            for life in set(map(life_of_window, domains)) - known:
                known.add(life)
                lives.append({"domid": life[0], "generation": life[1], "end_ns": start})
        whose = self._attribution.whose(lives, names)
        self.notices = self._attribution.notices
        for reason, number in self._attribution.left_out.items():
            self._count(reason, number)
        return whose

    def _count(self, kind: str, number: int) -> None:
        self.errors[kind] = self.errors.get(kind, 0) + number

    def _of_vcpu(self, figures: Picture, cells: Tuple[int, ...]) -> Tuple[Optional[Distribution], ...]:
        if not self.histograms or cells[0] < 0:
            return _NO_HISTOGRAMS[:4]
        run, _, blocked, wake, preempt = figures.histograms((0, 0), cells)
        return wake, preempt, run, blocked

    def _domains(self, figures: Picture, lives: Rows, whose: Dict[LifeKey, Who]) -> List[Row]:
        rows: List[Row] = []
        if not self.histograms:
            return [(whose[life_of_domain(row)], (), row[DOMAIN_FIGURES] + _NO_HISTOGRAMS) for row in lives
                    if life_of_domain(row) in whose]
        waits, self._waits = self._waits, {}
        for row in lives:
            life = life_of_domain(row)
            if life in whose:
                run, other, blocked, wake, preempt = figures.histograms(life, row[DOMAIN_CELLS])
                wait = self._waits[life] = other.plus([wake, preempt])
                recent = wait.since(waits.get(life, EMPTY)).summary()
                rows.append((whose[life], (), row[DOMAIN_FIGURES] + (wake, preempt, run, blocked)
                             + tuple([recent[name] for name in _PERCENTILES])))
        return rows


def _window(length: int, rows: Rows, whose: Dict[LifeKey, Who], tables: Dict[str, List[Row]]) -> None:
    name = window_name(length)
    only, (wake, preemption, both) = (name,), [(cause, name) for cause in _CAUSES]
    windows, latencies, lengths = tables["window"], tables["latency"], tables["length"]
    for row in rows:
        who = whose.get(life_of_window(row))
        if who is None:
            continue
        windows.append((who, only, xenmon(length, *row[WINDOW_FIGURES])))
        latencies.append((who, wake, row[_WAKE] if row[_WAKE.start] else _NO_WAITS))
        latencies.append((who, preemption, row[_PREEMPTION] if row[_PREEMPTION.start] else _NO_WAITS))
        latencies.append((who, both, row[_ANY] if row[_ANY.start] else _NO_WAITS))
        lengths.append((who, only, (row[_RUN] if row[_RUN.start] else _NO_WAITS)
                        + (row[_BLOCKED] if row[_BLOCKED.start] else _NO_WAITS)))


def xenmon(length: int, running: int, waiting: int, blocked: int, offline: int, unknown: int, executions: int, maps: int,
           unmaps: int, transfers: int, slices: int, granted: int, least: int, most: int) -> Tuple[Optional[int], ...]:
    """XenMon's table of one domain and window, in the catalogue's order: ppm, ns, thousandths, to the nearest integer."""
    ios = maps + unmaps + transfers
    twice = 2 * length      # to the nearest integer, without a float on the way
    return (
        (running * 2000000 + length) // twice, (waiting * 2000000 + length) // twice, (blocked * 2000000 + length) // twice,
        (offline * 2000000 + length) // twice, (unknown * 2000000 + length) // twice,
        running // executions if executions else None, waiting // executions if executions else None,
        blocked // ios if ios else None,
        granted // slices if slices else None, least if slices else None, most if slices else None,
        (executions * 2000000000000 + length) // twice, (ios * 2000000000000 + length) // twice,
        (ios * 2000 + executions) // (2 * executions) if executions else None)


def _pcpu(one: Dict[str, Any], tables: Dict[str, List[Row]]) -> None:
    labels = (str(one["pcpu"]),)
    mhz = one["mhz"]
    tables["pcpu"].append((None, labels, (
        one["busy_ns"], one["idle_ns"], one["unknown_ns"], mhz * 1000000 if mhz else None,
        one["frequency_changes"] if mhz else None, one["lost_records"], one["lost_ns"])))
    for state, told in sorted(one["cstates"].items()):
        tables["cstate"].append((None, labels + (str(state),), (told["ns"], told["entries"])))


def _trace(figures: Picture) -> Tuple[Optional[int], ...]:
    """A recording covers all of its time; where the baker rests, ``observed`` says how much of it."""
    trace = figures["trace"]
    span = trace["span_ns"]
    observed, elapsed = figures["observed"] or (span, span)
    return (trace["records"], trace["anomalies"], trace["skipped_bytes"], observed,
            min(1000000, observed * 1000000 // elapsed) if elapsed else None, trace["cpu_khz"] * 1000)
