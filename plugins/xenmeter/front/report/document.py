"""What a report says, as plain JSON: all figures that the page shows, in integers of the trace where it has them.

The page holds this text as it is; its plots are drawn from it and from nothing else.
"""
from typing import Any, Dict, List, Optional, Sequence, Tuple

from xenmeter import __version__
from xenmeter.core import histogram
from xenmeter.front.report.gather import Gathered
from xenmeter.front.report.neighbours import neighbours_of
from xenmeter.front.report.timeline import BETWEEN, IDLE, Grid
from xenmeter.publish.text import bounded
from xenmeter.xen.whois import default_name
from xenmeter.xentrace.summary import contract
from xenmeter.xentrace.engine.distribution import EMPTY, Distribution
from xenmeter.xentrace.engine.figures import GRANTS, WINDOW_STATES
from xenmeter.xentrace.attribute import LifeKey

__all__ = ("of_trace", "MOST_SERIES", "MOST_CELLS", "OTHERS")

#: Domains that have a colour and lines of their own; the rest is one series.
MOST_SERIES = 12
#: Rectangles of the timeline over the whole trace.
MOST_CELLS = 24000
#: Bounds of the heat map's rows: a microsecond to 17 s, half an octave each; what lies beyond is in the outer rows.
HEAT_EDGES = tuple(int(1000 * 2 ** (half / 2)) for half in range(49))
#: The name of the series that holds the domains that have none of their own.
OTHERS = "other domains"
_STATES = ("running", "waiting", "blocked", "offline", "unknown")
#: Parts of a million whose wait is told.
_PERCENTILES = (500000, 750000, 900000, 950000, 990000, 999000, 999900, 1000000)


def of_trace(gathered: Gathered, names: Dict[LifeKey, Any], source: Dict[str, Any]) -> Dict[str, Any]:
    """:param names: life -> Who, of those that have a name; :param source: what to tell of the file."""
    figures = gathered.figures
    bake = contract(figures, gathered.note)
    lives = [life[:2] for life in gathered.lives]
    domains = _domains(figures, gathered, names)
    causes = {(one["domid"], one["generation"]): _causes(one) for one in bake["domains"]}
    order = sorted(range(len(lives)), key=lambda place: (-domains[place]["weight"], lives[place]))
    own = order[:MOST_SERIES] if len(order) > MOST_SERIES + 1 else order
    own.sort(key=lambda place: lives[place])
    series_of = {place: number for number, place in enumerate(own)}
    series = [{"name": domains[place]["name"], "life": place} for place in own]
    if len(own) < len(order):
        series.append({"name": "%d %s" % (len(order) - len(own), OTHERS), "life": None})
    belongs = [series_of.get(place, len(own)) for place in range(len(lives))]
    for place, domain in enumerate(domains):
        domain["series"] = belongs[place]
        del domain["weight"]
    windows = _windows(figures["windows"][0], lives, belongs, len(series))
    _latency(windows, gathered.latency, belongs, len(series))
    return {"format": "xenmeter-report", "version": 1, "xenmeter": __version__, "kind": "trace", "source": source,
            "bake": bake, "domains": domains, "series": series, "windows": windows,
            "latency": _whole(gathered.latency, belongs, len(series)), "heat": _heat(gathered.latency, belongs, len(series)),
            "overview": _overview(gathered.grid, belongs), "exact": _exact(gathered),
            "lost": [list(gap) for gap in gathered.timeline.gaps], "lost_more": gathered.timeline.more_gaps,
            "longest_wait": _longest(gathered, lives),
            "neighbours": neighbours_of(domains, [causes[life] for life in lives], gathered.waits, lives),
            "compiled": gathered.compiled}


def _causes(domain: Dict[str, Any]) -> Dict[Any, int]:
    """Taken out of bake's record: the page shows the heaviest."""
    del domain["lasting_ns"]
    return {(cause["by"], cause["generation"]) if "generation" in cause else cause["by"]: cause["ns"]
            for cause in domain.pop("causes")}


