"""iperf3 (``--json``) and netperf (``-- -k ...``, or its classic tables)."""
import re
from typing import Any, Dict, List, Tuple

from xenmeter.bench.readers.texts import document, last_line, whole
from xenmeter.bench.results import Figure, LESS, MORE, Result, Unusable, Work

__all__ = ("iperf3", "netperf")

#: Above this share of a CPU, percent, iperf3 measures itself.
_BUSY = 97.0


def iperf3(out: str, err: str, status: int) -> Result:
    """iperf3 3.x with ``--json``: what was received. Its status is 0 with --json where it was refused; the document says."""
    said = document(out, "iperf3", "" if not err.strip() else last_line(err))
    if "error" in said:
        raise Unusable("iperf3: %s" % said["error"])
    try:
        end = said["end"]
        total = end.get("sum_received") or end["sum"]
        figures = [Figure("throughput", float(total["bits_per_second"]), "bit/s", MORE)]
        if "jitter_ms" in total:
            figures.append(Figure("jitter", float(total["jitter_ms"]), "ms", LESS))
            figures.append(Figure("lost", float(total["lost_percent"]), "%", LESS))
        if "retransmits" in end.get("sum_sent", {}):
            figures.append(Figure("retransmits", float(end["sum_sent"]["retransmits"]), "1", LESS))
        return Result(tuple(figures), Work(float(total["bytes"]), "byte"), _limits(end.get("cpu_utilization_percent") or {}))
    except (KeyError, TypeError, ValueError, AttributeError):
        raise Unusable("iperf3: its document has no sum of what was received")


def _limits(cpu: Dict[str, Any]) -> Tuple[str, ...]:
    """Which of its two ends used all of a CPU, by its own word."""
    return tuple("limited by the %s: iperf3 itself took %.0f %% of a CPU there" % (end, float(cpu[key]))
                 for key, end in (("host_total", "client"), ("remote_total", "server")) if float(cpu.get(key, 0)) > _BUSY)


#: Units of netperf's THROUGHPUT_UNITS, as a factor and ours.
_UNITS = {"10^9bits/s": (1e9, "bit/s"), "10^6bits/s": (1e6, "bit/s"), "10^3bits/s": (1e3, "bit/s"),
          "GBytes/s": (8.0 * (1 << 30), "bit/s"), "MBytes/s": (8.0 * (1 << 20), "bit/s"), "KBytes/s": (8.0 * (1 << 10), "bit/s"),
          "Trans/s": (1.0, "transaction/s")}
_PAIR = re.compile(r"^([A-Z][A-Z0-9_]*)=(.*)$", re.M)
_LATENCIES = ("MEAN_LATENCY", "P50_LATENCY", "P90_LATENCY", "P99_LATENCY")


def netperf(out: str, err: str, status: int) -> Result:
    """netperf 2.7 with ``-k THROUGHPUT,THROUGHPUT_UNITS,ELAPSED_TIME`` (and latencies), of any test.

    What was not measured it prints as -1.00 or -nan. Where nobody listens it says so on stdout, with status 255.
    """
    pairs = dict(_PAIR.findall(whole(out)))
    if status or not {"THROUGHPUT", "THROUGHPUT_UNITS", "ELAPSED_TIME"} <= set(pairs):
        said = (out.strip().splitlines() or err.strip().splitlines() or [""])[0] if status else ""
        raise Unusable("netperf: %s" % (said or "no figures; ask for them with -- -k THROUGHPUT,THROUGHPUT_UNITS,ELAPSED_TIME"))
    factor, unit = _UNITS.get(pairs["THROUGHPUT_UNITS"].strip(), (1.0, pairs["THROUGHPUT_UNITS"].strip()))
    throughput, seconds = _measured(pairs, "THROUGHPUT"), _measured(pairs, "ELAPSED_TIME")
    if throughput is None or seconds is None:
        raise Unusable("netperf: it did not measure its throughput or its time")
    figures: List[Figure] = [Figure("throughput", throughput * factor, unit, MORE)]
    for name in _LATENCIES:
        latency = _measured(pairs, name)
        if latency is not None:
            figures.append(Figure(name.lower(), latency, "us", LESS))
    work = {"bit/s": Work(throughput * factor * seconds / 8, "byte"),
            "transaction/s": Work(throughput * seconds, "transaction")}.get(unit)
    return Result(tuple(figures), work, ())


def _measured(pairs: Dict[str, str], name: str) -> Any:
    """A number that netperf measured, or None."""
    try:
        number = float(pairs[name])
    except (KeyError, ValueError):
        return None
    return number if 0 <= number < float("inf") else None
