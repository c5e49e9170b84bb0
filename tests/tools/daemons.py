"""Launchers for the programs that read what xenmeter writes: one class for each daemon, one function for each command.

Every launcher provides its program first (see provision.py), so a test needs no set-up of its own.
"""
import json
import pathlib
import subprocess
import urllib.parse

from . import provision
from .collectd_daemon import Collectd, Value, collectd_version
from .process import Daemon, DaemonError, free_port, http, is_running, poll

__all__ = ["Collectd", "Daemon", "DaemonError", "Influxd", "NodeExporter", "Prometheus", "Value", "collectd_version",
           "free_port", "http", "is_running", "poll", "promtool_check_metrics", "r_script", "rrdtool", "xenalyze"]

INFLUXD_CONF = """\
reporting-disabled = true
bind-address = "127.0.0.1:{rpc}"
[meta]
  dir = "{work}/meta"
[data]
  dir = "{work}/data"
  wal-dir = "{work}/wal"
  query-log-enabled = false
[monitor]
  store-enabled = false
[subscriber]
  enabled = false
[continuous_queries]
  enabled = false
[http]
  bind-address = "127.0.0.1:{port}"
  auth-enabled = false
  log-enabled = false
"""


class Influxd(Daemon):
    """InfluxDB 1.6. All times are nanoseconds."""

    name = "influxd"

    def __init__(self, workdir):
        super().__init__(workdir)
        self._program = provision.program("influxdb", "usr/bin/influxd")
        self.conf = self.workdir / "influxdb.conf"

    def prepare(self):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.conf.write_text(INFLUXD_CONF.format(work=self.workdir, rpc=free_port(), port=self.port))

    def environment(self):
        return provision.environment("influxdb", HOME=str(self.workdir))

    def command(self):
        return [self._program, "run", "-config", self.conf]

    def is_up(self):
        return http(self.url + "/ping")[0] == 204

    def create(self, db):
        """Make a database."""
        status, body = http(self.url + "/query", _form(q=f'CREATE DATABASE "{db}"'))
        if status != 200 or b"error" in body:
            raise self.failure(f"does not create {db}: {status} {body!r}")

    def write(self, db, lines):
        """Write line protocol (bytes). Returns (status, body): 204 and b"" when every line was taken."""
        return http(self.url + "/write?precision=ns&db=" + urllib.parse.quote(db), lines)

    def query(self, db, q):
        """Parsed JSON of an InfluxQL query: {"results": [{"series": [{"name", "columns", "values"}]}]}."""
        status, body = http(self.url + "/query?epoch=ns&db=" + urllib.parse.quote(db), _form(q=q))
        if status == 0:
            raise self.failure(f"does not answer: {body!r}")
        return json.loads(body.decode())


PROMETHEUS_CONF = """\
global:
  scrape_interval: {ms}ms
  scrape_timeout: {ms}ms
scrape_configs:
  - job_name: test
    metrics_path: /metrics
    static_configs:
      - targets: {targets}
"""