def _domains(figures: Dict[str, Any], gathered: Gathered, names: Dict[LifeKey, Any]) -> List[Dict[str, Any]]:
    """In the order of ``found.lives``."""
    by_life = {(domain["domid"], domain["generation"]): domain for domain in figures["domains"]}
    domains = []
    shown = set()
    for domid, generation, start, end in gathered.lives:
        life = domid, generation
        domain = by_life[life]
        who = names.get(life)
        name = bounded(who.name) if who is not None else default_name(domid)
        if who is None and generation:
            name += " (life %d)" % (generation + 1)
        elif name in shown:
            name += " (domid %d)" % domid
        shown.add(name)
        domains.append({"name": name, "uuid": who.uuid if who is not None else None, "domid": domid,
                     "generation": generation, "start_ns": start, "end_ns": end,
                     "wait_ns": domain["histograms"]["wait"].summary(), "run_ns": domain["histograms"]["run"].summary(),
                     "weight": domain["running_ns"] + domain["runnable_ns"]})
    return domains


def _windows(figures: Dict[str, Any], lives: List[LifeKey], belongs: List[int], count: int) -> Dict[str, Any]:
    """Figures per series and window; the last window may be shorter than the others. None: the domain did not exist."""
    windows = figures["windows"]
    places = {life: place for place, life in enumerate(lives)}
    names = _STATES + ("executions", "ios")
    columns: List[Dict[str, List[Any]]] = [{name: [None] * len(windows) for name in names} for _ in range(count)]
    for at, window in enumerate(windows):
        for domain in window["domains"]:
            into = columns[belongs[places[domain["domid"], domain["generation"]]]]
            values = [domain[source] for source in WINDOW_STATES]
            values += [domain["executions"], sum(domain[name] for name in GRANTS)]
            if not any(values):
                continue
            for name, value in zip(names, values):
                into[name][at] = (into[name][at] or 0) + value
    return {"length_ns": figures["length_ns"], "start_ns": [window["start_ns"] for window in windows],
            "lengths_ns": [window["length_ns"] for window in windows], "series": columns}


def _latency(windows: Dict[str, Any], latency: List[Dict[int, Distribution]], belongs: List[int], count: int) -> None:
    """Percentiles of the waits that ended in each window, per series, and in ``all`` of every domain together."""
    size = len(windows["start_ns"])
    wanted = ("count", "p50", "p99", "max")
    tables: List[Dict[str, List[Optional[int]]]] = [{name: [None] * size for name in wanted} for _ in range(count + 1)]
    for at, part in enumerate(latency[:size]):
        merged = _merge(part, belongs, count)
        for number, waits in enumerate(merged):
            if waits.counts:
                summary = waits.summary()
                for name in wanted:
                    tables[number][name][at] = summary[name]
    windows["all_wait"] = tables.pop()
    for into, table in zip(windows["series"], tables):
        into["wait"] = table


def _merge(part: Dict[int, Distribution], belongs: List[int], count: int) -> List[Distribution]:
    """Per series, then of all."""
    groups: List[List[Distribution]] = [[] for _ in range(count + 1)]
    for place, waits in part.items():
        groups[belongs[place]].append(waits)
        groups[count].append(waits)
    return [group[0] if len(group) == 1 else EMPTY.plus(group) for group in groups]


def _whole(latency: List[Dict[int, Distribution]], belongs: List[int], count: int) -> Dict[str, Any]:
    """Percentiles over the whole trace, per series; a percentile that fewer waits than its share tell is None."""
    parts: List[List[Distribution]] = [[] for _ in range(count)]
    for part in latency:
        for place, waits in part.items():
            parts[belongs[place]].append(waits)
    percentiles = []
    for group in parts:
        waits = EMPTY.plus(group)
        percentiles.append([None if not waits.count or (ppm < 1000000 and waits.count * (1000000 - ppm) < 1000000)
                     else waits.quantile(ppm, 1000000) for ppm in _PERCENTILES])
    return {"ppm": list(_PERCENTILES), "series": percentiles}


