"""Runs at rising rates: what the program got and what each domain did, over the rate that was asked for. No script.

A label is a configuration; what stands before its last ``/`` is a row of panels, the rest one of the row. These are the figures
of the XenMon paper (HPL-2005-187), and the line behind them: CPU per unit of work over executions per unit of work.
"""
import html
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple

from xenmeter.bench.line import fit
from xenmeter.bench.table import net, per_unit, unit_of
from xenmeter.bench.verdict import directions
from xenmeter.front.report.panels import Panel, Series, drawable, legend, panels
from xenmeter.front.report.runsplot import COLOURS
from xenmeter.publish.text import bounded

__all__ = ("ASKED", "rising", "sections", "costs_and_executions")

#: The figure of a program that says how much was asked for.
ASKED = "asked_rate"
_DOMAINS = len(COLOURS) - 1
_PROGRAM = 4
#: Panels side by side, where each is a row of labels.
_BESIDE = 3

Record = Dict[str, Any]
ByLabel = Dict[str, List[Record]]
#: What a domain's costs, the trace's length in ns and the record make: a number, or None where it is not known.
Value = Callable[[Dict[str, int], int, Record], Optional[float]]


def _figure(record: Record, name: str) -> Optional[float]:
    return next((figure["value"] for figure in record["figures"] if figure["name"] == name), None)


def rising(by_label: ByLabel) -> bool:
    """Whether one of the labels was asked at several rates."""
    return any(len({_figure(record, ASKED) for record in _counting(records)}) > 1 for records in by_label.values())


def _counting(records: Sequence[Record]) -> Iterator[Record]:
    """Those that count and say what they were asked for, by rising rate."""
    told = [record for record in records if not record["unusable"] and _figure(record, ASKED) is not None]
    return iter(sorted(told, key=lambda record: _figure(record, ASKED) or 0.0))


class _DomainFigure(NamedTuple):
    title: str
    unit: str
    say: str
    value: Value


def _state(name: str) -> Value:
    return lambda costs, length, _: 100 * costs[name] / length if name in costs and length else None


def _executions(costs: Dict[str, int], length: int, _: Record) -> Optional[float]:
    return 1e9 * costs["executions"] / length if "executions" in costs and length else None


def _each(costs: Dict[str, int], _: int, __: Record) -> Optional[float]:
    return costs["running_ns"] / 1e3 / costs["executions"] if costs.get("executions") and "running_ns" in costs else None


_OF_DOMAINS = (
    _DomainFigure("CPU time", "%", "Figure 4 of the paper. 100 % is one pCPU.", _state("running_ns")),
    _DomainFigure("Blocked", "%", "Figure 5. The time in which the domain's vCPUs had nothing to do, or waited for I/O.",
                  _state("blocked_ns")),
    _DomainFigure("Waiting", "%", "Figure 6. The time in which they could run and had no pCPU.", _state("waiting_ns")),
    _DomainFigure("Executions", "per second", "Figure 8. How often a vCPU of the domain was put on a pCPU.", _executions),
    _DomainFigure("CPU time per execution", "\u00b5s", "Figure 9. How long it then ran, on the average.", _each),
)


def sections(by_label: ByLabel) -> List[str]:
    """The part of the page that stands in the place of the medians of runs."""
    rows = _rows(by_label)
    names = _domains(by_label)
    return (["<h2>By the rate that was asked for</h2>"] + _program(by_label, rows) + _of_domains(by_label, rows, names)
            + _io(by_label, rows) + _line(by_label, rows, names))


def _rows(by_label: ByLabel) -> Dict[str, List[Tuple[str, str]]]:
    """Row -> (name in the row, label) of its panels."""
    rows: Dict[str, List[Tuple[str, str]]] = {}
    for label in by_label:
        row, _, name = label.rpartition("/")
        rows.setdefault(row.strip(), []).append((name.strip() or "(no label)", label))
    return rows


