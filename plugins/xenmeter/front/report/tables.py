"""The report's tables and what stands above them, as HTML. Every name is escaped here."""
import datetime
import html
from typing import Any, Dict, List, Sequence, Tuple

from xenmeter.front.report.words import NOT_KNOWN, amount, count, duration, percent
from xenmeter.xentrace.engine.figures import GRANTS, STATES

__all__ = ("facts", "notices", "domain_table", "vcpu_table", "pcpu_table", "MOST_ROWS")

#: Rows of a table; what is left out is said.
MOST_ROWS = 400
_STATES = ("running", "waiting", "blocked", "offline", "unknown")


def facts(document: Dict[str, Any]) -> str:
    """Where the figures come from."""
    source = document["source"]
    lines = []
    if source.get("bytes") is not None:
        lines.append(("file size", "%.2f MB" % (source["bytes"] / 1e6)))
    windows = document["windows"]
    if document["kind"] == "trace":
        trace = document["bake"]["trace"]
        rate = "%.3f MHz" % (trace["cpu_khz"] / 1000)
        lines += [("time span", duration(trace["span_ns"])), ("pCPUs", count(trace["pcpus"])),
                 ("domains", count(len(document["domains"]))), ("records", count(trace["records"])),
                 ("records lost", count(trace["lost_records"])), ("anomalies", count(trace["anomalies"])),
                 ("TSC rate", "%s<br><small>%s</small>" % (rate, html.escape(source["cpu_khz_from"])))]
    else:
        lines += [("time span", duration(windows["start_ns"][-1] + windows["lengths_ns"][-1])),
                 ("domains", count(len(document["domains"]))), ("windows of the log", duration(document["given_ns"]))]
    if source.get("start_ns"):
        lines.append(("begins (UTC)", _utc(source["start_ns"])))
    lines += [("report made (UTC)", _utc(source["made_ns"])), ("xenmeter", document["xenmeter"])]
    return '<dl class="facts">%s</dl>' % "".join("<div><dt>%s</dt><dd>%s</dd></div>" % pair for pair in lines)


def _utc(ns: int) -> str:
    moment = datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=ns // 10 ** 9)
    return moment.strftime("%Y-%m-%d %H:%M:%S")


def notices(document: Dict[str, Any]) -> str:
    """What one must know before one trusts the figures, and the worst wait."""
    lines: List[Tuple[str, str]] = []
    if document["kind"] == "csv":
        lines.append(("", "This report was made from a log. A log has one row per domain and window: there is no "
                         "timeline and no distribution of waits in it%s." % (
                             "" if document["tells_losses"] else ", and it does not say whether records were lost")))
        if document["lost"]:
            lines.append(("", "<strong>Records were lost</strong> in %s of its windows; these are hatched."
                         % count(len(document["lost"]))))
        if document["merged"] > 1:
            lines.append(("", "The log is long: %d of its windows make one here. Times and counts are added up, of "
                             "percentiles the largest is shown." % document["merged"]))
    else:
        lines += _about_trace(document)
    return "".join('<div class="notice %s"><p>%s</p></div>' % pair for pair in lines)


def _about_trace(document: Dict[str, Any]) -> List[Tuple[str, str]]:
    trace = document["bake"]["trace"]
    lines = []
    if trace["lost_records"]:
        lost_ns = sum(pcpu["lost_ns"] for pcpu in document["bake"]["pcpus"])
        gaps = len(document["lost"]) + document["lost_more"]
        text = ("<strong>%s records were lost</strong> in %s, %s of pCPU time (%s %%). What may have happened "
                "meanwhile is <em>not known</em> and counts as nothing else; it is hatched in every plot." % (
                    count(trace["lost_records"]), "one place" if gaps == 1 else "%s places" % count(gaps),
                    duration(lost_ns), percent(lost_ns, trace["span_ns"] * max(1, trace["pcpus"]))))
        if document["lost_more"]:
            text += " The first %d losses are marked exactly, the others by the columns of the timeline." % (
                len(document["lost"]))
        lines.append(("", text))
    elif not trace.get("doubts"):
        lines.append(("good", "No records were lost: the figures are complete."))
    lines += [("", "%s." % html.escape(text[:1].upper() + text[1:])) for text in trace.get("doubts", ())]
    wait = document["longest_wait"]
    if wait is not None:
        domain = document["domains"][wait["life"]]
        lines.append(("", "Longest wait: vCPU %d of <strong><bdi>%s</bdi></strong> could run and had to wait for "
                         "<strong>%s</strong>, from %.6f s to %.6f s." % (wait["vcpu"], html.escape(domain["name"]),
                                                duration(wait["end_ns"] - wait["begin_ns"]),
                                                wait["begin_ns"] / 1e9, wait["end_ns"] / 1e9)))
    return lines


def _table(caption: str, heads: Sequence[str], rows: Sequence[Tuple[str, Sequence[str]]], left_out: int = 0) -> str:
    head = "".join('<th scope="col">%s</th>' % name for name in heads)
    body = "".join('<tr><th scope="row">%s</th>%s</tr>' % (first, "".join("<td>%s</td>" % cell for cell in cells))
                   for first, cells in rows)
    more = " %s further rows are not shown." % count(left_out) if left_out else ""
    return ('<div class="scroll" tabindex="0" role="region" '
            'aria-label="table"><table><caption>%s%s</caption><thead><tr>%s</tr></thead>'
            "<tbody>%s</tbody></table></div>" % (caption, more, head, body))


