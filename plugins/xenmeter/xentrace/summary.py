"""``xenmeter bake``: a recorded trace, or a stream on stdin, as one JSON document."""
import json
import sys
from typing import Any, BinaryIO, Callable, Dict, Iterable, List, Optional, TextIO

from xenmeter.core.errors import SourceError
from xenmeter.core.recording import open_recording
from xenmeter.core.times import length_of
from xenmeter.core.unpacking import unpacked
from xenmeter.xentrace.engine.doubts import doubts
from xenmeter.xentrace.engine.engine import Engine
from xenmeter.xentrace.engine.figures import COUNTS, GRANTS, STATES
from xenmeter.xentrace.engine.frequency import checked_khz
from xenmeter.xentrace.engine.layout import G_NOW
from xenmeter.xentrace.engine.window import Window
from xenmeter.xentrace.tracefile import TraceFile

__all__ = ("run_bake", "write", "contract", "window_of")

_VCPU = ("domid", "vcpu") + STATES + COUNTS + ("generation",)
_DOMAIN = ("domid", "generation") + STATES + COUNTS + GRANTS + ("runstate",)
_PCPU = ("pcpu", "busy_ns", "idle_ns", "unknown_ns", "lost_records", "lost_ns")
_TRACE = ("records", "lost_records", "lost_before", "span_ns", "cpu_khz", "pcpus", "anomalies")

Document = Dict[str, Any]
Watch = Callable[[BinaryIO], BinaryIO]


def run_bake(given: Any, watch: Optional[Watch] = None) -> Document:
    """The contract's document for ``given.file``, ``.cpu_khz``, ``.window``, and ``.causes`` where it has that; raises
    XenmeterError.

    Its ``windows`` can be gone through once: they may be many, and are made one by one. ``write`` does.

    :param watch: ``watch(stream)`` gives the stream back with somebody looking on; None: nobody does.
    """
    watch = watch or (lambda stream: stream)
    cpu_khz, causes = checked_khz(given.cpu_khz), getattr(given, "causes", False)
    windows = [] if given.window is None else [length_of(given.window, "--window")]
    try:
        if given.file == "-":
            return _bake(unpacked(watch(sys.stdin.buffer), "stdin"), "stdin", cpu_khz, windows, causes=causes)
        recording = open_recording(given.file)
        source = recording.source("xentrace")
        with recording.open(source["file"]) as stream:
            return _bake(watch(stream), given.file, cpu_khz, windows, source.get("cpu_khz"), causes)
    except (OSError, EOFError) as error:
        raise SourceError("cannot read %s: %s" % (given.file, getattr(error, "strerror", None) or error))


def _bake(stream: BinaryIO, name: str, cpu_khz: Optional[int], windows: List[int],
          recorded_khz: Optional[int] = None, causes: bool = False) -> Document:
    note = None
    if cpu_khz is None and recorded_khz:
        cpu_khz, note = checked_khz(recorded_khz, "cpu_khz of the recording's manifest"), "the recording says it"
    trace = TraceFile(stream, name, cpu_khz)
    if trace.run_times:
        note = "cpu_khz found from %d of the trace's own run times" % trace.run_times
    engine = Engine(trace.cpu_khz, windows, None, causes=causes)
    try:
        for _ in trace.feed(engine):
            pass
        figures = engine.finish(windows=False)
        trace.check(engine)
    finally:
        engine.close()
    document = contract(figures, note)
    if causes:
        document["longest_waits"] = engine.accounts.longest_waits()
    if windows:
        document["windows"] = map(window_of, engine.accounts.windows.told(0, engine.g[G_NOW]))
    return document


def contract(figures: Dict[str, Any], note: Optional[str] = None) -> Document:
    """The figures as ``xenmeter bake --format json`` prints them."""
    document: Dict[str, Any] = {"trace": {name: figures["trace"][name] for name in _TRACE},
            "vcpus": [_vcpu(record) for record in figures["vcpus"]],
            "domains": [_domain(record) for record in figures["domains"]],
            "pcpus": [_pcpu(record) for record in figures["pcpus"]]}
    if note:
        document["trace"]["cpu_khz_source"] = note
    doubtful = doubts(figures)
    if doubtful:
        document["trace"]["doubts"] = doubtful
    return document


def window_of(window: Window) -> Dict[str, Any]:
    return {"start_ns": window.start, "length_ns": window.length,
            "domains": [xenmon(domain, window.length) for domain in window.records()]}


def write(document: Document, out: TextIO) -> None:
    """What ``run_bake`` gives, as JSON: one window after the other."""
    windows = document.pop("windows", None)
    text = json.dumps(document, indent=1)
    if windows is None:
        out.write(text + "\n")
        return
    out.write(text[:-2] + ",\n \"windows\": [")
    first = True
    for window in windows:
        out.write(("" if first else ",") + "\n  " + json.dumps(window, indent=1).replace("\n", "\n  "))
        first = False
    out.write("]\n}\n" if first else "\n ]\n}\n")


def _pick(record: Dict[str, Any], names: Iterable[str]) -> Dict[str, Any]:
    return {name: record[name] for name in names}


def _vcpu(record: Dict[str, Any]) -> Dict[str, Any]:
    picked = _pick(record, _VCPU)
    for name in ("wait_ns", "run_ns"):
        picked[name] = record["histograms"][name[:-3]].summary()
    return picked


def _domain(record: Dict[str, Any]) -> Dict[str, Any]:
    """``allocation`` (count, sum, min, max of the granted time slices) only where the trace has them, ``causes`` where they
    were asked for."""
    picked = _pick(record, _DOMAIN)
    for name in ("causes", "lasting_ns"):
        if name in record:
            picked[name] = record[name]
    if record["allocation"] is not None:
        picked["allocation"] = record["allocation"]
    return picked


def _pcpu(record: Dict[str, Any]) -> Dict[str, Any]:
    """``cstates`` and the clock only where the trace has events of power management."""
    picked = _pick(record, _PCPU)
    if record["cstates"]:
        picked["cstates"] = record["cstates"]
    if record["mhz"]:
        picked.update(mhz=record["mhz"], frequency_changes=record["frequency_changes"])
    return picked


def xenmon(domain: Dict[str, Any], length: int) -> Dict[str, Any]:
    """XenMon's table of one domain and window: shares in percent of one pCPU, averages in ns, rates per second."""
    executions = domain["executions"]
    ios = sum(domain[name] for name in GRANTS)
    picked = dict(domain)
    for name, source in (("cpu", "running_ns"), ("wait", "waiting_ns"), ("blocked", "blocked_ns")):
        picked[name + "_percent"] = round(100 * domain[source] / length, 3)
    picked["cpu_per_execution_ns"] = domain["running_ns"] // executions if executions else None
    picked["wait_per_execution_ns"] = domain["waiting_ns"] // executions if executions else None
    picked["blocked_per_io_ns"] = domain["blocked_ns"] // ios if ios else None
    del picked["allocations"], picked["allocation_sum_ns"]
    picked["allocation_avg_ns"] = picked.pop("allocation_avg_ns")       # where XenMon has it
    picked["executions_per_s"] = round(executions * 1000000000 / length, 3)
    picked["io_per_s"] = round(ios * 1000000000 / length, 3)
    picked["io_per_execution"] = round(ios / executions, 3) if executions else None
    return picked
