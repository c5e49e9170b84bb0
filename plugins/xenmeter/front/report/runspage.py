"""A file of benchmark runs as one HTML page: no script in it, and nothing needed to make it."""
import html
import os
from typing import Any, Dict, List, Sequence, Tuple

from xenmeter import __version__
from xenmeter.bench import runs, verdict
from xenmeter.bench.ranks import median
from xenmeter.bench.table import net, per_unit, unit_of
from xenmeter.core import shipped
from xenmeter.core.errors import SourceError
from xenmeter.front.report import ratespage
from xenmeter.front.report.runsplot import COLOURS, Bar, Dots, bars, dots
from xenmeter.publish.text import bounded

__all__ = ("POLICY", "page_of")

POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
#: Figures that are drawn, and domains that have a colour of their own.
_FIGURES, _DOMAINS = 12, len(COLOURS) - 1
_OTHERS = "other domains"

Record = Dict[str, Any]


def page_of(path: str) -> str:
    """The whole file's text; raises SourceError."""
    by_label: Dict[str, List[Record]] = {}
    for record in runs.load(path):
        by_label.setdefault(record["label"], []).append(record)
    if not by_label:
        raise SourceError("%s: no run in it" % path)
    name = bounded(os.path.basename(os.path.abspath(path)))
    style = shipped.text(os.path.dirname(os.path.abspath(__file__)), "page.css")
    return "\n".join([
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
        '<meta http-equiv="Content-Security-Policy" content="%s">' % POLICY,
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<meta name="generator" content="xenmeter %s">' % __version__,
        "<title>%s \u2013 xenmeter report</title>" % _text(name), "<style>\n%s</style>" % style, "</head>\n<body>",
        "<header><h1>What was got, and what each domain paid: %s</h1></header>" % _text(name), _sides(by_label)]
        + (ratespage.sections(by_label) if ratespage.rising(by_label) else _figures(by_label) + _costs(by_label))
        + [_runs(by_label)] + [
        "<footer><p>xenmeter %s. Lines are medians; what a run says stands in its dot's tooltip. <code>xenmeter compare</code> "
        "judges the difference.</p></footer>" % __version__, "</body>\n</html>\n"])


def _text(text: str) -> str:
    return html.escape(bounded(str(text)))


def _named(label: str) -> str:
    return label or "(no label)"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """:param rows: cells of HTML."""
    return '<div class="scroll"><table><thead><tr>%s</tr></thead><tbody>%s</tbody></table></div>' % (
        "".join("<th>%s</th>" % html.escape(cell) for cell in head),
        "".join(
            '<tr><th scope="row">%s</th>%s</tr>' % (row[0], "".join("<td>%s</td>" % cell for cell in row[1:])) for row in rows))


def _sides(by_label: Dict[str, List[Record]]) -> str:
    rows = []
    for label, records in by_label.items():
        kernels = sorted({record["kernel"] for record in records if record.get("kernel")})
        rows.append([_text(_named(label)), str(len(records)), str(sum(not record["unusable"] for record in records)),
                     _text(", ".join(kernels) or "-"), "<code>%s</code>" % _text(" ".join(records[0]["command"]))])
    return '<section id="summary"><h2>Configurations</h2>%s</section>' % _table(
        ("configuration", "runs", "that count", "kernel of dom0", "command"), rows)


