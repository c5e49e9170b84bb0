"""What each backend calls our figures, worked out from the text of the metrics.csv files and the list of plugins."""
import csv
import re

from helpers.paths import PLUGINS
from xenmeter.front import plugins

PACKAGE = PLUGINS / "xenmeter"
#: Folder -> what collectd calls the plugins whose figures stand there.
OWNERS = {name: [plugins.get(name).collectd or name] for name in plugins.NAMES}
OWNERS["core"] = [name for names in OWNERS.values() for name in names]


def rows():
    for folder in OWNERS:
        with (PACKAGE / folder / "metrics.csv").open(newline="") as table:
            for row in csv.DictReader(table):
                yield folder, row


def prometheus_names():
    found = set()
    for _, row in rows():
        name = row["openmetrics"].partition("{")[0]
        if name != "-":
            found |= {name + ending for ending in ("_bucket", "_sum", "_count")} if row["kind"] == "histogram" else {name}
    return found


def influx_fields():
    """{(measurement, field)}"""
    return {tuple(re.sub(r"\{.*\}", "", row["influx"]).split(".")) for _, row in rows() if row["influx"] != "-"}


def collectd_names():
    """As write_prometheus of collectd 5.12 makes them: collectd_PLUGIN_TYPE[_SOURCE][_total]."""
    found = set()
    for folder, row in rows():
        match = re.match(r"([a-z_0-9]+)(?:-[^:]*)?(?::([a-z]+))?\Z", row["collectd"])
        if row["collectd"] != "-":
            for owner in OWNERS[folder]:
                named = match.group(2) or ("seconds" if match.group(1) == "duration" else None)     # types.db's own name
                name = "_".join(filter(None, ("collectd", owner, match.group(1), named)))
                found.add(name + ("_total" if row["kind"] == "counter" else ""))
    return found


def graphite_names():
    """As its write_graphite with tags makes them: PLUGIN.TYPE[.SOURCE], the source where the type has several."""
    found = set()
    for folder, row in rows():
        match = re.match(r"([a-z_0-9]+)(?:-[^:]*)?(?::([a-z]+))?\Z", row["collectd"])
        if row["collectd"] != "-":
            found |= {".".join(filter(None, (owner, match.group(1), match.group(2)))) for owner in OWNERS[folder]}
    return found
