"""fio (``--output-format=json``) and Bonnie++."""
import re
from typing import Any, Dict, List, Optional

from xenmeter.bench.readers.texts import document, last_line, PREFIXES, whole
from xenmeter.bench.results import Figure, LESS, MORE, Result, Unusable, Work

__all__ = ("fio", "bonnie")


def fio(out: str, err: str, status: int) -> Result:
    """fio 3 with ``--output-format=json``: what all jobs read and wrote. Notes may stand before the document, on stdout."""
    said = document(out, "fio", last_line(err))
    try:
        jobs = said["jobs"]
        failed = [job for job in jobs if job["error"]]
        if status or failed or not jobs:
            reason = "error %d of job %s" % (failed[0]["error"], failed[0]["jobname"]) if failed else "status %d" % status
            raise Unusable("fio: %s" % (last_line(err) or reason))
        figures: List[Figure] = []
        total = 0
        for way in ("read", "write", "trim"):
            requests = sum(int(job[way]["total_ios"]) for job in jobs if way in job)
            if requests:
                total += sum(int(job[way]["io_bytes"]) for job in jobs)
                figures += _way(way, requests, jobs)
    except (KeyError, TypeError, ValueError, AttributeError):
        raise Unusable("fio: its document has not what fio 3 writes of a job")
    if not figures:
        raise Unusable("fio: it read and wrote nothing")
    return Result(tuple(figures), Work(float(total), "byte"), tuple(_notes(out)))


def _way(way: str, requests: int, jobs: List[Dict[str, Any]]) -> List[Figure]:
    """The figures of one direction. The jobs ran side by side, so the longest of their times is that of all."""
    milliseconds = max(int(job[way]["runtime"]) for job in jobs)
    if not milliseconds:
        return [Figure(way + "_throughput", None, "too fast", MORE)]
    amount = sum(int(job[way]["io_bytes"]) for job in jobs)
    figures = [Figure(way + "_throughput", amount * 1000 / milliseconds, "byte/s", MORE),
               Figure(way + "_iops", requests * 1000 / milliseconds, "request/s", MORE)]
    if len(jobs) == 1:      # percentiles of several jobs cannot be put together
        shares = jobs[0][way].get("clat_ns", {}).get("percentile", {})
        for name, key in (("p50", "50.000000"), ("p99", "99.000000"), ("p999", "99.900000")):
            if key in shares:
                figures.append(Figure("%s_latency_%s" % (way, name), shares[key] / 1000000, "ms", LESS))
    return figures


def _notes(out: str) -> List[str]:
    return [line[6:].strip() for line in out[:out.find("{")].splitlines() if line.startswith("note: ")]


#: Field of each speed in a line of 50, the CPU's share stands behind it; field of each largest latency.
_SPEEDS = (("putc", 9), ("put", 11), ("rewrite", 13), ("getc", 15), ("get", 17), ("seeks", 19), ("create_sequential", 26),
           ("stat_sequential", 28), ("delete_sequential", 30), ("create_random", 32), ("stat_random", 34), ("delete_random", 36))
_LATENCIES = 38
_FIELDS = 50
_LINE = re.compile(r"^1\.9[678],[^,\n]+,.*$", re.M)
_LATENCY = re.compile(r"(\d+)(us|ms|s)\Z")
_SIZE = re.compile(r"(\d+)([kMGT]?)\Z")
_MS = {"us": 0.001, "ms": 1.0, "s": 1000.0}


def bonnie(out: str, err: str, status: int) -> Result:
    """Bonnie++ 2.00a: its last line of CSV (format 1.96 to 1.98).

    Its header names two columns too few and the machine's name is not quoted, so fields are counted from the right. What was
    too fast to be measured is ``+++++``, what was left out is empty.
    """
    lines = _LINE.findall(whole(out))
    fields = lines[-1].split(",") if lines else []
    if status or len(fields) < _FIELDS:
        said = err.strip().splitlines()[:1] if status else []
        raise Unusable("bonnie++: %s" % (said[0] if said else "no whole line of CSV"))
    left = _FIELDS - 3      # what stands right of the name
    fields = fields[:2] + [",".join(fields[2:-left])] + fields[-left:]
    figures: List[Figure] = []
    for number, (name, place) in enumerate(_SPEEDS):
        unit = "KiB/s" if name in ("putc", "put", "rewrite", "getc", "get") else "1/s"
        figures += _figure(name, fields[place], unit)
        latency = _LATENCY.match(fields[_LATENCIES + number])
        if latency:
            figures.append(Figure(name + "_latency_max", int(latency.group(1)) * _MS[latency.group(2)], "ms", LESS))
    size = _SIZE.match(fields[5])
    if not figures:
        raise Unusable("bonnie++: it left out every test")
    return Result(tuple(figures), Work(float(int(size.group(1)) * PREFIXES[size.group(2)]), "byte of file") if size else None, ())


def _figure(name: str, text: str, unit: str) -> List[Figure]:
    if not text:
        return []
    value: Optional[float] = None
    try:
        value = float(text)
    except ValueError:
        if set(text) != {"+"}:
            raise Unusable("bonnie++: %r stands where the speed of %s should" % (text, name))
    return [Figure(name, value, unit if value is not None else "too fast", MORE)]
