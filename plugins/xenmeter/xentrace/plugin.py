"""The xentrace plugin, as the fronts see it."""
from typing import Any, List, Optional, Sequence

from xenmeter.core.cpulist import parse_cpus
from xenmeter.core.errors import BadOption
from xenmeter.core.options import Option
from xenmeter.core.plugin import Plugin, Probe, common_options
from xenmeter.core.source import ReadingMirror, Source
from xenmeter.core.times import length_of, parse_time
from xenmeter.publish.table import Block, Column
from xenmeter.xentrace.live import Baked
from xenmeter.xentrace.collector import CATALOGUE, make_collector
from xenmeter.xentrace.engine.frequency import checked_khz
from xenmeter.xentrace.baker.launch import OwnBaker
from xenmeter.xentrace.engine.layout import MAX_WINDOWS
from xenmeter.xentrace.playback import Playback
from xenmeter.xentrace.samples import window_name

__all__ = ("PLUGIN", "SHARED", "lengths_of", "open_source", "open_without_start")

#: Where the baker's shared file is: a file system in memory.
SHARED = "/run/xenmeter/baker"

LIVE = ("auto", "baker")
OPTIONS = common_options(("runstate", "io", "latency", "causes", "window", "pcpu", "trace"),
                         "auto (the baker of this dom0; the command line and execd start one where "
                         "none runs), baker (only one that runs), or the path of a recording (example: one that comes with "
                         "xenmeter)", LIVE) + (
    Option("window", "list", ["1", "10"], "lengths of a recording's windows in seconds; may be repeated, or "
                                               "written with commas"),
    Option("per_vcpu", "flag", False, "whether each vCPU has its own figures too (live: if the baker keeps them)"),
    Option("allocation", "flag", False, "whether a baker of our own traces the time slices too that the scheduler grants "
                                        "(many more events); and where there are none, it is said"),
    Option("causes", "whole", 0, "how many causes of each domain's waits are told by name, of a recording or by a baker of "
                                 "our own; 0: nobody keeps who made whom wait (live: if the baker keeps it)", minimum=0),
    Option("cpus", "text", "all", "pCPUs that a baker of our own traces, like 0-3,7: a whole cpupool"),
    Option("shared", "text", SHARED, "the baker's shared file"),
    Option("cpu_khz", "whole", 0, "rate of the recorded host's TSC in kHz (xl info: cpu_mhz * 1000); 0: what the "
                                  "recording says, or found from the trace", minimum=0),
    Option("csv_time", "choice", "iso", "time column of CSV", ("iso", "epoch")),
)

TABLE = (
    Block("window", "", (
        Column("DOMAIN", "domain", width=40), Column("WINDOW", "window"), Column("CPU", "cpu_ppm"),
        Column("WAIT", "wait_ppm"), Column("BLOCKED", "blocked_ppm"), Column("CPU/EX", "cpu_per_execution_ns"),
        Column("WAIT/EX", "wait_per_execution_ns"), Column("BLOCKED/IO", "blocked_per_io_ns"),
        Column("ALLOCATED", "allocation_avg_ns"), Column("EX/S", "executions_per_s"), Column("IO/S", "io_per_s"))),
    Block("latency", "How long it waited for a pCPU", (
        Column("DOMAIN", "domain", width=40), Column("WINDOW", "window"), Column("CAUSE", "cause"),
        Column("WAITS", "wait_count"), Column("P50", "wait_p50_ns"), Column("P90", "wait_p90_ns"),
        Column("P99", "wait_p99_ns"), Column("P99.9", "wait_p999_ns"), Column("MAX", "wait_max_ns"))),
    Block("domain", "All so far, and the waits since the last reading", (
        Column("DOMAIN", "domain", width=40), Column("RUNNING", "running_ns"), Column("WAITING", "waiting_ns"),
        Column("BLOCKED", "blocked_ns"), Column("OFFLINE", "offline_ns"), Column("UNKNOWN", "unknown_ns"),
        Column("EXECUTIONS", "executions"), Column("PREEMPTED", "preemptions"), Column("WOKEN", "wakes"),
        Column("MIGRATED", "migrations"), Column("WAIT P50", "wait_p50_ns"), Column("P99", "wait_p99_ns"),
        Column("MAX", "wait_max_ns"))),
    Block("cause", "Who made whom wait", (
        Column("DOMAIN", "domain", width=40), Column("BY", "by", width=40), Column("WAITED", "caused_ns"))),
    Block("pcpu", "Physical CPUs", (
        Column("PCPU", "pcpu"), Column("BUSY", "busy_ns"), Column("IDLE", "idle_ns"), Column("UNKNOWN", "unknown_ns"),
        Column("LOST", "lost_records"))),
    Block("trace", "The trace: anomalies make figures unknown, many of them make figures doubtful", (
        Column("RECORDS", "records"), Column("ANOMALIES", "anomalies"), Column("SKIPPED BYTES", "skipped_bytes"),
        Column("OBSERVED", "observed_ns"))),
)


def lengths_of(texts: List[str]) -> List[int]:
    """The option ``window`` in ns, ascending, each once; BadOption for what is no length."""
    lengths = set()
    for text in [part.strip() for given in texts for part in given.split(",")]:
        lengths.add(length_of(text))
    if len(lengths) > MAX_WINDOWS:
        raise BadOption("window: takes at most %d lengths" % MAX_WINDOWS)
    return sorted(lengths)


def open_source(options: Any, share: Optional[float] = None) -> Source:
    """:param share: of a baker of our own, as its option ``--share``; None: what it takes by itself."""
    parse_cpus(options.cpus, "cpus")
    if options.source == "auto":
        own = OwnBaker(options.shared, _wishes(options) + ([] if share is None else ["--share", "%g" % share]))
        return Baked(options.shared, options.interval, own, options.allocation)
    return open_without_start(options)


def open_without_start(options: Any) -> Source:
    """As ``open_source``; but where no baker runs, one is waited for: a daemon full of threads must not fork one."""
    if options.source in ("auto", "baker"):
        return Baked(options.shared, options.interval, allocation=options.allocation)
    return Playback(options.source, lengths_of(options.window), checked_khz(options.cpu_khz or None, "cpu_khz"),
                    parse_time(options.start) if options.start else None, options.pace, options.per_vcpu,
                    options.allocation, live=LIVE, causes=options.causes)


def _wishes(options: Any) -> List[str]:
    """What a baker of our own is to do."""
    wishes = [word for length in lengths_of(options.window) for word in ("--window", window_name(length)[:-1])]
    wishes += ["--" + name.replace("_", "-") for name in ("per_vcpu", "allocation") if getattr(options, name)]
    wishes += ["--causes", str(options.causes)] if options.causes else []
    return wishes + ["--cpus", options.cpus] + (["--cpu-khz", str(options.cpu_khz)] if options.cpu_khz else [])


def _json(options: Any) -> ReadingMirror:
    from xenmeter.xentrace.mirror import JsonMirror
    return JsonMirror(options)


def _csv(options: Any) -> ReadingMirror:
    from xenmeter.xentrace.mirror import CsvMirror
    return CsvMirror(options)


def _probes() -> Sequence[Probe]:
    from xenmeter.xentrace.probes import PROBES
    return PROBES


PLUGIN = Plugin("xentrace", "how time is shared out: running, waiting, blocked, executions, wait latencies", CATALOGUE,
                OPTIONS, open_source, make_collector, {"json": _json, "csv": _csv}, TABLE, probes=_probes,
                open_in_daemon=open_without_start)
