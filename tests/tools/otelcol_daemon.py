"""OpenTelemetry's collector, as `make backends` builds it (gobuild.py), and somebody who takes its OTLP."""
import gzip
import http.server
import json
import threading

from . import provision
from .process import Daemon

OWN = "service:\n"
QUIET = OWN + "  telemetry:\n    metrics:\n      level: none\n"      # else it serves figures of its own on a fixed port


class Collector(Daemon):
    """With configuration text."""

    name = "otelcol"

    def __init__(self, workdir, text):
        super().__init__(workdir)
        folder = provision.other("otelcol")
        if not folder:
            raise provision.ProvisionError("the collector is no part of make test: make backends BACKENDS=opentelemetry")
        self._program = str(folder / "otelcol")
        assert text.count("\n" + OWN) == 1, text
        self.conf = self.workdir / "otelcol.yaml"
        self.conf.write_text(text.replace("\n" + OWN, "\n" + QUIET))

    def environment(self):
        return {"PATH": "/usr/bin:/bin", "HOME": str(self.workdir)}

    def command(self):
        return [self._program, "--config", self.conf]

    def is_up(self):
        return "Everything is ready" in self.log_text()


class Taker(http.server.ThreadingHTTPServer):
    """An OTLP server for metrics in JSON. points: {(metric, attributes): (kind, point)}, the last of each; resources: attributes
    of those that sent them."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Taking)
        self.points, self.resources, self.metrics = {}, set(), {}
        self.url = "http://127.0.0.1:%d" % self.server_port
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def __exit__(self, *error):
        self.shutdown()
        super().__exit__(*error)

    def take(self, request):
        for resource in request["resourceMetrics"]:
            self.resources.add(attributes(resource["resource"]))
            for metric in (metric for scope in resource["scopeMetrics"] for metric in scope["metrics"]):
                (kind,) = {"sum", "gauge", "histogram", "summary", "exponentialHistogram"} & set(metric)
                self.metrics[metric["name"]] = dict(metric[kind], dataPoints=None, kind=kind, unit=metric.get("unit", ""),
                                                    description=metric.get("description", ""))
                for point in metric[kind]["dataPoints"]:
                    self.points[metric["name"], attributes(point)] = (kind, point)


def attributes(what):
    """((name, value)), sorted."""
    return tuple(sorted((one["key"], next(iter(one["value"].values()))) for one in what.get("attributes", ())))


class _Taking(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        assert self.path == "/v1/metrics" and self.headers["Content-Type"] == "application/json", self.path
        self.server.take(json.loads(body.decode()))
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *words):
        pass