def _bar(parts: Sequence[int]) -> str:
    whole = sum(parts)
    if not whole:
        return ""
    return '<span class="share" role="img" aria-label="%s">%s</span>' % (
        ", ".join("%s %s %%" % (name, percent(part, whole)) for name, part in zip(_STATES, parts)),
        "".join('<span data-state="%s" style="width:%.2f%%"></span>' % (name, 100 * part / whole)
                for name, part in zip(_STATES, parts) if part))


_HEADS = ("domain", "states", "CPU %", "waiting %", "blocked %", "offline %", "not known %", "executions", "per second",
          "CPU per execution", "wait p50", "p99", "longest", "preempted", "moved", "I/O", "I/O per execution")


def domain_table(document: Dict[str, Any]) -> str:
    if document["kind"] == "csv":
        return _log_table(document)
    span = document["bake"]["trace"]["span_ns"]
    figures = {(domain["domid"], domain["generation"]): domain for domain in document["bake"]["domains"]}
    traced = any(sum(figure[name] for name in GRANTS) for figure in figures.values())
    rows = []
    order = sorted(document["domains"], key=lambda domain: -figures[domain["domid"], domain["generation"]]["running_ns"])
    for domain in order[:MOST_ROWS]:
        figure = figures[domain["domid"], domain["generation"]]
        lived = (span if domain["end_ns"] is None else domain["end_ns"]) - domain["start_ns"]
        parts = [figure[name] for name in STATES]
        ios, executions = sum(figure[name] for name in GRANTS), figure["executions"]
        name = html.escape(domain["name"])
        if lived < span:
            name += ' <span class="note">existed for %s</span>' % duration(lived)
        wait = domain["wait_ns"]
        rows.append((name, [_bar(parts)] + [percent(part, lived) for part in parts] + [
            count(executions), amount(1e9 * executions / lived if lived > 0 else None),
            duration(figure["running_ns"] // executions if executions else None), duration(wait["p50"]),
            duration(wait["p99"]),
            duration(wait["max"]), count(figure["preemptions"]), count(figure["migrations"]),
            count(ios if traced else None), amount(ios / executions if executions and traced else None)]))
    return _table("Per domain, over the time that it existed in the trace. 100 % is one pCPU, or one vCPU's time; "
                  "p50, p99, longest: how long a vCPU that could run waited for a pCPU.", _HEADS, rows,
                  len(order) - len(rows))


def vcpu_table(document: Dict[str, Any]) -> str:
    names = {(domain["domid"], domain["generation"]): domain["name"] for domain in document["domains"]}
    rows = []
    vcpus = document["bake"]["vcpus"]
    for vcpu in vcpus[:MOST_ROWS]:
        parts = [vcpu[name] for name in STATES]
        whole = sum(parts)
        rows.append(("%s, vCPU %d" % (html.escape(names[vcpu["domid"], vcpu["generation"]]), vcpu["vcpu"]),
                     [_bar(parts)] + [percent(part, whole) for part in parts] + [
                         count(vcpu["executions"]), duration(vcpu["run_ns"]["p50"]), duration(vcpu["wait_ns"]["p50"]),
                         duration(vcpu["wait_ns"]["p99"]), duration(vcpu["wait_ns"]["max"]), count(vcpu["preemptions"]),
                         count(vcpu["wakes"]), count(vcpu["migrations"])]))
    return "<details><summary>Per vCPU</summary>%s</details>" % _table(
        "Shares of the time that the vCPU existed.",
        ("vCPU", "states", "CPU %", "waiting %", "blocked %", "offline %", "not known %", "executions", "run p50",
         "wait p50", "p99",
         "longest", "preempted", "woken", "moved"), rows, len(vcpus) - len(rows))


def pcpu_table(document: Dict[str, Any]) -> str:
    span = document["bake"]["trace"]["span_ns"]
    pcpus = document["bake"]["pcpus"]
    rows = [("pCPU %d" % pcpu["pcpu"], [percent(pcpu["busy_ns"], span), percent(pcpu["idle_ns"], span),
                                       percent(pcpu["unknown_ns"], span),
                                       count(pcpu["lost_records"]),
                                       duration(pcpu["lost_ns"])]) for pcpu in pcpus[:MOST_ROWS]]
    return "<details><summary>Per pCPU</summary>%s</details>" % _table(
        "Shares of the trace's time.", ("pCPU", "busy %", "idle %", "not known %", "records lost", "time lost"), rows,
        len(pcpus) - len(rows))


def _log_table(document: Dict[str, Any]) -> str:
    rows = []
    for name, column in zip([series["name"] for series in document["series"]], document["windows"]["series"]):
        observed = _total(column["observed"]) or 0
        parts = [_total(column[state]) for state in _STATES]
        executions, ios = _total(column["executions"]), _total(column["ios"])
        waits = [value for value in column["wait"]["max"] if value is not None]
        rows.append((html.escape(name),
                     [_bar([part or 0 for part in parts])] + [percent(part, observed) for part in parts] + [
            amount(1e9 * executions / observed if executions is not None and observed else None),
            duration(parts[0] // executions if executions and parts[0] is not None else None),
            duration(max(waits)) if waits else NOT_KNOWN,
            amount(1e9 * ios / observed if ios is not None and observed else None)]))
    return _table("Per domain, over the windows that the log has of it. 100 % is one pCPU, or one vCPU's time.",
                  ("domain", "states", "CPU %", "waiting %", "blocked %", "offline %", "not known %", "executions per "
                                                                                                      "second",
                   "CPU per execution", "longest wait", "I/O per second"), rows)


def _total(column: List[Any]) -> Any:
    known = [value for value in column if value is not None]
    return sum(known) if known else None
