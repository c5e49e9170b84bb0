"""One question, asked in the language of each backend: InfluxQL, PromQL, and PromQL on the names of collectd's
write_prometheus. Metrics are named by plugin, entity and figure only; what a backend calls them stands in metrics.csv.

Every answer is in base units, whatever the backend keeps: seconds (so a rate of time is a share of one CPU), bytes, 1 = 100 %.
"""
import typing

from xenmeter.core import meter
from xenmeter.front import plugins
from xenmeter.publish.stocktypes import STOCK_TYPES

DOM0 = "(Domain-0|Control domain on host: .*)"
"""What toolstacks call dom0: xl and libxl, then XenServer and XCP-ng."""

HOST, DOMAINS, GUEST = "${host:regex}", "${domain:regex}", "${guest:regex}"
"""The dashboard's variables. How Grafana escapes one without a format depends on its release, the data source and the variable:
an IPv6 address as a host, or a guest's name with a quote, would not get through everywhere."""

COLLECTD_PLUGIN = {name: plugins.get(name).collectd or name for name in plugins.NAMES}


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


def _scaled(text, divisor):
    return "%s / %s" % (text, divisor) if divisor else text


def _matchers(pairs):
    """A variable is put into backquotes, in which PromQL takes a backslash as it is; Grafana escapes with one."""
    return "{%s}" % ",".join(('%s%s`%s`' if "${" in pair[2] else '%s%s"%s"') % pair for pair in pairs)


def _summed(ask, series, by):
    outer = "max" if ask.how == "max" else "sum"
    return "%s by (%s) (%s)" % (outer, ", ".join(by), series) if by else "%s(%s)" % (outer, series)


def _promql(ask, summed):
    """The whole expression. At rest both sides stand still: > 0, for 0 / 0 would be shown as not a number."""
    expression = summed(ask, (ask.figure,))
    if ask.per:
        below = ask.below()
        every = "" if below.by == ask.by else "on() group_left() "
        expression = "%s / %s(%s > 0)" % (expression, every, summed(below, ask.per))
    return "%s or %s" % (expression, _promql(ask.otherwise, summed)) if ask.otherwise else expression


def prometheus(ask):
    """(expression, legend) for the names of `xenmeter serve` and of the textfile."""
    if ask.how == "buckets":
        return _promql(ask._replace(by=("le",)), _prometheus_summed), "{{le}}"
    expression = _promql(ask, _prometheus_summed)
    if ask.how == "p99":    # >= 0: where no wait has ended, there is no quantile
        expression = "histogram_quantile(0.99, %s) >= 0" % expression
    return expression, ask.legend or " ".join("{{%s}}" % label for label in ask.by)


def _prometheus_summed(ask, paths):
    """The sum of figures that are parts of one family."""
    plugin, entity, figure = ask.found(paths[0])
    families = [ask.found(path)[2].openmetrics for path in paths]
    assert len({(family.name, tuple(key for key, _ in family.constant)) for family in families}) == 1, paths
    pairs = [("instance", "=~", HOST + "(:[0-9]+)?")]
    pairs += {"host": [], "domains": [("domain", "=~", DOMAINS)], "guest": [("domain", "=~", GUEST)],
              "dom0": [("domain", "=~", DOM0)]}[ask.scope]
    constant = [(key, "|".join(dict(family.constant)[key] for family in families)) for key, _ in families[0].constant]
    pairs += [(key, "=~" if "|" in value else "=", value) for key, value in constant]
    pairs += [(key, "=", value) for key, value in ask.where] + [(key, "!=", value) for key, value in ask.without]
    if plugin == "xentrace" and entity.name == "domain":
        pairs.append(("vcpu", "=", ""))     # its vCPUs have series of the same name, where they are asked for
    name, by = families[0].name, ask.by
    if figure.kind == "histogram":
        pairs = [pair for pair in pairs if pair[0] != "cause"]
        name, by = name + "_bucket", by + (("le",) if "le" not in by else ())
    series = name + _matchers(pairs)
    return _summed(ask, series if ask.how in ("last", "max") else "rate(%s[$__rate_interval])" % series, by)


