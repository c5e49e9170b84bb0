"""Each real program starts from what provision.py got, does one thing, and is gone afterwards."""
import contextlib
import http.server
import os
import signal
import subprocess
import sys
import threading
import time

import pytest
from tools import daemons, provision, pythons
from tools.collectd_daemon import embedded_python

pytestmark = pytest.mark.daemon

PLUGIN = """\
import json, sys
import collectd

def read():
    values = collectd.Values(plugin="smoke", plugin_instance="guest", type="gauge", type_instance="answer")
    values.dispatch(values=[42.5])
    values.dispatch(type="derive", type_instance="large", values=[2 ** 53 + 1])

collectd.register_init(lambda: collectd.info("smoke: python " + sys.version.split()[0] + " in " + sys.prefix))
collectd.register_read(read, name="smoke")
"""
SNIPPET = '<Plugin python>\n  Import "smoke_plugin"\n</Plugin>\n'
GOOD = b"# HELP xen_x_total All of x.\n# TYPE xen_x_total counter\nxen_x_total 7\n"


@pytest.fixture
def collectd(tmp_path):
    """A maker of collectds that all run the smoke plugin."""
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "smoke_plugin.py").write_text(PLUGIN)

    def make(**options):
        return daemons.Collectd(tmp_path / "collectd", SNIPPET, [tmp_path / "plugins"], 0.2, **options)
    return make


@contextlib.contextmanager
def http_server(body, content_type):
    """A tiny server on loopback; gives its "address:port"."""
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def test_collectd_runs_a_python_plugin_with_debians_python(collectd):
    with collectd() as running:
        gauge = running.wait_values("testhost/smoke-guest/gauge-answer", count=2)
        large = running.wait_values("*/derive-large")
        said = running.wait_log(r"smoke: python (\S+) in (\S+)")
        assert running.stop() == 0
    assert {value.values for value in gauge} == {(42.5,)}
    assert large[0].values == (2 ** 53 + 1,)
    assert abs(gauge[0].time - time.time()) < 60
    assert said.group(1).startswith(embedded_python() + ".") and os.path.realpath(said.group(2)) in (
        os.path.realpath(str(provision.ROOT / "usr")), "/usr")
    assert "Exiting normally" in running.log_text()


def test_collectd_daemonised_and_stopped(collectd):
    with collectd(daemonise=True) as running:
        running.wait_values("*/gauge-answer")
        pid = running.pid
        assert pid != running.process.pid
        assert running.stop() == 0
    assert not daemons.is_running(pid)


def test_collectd_reads_once(collectd):
    once = collectd()
    assert once.read_once().returncode == 0
    assert f"smoke: python {embedded_python()}." in once.log_text()
    assert daemons.collectd_version().startswith("5.")


def test_collectd_failure_shows_its_log(tmp_path):
    with pytest.raises(daemons.DaemonError, match="(?s)ended with status 1.*Parsing the config file failed"):
        daemons.Collectd(tmp_path, SNIPPET.replace("smoke", "missing")).start()


@pytest.mark.parametrize("daemonise", [False, True])
def test_a_killed_test_leaves_no_daemon(collectd, tmp_path, daemonise):
    collectd()
    script = ("import sys, signal; sys.path[:0] = sys.argv[1:2]\nfrom tools.daemons import Collectd\n"
              f"running = Collectd(sys.argv[2], open(sys.argv[3]).read(), [sys.argv[4]], 0.2, daemonise={daemonise})\n"
              "running.start(); print(running.pid, flush=True); signal.pause()\n")
    (tmp_path / "snippet").write_text(SNIPPET)
    argv = [sys.executable, "-c", script, os.path.dirname(os.path.dirname(daemons.__file__)), str(tmp_path / "killed"),
            str(tmp_path / "snippet"), str(tmp_path / "plugins")]
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as child:
        pid = int(child.stdout.readline())
        child.send_signal(signal.SIGKILL)
    daemons.poll(lambda: not daemons.is_running(pid), 5, AssertionError)


def test_influxd_gives_back_what_was_written(tmp_path):
    with daemons.Influxd(tmp_path) as influx:
        influx.create("xen")
        line = b"xen_domain,domain=a\\ b cpu=1.5,n=9007199254740993i 1700000000123456789\n"
        assert influx.write("xen", line) == (204, b"")
        status, body = influx.write("xen", b"xen_domain cpu=\n")
        assert status == 400 and b"parse" in body
        series = influx.query("xen", "SELECT * FROM xen_domain")["results"][0]["series"][0]
    assert dict(zip(series["columns"], series["values"][0])) == {
        "time": 1700000000123456789, "cpu": 1.5, "domain": "a b", "n": 9007199254740993}


def test_prometheus_scrapes_openmetrics(tmp_path):
    body = b"# TYPE xen_x counter\n# HELP xen_x All of x.\nxen_x_total{domain=\"d\"} 7.0\n# EOF\n"
    with http_server(body, "application/openmetrics-text; version=1.0.0; charset=utf-8") as address, \
            daemons.Prometheus(tmp_path, [address]) as prometheus:
        def scraped():
            found = prometheus.query("xen_x_total"), prometheus.targets()
            return all(found) and found
        result, targets = prometheus.wait(scraped, 60, "a scrape")
    assert result[0]["metric"]["domain"] == "d" and result[0]["value"][1] == "7"
    assert [(target["health"], target["lastError"]) for target in targets] == [("up", "")]


def test_promtool_tells_good_from_bad():
    assert daemons.promtool_check_metrics(GOOD) == (0, "")
    status, output = daemons.promtool_check_metrics(b"xen_x{ 7\n")
    assert status == 1 and "error" in output


def test_node_exporter_reads_the_textfile(tmp_path):
    (tmp_path / "text").mkdir()
    (tmp_path / "text" / "xen.prom").write_bytes(GOOD)
    with daemons.NodeExporter(tmp_path / "work", tmp_path / "text") as exporter:
        text = exporter.metrics()
    assert "\nxen_x_total 7\n" in text and "node_textfile_scrape_error 0" in text and "node_cpu" not in text


def test_rrdtool_stores_and_fetches(tmp_path):
    file = tmp_path / "x.rrd"
    assert daemons.rrdtool("create", file, "--start", 1700000000, "--step", 10, "DS:x:GAUGE:20:U:U",
                           "RRA:AVERAGE:0.5:1:10").returncode == 0
    assert daemons.rrdtool("update", file, "1700000010:5", "1700000020:5").returncode == 0
    fetched = daemons.rrdtool("fetch", file, "AVERAGE", "--start", 1700000000, "--end", 1700000020)
    assert "1700000020: 5.0" in fetched.stdout


def test_xenalyze_prints_its_usage():
    ran = daemons.xenalyze("--help")
    assert ran.returncode == 0 and "Usage: xenalyze" in ran.stdout


def test_r_reads_a_table():
    ran = daemons.r_script('t <- read.csv(text="a,b\\n1,2\\n3,4"); cat(sum(t$b), nrow(t))')
    assert (ran.returncode, ran.stdout) == (0, "6 2"), ran.stderr


def test_every_listed_interpreter_runs():
    found = pythons.interpreters()
    assert sys.version_info[:2] in found or sys.version_info[:2] > (3, 13)
    for version, path in found.items():
        printed = subprocess.run([path, "-c", "import sys; print(sys.version_info[:2])"], stdout=subprocess.PIPE,
                                 check=True)
        assert printed.stdout.decode().strip() == str(version)