class Prometheus(Daemon):
    """Prometheus scraping /metrics of targets ("127.0.0.1:1234") every interval seconds, which is also what a scrape may take.

    A scrape that takes longer takes away what the one before had brought, so look at all that belongs together in one wait.
    Its first scrape comes 5 s after the start: its target discovery has that period built in.
    """

    name = "prometheus"

    def __init__(self, workdir, scrape_targets, interval=2):
        super().__init__(workdir)
        self._program = provision.program("prometheus", "usr/bin/prometheus")
        self.conf = self.workdir / "prometheus.yml"
        self.conf.write_text(PROMETHEUS_CONF.format(ms=int(interval * 1000), targets=json.dumps(list(scrape_targets))))

    def prepare(self):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"

    def environment(self):
        return provision.environment("prometheus", HOME=str(self.workdir))

    def command(self):
        return [self._program, f"--config.file={self.conf}",
                "--storage.tsdb.path={}".format(self.workdir / "tsdb"), "--scrape.discovery-reload-interval=100ms",
                f"--web.listen-address=127.0.0.1:{self.port}"]

    def is_up(self):
        return http(self.url + "/-/ready")[0] == 200

    def _api(self, path, **arguments):
        status, body = http(f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(arguments)}")
        if status != 200:
            raise self.failure(f"answers {path} with {status} {body!r}")
        return json.loads(body.decode())["data"]

    def query(self, expr):
        """The result vector of an instant query: [{"metric": {label: value}, "value": [time, "text"]}]."""
        return self._api("query", query=expr)["result"]

    def wait_for(self, expr, holds=bool, timeout=60.0):
        """Wait until holds(result vector) is true, by default until it is not empty; returns the vector."""
        def look():
            result = self.query(expr)
            return [result] if holds(result) else None
        return self.wait(look, timeout, "query " + expr)[0]

    def targets(self):
        """The active targets: each with "health", "lastError", "scrapeUrl"."""
        return self._api("targets", state="active")["activeTargets"]


class NodeExporter(Daemon):
    """Prometheus' node exporter with only its textfile collector, which reads textfile_dir/*.prom."""

    name = "node-exporter"

    def __init__(self, workdir, textfile_dir):
        super().__init__(workdir)
        self._program = provision.program("node-exporter", "usr/bin/prometheus-node-exporter")
        self.textfile_dir = pathlib.Path(textfile_dir).resolve()

    def prepare(self):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}/metrics"

    def environment(self):
        return provision.environment("node-exporter", HOME=str(self.workdir))

    def command(self):
        return [self._program, "--collector.disable-defaults", "--collector.textfile",
                f"--collector.textfile.directory={self.textfile_dir}", "--web.disable-exporter-metrics",
                f"--web.listen-address=127.0.0.1:{self.port}"]

    def is_up(self):
        return http(self.url)[0] == 200

    def metrics(self):
        """What a scrape gives now. A file that it could not read shows as node_textfile_scrape_error 1."""
        status, body = http(self.url)
        if status != 200:
            raise self.failure(f"answers {status} {body!r}")
        return body.decode()


def _form(**fields):
    return urllib.parse.urlencode(fields).encode()


def _run(tool, file, args, **options):
    """Run a command of a tool; text in and out unless the caller gives bytes."""
    options.setdefault("universal_newlines", not isinstance(options.get("input"), bytes))
    if "input" not in options:
        options["stdin"] = subprocess.DEVNULL
    argv = [provision.program(tool, file)] + [str(arg) for arg in args]
    return subprocess.run(argv, check=False, env=provision.environment(tool, **options.pop("env", {})), timeout=120,
                          capture_output=True, **options)


def promtool_check_metrics(text):
    """(status, output) of `promtool check metrics` for Prometheus text (bytes): 0 good, 1 bad, 3 only lint."""
    ran = _run("prometheus", "usr/bin/promtool", ["check", "metrics"], input=text)
    return ran.returncode, (ran.stdout + ran.stderr).decode(errors="replace")


def rrdtool(*args, **options):
    """Run rrdtool; returns the CompletedProcess with text output. Options go to subprocess.run (cwd, input)."""
    return _run("rrdtool", "usr/bin/rrdtool", args, **options)


def xenalyze(*args, **options):
    """Run xenalyze; returns the CompletedProcess with text output."""
    return _run("xenalyze", "usr/bin/xenalyze", args, **options)


def r_script(text, **options):
    """Run R code (text); returns the CompletedProcess. Its own files are found by R_HOME, not by /usr/lib/R."""
    provision.ensure("r")
    root = provision.root_of("r")
    env = {"R_HOME": str(root / "usr/lib/R"), "R_SHARE_DIR": str(root / "usr/share/R/share"),
           "R_DEFAULT_PACKAGES": "utils,stats,methods"}
    return _run("r", "usr/lib/R/bin/exec/R", ["--vanilla", "--no-environ", "--no-echo", "-e", text], env=env, **options)