def _members(rows: Dict[str, List[Tuple[str, str]]]) -> List[str]:
    """The names that panels have in any of the rows, in their order."""
    return list(dict.fromkeys(name for row in rows.values() for name, _ in row))


def _domains(by_label: ByLabel) -> List[str]:
    """Domains by the CPU time that they had in all runs."""
    paid: Dict[str, int] = {}
    for records in by_label.values():
        for record in _counting(records):
            for domain in record["domains"]:
                paid[domain["name"]] = paid.get(domain["name"], 0) + domain["costs"].get("cpu_ns", 0)
    return sorted(paid, key=lambda name: (-paid[name], name))[:_DOMAINS]


def _section(title: str, unit: str, say: str, names: Sequence[str], drawn: str) -> str:
    return '<section class="plot"><h3>%s</h3><p>%s%s</p>%s%s</section>' % (
        html.escape(bounded(title)), html.escape(bounded(unit)), ". " + html.escape(say) if say else "",
        legend([bounded(name) for name in names]), drawn)


def _program(by_label: ByLabel, rows: Dict[str, List[Tuple[str, str]]]) -> List[str]:
    """A panel a row, a line for each label in it."""
    members = _members(rows)
    parts = []
    figures = [figure for figure in directions([record for records in by_label.values() for record in records]).values()
               if figure and figure["better"]]
    for figure in figures[:_PROGRAM]:
        def value(record: Record, name: str = figure["name"]) -> Optional[float]:
            return _figure(record, name)
        drawn = _by_row(by_label, rows, members, figure["name"], figure["unit"], value)
        parts.append(_section(figure["name"], figure["unit"], "Figure 3." if figure["name"] in ("reply_rate", "response_time")
                              else "", members, drawn))
    return parts


def _by_row(by_label: ByLabel, rows: Dict[str, List[Tuple[str, str]]], members: Sequence[str], title: str, unit: str,
            value: Callable[[Record], Optional[float]]) -> str:
    drawn = []
    for row, labels in rows.items():
        lines = [Series(members.index(name), _points(by_label[label], value, "%s: " % bounded(name), unit))
                 for name, label in labels]
        drawn.append(Panel(bounded(row) or title, [line for line in lines if line.points]))
    beside = _BESIDE if len(drawn) > _BESIDE + 1 else len(drawn)
    return panels([drawn[at:at + beside] for at in range(0, len(drawn), beside)], "asked_rate, connection/s", bounded(unit),
                  bounded(title))


def _points(records: Sequence[Record], value: Callable[[Record], Optional[float]], said: str,
            unit: str) -> List[Tuple[float, float, str]]:
    found = []
    for record in _counting(records):
        rate, here = _figure(record, ASKED), value(record)
        if rate is not None and here is not None and drawable(rate, here):
            found.append((rate, here, "%s%.4g %s at %.6g" % (said, here, bounded(unit), rate)))
    return found


def _costs(record: Record, name: str) -> Dict[str, int]:
    return next((domain["costs"] for domain in record["domains"] if domain["name"] == name), {})


def _of_domains(by_label: ByLabel, rows: Dict[str, List[Tuple[str, str]]], names: Sequence[str]) -> List[str]:
    """A panel for each label, a line for each domain."""
    parts = []
    for figure in _OF_DOMAINS:
        drawn = []
        for labels in rows.values():
            drawn.append([Panel(bounded(name), _domain_lines(by_label[label], names, figure)) for name, label in labels])
        if any(panel.series for line in drawn for panel in line):
            parts.append(_section(figure.title, figure.unit, figure.say, names, panels(
                drawn, "asked_rate, connection/s", figure.unit, figure.title,
                [bounded(row) for row in rows] if any(rows) else ())))
    return parts


def _domain_lines(records: Sequence[Record], names: Sequence[str], figure: _DomainFigure) -> List[Series]:
    lines = []
    for place, name in enumerate(names):
        def value(record: Record, name: str = name) -> Optional[float]:
            return figure.value(_costs(record, name), record["lengths_ns"].get("xentrace", 0), record)
        points = _points(records, value, "%s: " % bounded(name), figure.unit)
        if points:
            lines.append(Series(place, points))
    return lines