def _figures(by_label: Dict[str, List[Record]]) -> List[str]:
    everything = [record for records in by_label.values() for record in records]
    parts = []
    for name, figure in list(verdict.directions(everything).items())[:_FIGURES]:
        columns = []
        for label, records in by_label.items():
            values = [(measured["value"], "run %d: %.6g %s" % (record["run"], measured["value"], bounded(measured["unit"])))
                      for record in records if not record["unusable"] for measured in record["figures"]
                      if measured["name"] == name and measured["value"] is not None]
            columns.append(Dots(bounded(_named(label)), values, median([value for value, _ in values]) if values else None))
        if any(column.values for column in columns) and figure:
            good = {"more": ", more is better", "less": ", less is better"}.get(figure["better"], "")
            plot = dots(columns, bounded(figure["unit"]), bounded(name))
            parts.append('<section class="plot"><h3>%s</h3><p>%s%s</p>%s</section>' % (
                _text(name), _text(figure["unit"]), good, plot))
    return ["<h2>Figures of the program</h2>",
            '<div class="two">%s</div>' % "".join(parts) if parts else "<p>No run that counts has a figure.</p>"]


def _per_unit(records: Sequence[Record]) -> Tuple[Dict[str, List[float]], str]:
    """CPU us for each unit of work, of each run that counts, by domain."""
    by_domain: Dict[str, List[float]] = {}
    unit = ""
    for record in records:
        amount, unit_here = unit_of(record)
        if record["unusable"] or not amount:
            continue
        for domain in record["domains"]:
            each = per_unit(net(domain), amount)
            if each is not None:
                by_domain.setdefault(domain["name"], []).append(each)
                unit = unit_here
    return by_domain, unit


def _costs(by_label: Dict[str, List[Record]]) -> List[str]:
    paid = {label: _per_unit(records) for label, records in by_label.items()}
    unit = next((unit for _, unit in paid.values() if unit), "")
    if not unit:
        return ["<h2>Cost</h2><p>No run tells its work and what a domain paid for it.</p>"]
    middles = {label: {name: median(values) for name, values in costs.items()} for label, (costs, _) in paid.items()}
    weight: Dict[str, float] = {}
    for costs in middles.values():
        for name, value in costs.items():
            weight[name] = weight.get(name, 0.0) + max(0.0, value)
    order = sorted(weight, key=lambda name: (-weight[name], name))
    columns, rows = [], []
    for label, costs in middles.items():
        parts = [(place, max(0.0, costs[name]), "%s: %.4g us" % (bounded(name), costs[name]))
                 for place, name in enumerate(order[:_DOMAINS]) if name in costs]
        rest = sum(max(0.0, costs[name]) for name in order[_DOMAINS:] if name in costs)
        columns.append(Bar(bounded(_named(label)), parts + ([(_DOMAINS, rest, "%s: %.4g us" % (_OTHERS, rest))] if rest else [])))
    for place, name in enumerate(order):
        swatch = '<span class="swatch" style="background:%s"></span> ' % COLOURS[min(place, _DOMAINS)]
        rows.append([swatch + _text(name)] + [_spread(paid[label][0].get(name, [])) for label in by_label])
    title = "CPU \u00b5s of each domain per %s" % bounded(unit)
    return ['<h2>Cost</h2><section class="plot"><h3>%s</h3><p>Above what the domain takes anyway; medians of the runs that count.'
            "</p>%s%s</section>" % (_text(title), bars(columns, "\u00b5s/" + bounded(unit), title), _table(
                ["domain"] + [bounded(_named(label)) for label in by_label], rows))]


def _spread(values: Sequence[float]) -> str:
    return "%.4g <small>(%.4g to %.4g)</small>" % (median(values), min(values), max(values)) if values else "-"


def _runs(by_label: Dict[str, List[Record]]) -> str:
    rows = []
    for label, records in by_label.items():
        for record in records:
            figure = record["figures"][0] if record["figures"] else None
            shown = "-" if figure is None or figure["value"] is None else "%.6g %s" % (figure["value"], _text(figure["unit"]))
            said = ([record["unusable"]] if record["unusable"] else []) + record["notes"] + record["checks"]
            rows.append([_text(_named(label)), str(record["run"]), "%.2f s" % (record["length_ns"] / 1e9), shown,
                         "<br>".join(map(_text, said))])
    return "<h2>Runs</h2>%s" % _table(("configuration", "run", "length", "figure", "what to know"), rows)
