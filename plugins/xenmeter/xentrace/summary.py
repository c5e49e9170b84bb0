"""``xenmeter bake``: a recorded trace, or a stream on stdin, as one JSON document."""
import argparse
import json
import sys
from typing import Any, Dict

from xenmeter.core import histogram
from xenmeter.core.errors import BadOption, SourceError, XenmeterError
from xenmeter.core.recording import open_recording
from xenmeter.core.times import length_of
from xenmeter.core.unpacking import unpacked
from xenmeter.xentrace.engine.doubts import doubts
from xenmeter.xentrace.engine.engine import Engine
from xenmeter.xentrace.engine.figures import COUNTS, GRANTS, STATES
from xenmeter.xentrace.engine.frequency import checked_khz
from xenmeter.xentrace.engine.layout import G_NOW
from xenmeter.xentrace.engine.readout import windows_of
from xenmeter.xentrace.tracefile import TraceFile

__all__ = ("run_bake", "write", "contract", "options", "main")

_VCPU = ("domid", "vcpu") + STATES + COUNTS + ("generation",)
_DOMAIN = ("domid", "generation") + STATES + COUNTS + GRANTS + ("runstate",)
_PCPU = ("pcpu", "busy_ns", "idle_ns", "unknown_ns", "lost_records", "lost_ns")
_TRACE = ("records", "lost_records", "lost_before", "span_ns", "cpu_khz", "pcpus", "anomalies")


def options(arguments=None):
    parser = argparse.ArgumentParser(prog="bake", description=__doc__)
    parser.add_argument("file", metavar="FILE", help="what xentrace wrote, or a recording that holds it; - is stdin")
    parser.add_argument("--cpu-khz", type=int, metavar="K", help="TSC rate in kHz (xl info: cpu_mhz * 1000)")
    parser.add_argument("--window", type=float, metavar="S", help="also the table of every S seconds")
    return parser.parse_args(arguments)


def run_bake(given, watch=None):
    """The contract's document for ``given.file``, ``.cpu_khz`` and ``.window``; raises XenmeterError.

    Its ``windows`` can be gone through once: they may be many, and are made one by one. ``write`` does.

    :param watch: ``watch(stream)`` gives the stream back with somebody looking on; None: nobody does.
    """
    watch = watch or (lambda stream: stream)
    cpu_khz = checked_khz(given.cpu_khz)
    windows = [] if given.window is None else [length_of(given.window, "--window")]
    try:
        if given.file == "-":
            return _bake(unpacked(watch(sys.stdin.buffer), "stdin"), "stdin", cpu_khz, windows)
        recording = open_recording(given.file)
        source = recording.source("xentrace")
        with recording.open(source["file"]) as stream:
            return _bake(watch(stream), given.file, cpu_khz, windows, source.get("cpu_khz"))
    except (OSError, EOFError) as error:
        raise SourceError("cannot read %s: %s" % (given.file, getattr(error, "strerror", None) or error))


def _bake(stream, name, cpu_khz, windows, recorded_khz=None):
    note = None
    if cpu_khz is None and recorded_khz:
        cpu_khz, note = checked_khz(recorded_khz, "cpu_khz of the recording's manifest"), "the recording says it"
    trace = TraceFile(stream, name, cpu_khz)
    if trace.run_times:
        note = "cpu_khz found from %d of the trace's own run times" % trace.run_times
    engine = Engine(trace.cpu_khz, windows, None)
    try:
        for _ in trace.feed(engine):
            pass
        figures = engine.finish(windows=False)
        trace.check(engine)
    finally:
        engine.close()
    told = contract(figures, note)
    if windows:
        told["windows"] = map(_window, windows_of(engine.accounts, engine.g[G_NOW], 0))
    return told


def contract(figures, note=None):
    """The figures as ``xenmeter bake --format json`` prints them."""
    told: Dict[str, Any] = {"trace": {name: figures["trace"][name] for name in _TRACE},
            "vcpus": [_vcpu(one) for one in figures["vcpus"]],
            "domains": [_domain(one) for one in figures["domains"]],
            "pcpus": [_pcpu(one) for one in figures["pcpus"]]}
    if note:
        told["trace"]["cpu_khz_source"] = note
    doubtful = doubts(figures)
    if doubtful:
        told["trace"]["doubts"] = doubtful
    for one in figures["windows"]:
        told["windows"] = [_window(window) for window in one["windows"]]
    return told


def _window(window):
    return {"start_ns": window["start_ns"], "length_ns": window["length_ns"],
            "domains": [xenmon(domain, window["length_ns"]) for domain in window["domains"]]}


def write(document, out):
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


def _pick(one, names):
    return {name: one[name] for name in names}


def _vcpu(one):
    told = _pick(one, _VCPU)
    for name in ("wait_ns", "run_ns"):
        told[name] = histogram.summary(one["histograms"][name])
    return told


def _domain(one):
    """``allocation`` (count, sum, min, max of the granted time slices) only where the trace has them."""
    told = _pick(one, _DOMAIN)
    if one["allocation"] is not None:
        told["allocation"] = one["allocation"]
    return told


def _pcpu(one):
    """``cstates`` and the clock only where the trace has events of power management."""
    told = _pick(one, _PCPU)
    if one["cstates"]:
        told["cstates"] = one["cstates"]
    if one["mhz"]:
        told.update(mhz=one["mhz"], frequency_changes=one["frequency_changes"])
    return told


def xenmon(domain, length):
    """XenMon's table of one domain and window: shares in percent of one pCPU, averages in ns, rates per second."""
    executions = domain["executions"]
    ios = sum(domain[name] for name in GRANTS)
    told = dict(domain)
    for name, source in (("cpu", "running_ns"), ("wait", "waiting_ns"), ("blocked", "blocked_ns")):
        told[name + "_percent"] = round(100 * domain[source] / length, 3)
    told["cpu_per_execution_ns"] = domain["running_ns"] // executions if executions else None
    told["wait_per_execution_ns"] = domain["waiting_ns"] // executions if executions else None
    told["blocked_per_io_ns"] = domain["blocked_ns"] // ios if ios else None
    slices = told.pop("allocations")
    total = told.pop("allocation_sum_ns")
    told["allocation_avg_ns"] = total // slices if slices else None
    told["executions_per_s"] = round(executions * 1000000000 / length, 3)
    told["io_per_s"] = round(ios * 1000000000 / length, 3)
    told["io_per_execution"] = round(ios / executions, 3) if executions else None
    return told


def main(arguments=None):
    try:
        document = run_bake(options(arguments))
        for text in document["trace"].get("doubts", ()):
            print(text, file=sys.stderr)
        write(document, sys.stdout)
    except BadOption as error:
        print(error, file=sys.stderr)
        return 2
    except XenmeterError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
