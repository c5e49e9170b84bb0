"""PromQL, on the names of `xenmeter serve` and of the textfile."""
from .ask import DOM0, DOMAINS, GUEST, HOST


def matchers(pairs):
    """A variable is put into backquotes, in which PromQL takes a backslash as it is; Grafana escapes with one."""
    return "{%s}" % ",".join(('%s%s`%s`' if "${" in pair[2] else '%s%s"%s"') % pair for pair in pairs)


def summed_by(ask, series, by):
    """Lines that are told apart by these labels; without any, one line."""
    outer = "max" if ask.how == "max" else "sum"
    return "%s by (%s) (%s)" % (outer, ", ".join(by), series) if by else "%s(%s)" % (outer, series)


def promql(ask, summed):
    """The whole expression. At rest both sides stand still: > 0, for 0 / 0 would be shown as not a number."""
    expression = summed(ask, (ask.figure,))
    if ask.per:
        below = ask.below()
        every = "" if below.by == ask.by else "on() group_left() "
        expression = "%s / %s(%s > 0)" % (expression, every, summed(below, ask.per))
    return "%s or %s" % (expression, promql(ask.otherwise, summed)) if ask.otherwise else expression


def prometheus(ask):
    """(expression, legend) for the names of `xenmeter serve` and of the textfile."""
    if ask.how == "buckets":
        return promql(ask._replace(by=("le",)), _prometheus_summed), "{{le}}"
    expression = promql(ask, _prometheus_summed)
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
    series = name + matchers(pairs)
    return summed_by(ask, series if ask.how in ("last", "max") else "rate(%s[$__rate_interval])" % series, by)
