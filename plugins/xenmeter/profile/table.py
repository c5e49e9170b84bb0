"""A profile for people: a table as opreport's, and what the profile itself took."""
from typing import Any, List

from xenmeter.profile.stacks import CUT, LEAF, WHOLE
from xenmeter.publish.text import display_width, for_terminal

__all__ = ("render", "costs", "difference")

_COLUMNS = 28


def render(tally: Any, most: int = 40) -> str:
    """``samples``, CPU ms or events, their share of all, the domain where there are several, process and innermost function."""
    rows = tally.by_symbol()
    whole = max(tally.ns, 1)
    several = len({row[0] for row in rows}) > 1
    form = "%10.1f" if tally.unit == "ns" else "%12d"
    unit = 1e6 if tally.unit == "ns" else 1
    lines = ["%8s %s %6s  %s%s%s" % ("SAMPLES", "   CPU(ms)" if tally.unit == "ns" else "      EVENTS", "%",
                                     _cell("DOMAIN", several), _cell("PROCESS", True, 18), "SYMBOL")]
    for domain, process, symbol, samples, ns in rows[:most]:
        lines.append("%8d %s %6.2f  %s%s%s" % (
            samples, form % (ns / unit), 100.0 * ns / whole, _cell(for_terminal(domain, _COLUMNS - 2), several),
            _cell(for_terminal(process, 16), True, 18), for_terminal(symbol, 120)))
    if len(rows) > most:
        rest = rows[most:]
        lines.append("%8d %s %6.2f  %d more" % (sum(row[3] for row in rest), form % (sum(row[4] for row in rest) / unit),
                                                100.0 * sum(row[4] for row in rest) / whole, len(rest)))
    return "\n".join(lines) + "\n"


def _cell(text: str, shown: bool, width: int = _COLUMNS) -> str:
    return text + " " * max(1, width - display_width(text)) if shown else ""


def costs(guests: Any, cost: Any, followed: Any) -> str:
    """What it took: of the guests, which were paused, and of dom0."""
    pauses, paused = sum(guest.pauses for guest in guests), sum(guest.paused_ns for guest in guests)
    lines = ["%d pauses of one vCPU each, at most %.0f us on average: the guests lost at most %.2f ms, %.3f %% of %.1f s" % (
        pauses, paused / 1e3 / max(pauses, 1), paused / 1e6, paused / 1e7 / max(cost.seconds, 1e-9), cost.seconds),
        "dom0 spent %.2f s of CPU time on %d ticks (%.1f %% of one pCPU)%s" % (
            cost.own_s, cost.ticks, 100 * cost.own_s / max(cost.seconds, 1e-9),
            ", %d of them later than asked, to keep within --share" % cost.late if cost.late else "")]
    if pauses:
        lines.append("for each sample %.1f hypercalls and questions for memory, and %.2f pages mapped" % (
            cost.calls / pauses, cost.pages / pauses))
    if cost.aside_s:
        lines.append("reading the guests' kernels and modules took %.2f s of CPU time beside it" % cost.aside_s)
    if cost.counted_ns:
        lines.append("the samples weigh %.6f s; CPU time of their domains by Xen's own count: %.6f s" % (
            cost.weighed_ns / 1e9, cost.counted_ns / 1e9))
    told = [(followed.get(word, 0), text) for word, text in (
        (WHOLE, "stacks to their end"), (CUT, "stacks in part"), (LEAF, "the innermost function alone"))]
    lines.append("followed: " + ", ".join(["%d %s" % pair for pair in told if pair[0]]) if any(n for n, _ in told) else
                 "no sample: no vCPU ran")
    return "\n".join(lines) + "\n"


def difference(before: Any, after: Any, most: int = 40) -> str:
    """Two profiles by function, each as a share of its own whole: what grew comes first. :param before: rows of
    Tally.by_symbol or of a file, as (name, ns)."""
    sums: List[dict] = [{}, {}]
    for shares, rows in zip(sums, (before, after)):
        whole = max(sum(ns for _, ns in rows), 1)
        for name, ns in rows:
            shares[name] = shares.get(name, 0.0) + 100.0 * ns / whole
    names = sorted(set(sums[0]) | set(sums[1]), key=lambda name: (-abs(sums[1].get(name, 0) - sums[0].get(name, 0)), name))
    lines = ["%8s %8s %8s  %s" % ("BEFORE%", "AFTER%", "CHANGE", "SYMBOL")]
    for name in names[:most]:
        old, new = sums[0].get(name, 0.0), sums[1].get(name, 0.0)
        lines.append("%8.2f %8.2f %+8.2f  %s" % (old, new, new - old, for_terminal(name, 120)))
    return "\n".join(lines) + "\n"