def collectd(ask):
    """(expression, legend) for what collectd's write_prometheus makes of the plugins' values."""
    if ask.how in ("p99", "buckets"):
        ask = ask._replace(figure="xentrace/domain/wait_p99_ns", how="max", per=())
    legend = " ".join("{{%s}}" % (owner_of(ask) if label == "domain" else label) for label in ask.by)
    return _collectd_promql(ask), ask.legend.replace("{{domain}}", "{{%s}}" % owner_of(ask)) or legend


def _collectd_promql(ask):
    """A domain is in the label of its plugin: another plugin's answer is told under the first one's."""
    expression = _promql(ask._replace(otherwise=None), _collectd_summed)
    other = ask.otherwise
    while other:
        text = _promql(other._replace(otherwise=None), _collectd_summed)
        first, second = owner_of(ask), owner_of(other)
        if first != second and "domain" in ask.by:
            by = ", ".join(first if label == "domain" else label for label in ask.by)
            text = 'sum by (%s) (label_replace(%s, "%s", "$1", "%s", "(.+)"))' % (by, text, first, second)
        expression, other = "%s or %s" % (expression, text), other.otherwise
    return expression


def owner_of(ask):
    """The plugin's name in collectd, which is also the label in which the plugin instance is."""
    plugin = ask.figure.partition("/")[0]
    return COLLECTD_PLUGIN.get(plugin) or COLLECTD_PLUGIN[dict(ask.where)["plugin"]]


def _collectd_summed(ask, paths):
    """The sum of figures that are instances of one type. The labels are in the instance, and are taken out of it."""
    plugin, entity, figure = ask.found(paths[0])
    stock, owner = figure.collectd, owner_of(ask)
    sources = STOCK_TYPES[stock.type].sources
    part = stock.source or ("" if sources == ("value",) else sources[0])    # write_prometheus names all but "value"
    name = "_".join(filter(None, ("collectd", owner, stock.type, part)))
    instance = {"host": "host", "domains": DOMAINS, "guest": GUEST, "dom0": DOM0}[ask.scope]
    if plugin == "meter":
        instance = "xenmeter"
    pairs = [("instance", "=~", HOST), (owner, "=" if ask.scope == "host" else "=~", instance)]
    parts = [ask.found(path)[2].collectd for path in paths]
    assert {(one.type, one.source) for one in parts} == {(stock.type, stock.source)}, paths
    given, instances = dict(ask.where), [one.instance for one in parts]
    for label in entity.labels:
        instances = [text.replace("{%s}" % label, given.get(label, ".+")) for text in instances]
    text = "|".join(instances)
    pairs.append(("type", "=~" if "|" in text or ".+" in text else "=", text))     # none: the sum; parts have its name
    pairs += [("type", "!=", one.instance.replace("{%s}" % label, value)) for one in parts for label, value in ask.without]
    series = name + ("_total" if ask.how == "rate" else "") + _matchers(pairs)
    series = "rate(%s[$__rate_interval])" % series if ask.how == "rate" else series
    for label in ask.by:
        if label != "domain":
            series = 'label_replace(%s, "%s", "$1", "type", "%s")' % (series, label, _label_in(parts, label, entity))
    return _summed(ask, _scaled(series, _collectd_divisor(figure)), [owner if label == "domain" else label for label in ask.by])


def _label_in(parts, label, entity):
    """The pattern of type instances whose first group is the label's value."""
    before = {one.instance.partition("{%s}" % label)[0] for one in parts}
    after = "|".join(one.instance.partition("{%s}" % label)[2] for one in parts)
    pattern = before.pop() + "(.+)" + ("(?:%s)" % after if "|" in after else after)
    for other in entity.labels:
        pattern = pattern.replace("{%s}" % other, ".+")
    return pattern


def _collectd_divisor(figure):
    """collectd's gauges have seconds and percent already; its counters keep ns."""
    if figure.unit == "ns" and figure.kind == "counter":
        return "1e9"
    return "100" if figure.unit == "ppm" else ""


