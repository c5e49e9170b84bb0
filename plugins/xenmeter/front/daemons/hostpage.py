"""The endpoint's page for people: the host now, in plain HTML that asks nobody for anything and runs no script."""
import socket
from typing import List, NamedTuple, Optional, Sequence

from xenmeter import __version__
from xenmeter.core.pipeline import Pipeline
from xenmeter.core.reading import Reading
from xenmeter.publish.csvrows import iso_time
from xenmeter.publish.htmltable import HtmlTable, escape
from xenmeter.publish.text import for_terminal

__all__ = ("HostPage", "Part", "POLICY")

#: Content-Security-Policy: whatever a guest is called, nothing is loaded and nothing runs.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"

_STYLE = """
:root{color-scheme:light dark;--line:#8884;--bar:#3b82f655}
body{font:14px/1.4 system-ui,sans-serif;margin:1rem auto;max-width:90rem;padding:0 1rem}
h1{font-size:1.4rem;margin:0}h2{font-size:1.1rem;margin:1.6rem 0 .3rem}h3{font-size:1rem;margin:1rem 0 .2rem}
div{overflow-x:auto}table{border-collapse:collapse;font-variant-numeric:tabular-nums;white-space:nowrap}
th,td{padding:.15rem .6rem;text-align:right;border-bottom:1px solid var(--line)}th{font-weight:600}.l{text-align:left}
.b{background:linear-gradient(var(--bar),var(--bar)) no-repeat 0 0/var(--w) 100%}
small{opacity:.7}p{margin:.3rem 0}.bad{color:#c2410c;font-weight:600}
"""


class Part(NamedTuple):
    """What one plugin has to show; ``reading`` None: nothing, and its pipeline says why."""

    pipeline: Pipeline
    reading: Optional[Reading]
    before: Optional[Reading]


class HostPage:
    def __init__(self, pipelines: Sequence[Pipeline]) -> None:
        self._tables = [HtmlTable(pipeline.plugin.catalogue, pipeline.plugin.table, pipeline.groups)
                        for pipeline in pipelines]
        self._every = int(max(2, min([pipeline.options.interval for pipeline in pipelines])))

    def render(self, parts: Sequence[Part]) -> bytes:
        """UTF-8; ``parts`` in the order of the pipelines."""
        host = escape(for_terminal(socket.gethostname()))
        lines = ["<!DOCTYPE html><html lang=en><meta charset=utf-8><title>%s - xenmeter</title>" % host,
                 "<meta name=viewport content=\"width=device-width\"><meta http-equiv=refresh content=%d>" % self._every,
                 "<style>%s</style>\n<h1>%s</h1>\n" % (_STYLE, host),
                 "<p>xenmeter %s, <a href=\"metrics\">metrics</a>; this page comes anew every %d s</p>\n" % (
                     escape(__version__), self._every)]
        for table, part in zip(self._tables, parts):
            lines.extend(_section(table, part))
        return "".join(lines).encode("utf-8", "replace")


def _section(table: HtmlTable, part: Part) -> List[str]:
    pipeline, reading = part.pipeline, part.reading
    lines = ["<h2 id=%s>%s: %s</h2>\n" % ((pipeline.plugin.name,) * 2 + (escape(pipeline.plugin.title),))]
    for text in _wrong(pipeline) + pipeline.remarks():
        lines.append("<p class=bad>%s</p>\n" % escape(for_terminal(text)))
    if reading is None:
        return lines + ["<p>no figures now</p>\n"]
    body = table.render(reading, part.before)
    return lines + ["<p>%s</p>\n" % escape(iso_time(reading.time_ns)[:19].replace("T", " ") + "Z"),
                    body or "<p>nothing to show</p>\n"]


def _wrong(pipeline: Pipeline) -> List[str]:
    if pipeline.error is not None:
        return [str(pipeline.error)]
    if pipeline.ended:
        return ["the recording has come to its end"]
    return ["the source says nothing any more"] if pipeline.hangs() else []
