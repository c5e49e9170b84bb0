"""VictoriaMetrics, the distributed engine that Debian has: line protocol in, PromQL out."""
import json
import urllib.parse

from . import provision
from .process import Daemon, free_port, http


class VictoriaMetrics(Daemon):
    """A single node.

    more: further words of its command line.
    """

    name = "victoria-metrics"

    def __init__(self, workdir, more=()):
        super().__init__(workdir)
        self._more = list(more)
        self._program = provision.program("victoria-metrics", "usr/bin/victoria-metrics")
        self.storage = self.workdir / "storage"

    def prepare(self):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"

    def environment(self):
        return provision.environment("victoria-metrics", HOME=str(self.workdir))

    def command(self):
        return [self._program, f"-httpListenAddr=127.0.0.1:{self.port}", f"-storageDataPath={self.storage}",
                "-retentionPeriod=100y", "-search.latencyOffset=0s", "-search.disableCache", *self._more]

    def is_up(self):
        return http(self.url + "/health")[0] == 200

    def write(self, lines, db="xen"):
        """Write line protocol (bytes), as Telegraf's outputs.influxdb does: (status, body)."""
        return http(self.url + "/write?precision=ns&db=" + urllib.parse.quote(db), lines, timeout=30)

    def flush(self):
        """Make what was written visible, and put it on the disk."""
        http(self.url + "/internal/force_flush", timeout=60)
        http(self.url + "/internal/force_merge", timeout=60)

    def _api(self, path, **arguments):
        status, body = http(f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(dict(arguments, nocache=1))}", timeout=30)
        if status != 200:
            raise self.failure(f"answers {path} {arguments} with {status} {body!r}")
        return json.loads(body.decode())["data"]

    def query(self, expr, time=None):
        """The result vector of an instant query."""
        return self._api("query", query=expr, **({} if time is None else {"time": time}))["result"]
