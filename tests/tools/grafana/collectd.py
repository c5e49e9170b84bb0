"""PromQL, on the names that collectd's writers make of the plugins' values: write_prometheus, and write_graphite with tags as
VictoriaMetrics keeps them."""
import typing

from xenmeter.front import plugins
from xenmeter.publish.stocktypes import STOCK_TYPES

from .ask import DOM0, DOMAINS, GUEST, HOST, scaled
from .promql import matchers, promql, summed_by

COLLECTD_PLUGIN = {name: plugins.get(name).collectd or name for name in plugins.NAMES}


class Names(typing.NamedTuple):
    """What a writer calls things. host, instance: labels of the host and of the type instance; domain: the label of the plugin
    instance, by the plugin's name; series: a selector, by plugin, type, part of its values, whether it is a counter, matchers."""

    host: str
    instance: str
    domain: typing.Callable
    series: typing.Callable


def _of_prometheus(owner, type_, part, is_counter, pairs):
    part = "" if part == "value" else part
    return "_".join(filter(None, ("collectd", owner, type_, part, "total" * is_counter))) + matchers(pairs)


def _of_graphite(owner, type_, part, is_counter, pairs):
    """Names have dots, so they are asked for as a label; the part is named where there are several."""
    part = "." + part if len(STOCK_TYPES[type_].sources) > 1 else ""
    return matchers([("__name__", "=", "%s.%s%s" % (owner, type_, part)), *pairs])


PROMETHEUS = Names("instance", "type", lambda owner: owner, _of_prometheus)
GRAPHITE = Names("host", "type_instance", lambda owner: "plugin_instance", _of_graphite)


def collectd(ask, names=PROMETHEUS):
    """(expression, legend) for what collectd's write_prometheus makes of the plugins' values, or another writer."""
    if ask.how in ("p99", "buckets"):
        ask = ask._replace(figure="xentrace/domain/wait_p99_ns", how="max", per=())
    domain = names.domain(owner_of(ask))
    legend = " ".join("{{%s}}" % (domain if label == "domain" else label) for label in ask.by)
    return _of_plugins(ask, names), ask.legend.replace("{{domain}}", "{{%s}}" % domain) or legend


def graphite(ask):
    """The same for its write_graphite with tags."""
    return collectd(ask, GRAPHITE)


def _of_plugins(ask, names):
    """Where a domain is in the label of its plugin, another plugin's answer is told under the first one's."""
    def summed(ask, paths):
        return _summed(ask, paths, names)
    expression = promql(ask._replace(otherwise=None), summed)
    other = ask.otherwise
    while other:
        text = promql(other._replace(otherwise=None), summed)
        first, second = names.domain(owner_of(ask)), names.domain(owner_of(other))
        if first != second and "domain" in ask.by:
            by = ", ".join(first if label == "domain" else label for label in ask.by)
            text = 'sum by (%s) (label_replace(%s, "%s", "$1", "%s", "(.+)"))' % (by, text, first, second)
        expression, other = "%s or %s" % (expression, text), other.otherwise
    return expression


def owner_of(ask):
    """The plugin's name in collectd, which for write_prometheus is also the label in which the plugin instance is."""
    plugin = ask.figure.partition("/")[0]
    return COLLECTD_PLUGIN.get(plugin) or COLLECTD_PLUGIN[dict(ask.where)["plugin"]]


def _summed(ask, paths, names):
    """The sum of figures that are instances of one type. The labels are in the instance, and are taken out of it."""
    plugin, entity, figure = ask.found(paths[0])
    stock, owner = figure.collectd, owner_of(ask)
    part, domain = stock.source or STOCK_TYPES[stock.type].sources[0], names.domain(owner)
    instance = {"host": "host", "domains": DOMAINS, "guest": GUEST, "dom0": DOM0}[ask.scope]
    if plugin == "meter":
        instance = "xenmeter"
    pairs = [(names.host, "=~", HOST), (domain, "=" if ask.scope == "host" else "=~", instance)]
    parts = [ask.found(path)[2].collectd for path in paths]
    assert {(one.type, one.source) for one in parts} == {(stock.type, stock.source)}, paths
    given, instances = dict(ask.where), [one.instance for one in parts]
    for label in entity.labels:
        instances = [text.replace("{%s}" % label, given.get(label, ".+")) for text in instances]
    text = "|".join(instances)
    pairs.append((names.instance, "=~" if "|" in text or ".+" in text else "=", text))     # none: the sum; parts have its name
    pairs += [(names.instance, "!=", one.instance.replace("{%s}" % label, value))
              for one in parts for label, value in ask.without]
    series = names.series(owner, stock.type, part, ask.how == "rate", pairs)
    series = "rate(%s[$__rate_interval])" % series if ask.how == "rate" else series
    for label in ask.by:
        if label != "domain":
            pattern = _label_in(parts, label, entity)
            series = 'label_replace(%s, "%s", "$1", "%s", "%s")' % (series, label, names.instance, pattern)
    return summed_by(ask, scaled(series, _divisor(figure)), [domain if label == "domain" else label for label in ask.by])


def _label_in(parts, label, entity):
    """The pattern of type instances whose first group is the label's value."""
    before = {one.instance.partition("{%s}" % label)[0] for one in parts}
    after = "|".join(one.instance.partition("{%s}" % label)[2] for one in parts)
    pattern = before.pop() + "(.+)" + ("(?:%s)" % after if "|" in after else after)
    for other in entity.labels:
        pattern = pattern.replace("{%s}" % other, ".+")
    return pattern


def _divisor(figure):
    """collectd's gauges have seconds and percent already; its counters keep ns."""
    if figure.unit == "ns" and figure.kind == "counter":
        return "1e9"
    return "100" if figure.unit == "ppm" else ""
