"""Figures of the engine to readings: identity, cumulative counters, windows and latencies per domain.

All numbers are integers here: nanoseconds, counts, parts per million, thousandths. What is not known is None.
"""
import os
from typing import Any, Dict, List, Optional, Tuple

from xenmeter.core import catalogue, source
from xenmeter.core.reading import Reading, Row, Who
from xenmeter.core.select import Wanted, domain_filter
from xenmeter.xen.domains import Unreadable
from xenmeter.xentrace.attribute import Attribution
from xenmeter.xentrace.engine.distribution import EMPTY, Distribution
from xenmeter.xentrace.engine.figures import COUNTS, DOMAIN_STATES, GRANTS, STATES, WAITS, WINDOW_STATES
from xenmeter.xentrace.samples import Sample, window_name

__all__ = ("CATALOGUE", "Collector", "make_collector")

CATALOGUE = catalogue.load("xentrace", os.path.dirname(os.path.abspath(__file__)))

_TIMES = WINDOW_STATES + ("waiting_wake_ns", "waiting_preempt_ns")
#: What the engine calls them.
_SOURCES = STATES + WAITS
_HISTOGRAMS = ("wait_wake", "wait_preempt", "run", "blocked")
_PERCENTILES = ("p50", "p90", "p99", "p999", "max")

CATALOGUE.expect("domain", ("domid",) + _TIMES + COUNTS + (
    "full_run_ns", "full_contention_ns", "concurrency_hazard_ns", "full_blocked_ns", "partial_run_ns",
    "partial_contention_ns") + GRANTS + _HISTOGRAMS + tuple("wait_%s_ns" % name for name in _PERCENTILES))
CATALOGUE.expect("vcpu", _TIMES + COUNTS + _HISTOGRAMS)
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

_CAUSES = (("wake", "wait_wake"), ("preemption", "wait_preempt"), ("any", "wait"))
_Life = Tuple[int, int]


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
        self._waits: Dict[_Life, Distribution] = {}   # of the last reading

    def collect(self, sample: Sample) -> Reading:
        """The reading of one sample. Domains whose identity is not known now are missing from it."""
        figures = sample.figures
        self.trouble = None
        if isinstance(sample.names, Unreadable):
            self._count("no_names", 1)
            self.trouble = sample.names.reason
        whose = self._whose(figures, sample.names)
        tables: Dict[str, List[Row]] = {"domain": self._domains(figures["domains"], whose), "latency": [], "length": [],
                                        "window": [], "pcpu": [], "cstate": [], "vcpu": []}
        if self.per_vcpu:
            tables["vcpu"] = [(whose[life], (str(one["vcpu"]),), _common(one) + _histograms(one))
                              for life, one in _published(figures["vcpus"], whose)]
        for window in figures["windows"]:
            _window(window, whose, tables)
        for one in figures["pcpus"]:
            _pcpu(one, tables)
        tables["trace"] = [(None, (), _trace(figures))]
        return Reading(sample.time_ns, tables)

    def _whose(self, figures: Dict[str, Any], names: Any) -> Dict[_Life, Who]:
        """Life -> name, of all that are published; lives that only a window still knows are among them."""
        lives = list(figures["domains"])
        known = {(one["domid"], one["generation"]) for one in lives}
        for window in figures["windows"]:
            for one in window["domains"]:
                life = one["domid"], one["generation"]
                if life not in known:
                    known.add(life)
                    lives.append({"domid": life[0], "generation": life[1], "end_ns": window["start_ns"]})
        whose = self._attribution.whose(lives, names)
        self.notices = self._attribution.notices
        for reason, number in self._attribution.left_out.items():
            self._count(reason, number)
        if self._wanted is not None:
            whose = {life: who for life, who in whose.items() if self._wanted(who.name, who.uuid, who.domid)}
        return whose

    def _count(self, kind: str, number: int) -> None:
        self.errors[kind] = self.errors.get(kind, 0) + number

    def _domains(self, domains: List[Dict[str, Any]], whose: Dict[_Life, Who]) -> List[Row]:
        rows: List[Row] = []
        waits, self._waits = self._waits, {}
        for life, one in _published(domains, whose):
            wait = self._waits[life] = one["histograms"]["wait"]
            recent = wait.since(waits.get(life, EMPTY)).summary()
            rows.append((whose[life], (), (one["domid"],) + _common(one)
                         + tuple([one["runstate"][name] for name in DOMAIN_STATES])
                         + tuple([one[name] for name in GRANTS]) + _histograms(one)
                         + tuple([recent[name] for name in _PERCENTILES])))
        return rows


