"""The report's document to one HTML file: text and tables made here, plots by Bokeh, everything inside.

A policy in the page itself forbids the browser every request, and every script but the ones whose digests it names: a
name that got past the escaping could still do nothing.
"""
import base64
import hashlib
import html
import json
import os
from typing import Any, Dict, List

from bokeh.document import Document
from bokeh.embed.util import standalone_docs_json_and_render_items
from bokeh.resources import Resources

from xenmeter.core import shipped
from xenmeter.front.report.neighbours import neighbours
from xenmeter.front.report.plots import has_io, plots_of
from xenmeter.front.report.tables import domain_table, facts, notices, pcpu_table, vcpu_table
from xenmeter.front.report.texts import TEXTS, Text

__all__ = ("page",)

_HERE = os.path.dirname(os.path.abspath(__file__))
_POLICY = ("default-src 'none'; script-src %s; style-src 'unsafe-inline'; img-src data: blob:; base-uri 'none'; "
           "form-action 'none'")
_MOVES = (("back", "\u25c0", "earlier"), ("forth", "\u25b6", "later"), ("closer", "+", "zoom in"),
          ("wider", "\u2212", "zoom out"), ("all", "all", "the whole time"))
#: Plots that stand side by side where there is room.
_PAIRS = (("executions", "run_each"), ("wait_each", "percentiles"), ("io", "io_each"))


def page(document: Dict[str, Any]) -> str:
    """The whole file's text."""
    plots = plots_of(document)
    models = Document(title="")
    with models.models.freeze():    # one count of all models instead of one per plot
        for plot in plots:
            models.add_root(plot.figure)
    docs, items = standalone_docs_json_and_render_items([plot.figure for plot in plots], suppress_callback_warning=True)
    elements = items[0].to_json()["roots"]
    places = {plot.key: elements[plot.figure.id] for plot in plots}
    scripts = list(Resources(mode="inline", components=["bokeh"], minified=True, log_level="error").js_raw)
    scripts += [_read("page.js")]
    if any("</script" in script.lower() for script in scripts):
        raise AssertionError("a script that would end its own element")
    name = document["source"]["name"]
    parts = ["<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">",
             '<meta http-equiv="Content-Security-Policy" content="%s">' % (_POLICY % " ".join(map(_digest, scripts))),
             '<meta name="viewport" content="width=device-width, initial-scale=1">',
             '<meta name="generator" content="xenmeter %s">' % document["xenmeter"],
             "<title>%s \u2013 xenmeter report</title>" % html.escape(name), "<style>\n%s</style>" % _read("page.css"),
             "</head>\n<body>"]
    parts += _head(document, [plot.key for plot in plots])
    parts += _sections(document, places)
    parts += ["<footer><p>xenmeter %s, plots by Bokeh. The figures are in this file as JSON, in the element "
              "<code>xenmeter-data</code>.</p></footer>" % document["xenmeter"],
              _json("xenmeter-data", document),
              _json("xenmeter-plots", {"docs": docs, "items": [item.to_json() for item in items]})]
    parts += ["<script>%s</script>" % script for script in scripts]
    return "\n".join(parts + ["</body>\n</html>\n"])


def _read(name: str) -> str:
    return shipped.text(_HERE, name)


def _digest(script: str) -> str:
    return "'sha256-%s'" % base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii")


def _json(name: str, value: Any) -> str:
    """JSON in an element that no browser runs; nothing in it can end the element."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=True)
    for char in "<>&":
        text = text.replace(char, "\\u%04x" % ord(char))
    return '<script type="application/json" id="%s">%s</script>' % (name, text)


def _head(document: Dict[str, Any], keys: List[str]) -> List[str]:
    told = [("neighbours", "Who made whom wait")] if neighbours(document) else []
    sections = [("summary", "Summary")] + told + [(key, TEXTS[key].title) for key in keys]
    return ["<header><h1>Who had the CPUs? %s</h1>" % html.escape(document["source"]["name"]), facts(document),
            notices(document),
            "<noscript><p class=\"notice\">The tables are all here; the plots need JavaScript, which is part of this "
            "file.</p></noscript>",
            '<p class="notice" id="failed" hidden role="alert">The plots could not be drawn by this browser; the '
            'tables below need none.</p>',
            "<nav aria-label=\"contents\">%s</nav></header>" % " ".join(
                '<a href="#%s">%s</a>' % (key, html.escape(title)) for key, title in sections),
            _controls(document)]


def _controls(document: Dict[str, Any]) -> str:
    boxes = "".join(
        '<label title="%s"><input type="checkbox" data-series="%d" checked><span class="swatch" '
        'data-swatch="%d"></span><span class="name">%s</span></label>' % (html.escape(series["name"], True), number,
                                                                          number,
                                                  html.escape(series["name"]))
        for number, series in enumerate(document["series"]))
    marks = ""
    if document["kind"] == "trace":
        marks = ('<span><span class="swatch lost"></span> records lost</span> <span><span class="swatch '
                 'unknown"></span> not known</span>')
    buttons = "".join('<button type="button" data-move="%s" title="%s" aria-label="%s">%s</button>'
                      % (what, say, say, sign)
                      for what, sign, say in _MOVES)
    return ('<div class="bar"><fieldset aria-label="domains shown">%s</fieldset>%s<span class="buttons">%s <button '
            'type="button" id="theme">light / dark</button></span></div>' % (boxes, marks, buttons))


def _sections(document: Dict[str, Any], places: Dict[str, str]) -> List[str]:
    parts = ['<section id="summary"><h2>Summary</h2>', domain_table(document)]
    if document["kind"] == "trace":
        parts += [vcpu_table(document), pcpu_table(document)]
    parts += ["</section>", neighbours(document)]
    second = {pair[1] for pair in _PAIRS if pair[0] in places}
    firsts = dict(_PAIRS)
    for key in TEXTS:
        if key not in places or key in second:
            continue
        text = TEXTS[key]
        if text.section:
            parts.append("<h2>%s</h2>" % text.section)
        if key == "states":
            parts.append(_pick(document))
        pair = [key] + ([firsts[key]] if firsts.get(key) in places else [])
        plots = "".join(_plot(plot_key, TEXTS[plot_key], places[plot_key], document) for plot_key in pair)
        parts.append('<div class="two">%s</div>' % plots if len(pair) > 1 else plots)
    if not has_io(document):
        parts.append("<h2>I/O</h2><p>There is no I/O count: no grant operation is in %s. Either there was none, or it "
                     "was not traced (xentrace's event mask needs 0x0010f000 as well).</p>"
                     % ("the trace" if document["kind"] == "trace" else "the log"))
    return parts


def _plot(key: str, text: Text, place: str, document: Dict[str, Any]) -> str:
    return ('<section class="plot" id="%s" data-plot="%s" tabindex="0" role="group" aria-label="%s. Arrow keys move, '
            'plus and minus zoom, 0 shows all."><h3>%s</h3><p>%s</p><div class="canvas" id="%s"></div></section>'
            % (key, key, html.escape(text.title, True), html.escape(text.title), text.say(document), place))


def _pick(document: Dict[str, Any]) -> str:
    options = ['<option value="all">all domains together</option>'] if document["kind"] == "trace" else []
    options += ['<option value="%d">%s</option>' % (number, html.escape(series["name"]))
                for number, series in enumerate(document["series"])]
    return '<p><label>Show <select id="pick">%s</select> in the next two plots.</label></p>' % "".join(options)


