"""A dashboard as Grafana's JSON model."""
import json

from .backends import ANNOTATIONS
from .boards import LONG, LOOK

SCHEMA_VERSION = 37     # Grafana 9.3; later ones migrate it when they read it
LONGEST_GAP_MS = 15 * 60 * 1000
"""A baker that its governor makes rest has nothing for up to five minutes: the lines go on over that."""


def source(backend):
    return {"type": backend.type, "uid": "${datasource}"}


def targets(backend, panel):
    found, asks = [], list(panel.asks)
    if backend.type == "influxdb":      # InfluxQL has no "or"
        for ask in asks:
            asks += [ask.otherwise] * bool(ask.otherwise)
    for number, ask in enumerate(asks):
        query, legend = backend.ask(ask)
        target = {"refId": chr(ord("A") + number), "datasource": source(backend)}
        if backend.type == "influxdb":
            target.update(query=query, alias=legend, rawQuery=True, resultFormat="time_series")
        else:
            heat = panel.kind == "heatmap" and "_bucket" in query
            target.update(expr=query, legendFormat=legend, range=True, format="heatmap" if heat else "time_series")
        found.append(target)
    return found


def options(panel, heat):
    """(options, field defaults, custom) of a panel's kind."""
    if panel.kind == "stat":
        return {"reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False}, "colorMode": "none"}, {}
    if panel.kind == "heatmap":
        return {"calculate": not heat, "color": {"mode": "scheme", "scheme": "Oranges"}, "yAxis": {"unit": panel.unit},
                "cellGap": 0, "tooltip": {"show": True, "mode": "single"}}, {}
    custom = {"fillOpacity": 8, "lineWidth": 1, "showPoints": "never"}
    if panel.stacked:
        custom.update(fillOpacity=60, stacking={"mode": "normal", "group": "A"})
    if any(ask.figure.startswith("xentrace/") for ask in panel.asks):
        custom["spanNulls"] = LONGEST_GAP_MS
    return ({"legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
             "tooltip": {"mode": "multi", "sort": "desc"}}, custom)


def about(panel):
    """What it shows: Grafana has it behind the panel's (i)."""
    return panel.help or panel.asks[0].found()[2].help


DRILLED = "/d/%s?${datasource:queryparam}&${host:queryparam}&${__url_time_range}&var-guest=${__field.labels.%s:percentencode}"


def drilled(backend, panel):
    """From a domain's line to that domain in the long dashboard, with host, data source and time as they are."""
    if "domain" not in panel.asks[0].by:
        return []
    label = backend.domain(panel.asks[0])
    return [{"title": "All of this domain", "targetBlank": False, "url": DRILLED % (uid(backend, LONG), label)}]


def uid(backend, board):
    return "xenmeter-%s%s" % (board.file, backend.name)


def dashboard(backend, board=LONG):
    """The dashboard as Grafana's JSON model."""
    panels, top, number = [], 0, 0
    for title, row in board.rows:
        if title:
            number += 1
            panels.append({"id": number, "type": "row", "title": title, "collapsed": False, "panels": [],
                           "gridPos": {"x": 0, "y": top, "w": 24, "h": 1}})
            top += 1
        left = 0
        for panel in row:
            if left + panel.width > 24:
                left, top = 0, top + 8
            number += 1
            asked = targets(backend, panel)
            shown, custom = options(panel, any(target.get("format") == "heatmap" for target in asked))
            panels.append({
                "id": number, "type": panel.kind, "title": panel.title, "description": about(panel),
                "datasource": source(backend), "gridPos": {"x": left, "y": top, "w": panel.width, "h": 8}, "targets": asked,
                "options": shown,
                "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0, "custom": custom, "links": drilled(
                    backend, panel) if board is LOOK else []}, "overrides": []}})
            left += panel.width
        top += 8
    return {
        "title": board.title % backend.title, "uid": uid(backend, board), "description": board.about, "tags": ["xen", "xenmeter"],
        "schemaVersion": SCHEMA_VERSION, "version": 1, "editable": True, "timezone": "browser", "refresh": "30s",
        "time": {"from": "now-1h", "to": "now"}, "annotations": {"list": annotations(backend)}, "links": links(),
        "panels": panels, "templating": {"list": variables(backend, json.dumps(panels))}}


def links():
    """To the other dashboards of ours, with the variables and the time as they are."""
    return [{"type": "dashboards", "title": "xenmeter", "tags": ["xenmeter"], "asDropdown": True, "includeVars": True,
             "keepTime": True, "targetBlank": False, "icon": "external link", "tooltip": "the other dashboards", "url": ""}]


def annotations(backend):
    return [{"name": "Benchmark runs", "datasource": source(backend), "enable": True, "iconColor": "purple",
             **ANNOTATIONS[backend.name]}]


def variables(backend, panels):
    """Those that the panels use."""
    found = [{"name": "datasource", "label": "Data source", "type": "datasource", "query": backend.type, "hide": 0,
              "includeAll": False, "multi": False, "options": [], "refresh": 1, "regex": ""}]
    for name, label, query, multi in [one for one in backend.variables if "${%s:" % one[0] in panels]:
        found.append({
            "name": name, "label": label, "type": "query", "datasource": source(backend), "hide": 0, "query": query,
            "definition": query, "refresh": 2, "sort": 1, "multi": multi, "includeAll": multi, "options": [],
            "allValue": ".*" if multi else None,
            # one host has several ports, one per plugin
            "regex": r"/^(.*?)(?::\d+)?$/" if (backend.name, name) == ("prometheus", "host") else ""})
    return found
