"""What stands above each plot: its title, and how to read it. HTML; all that came from outside is a number here."""
import collections
from typing import Any, Callable, Dict, NamedTuple

from xenmeter.front.report.words import duration

__all__ = ("TEXTS", "Text")


class Text(NamedTuple):
    """``section``: a heading before it, or nothing; ``say``: how to read it, of the report's document."""

    title: str
    section: str
    say: Callable[[Dict[str, Any]], str]


def _overview(document: Dict[str, Any]) -> str:
    return ("One lane per pCPU. A lane's height is the whole of the pCPU: each column sums up %s, and shows how much "
            "of it each domain had, one on top of the other; what is empty was idle. Nothing is left out: intervals "
            "shorter than a column are summed in it." % duration(document["overview"]["width_ns"]))


def _exact(document: Dict[str, Any]) -> str:
    exact = document["exact"]
    text = "Every interval to the nanosecond, from %s to %s. " % (_moment(exact["from_ns"]), _moment(exact["to_ns"]))
    if exact["intervals"] < exact["of"]:
        text += ("A report holds %d intervals of this trace's %d; they are those around the longest wait, or of the "
                 "time that <code>--exact</code> asked for, framed in the plot above. " % (exact["intervals"],
                                                                                           exact["of"]))
    else:
        text += "This is the whole trace. "
    wait = document["longest_wait"]
    if wait is not None and wait["end_ns"] > exact["from_ns"] and wait["begin_ns"] < exact["to_ns"]:
        text += "The frame is the longest wait of all: %s. Look what ran meanwhile." % duration(
            wait["end_ns"] - wait["begin_ns"])
    return text


def _moment(ns: int) -> str:
    return "%d.%06d s" % (ns // 10 ** 9, ns % 10 ** 9 // 1000)


def _windows(document: Dict[str, Any]) -> str:
    text = "One point per %s." % duration(document["windows"]["length_ns"])
    if document.get("merged", 1) > 1:
        text += " Each is %d windows of the log in one; of percentiles the largest." % document["merged"]
    return text


def _latency(document: Dict[str, Any]) -> str:
    text = ("How long a vCPU that could run had to wait for a pCPU. Lines: half of the waits were shorter (dotted), "
            "99 % were shorter (solid), the longest (dashed); within 2 %. ")
    if document["kind"] == "trace":
        return text + "Colours: how many waits of that length ended in that time. " + _windows(document)
    return text + "A log holds no distribution, so there is no heat map. " + _windows(document)


def _plain(text: str) -> Callable[[Dict[str, Any]], str]:
    return lambda document: text + (" " if text else "") + _windows(document)


def _states(document: Dict[str, Any]) -> str:
    colours = "".join('<span class="swatch" data-state="%s"></span> %s &nbsp; ' % pair for pair in (
        ("running", "running"), ("waiting", "waiting for a pCPU"), ("blocked", "blocked"),
        ("offline", "offline (unplugged, paused or capped)"), ("unknown", "not known, because of lost records")))
    return colours + _windows(document)


def _percentiles(document: Dict[str, Any]) -> str:
    return ("Over the whole trace: which part of a domain's waits was no longer than that. A percentile that there "
            "are too few waits for is not shown. Within 2 %; the largest is exact.")


TEXTS = collections.OrderedDict([
    ("overview", Text("Who ran on which pCPU", "Timeline", _overview)),
    ("exact", Text("Who ran on which pCPU, exactly", "", _exact)),
    ("cpu", Text("CPU time", "Shares of time", _plain("100 % is one pCPU; a domain with two busy vCPUs has 200 %."))),
    ("wait", Text("Waiting", "", _plain("Time in which a vCPU could run and had no pCPU: what other domains cost this "
                                        "one. Summed over its vCPUs."))),
    ("blocked", Text("Blocked", "", _plain("Time in which a vCPU had nothing to do, or waited for I/O. Summed over "
                                           "its vCPUs."))),
    ("states", Text("What the vCPUs did", "One domain", _states)),
    ("latency", Text("Wait latency", "", _latency)),
    ("executions", Text("Executions", "Executions and waits",
                        _plain("How often a vCPU of the domain was put on a pCPU."))),
    ("run_each", Text("CPU time per execution", "", _plain("How long it then ran, on the average."))),
    ("wait_each", Text("Waiting per execution", "", _plain("How long it had waited, on the average."))),
    ("percentiles", Text("Wait percentiles", "", _percentiles)),
    ("io", Text("I/O count", "I/O", _plain("Grant operations, XenMon's I/O count: a rough measure, since grant copies "
                                           "and persistent grants leave no trace."))),
    ("io_each", Text("I/O count per execution", "", _plain("Whether a domain is woken for each bit of work, or for "
                                                           "many at once."))),
])