def _published(records: List[Dict[str, Any]], whose: Dict[_Life, Who]) -> List[Tuple[_Life, Dict[str, Any]]]:
    pairs = [((one["domid"], one["generation"]), one) for one in records]
    return [(life, one) for life, one in pairs if life in whose]


def _common(one: Dict[str, Any]) -> Tuple[int, ...]:
    return tuple([one[name] for name in _SOURCES]) + tuple([one[name] for name in COUNTS])


def _histograms(one: Dict[str, Any]) -> Tuple[Optional[Distribution], ...]:
    histograms = one.get("histograms", {})
    return tuple([histograms.get(name) for name in _HISTOGRAMS])


def _percentiles(distribution: Distribution) -> Tuple[Optional[int], ...]:
    told = distribution.summary()
    return (told["count"],) + tuple([told[name] for name in _PERCENTILES])


def _window(window: Dict[str, Any], whose: Dict[_Life, Who], tables: Dict[str, List[Row]]) -> None:
    length = window["length_ns"]
    name = window_name(length)
    for life, one in _published(window["domains"], whose):
        who = whose[life]
        tables["window"].append((who, (name,), xenmon(one, length)))
        latency = one["latency"]
        for cause, key in _CAUSES:
            tables["latency"].append((who, (cause, name), _percentiles(latency[key])))
        tables["length"].append((who, (name,), _percentiles(latency["run"]) + _percentiles(latency["blocked"])))


def xenmon(one: Dict[str, Any], length: int) -> Tuple[Optional[int], ...]:
    """XenMon's table of one domain and window, in the catalogue's order: ppm, ns, thousandths."""
    executions = one["executions"]
    ios = sum(one[name] for name in GRANTS)
    shares = tuple([_ratio(one[name] * 1000000, length) for name in _TIMES[:5]])
    return shares + (
        one["running_ns"] // executions if executions else None,
        one["waiting_ns"] // executions if executions else None,
        one["blocked_ns"] // ios if ios else None,
        one["allocation_avg_ns"], one["allocation_min_ns"], one["allocation_max_ns"],
        _ratio(executions * 10 ** 12, length), _ratio(ios * 10 ** 12, length),
        _ratio(ios * 1000, executions) if executions else None)


def _ratio(part: int, whole: int) -> int:
    """To the nearest integer, without a float on the way."""
    return (2 * part + whole) // (2 * whole)


def _pcpu(one: Dict[str, Any], tables: Dict[str, List[Row]]) -> None:
    labels = (str(one["pcpu"]),)
    mhz = one["mhz"]
    tables["pcpu"].append((None, labels, (
        one["busy_ns"], one["idle_ns"], one["unknown_ns"], mhz * 1000000 if mhz else None,
        one["frequency_changes"] if mhz else None, one["lost_records"], one["lost_ns"])))
    for state, told in sorted(one["cstates"].items()):
        tables["cstate"].append((None, labels + (str(state),), (told["ns"], told["entries"])))


def _trace(figures: Dict[str, Any]) -> Tuple[Optional[int], ...]:
    """A recording covers all of its time; where the baker rests, ``observed`` says how much of it."""
    trace = figures["trace"]
    span = trace["span_ns"]
    observed, elapsed = figures.get("observed") or (span, span)
    return (trace["records"], trace["anomalies"], trace["skipped_bytes"], observed,
            min(1000000, observed * 1000000 // elapsed) if elapsed else None, trace["cpu_khz"] * 1000)
