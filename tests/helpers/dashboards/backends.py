"""Recordings of all three plugins in a real influxd, a real Prometheus, a Prometheus that scrapes a real collectd, and a
VictoriaMetrics to which Telegraf's lines are written or a real collectd's write_graphite; beside them hosts whose baker rests
(governed.py), one that is always busy (always_busy.py), one whose backends tell all that they can (served.py) and one with noisy
neighbours (neighbours.py); in Prometheus also the captures of a real host (captured.py)."""
import math
import re
import time

from helpers.dashboards import always_busy
from helpers.dashboards import captured
from helpers.dashboards import governed
from helpers.dashboards import inside
from helpers.dashboards import neighbours
from helpers.dashboards import served
from helpers.dashboards import written
from helpers.blocks import block
from helpers.stage import HOST, TOP, source_of, xenmeter
from helpers.telegraf_stage import KHZ, NAMES, unpacked, vcpu_recording
from tools import daemons
from tools.collectd_daemon import Collectd
from tools.fleet import tagged
from tools.promtool import promtool
from tools.victoria import VictoriaMetrics

SECONDS = 12


def before():
    """When the hosts began whose figures are known: on a border of all windows, and they are over before the present."""
    return int(time.time()) // 300 * 300 - 3000


def known(start):
    """Readings of the hosts whose figures are known."""
    return list(governed.readings(start)) + list(always_busy.readings(start)) + list(inside.readings(start)) + list(
        served.readings(start)) + list(neighbours.readings(start))


def chosen(query, **values):
    """The query with the dashboard's variables in it, as Grafana's format "regex" writes them; "All" is .* as it is."""
    return re.sub(r"\$\{(\w+):regex\}", lambda match: values[match.group(1)] if values[match.group(1)] == ".*" else re.sub(
        r"[\\^$*+?.()|\[\]{}/]", r"\\\g<0>", values[match.group(1)]), query)


def recordings(folder, start):
    """{plugin: arguments of the command that play a recording, a sample per second from start on}"""
    names = ["Domain-0", "busy", "io-guest"]
    vcpus = vcpu_recording(folder / "vcpus", len(names), SECONDS, name=lambda number: names[number])
    vcpus.write_text(re.sub(r'"time_ns": (\d+)', lambda match: '"time_ns": %d' % (
        (start - 1795192500) * 10 ** 9 + int(match.group(1))), vcpus.read_text()))
    return {"xentop": ["--source", source_of(HOST), "--start", start, "--interval", 1], "vcpu": ["--source", vcpus],
            "xentrace": ["--source", unpacked(folder, "narrow-churn"), "--cpu-khz", KHZ, "--start", start,
                         "--causes", 8]}


def said(name, format_, arguments):
    ran = xenmeter(name, "--format", format_, *arguments)
    assert (ran.returncode, ran.stderr) == (0, "")
    return ran.stdout


def blocks(folder, samples):
    """Make blocks of a Prometheus that is to be started: [(series, value, time in s)]."""
    families = {}
    for series, value, at in samples:
        families.setdefault(series.partition("{")[0], []).append("%s %s %d" % (series, value, at))
    (folder / "all.om").write_text("\n".join(line for lines in families.values() for line in lines) + "\n# EOF\n")
    ran = promtool("tsdb", "create-blocks-from", "openmetrics", folder / "all.om", folder / "prometheus" / "tsdb")
    assert ran.returncode == 0, ran.stdout


class InInflux:
    """What Telegraf would have written: our lines, with its tag for the host."""

    windows = ("10s", "12s", "15s", "1m", "5m")

    def __init__(self, folder):
        self.start = int(time.time()) - 3600
        self.influx = daemons.Influxd(folder / "influx")
        self.influx.start()
        self.influx.create("xen")
        for name, arguments in recordings(folder, self.start).items():
            assert self.influx.write("xen", tagged(said(name, "influx", arguments).encode(), "testhost")) == (204, b"")
        self.known = before()
        assert self.influx.write("xen", written.lines(known(self.known))) == (204, b"")

    def close(self):
        self.influx.stop()

    def variable(self, query, host="testhost"):
        """Values that a variable's query gives."""
        (series,) = self.influx.query("xen", chosen(query, host=host))["results"][0]["series"]
        return {row[1] for row in series["values"]}

    def ask(self, query, guest):
        """All points of a panel's query, as Grafana would ask: [value]."""
        return self._ask(query, guest, "testhost", "1s", self.start - 5, self.start + SECONDS + 20)

    def ask_known(self, query, host, window, guest="web", domain=".*"):
        return self._ask(query, guest, host, window, self.known, self.known + governed.STEPS * governed.STEP - 1, domain)

    def _ask(self, query, guest, host, interval, start, end, domain=".*"):
        query = chosen(query, host=host, domain=domain, guest=guest)
        for name, text in (("$timeFilter", "time >= %ds AND time <= %ds" % (start, end)), ("$__interval", interval)):
            query = query.replace(name, text)
        assert "$" not in re.sub(r"\$/", "", query), query
        answer = self.influx.query("xen", query)["results"][0]
        assert "error" not in answer, (query, answer)
        return [row[-1] for series in answer.get("series", []) for row in series["values"] if row[-1] is not None]


