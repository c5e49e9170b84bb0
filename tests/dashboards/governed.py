"""Hosts whose baker rests, of which every true share is known, as each backend gets them: lines, samples, a real collectd's page.

Of a rest no counter of the trace knows; xentop's go on.
"""
import re
import socket

from alerts_governed import observed_s
from tools import daemons
from tools.collectd_daemon import Collectd
from xenmeter.core.reading import Reading, Who
from xenmeter.front import plugins
from xenmeter.publish.collectdvalues import CollectdValues
from xenmeter.publish.influx import LineProtocol
from xenmeter.publish.openmetrics import Exposition

#: Seconds observed of every so many, and whether xentop runs there.
HOSTS = {"resting": (10, 100, True), "resting-long": (10, 310, False)}
STEP = 10
STEPS = 180
#: vCPUs online and unplugged; what a second of an online one has.
DOMAINS = {
    "Domain-0": (16, 4, {"running": 0.2, "waiting_wake": 0.02, "waiting_preempt": 0.01, "waiting": 0.03, "blocked": 0.77,
                         "executions": 50, "migrations": 5}),
    "web": (2, 0, {"running": 0.5, "waiting_wake": 0.05, "waiting_preempt": 0.07, "waiting": 0.12, "blocked": 0.38,
                   "executions": 20, "migrations": 1}),
}
PCPUS = 2
BUSY_BY_TRACE, BUSY_BY_XEN, LOST_PER_S = 0.45, 0.4, 3


def _rows(plugin, entity, rows):
    """[(who, labels, {figure: value})] in the catalogue's order; what is not named is not known."""
    figures = plugin.catalogue.entities[entity].figures
    return [(who, labels, tuple(values.get(figure.key) for figure in figures)) for who, labels, values in rows]


