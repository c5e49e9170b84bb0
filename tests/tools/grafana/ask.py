"""One question about a figure, asked in the language of each backend by the modules beside this one. Metrics are named by plugin,
entity and figure only; what a backend calls them stands in metrics.csv.

Every answer is in base units, whatever the backend keeps: seconds (so a rate of time is a share of one CPU), bytes, 1 = 100 %.
"""
import typing

from xenmeter.core import meter
from xenmeter.front import plugins

DOM0 = "(Domain-0|Control domain on host: .*)"
"""What toolstacks call dom0: xl and libxl, then XenServer and XCP-ng."""

HOST, DOMAINS, GUEST = "${host:regex}", "${domain:regex}", "${guest:regex}"
"""The dashboard's variables. How Grafana escapes one without a format depends on its release, the data source and the variable:
an IPv6 address as a host, or a guest's name with a quote, would not get through everywhere."""


class Ask(typing.NamedTuple):
    """A question about one figure.

    how: "last", "rate" (per second), "max", "p99" (of a histogram of waits) or "buckets" (of it, for a heat map).
    scope: "host" (the host's own series), "domains" (those chosen on the dashboard), "guest" (the one chosen), "dom0".
    by: labels that tell the lines apart; without any, the lines are summed up.
    without: lines that are left out, by a label's value.
    per: counters of time; asked is then how much of the figure there is in a second of these together. What the trace counts
        covers observed time only, so it is never asked for per second of the clock; at rest there is no answer, rather than 0.
    otherwise: what is asked where that gives nothing; with the same labels.
    """

    figure: str
    how: str = "last"
    scope: str = "domains"
    by: tuple = ("domain",)
    legend: str = ""
    where: tuple = ()
    without: tuple = ()
    per: tuple = ()
    otherwise: typing.Optional["Ask"] = None

    def found(self, path=None):
        """(plugin, entity, figure of the catalogue): ours, or the one that is named."""
        plugin, entity, key = (path or self.figure).split("/")
        catalogue = meter.CATALOGUE if plugin == "meter" else plugins.get(plugin).catalogue
        one = catalogue.entities[entity]
        return plugin, one, next(figure for figure in one.figures if figure.key == key)

    @property
    def per_own(self):
        """Whether ``per`` is time of the very entity that the figure belongs to; else it is the host's, for all lines."""
        return self.per[0].rpartition("/")[0] == self.figure.rpartition("/")[0]

    def below(self):
        """The question that this one is divided by."""
        below = self._replace(figure=self.per[0], how="rate", per=(), otherwise=None)
        return below if self.per_own else below._replace(scope="host", by=(), where=(), without=())


def scaled(text, divisor):
    """The expression in base units."""
    return "%s / %s" % (text, divisor) if divisor else text
