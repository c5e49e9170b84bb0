"""The catalogue as people read it: plain text, or the Markdown tables of the READMEs."""
from typing import Callable, List, Tuple

from xenmeter.bench import readings
from xenmeter.core import meter
from xenmeter.core.catalogue import Catalogue, Figure
from xenmeter.core.errors import XenmeterError
from xenmeter.front import plugins

__all__ = ("catalogues", "as_text", "as_markdown")

_UNITS = {"ns": ("seconds", "ns"), "bytes": ("bytes", "bytes"), "ppm": ("ratio", "percent"), "1": ("", ""),
          "milli": ("", ""), "micro": ("", ""), "bool": ("0 or 1", "0 or 1")}


def _raise(error: XenmeterError) -> None:
    raise error


def catalogues(failed: Callable[[XenmeterError], None] = _raise) -> List[Catalogue]:
    """All that there are: of the plugins, of benchmarks' runs, and the meter's own.

    :param failed: is given why a plugin cannot be loaded; the others' are there all the same.
    """
    found: List[Catalogue] = []
    for name in plugins.NAMES:
        try:
            found.append(plugins.get(name).catalogue)
        except XenmeterError as error:
            failed(error)
    return found + [readings.CATALOGUE, meter.CATALOGUE]


def _names(figure: Figure) -> Tuple[str, str, str]:
    """The figure's name in OpenMetrics, line protocol and collectd; ``-`` where it is not published."""
    openmetrics = influx = collectd = "-"
    if figure.openmetrics is not None:
        labels = list(figure.openmetrics.labels) + ['%s="%s"' % pair for pair in figure.openmetrics.constant]
        openmetrics = figure.openmetrics.name + ("{%s}" % ",".join(labels) if labels else "")
    if figure.influx is not None:
        tags = "{%s}" % ",".join(figure.influx.tags) if figure.influx.tags else ""
        influx = "%s%s.%s" % (figure.influx.measurement, tags, figure.influx.field)
    if figure.collectd is not None:
        collectd = figure.collectd.type + ("-" + figure.collectd.instance if figure.collectd.instance else "")
        if figure.collectd.source:
            collectd += " (%s)" % figure.collectd.source
    return openmetrics, influx, collectd


def as_markdown(catalogue: Catalogue) -> str:
    lines = ["| OpenMetrics | influx | collectd | kind | meaning |", "|---|---|---|---|---|"]
    for entity in catalogue.entities.values():
        for figure in entity.figures:
            names = ["`%s`" % name if name != "-" else "-" for name in _names(figure)]
            lines.append("| %s | %s | %s |" % (" | ".join(names), figure.kind, figure.help.replace("|", "\\|")))
    return "\n".join(lines) + "\n"


def as_text(catalogue: Catalogue) -> str:
    lines: List[str] = []
    for entity in catalogue.entities.values():
        for figure in entity.figures:
            openmetrics, influx, collectd = _names(figure)
            lines.append("%s  (%s of %s, %s, group %s%s)" % (figure.key, figure.kind, entity.name, catalogue.plugin,
                                                             figure.group, ", in small" if figure.small else ""))
            base, other = _UNITS[figure.unit]
            for title, name, unit in (("OpenMetrics", openmetrics, base), ("influx", influx, other),
                                      ("collectd", collectd, "")):
                if name != "-":
                    lines.append("    %-12s %s%s" % (title, name, "  [%s]" % unit if unit else ""))
            lines.append("    %s" % figure.help)
            lines.append("")
    return "\n".join(lines) + "\n"
