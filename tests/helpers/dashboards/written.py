"""Readings of hosts as each backend gets them: lines, samples, a real collectd's page. Readings: [(host, plugin, reading)]."""
import contextlib
import re
import socket

from tools import daemons
from tools.collectd_daemon import Collectd
from xenmeter.front import plugins
from xenmeter.publish.collectdvalues import CollectdValues
from xenmeter.publish.influx import LineProtocol
from xenmeter.publish.openmetrics import Exposition


def rows(plugin, entity, found):
    """[(who, labels, {figure: value})] in the catalogue's order; what is not named is not known."""
    figures = plugin.catalogue.entities[entity].figures
    return [(who, labels, tuple(values.get(figure.key) for figure in figures)) for who, labels, values in found]


def lines(readings):
    """Line protocol as Telegraf would write it (bytes)."""
    encoders, found = {}, []
    for host, plugin, reading in readings:
        data = encoders.setdefault(plugin.name, LineProtocol([plugin.catalogue])).encode(reading)
        found.append(re.sub(rb"^([a-z0-9_]+)", rb"\1,host=" + host.encode(), data, flags=re.M))
    return b"".join(found)


def scraped(readings):
    """What a Prometheus would have scraped: [(series, value, time)]."""
    encoders, found = {}, []
    for host, plugin, reading in readings:
        page = encoders.setdefault(plugin.name, Exposition([plugin.catalogue])).openmetrics([reading]).decode()
        for line in re.findall(r"^[^#\n].*$", page, re.M):
            series, value = line.rsplit(" ", 1)
            name, _, labels = series.partition("{")
            labels = labels.rstrip("}")
            series = '%s{%sinstance="%s:%d",job="xenmeter"}' % (
                name, labels + "," if labels else "", host, plugins.PORTS[plugin.name])
            found.append((series, value, reading.time_ns // 10 ** 9))
    return found


UNIXSOCK = """
WriteThreads 1
LoadPlugin unixsock
<Plugin unixsock>
  SocketFile "{socket}"
</Plugin>
"""
PAGE = """
LoadPlugin write_prometheus
<Plugin write_prometheus>
  Host "127.0.0.1"
  Port "{port}"
</Plugin>
"""


def put(readings, step):
    """{time: [words of PUTVAL]} of the readings; ``step``: seconds between them."""
    moments = {}
    for host, plugin, reading in readings:
        name = "xenvcpu" if plugin.name == "vcpu" else plugin.name
        for instance, type_, type_instance, numbers in CollectdValues([plugin.catalogue], name).values(reading):
            moments.setdefault(reading.time_ns // 10 ** 9, []).append(
                '"%s/%s-%s/%s%s"' % (host, name, instance, type_, "-" + type_instance if type_instance else "")
                + " interval=%d %d:%s" % (step, reading.time_ns // 10 ** 9, ":".join(map(str, numbers))))
    return moments


def _connected(client, path):
    """The socket is there a moment before somebody listens at it."""
    try:
        client.connect(str(path))
    except (FileNotFoundError, ConnectionRefusedError):
        return False
    return True


@contextlib.contextmanager
def asked(running, path):
    """A collectd's socket: a function that sends it lines and takes an answer's line for each."""
    with socket.socket(socket.AF_UNIX) as client:
        running.wait(lambda: _connected(client, path), 30, "its socket")
        with client.makefile("rw") as file:
            def ask(lines):
                file.write("".join(line + "\n" for line in lines))
                file.flush()
                for line in lines:
                    assert file.readline().startswith("0 "), line
            yield ask


def put_into_collectd(folder, readings, step, writer, after=lambda running, at, given: None, arrived=None):
    """Give the readings to a real collectd with a writer, by its socket; what ``after`` each moment there is to do is done.

    :param arrived: as :func:`drain` asks for it, where what was given must be at the writer's server at the end.
    """
    path = folder / "put.sock"
    with Collectd(folder / "put", UNIXSOCK.format(socket=path) + writer, load_python=False, interval=step) as running:
        with asked(running, path) as ask:
            for at, given in put(readings, step).items():
                ask(["PUTVAL " + one for one in given])
                after(running, at, given)
            if arrived:
                drain(running, ask, arrived)
        assert running.stop() == 0      # which 5.12.0-26 does not come to while somebody is on the socket


def drain(running, ask, arrived):
    """Wait until all that a collectd with one write thread holds has come to its writer's server; at its end it drops the rest.

    :param arrived: whether ``last/last/gauge-last`` is there, which comes behind all else.
    """
    ask(['PUTVAL "last/last/gauge-last" interval=1 N:1'])

    def gone():
        ask(["FLUSH"])
        return arrived()
    running.wait(gone, 90, "the last value at its server")


def scraped_from_collectd(folder, readings, step):
    """What a Prometheus would have scraped of a real collectd's write_prometheus, with the times that it tells."""
    port, found = daemons.free_port(), []

    def scrape(running, at, given):
        count = sum(one.rpartition(" ")[2].count(":") for one in given)     # a type may have several

        def page():
            _, text = daemons.http("http://127.0.0.1:%d/metrics" % port)
            told = re.findall(r"^([a-z]\S*\{.*\}) (\S+) %d000$" % at, text.decode(), re.M)
            return told if len(told) == count else None
        found.extend((series, value, at) for series, value in running.wait(page, 30, "what was put"))
    put_into_collectd(folder, readings, step, PAGE.format(port=port), scrape)
    return found