def influxql(ask):
    """(query, alias) for what Telegraf writes to InfluxDB. ``otherwise`` is a question of its own there."""
    if ask.how in ("p99", "buckets"):
        ask = ask._replace(figure="xentrace/latency/wait_p99_ns", how="max", where=(("cause", "any"), ("window", "10s")), per=())
    plugin, _, figure = ask.found()
    field = figure.influx
    tags = list(ask.by)
    if "domain" in tags or ask.scope != "host" and ask.per:
        tags += [tag for tag in ("domain", "uuid") if tag not in tags]      # two domains may bear one name
    if not tags and field.tags and plugin != "meter":
        tags = list(field.tags)
    if ask.per and not ask.per_own and not ask.by:
        query = _influx_of_another(ask, figure)
    elif ask.how == "rate":
        query = _influx_rate(ask, figure, tags)
    else:
        value = _scaled('%s("%s")' % (ask.how, field.field), {"ns": "1000000000", "ppm": "100"}.get(figure.unit, ""))
        query = _influx_select(ask, value, field.measurement, _influx_by(tags)) + " fill(none)"
    if not ask.by:
        return query, ask.legend or ("" if ask.per else " ".join("$tag_%s" % tag for tag in tags))
    return query, ask.legend.replace("{{", "$tag_").replace("}}", "") or " ".join("$tag_%s" % tag for tag in ask.by)


def _influx_select(ask, value, measurement, by="*"):
    where = ['"host" =~ /^%s$/' % HOST]
    if ask.scope != "host":
        where.append('"domain" =~ /^%s$/' % {"domains": DOMAINS, "guest": GUEST, "dom0": DOM0}[ask.scope])
    where += ["\"%s\" = '%s'" % pair for pair in ask.where] + ["\"%s\" != '%s'" % pair for pair in ask.without]
    return 'SELECT %s FROM "%s" WHERE %s AND $timeFilter GROUP BY %s' % (value, measurement, " AND ".join(where), by)


def _influx_by(tags):
    return ", ".join(["time($__interval)"] + ['"%s"' % tag for tag in tags])


def _growth(figure):
    """How much a counter grew from one reading to the next, in seconds where it is of time. The divisor makes it a float: of two
    subqueries influxd does not sum up integers."""
    return _scaled('non_negative_difference("%s")' % figure.influx.field, "1000000000.0" if figure.unit == "ns" else "1.0")


def _influx_rate(ask, figure, tags):
    """n in a second of t, which is time of the clock or of ``per``. Both are taken from one reading to the next and summed up
    then: a window that is no multiple of the readings' interval holds now more of them, now fewer. InfluxQL makes 0 of a
    division by 0, so times of rest are left out. Lines that are divided by the host's one it cannot ask for: they are what there
    is in a second of the clock."""
    field = figure.influx
    below = " + ".join(_growth(ask.found(path)[2]) for path in ask.per if ask.per_own)
    below = below or 'elapsed("%s", 1ns) / 1000000000' % field.field
    inner = _influx_select(ask, '%s AS "n", %s AS "t"' % (_growth(figure), below), field.measurement)
    query = 'SELECT %%s FROM (%s) WHERE "n" >= 0 AND "t" > 0 AND $timeFilter GROUP BY %s fill(none)' % (inner, _influx_by(tags))
    share = 'sum("n") / sum("t")'
    if ask.scope != "domains" or not ask.by or "domain" in ask.by:
        return query % share
    return 'SELECT sum("each") FROM (%s) WHERE $timeFilter GROUP BY %s fill(none)' % (
        query % (share + ' AS "each"'), _influx_by(ask.by))


def _influx_of_another(ask, figure):
    """The same where ``per`` is in another measurement: InfluxQL joins none. They are put one below the other, and summed up
    for each window."""
    (per,) = (ask.found(path)[2] for path in ask.per)
    over = _influx_select(ask, _growth(figure) + ' AS "n"', figure.influx.measurement)
    under = _influx_select(ask.below(), _growth(per) + ' AS "t"', per.influx.measurement)
    inner = 'SELECT sum("n") AS "n", sum("t") AS "t" FROM (%s), (%s) WHERE $timeFilter GROUP BY %s fill(none)' % (
        over, under, _influx_by(()))
    return 'SELECT "n" / "t" FROM (%s) WHERE "t" > 0' % inner