class InPrometheus:
    """Asks as Grafana does; a subclass brings the data."""

    window = "4s"
    windows = ("40s", "5m", "15m")

    def variable(self, query, host="testhost"):
        series, label = re.match(r"label_values\((.*), (\w+)\)\Z", query).groups()
        at = self.end if host == "testhost" else self.known + (governed.STEPS - 1) * governed.STEP
        return {item["metric"][label] for item in self.prometheus._api(
            "query", query="last_over_time(%s[1m])" % chosen(series, host=host), time=at)["result"]}

    def ask(self, query, guest):
        return self._ask(query, guest, "testhost", self.window, (self.end - 40, self.end, 1))

    def ask_known(self, query, host, window, guest="web", domain=".*"):
        """Where every window is full: at its edge Prometheus' rate is an estimate."""
        end = self.known + governed.STEPS * governed.STEP
        return self._ask(query, guest, host, window, (self.known + 900, end - governed.STEP, governed.STEP), domain)

    def _ask(self, query, guest, host, window, span, domain=".*"):
        return [value for _, points in self.series(query, guest, host, window, span, domain) for _, value in points]

    def series(self, query, guest, host, window, span, domain=".*"):
        """[(labels, [(time, value)])]; ``span``: start, end and step in seconds."""
        query = chosen(query, host=host, domain=domain, guest=guest).replace("$__rate_interval", window)
        assert "$" not in query.replace('"$1"', "")
        start, end, step = span
        answer = self.prometheus._api("query_range", query=query, start=start, end=end, step=step)
        return [(series["metric"], [(at, float(value)) for at, value in series["values"] if value != "NaN"])
                for series in answer["result"]]


class Backfilled(InPrometheus):
    """Blocks made of our OpenMetrics, each sample with its time."""

    def __init__(self, folder):
        self.start = int(time.time()) - 3600
        self.end = self.start + SECONDS + 2
        self.known = before()
        samples = written.scraped(known(self.known))
        for name, arguments in recordings(folder, self.start).items():
            samples += self._scraped("testhost", said(name, "openmetrics", arguments), self.start)
        for name, arguments in captured.recordings(folder, self.start).items():
            first = self.start if name == "xentop" else self.start + 1      # the trace's first second is over then
            samples += [one for one in self._scraped(captured.HOST, said(name, "openmetrics", arguments), first)
                        if not one[0].startswith("xenmeter_")]      # what the playing costs is nothing of that host
        self.prometheus = daemons.Prometheus(folder / "prometheus", [])
        blocks(folder, samples)
        self.prometheus.start()

    @staticmethod
    def _scraped(host, text, first):
        """[(series, value, time in s)] of the pages that the command wrote, one after the other, a second each."""
        for number, page in enumerate(text.split("# EOF\n")):
            for line in re.findall(r"^[^#\n].*$", page, re.M):
                series, value = line.rsplit(" ", 1)
                series = series if series.endswith("}") else series + "{}"
                labels = 'instance="%s:9779",job="xenmeter"' % host
                series = series[:-1] + ("," if not series.endswith("{}") else "") + labels + "}"
                yield series, value, first + number

    def close(self):
        self.prometheus.stop()


COLLECTD = """
LoadPlugin write_prometheus
<Plugin write_prometheus>
  Host "127.0.0.1"
  Port "%d"
</Plugin>
"""
MODULE = "<Plugin python>\n  <Module %s>\n%s  </Module>\n</Plugin>\n"
HONOUR = "    metrics_path: /metrics\n"


