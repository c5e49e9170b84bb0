"""InfluxQL, on what Telegraf writes to InfluxDB."""
from .ask import DOM0, DOMAINS, GUEST, HOST, scaled


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
        value = scaled('%s("%s")' % (ask.how, field.field), {"ns": "1000000000", "ppm": "100"}.get(figure.unit, ""))
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
    return scaled('non_negative_difference("%s")' % figure.influx.field, "1000000000.0" if figure.unit == "ns" else "1.0")


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
