"""PromQL, on the names that VictoriaMetrics makes of the points that Telegraf writes to it: MEASUREMENT_FIELD, tags as labels."""
from .ask import DOM0, DOMAINS, GUEST, HOST, scaled
from .promql import matchers, promql, summed_by


def telegraf(ask):
    """(expression, legend). There are no histograms: the quantiles that the plugin tells are shown."""
    if ask.how in ("p99", "buckets"):
        ask = ask._replace(figure="xentrace/latency/wait_p99_ns", how="max", where=(("cause", "any"), ("window", "10s")), per=())
    return promql(ask, _summed), ask.legend or " ".join("{{%s}}" % label for label in ask.by)


def _summed(ask, paths):
    """The sum of figures that are fields of one point, so that they are there together."""
    sums = [_sum(ask, path) for path in paths]
    return sums[0] if len(sums) == 1 else "(%s)" % " + ".join(sums)


def _sum(ask, path):
    _, _, figure = ask.found(path)
    pairs = [("host", "=~", HOST)]
    pairs += {"host": [], "domains": [("domain", "=~", DOMAINS)], "guest": [("domain", "=~", GUEST)],
              "dom0": [("domain", "=~", DOM0)]}[ask.scope]
    pairs += [(key, "=", value) for key, value in ask.where] + [(key, "!=", value) for key, value in ask.without]
    series = "%s_%s%s" % (figure.influx.measurement, figure.influx.field, matchers(pairs))
    if ask.how == "rate":
        return summed_by(ask, scaled("rate(%s[$__rate_interval])" % series, "1e9" if figure.unit == "ns" else ""), ask.by)
    return summed_by(ask, scaled(series, {"ns": "1e9", "ppm": "100"}.get(figure.unit, "")), ask.by)