def _sum(record: Record, names: Sequence[str]) -> Optional[int]:
    """Of all domains that know them; None where none does."""
    found = [domain["costs"][name] for domain in record["domains"] for name in names if name in domain["costs"]]
    return sum(found) if found else None


def _io(by_label: ByLabel, rows: Dict[str, List[Tuple[str, str]]]) -> List[str]:
    """Grant operations and packets."""
    members = _members(rows)
    grants, packets = ("grant_maps", "grant_unmaps"), ("rx_packets", "tx_packets")

    def rate(names: Sequence[str], plugin: str) -> Callable[[Record], Optional[float]]:
        def value(record: Record) -> Optional[float]:
            total, length = _sum(record, names), record["lengths_ns"].get(plugin)
            return None if total is None or not length else 1e9 * total / length
        return value

    def each(record: Record) -> Optional[float]:
        total, times = _sum(record, grants), _costs(record, "Domain-0").get("executions")
        return None if total is None or not times else total / times

    parts = []
    for title, unit, say, value in (
            ("I/O count", "per second", "Figure 7 a: grants mapped and unmapped. What backends copy leaves no trace.",
             rate(grants, "xentrace")),
            ("I/O count per execution of Domain-0", "1", "Figure 7 b.", each),
            ("Packets of the guests' networks", "per second", "Received and sent.", rate(packets, "xentop"))):
        if any(value(record) is not None for records in by_label.values() for record in records):
            parts.append(_section(title, unit, say, members, _by_row(by_label, rows, members, title, unit, value)))
    return parts


def costs_and_executions(record: Record, name: str) -> Optional[Tuple[float, float]]:
    """(executions, CPU us) of a domain for each unit of a run's work, both above idle; None where one is not known."""
    amount, _ = unit_of(record)
    domain = next((one for one in record["domains"] if one["name"] == name), None)
    if domain is None or record["unusable"] or not amount:
        return None
    cost, times = per_unit(net(domain), amount), domain["above_idle"].get("executions")
    return None if cost is None or times is None or not drawable(times / amount, cost) else (times / amount, cost)


def _number(value: float) -> str:
    return "%.0f" % value if 1000 <= abs(value) < 1e9 else "%.4g" % value


def _line(by_label: ByLabel, rows: Dict[str, List[Tuple[str, str]]], names: Sequence[str]) -> List[str]:
    """A panel for each domain, its runs of all labels, and the line through them."""
    unit = next((unit_of(record)[1] for records in by_label.values() for record in _counting(records)), "")
    drawn, told = [], []
    for name in names:
        series, everything = [], []
        for place, labels in enumerate(rows.values()):
            points = [(label, costs_and_executions(record, name)) for _, label in labels for record in _counting(by_label[label])]
            known = [(x, y, "%s: %.4g \u00b5s, %.4g executions" % (bounded(label), y, x))
                     for label, (x, y) in ((label, point) for label, point in points if point is not None)]
            everything += [(x, y) for x, y, _ in known]
            series.append(Series(place, known, joined=False))
        line = fit(everything)
        if line is not None:
            ends = [(x, line.base + line.price * x) for x in (0.0, max(x for x, _ in everything))]
            drawn.append(Panel(bounded(name), series, ends))
            told.append("%s: %s \u00b5s and %s \u00b5s for each execution (R\u00b2 %.3f, %d runs)" % (
                bounded(name), _number(line.base), _number(line.price), line.r2, line.points))
    if not drawn:
        return []
    title = "What a %s costs, and what of it each execution" % bounded(unit)
    return [_section(title, "CPU \u00b5s per " + unit, "Each dot is a run. " + "; ".join(told) + ".",
                     [row or "all" for row in rows],
                     panels([drawn], "executions per " + bounded(unit), "\u00b5s per " + bounded(unit), title))]
