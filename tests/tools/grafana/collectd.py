"""PromQL, on the names that collectd's write_prometheus makes of the plugins' values."""
from xenmeter.front import plugins
from xenmeter.publish.stocktypes import STOCK_TYPES

from .ask import DOM0, DOMAINS, GUEST, HOST, scaled
from .promql import matchers, promql, summed_by

COLLECTD_PLUGIN = {name: plugins.get(name).collectd or name for name in plugins.NAMES}


def collectd(ask):
    """(expression, legend) for what collectd's write_prometheus makes of the plugins' values."""
    if ask.how in ("p99", "buckets"):
        ask = ask._replace(figure="xentrace/domain/wait_p99_ns", how="max", per=())
    legend = " ".join("{{%s}}" % (owner_of(ask) if label == "domain" else label) for label in ask.by)
    return _collectd_promql(ask), ask.legend.replace("{{domain}}", "{{%s}}" % owner_of(ask)) or legend


def _collectd_promql(ask):
    """A domain is in the label of its plugin: another plugin's answer is told under the first one's."""
    expression = promql(ask._replace(otherwise=None), _collectd_summed)
    other = ask.otherwise
    while other:
        text = promql(other._replace(otherwise=None), _collectd_summed)
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
    series = name + ("_total" if ask.how == "rate" else "") + matchers(pairs)
    series = "rate(%s[$__rate_interval])" % series if ask.how == "rate" else series
    for label in ask.by:
        if label != "domain":
            series = 'label_replace(%s, "%s", "$1", "type", "%s")' % (series, label, _label_in(parts, label, entity))
    return summed_by(ask, scaled(series, _collectd_divisor(figure)), [owner if label == "domain" else label for label in ask.by])


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
