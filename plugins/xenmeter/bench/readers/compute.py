"""sysbench, stress-ng, UnixBench, POV-Ray and hyperfine: what keeps a CPU busy."""
import re
from typing import List, Optional

from xenmeter.bench.readers.texts import document, last_line, search, whole
from xenmeter.bench.ranks import median
from xenmeter.bench.results import Figure, LESS, MORE, Result, Unusable, Work

__all__ = ("sysbench", "stress_ng", "unixbench", "povray", "hyperfine")

_SYSBENCH_LAST = re.compile(r"^ +execution time \(avg/stddev\): +\S+$", re.M)
_SYSBENCH_EVENTS = re.compile(r"^ +total number of events: +(\d+)$", re.M)
_SYSBENCH_RATE = re.compile(r"^ +events per second: +([\d.]+)$|\(([\d.]+) per second\)$", re.M)
_SYSBENCH_TIME = re.compile(r"^ +total time: +([\d.]+)s$", re.M)
_SYSBENCH_MOVED = re.compile(r"^([\d.]+) MiB transferred", re.M)
_SYSBENCH_LATENCY = re.compile(r"^ +(avg|max|\d+th percentile): +([\d.]+)$", re.M)
_FATAL = re.compile(r"FATAL: (.*)")


def sysbench(out: str, err: str, status: int) -> Result:
    """sysbench 1.0, any of its tests: events, their rate and latencies; for memory the bytes moved are the work."""
    text = whole(out)
    events = _SYSBENCH_EVENTS.search(text)
    if status or events is None or not _SYSBENCH_LAST.search(text):
        fatal = _FATAL.search(out + "\n" + err)
        raise Unusable("sysbench: %s" % (fatal.group(1) if fatal else "no whole result"))
    figures: List[Figure] = []
    rate = _SYSBENCH_RATE.search(text)
    seconds = _SYSBENCH_TIME.search(text)
    if rate:
        figures.append(Figure("rate", float(rate.group(1) or rate.group(2)), "event/s", MORE))
    elif seconds and float(seconds.group(1)):     # a test that prints no rate of its own
        figures.append(Figure("rate", int(events.group(1)) / float(seconds.group(1)), "event/s", MORE))
    for name, number in _SYSBENCH_LATENCY.findall(text):
        name = re.sub(r"(\d+)th percentile", r"p\1", name)
        figures.append(Figure("latency_" + name, float(number), "ms", LESS))
    moved = _SYSBENCH_MOVED.search(text)
    work = Work(float(moved.group(1)) * 1048576, "byte") if moved else Work(float(events.group(1)), "event")
    if not figures:
        raise Unusable("sysbench: no figure in its result")
    return Result(tuple(figures), work, ())


_STRESSOR = re.compile(r"^ +- stressor: (\S+)\n +bogo-ops: (\d+)\n +bogo-ops-per-second-usr-sys-time: ([\d.]+)\n"
                       r" +bogo-ops-per-second-real-time: ([\d.]+)$", re.M)
_STRESS_LINE = re.compile(r"^stress-ng: (?:info|metrc): +\[\d+\] ([a-z][\w-]*) +(\d+)" + r" +([\d.]+)" * 5, re.M)
_STRESS_DONE = re.compile(r"^stress-ng: info: +\[\d+\] (?:successful run completed|skipped|passed)", re.M)


def stress_ng(out: str, err: str, status: int) -> Result:
    """stress-ng 0.13 and later: its YAML on stdout (``--yaml /dev/stdout``), or the lines of ``--metrics`` on either output."""
    if status:
        raise Unusable("stress-ng: %s" % (last_line(err, out) or "status %d" % status))
    if out.startswith("---"):
        ended = out.endswith("\n...\n")     # a YAML document's own end
        rows = [(name, int(operations), float(rate)) for name, operations, _, rate in _STRESSOR.findall(out) if ended]
    else:
        text = whole(out) + whole(err)
        rows = [(row[0], int(row[1]), float(row[5])) for row in _STRESS_LINE.findall(text)] if _STRESS_DONE.search(text) else []
    if not rows:
        raise Unusable("stress-ng: no whole result; ask for it with --metrics or --yaml /dev/stdout")
    return Result(tuple(Figure(name, rate, "bogo-op/s", MORE) for name, _, rate in rows),
                  Work(float(sum(operations for _, operations, _ in rows)), "bogo-op"), ())


_UNIX_ROW = re.compile(r"^(\S.*?)\s{2,}([\d.]+) (\S+)\s+\(([\d.]+) s, (\d+) samples\)$", re.M)
_UNIX_INDEX = re.compile(r"^System Benchmarks Index Score(?: \(Partial Only\))? +([\d.]+)$", re.M)


def unixbench(out: str, err: str, status: int) -> Result:
    """UnixBench 5 and 6 (``./Run``): each test's own figure, the index first where it gives one."""
    text = whole(out)
    rows = _UNIX_ROW.findall(text)
    index = _UNIX_INDEX.findall(text)
    if status or not rows or not index:
        raise Unusable("UnixBench: %s" % (last_line(err) or "no whole result"))
    figures = [Figure("index", float(index[0]), "1", MORE)]
    figures += [Figure(name.strip(), float(number), unit, MORE) for name, number, unit, _, _ in rows]
    work: Optional[Work] = None
    if len(rows) == 1:
        work = Work(float(rows[0][1]) * float(rows[0][3]) * int(rows[0][4]), "loop")
    return Result(tuple(figures), work, ())


_TRACE_TIME = re.compile(r"^ *Trace Time:.*\(([\d.]+) seconds\)\s*\n"
                         r"\s*using (\d+) thread\(s\) with ([\d.]+) CPU-seconds total$", re.M)
_PIXELS = re.compile(r"^Pixels: +(\d+)", re.M)
_COMPLAINT = re.compile(r"^(?:Fatal|Parse) [Ee]rror.*", re.M)


def povray(out: str, err: str, status: int) -> Result:
    """POV-Ray 3.7: the time of the render. It tells all on stderr; ``--benchmark`` waits for Enter, or for the end of stdin."""
    text = whole(err)
    complaint = _COMPLAINT.search(err)
    if status:
        raise Unusable("POV-Ray: %s" % (complaint.group(0) if complaint else last_line(err) or "status %d" % status))
    time = search(_TRACE_TIME, text, "POV-Ray", "no Trace Time on stderr")
    pixels = _PIXELS.search(text)
    return Result((Figure("trace_time", float(time.group(1)), "s", LESS), Figure("cpu_time", float(time.group(3)), "s", LESS)),
                  Work(float(pixels.group(1)), "pixel") if pixels else None, ())


def hyperfine(out: str, err: str, status: int) -> Result:
    """hyperfine 1.12 and later with ``--export-json /dev/stdout``; one command is one figure, the median of its times."""
    if status:
        raise Unusable("hyperfine: %s" % (last_line(err) or "status %d" % status))
    said = document(out, "hyperfine", "no whole JSON document; ask for it with --export-json /dev/stdout")
    figures, runs = [], 0
    try:
        results = said["results"]
        for number, result in enumerate(results):
            name = "time" if len(results) == 1 else "time_%d" % (number + 1)
            figures.append(Figure(name, median([float(time) for time in result["times"]]), "s", LESS))
            runs += len(result["times"])
    except (KeyError, TypeError, ValueError, AttributeError):
        raise Unusable("hyperfine: its document has no times")
    if not figures:
        raise Unusable("hyperfine: it timed nothing")
    return Result(tuple(figures), Work(float(runs), "run"), ())