def readings(host, start):
    """[(plugin, reading)], in order of time."""
    observation, cycle, xentop = HOSTS[host]
    names = {name: Who(name, "6f5902ac-237a-4de9-9b6b-%012x" % number, number) for number, name in enumerate(DOMAINS)}
    for step in range(STEPS):
        ns = (10 ** 4 + observed_s(step * STEP, observation, cycle)) * 10 ** 9      # the baker runs for long already
        domains = []
        for name, (online, unplugged, second) in DOMAINS.items():
            values = {key + "_ns": int(online * share * ns) for key, share in second.items() if share < 1}
            values.update({key: int(online * often * ns) // 10 ** 9 for key, often in second.items() if often >= 1})
            domains.append((names[name], (), dict(values, offline_ns=unplugged * ns, unknown_ns=0)))
        labels = [(str(pcpu),) for pcpu in range(PCPUS)]
        plugin = plugins.get("xentrace")
        tables = {entity: _rows(plugin, entity, rows) for entity, rows in {
            "domain": domains, "trace": [(None, (), {"observed_ns": ns})],
            "pcpu": [(None, one, {"busy_ns": int(BUSY_BY_TRACE * ns), "idle_ns": ns - int(BUSY_BY_TRACE * ns), "unknown_ns": 0,
                                  "lost_records": LOST_PER_S * ns // 10 ** 9}) for one in labels]}.items()}
        yield plugin, Reading((start + step * STEP) * 10 ** 9, tables)
        if xentop:
            plugin = plugins.get("xentop")
            busy = {"busy_ns": int(BUSY_BY_XEN * (10 ** 5 + step * STEP) * 10 ** 9)}
            yield plugin, Reading((start + step * STEP) * 10 ** 9, {
                "pcpu": _rows(plugin, "pcpu", [(None, one, busy) for one in labels])})


def expected(host, title, legend):
    """The figures that a line or the lines of a panel must show: a set; None where the panel is not asked about."""
    xentop = HOSTS[host][2]
    shares = {name: second for name, (_, _, second) in DOMAINS.items()}
    if title == "pCPUs busy":
        if "trace" in legend:       # InfluxQL asks for both
            return {BUSY_BY_TRACE}
        return {BUSY_BY_XEN} if xentop else {BUSY_BY_TRACE}
    if title == "Where its time goes":      # of web, which has no vCPU unplugged
        return {shares["web"].get(legend, 0)}
    return {"Records lost per second": {LOST_PER_S * PCPUS},
            "Ready: waiting for a pCPU": {one["waiting"] for one in shares.values()},
            "dom0 starved: its wait for a pCPU": {shares["Domain-0"]["waiting_" + (
                "wake" if "wake" in legend else "preempt")]},
            "Executions": {one["executions"] for one in shares.values()},
            "Migrations between pCPUs": {one["migrations"] for one in shares.values()}}.get(title)


def lines(start):
    """Line protocol as Telegraf would write it (bytes)."""
    encoders, found = {}, []
    for host in HOSTS:
        for plugin, reading in readings(host, start):
            data = encoders.setdefault(plugin.name, LineProtocol([plugin.catalogue])).encode(reading)
            found.append(re.sub(rb"^([a-z_]+)", rb"\1,host=" + host.encode(), data, flags=re.M))
    return b"".join(found)


def scraped(start):
    """What a Prometheus would have scraped: [(series, value, time)]."""
    encoders, found = {}, []
    for host in HOSTS:
        for plugin, reading in readings(host, start):
            page = encoders.setdefault(plugin.name, Exposition([plugin.catalogue])).openmetrics([reading]).decode()
            port = {"xentop": 9779, "xentrace": 9780}[plugin.name]
            for line in re.findall(r"^[^#\n].*$", page, re.M):
                series, value = line.rsplit(" ", 1)
                labels = series.partition("{")[2].rstrip("}")
                series = '%s{%sinstance="%s:%d",job="xenmeter"}' % (
                    series.partition("{")[0], labels + "," if labels else "", host, port)
                found.append((series, value, reading.time_ns // 10 ** 9))
    return found


COLLECTD = """
WriteThreads 1
LoadPlugin unixsock
<Plugin unixsock>
  SocketFile "{socket}"
</Plugin>
LoadPlugin write_prometheus
<Plugin write_prometheus>
  Host "127.0.0.1"
  Port "{port}"
</Plugin>
"""


def scraped_from_collectd(folder, start):
    """The same of a real collectd's write_prometheus, with the times that it tells."""
    port, path, found = daemons.free_port(), folder / "put.sock", []
    moments = {}
    for host in HOSTS:
        for plugin, reading in readings(host, start):
            values = CollectdValues([plugin.catalogue], plugin.name).values(reading)
            moments.setdefault(reading.time_ns // 10 ** 9, []).extend(
                "%s/%s-%s/%s%s" % (host, plugin.name, instance, type_, "-" + type_instance if type_instance else "")
                + " interval=%d %d:%s" % (STEP, reading.time_ns // 10 ** 9, ":".join(map(str, numbers)))
                for instance, type_, type_instance, numbers in values)
    with Collectd(folder / "put", COLLECTD.format(socket=path, port=port), load_python=False, interval=STEP) as running, \
            socket.socket(socket.AF_UNIX) as client:
        running.wait(path.exists, 30, "its socket")
        client.connect(str(path))
        with client.makefile("rw") as file:
            for at, given in moments.items():
                file.write("".join("PUTVAL %s\n" % one for one in given))
                file.flush()
                for one in given:
                    assert file.readline().startswith("0 Success"), one

                def page(at=at, count=len(given)):
                    _, text = daemons.http("http://127.0.0.1:%d/metrics" % port)
                    told = re.findall(r"^([a-z]\S*\{.*\}) (\S+) %d000$" % at, text.decode(), re.M)
                    return told if len(told) == count else None
                found += [(series, value, at) for series, value in running.wait(page, 30, "what was put")]
    return found