def _heat(latency: List[Dict[int, Distribution]], belongs: List[int], count: int) -> Dict[str, Any]:
    """Per series, then of all: window, row, waits; window, row, waits; ..."""
    rows = [_row((low + high) // 2) for low, high in map(histogram.bounds, range(histogram.FIRST, histogram.SIZE))]
    cells: List[List[int]] = [[] for _ in range(count + 1)]
    for at, part in enumerate(latency):
        for number, waits in enumerate(_merge(part, belongs, count)):
            held: Dict[int, int] = {}
            for place, times in zip(waits.places, waits.counts):
                row = rows[place - histogram.FIRST]
                held[row] = held.get(row, 0) + times
            for row in sorted(held):
                cells[number] += [at, row, held[row]]
    return {"edges_ns": list(HEAT_EDGES), "series": cells}


def _row(value: int) -> int:
    for row, edge in enumerate(HEAT_EDGES[1:]):
        if value < edge:
            return row
    return len(HEAT_EDGES) - 2


def _overview(grid: Grid, belongs: List[int]) -> Dict[str, Any]:
    """Per pCPU: column, series (-3 lost, -4 not known), ns; column, ... Idle time and switches are what is missing."""
    while grid.count((IDLE, BETWEEN)) > MOST_CELLS and grid.width < 1 << 59:
        grid.fold()
    pcpus = []
    for pcpu in sorted(grid.cells):
        held: Dict[Tuple[int, int], int] = {}
        for life, sums in grid.cells[pcpu].items():
            if life not in (IDLE, BETWEEN):
                which = life if life < 0 else belongs[life]
                for column in sums.nonzero()[0].tolist():
                    place = column, which if which >= 0 else 1000 - which
                    held[place] = held.get(place, 0) + int(sums[column])
        cells: List[int] = []
        for column, which in sorted(held):
            cells += [column, which if which < 1000 else 1000 - which, held[column, which]]
        pcpus.append({"pcpu": pcpu, "cells": cells})
    return {"width_ns": grid.width, "pcpus": pcpus}


def _exact(gathered: Gathered) -> Dict[str, Any]:
    """Per pCPU the lengths of intervals that follow each other from ``from_ns`` on, and who ran: a place in ``who``.

    ``who`` holds [life, vCPU], life being a place in ``domains``, or -1 idle, -2 switching, -3 lost, -4 not known.
    """
    begin, end, parts = gathered.exact
    who: List[Sequence[int]] = []
    places: Dict[int, int] = {}
    pcpus = []
    for pcpu in sorted(parts):
        one = parts[pcpu]
        names = []
        for number in one.who.tolist():
            if number not in places:
                places[number] = len(who)
                who.append([number >> 16, number & 0xFFFF] if number >= 0 else [number, 0])
            names.append(places[number])
        pcpus.append({"pcpu": pcpu, "lengths_ns": (one.end - one.begin).tolist(), "who": names})
    count = sum(len(one["who"]) for one in pcpus)
    return {"from_ns": begin, "to_ns": end, "who": who, "pcpus": pcpus, "intervals": count, "of": gathered.intervals}


def _longest(gathered: Gathered, lives: List[LifeKey]) -> Optional[Dict[str, Any]]:
    longest = gathered.longest
    if longest is None:
        return None
    domid = longest.key >> 16
    mine = [place for place, (life_of, _, start, _) in enumerate(gathered.lives) if life_of == domid and start <= longest.end_ns]
    return {"life": mine[-1], "vcpu": longest.key & 0xFFFF, "begin_ns": longest.begin_ns, "end_ns": longest.end_ns,
            "pcpu": longest.pcpu}