def collectds(folder, start, writer):
    """Configuration of a collectd with the three shipped files, which plays the recordings."""
    config = "".join((TOP / "conf.d" / "collectd" / (name + ".conf")).read_text() for name in NAMES) + writer
    for name, arguments in recordings(folder, start).items():
        given = dict(zip(arguments[::2], arguments[1::2]))
        options = {"Source": '"%s"' % given["--source"], "Interval": 1}
        if "--start" in given:
            options["Start"] = '"%d"' % given["--start"]
        options.update((words, given[option]) for option, words in (("--cpu-khz", "CpuKhz"), ("--causes", "Causes"))
                       if option in given)
        config += MODULE % (name, "".join("    %s %s\n" % pair for pair in options.items()))
    return Collectd(folder / "collectd", config, [TOP / "plugins"], 1, env={"PATH": "/usr/bin:/bin"})


def wait_played(collectd):
    collectd.wait(lambda: collectd.log_text().count("the source has ended") == 3, 90, "the end of the recordings")


class FromCollectd(InPrometheus):
    """The three shipped files in collectd, its write_prometheus, and a Prometheus with honor_labels."""

    window = "10s"

    def __init__(self, folder):
        self.known = before()
        samples = written.scraped_from_collectd(folder, known(self.known), governed.STEP)
        port = daemons.free_port()
        self.prometheus = daemons.Prometheus(folder / "prometheus", ["127.0.0.1:%d" % port], 0.5)
        text = self.prometheus.conf.read_text()
        assert HONOUR in text
        self.prometheus.conf.write_text(text.replace(HONOUR, HONOUR + "    honor_labels: true\n"))
        blocks(folder, samples)
        self.prometheus.start()
        # Its first scrape comes some seconds after its start; the recordings must not be over by then.
        self.prometheus.wait(lambda: [one for one in self.prometheus.targets() if one["health"] == "down"], 30, "a scrape")
        self.collectd = collectds(folder, int(time.time()), COLLECTD % port)
        self.collectd.start()
        wait_played(self.collectd)
        self.prometheus.wait_for('collectd_xentrace_gauge{type="cpu_percent_10s"}', timeout=30)
        self.end = time.time()

    def close(self):
        self.collectd.stop()
        self.prometheus.stop()


class InVictoria(InPrometheus):
    """Telegraf's lines, by its output for InfluxDB."""

    def __init__(self, folder):
        self.start = int(time.time()) - 3600
        self.end = self.start + SECONDS + 2
        self.known = before()
        self.prometheus = VictoriaMetrics(folder / "victoria")
        self.prometheus.start()
        data = written.lines(known(self.known))
        for name, arguments in recordings(folder, self.start).items():
            data += tagged(said(name, "influx", arguments).encode(), "testhost")
        assert self.prometheus.write(data)[0] == 204
        self.prometheus.flush()

    def close(self):
        self.prometheus.stop()


class InGraphite(InPrometheus):
    """What a real collectd's write_graphite sends by the block of our page, with tags."""

    def __init__(self, folder):
        port = daemons.free_port()
        self.known = before()
        self.prometheus = VictoriaMetrics(folder / "victoria", ["-graphiteListenAddr=127.0.0.1:%d" % port])
        self.prometheus.start()
        writer = block("victoriametrics/README.md", "collectd writes to it", host=("metrics.example.org", "127.0.0.1"),
                       port=('"2003"', '"%d"' % port))
        written.put_into_collectd(folder, known(self.known), governed.STEP, writer, arrived=self._arrived(time.time()))
        start = int(time.time()) - 60
        path = folder / "played.sock"
        with collectds(folder, start, written.UNIXSOCK.format(socket=path) + writer) as collectd:
            with written.asked(collectd, path) as ask:
                wait_played(collectd)
                written.drain(collectd, ask, self._arrived(time.time()))
            assert collectd.stop() == 0
        self.end = start + SECONDS + 2

    @staticmethod
    def _written(host):
        return host.replace(":", "_")       # by the page's EscapeCharacter

    def variable(self, query, host="testhost"):
        return super().variable(query, self._written(host))

    def ask_known(self, query, host, window, guest="web", domain=".*"):
        return super().ask_known(query, self._written(host), window, guest, domain)

    def _arrived(self, since):
        """A question whether the last value of a collectd has come that was put ``since`` then."""
        def ask():
            self.prometheus.flush()
            now = time.time()
            return self.prometheus.query('last_over_time({__name__="last.gauge"}[%ds])' % math.ceil(now - since), now)
        return ask

    def close(self):
        self.prometheus.stop()
