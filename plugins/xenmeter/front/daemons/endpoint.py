"""The HTTP endpoint: GET /metrics, each request in a thread of its own, none of them waiting for another's client."""
import gzip
import http.server
import os
import re
import signal
import socket
import socketserver
import sys
import threading
import time
from typing import Any, Dict, List, Optional, Tuple

from xenmeter import __version__
from xenmeter.core.clock import now_ns
from xenmeter.core.errors import SourceError
from xenmeter.core.pipeline import Pipeline
from xenmeter.core.plugin import Plugin
from xenmeter.core.reading import Reading
from xenmeter.core.log import Hourly, LogOnce
from xenmeter.core.serving import BoundedThreads, PatientHandler
from xenmeter.publish.openmetrics import OPENMETRICS_TYPE, TEXT_TYPE, Exposition

__all__ = ("Endpoint", "serve")

#: Of gzip: a higher level costs dom0 twice the time and saves a fifth more.
LEVEL = 1

#: Addresses to listen on that are every one of the host's.
_ALL = ("0.0.0.0", "::")

#: Seconds for which a page with nothing new in it is shown again.
FRESH = 1.0


class Exposed:
    """The newest reading, in each form that is asked for, made once: all who ask are given the same bytes."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._exposition = pipeline.publisher = Exposition(pipeline.catalogues, pipeline.groups)
        self._lock = threading.Lock()
        self._reading: Optional[Reading] = None
        self._pages: Dict[Tuple[bool, bool], bytes] = {}   # (OpenMetrics?, gzip?)
        self._of: Any = None     # what they show
        self._until = 0.0           # monotonic
        self._sayings = LogOnce(lambda level, text: sys.stderr.write("xenmeter: %s\n" % text))

    def page(self, openmetrics: bool, packed: bool = False) -> bytes:
        with self._lock:
            for sample in self._pipeline.take():
                self._reading = self._pipeline.collect(sample)
            self._sayings.about(self._pipeline)
            shown = (self._reading, self._pipeline.error is None, self._pipeline.hangs(), self._pipeline.ended)
            if shown != self._of or time.monotonic() > self._until:
                self._pages.clear()
                self._of, self._until = shown, time.monotonic() + FRESH
            if (openmetrics, packed) not in self._pages:
                self._make(openmetrics, packed)
            return self._pages[openmetrics, packed]

    def end(self) -> None:
        """No page is being made while the counters are kept; one that is asked for later has the last figures."""
        with self._lock:
            self._pipeline.stop()

    def _make(self, openmetrics: bool, packed: bool) -> None:
        if packed:
            if (openmetrics, False) not in self._pages:
                self._make(openmetrics, False)
            page = gzip.compress(self._pages[openmetrics, False], LEVEL)
        else:
            page = (self._exposition.openmetrics if openmetrics else self._exposition.text)(self._readings())
        self._pages[openmetrics, packed] = page

    def _readings(self) -> List[Reading]:
        """The plugin's reading unless the source is down, it is stale or a recording has come to its end: old figures must
        not look like new ones."""
        if self._pipeline.ended:
            self._pipeline.meter.up = False
        own = self._pipeline.own(now_ns())
        if self._pipeline.hangs() or self._pipeline.ended:
            self._reading = None
        if self._reading is None or self._pipeline.error is not None:
            return [own]
        return [self._reading, own]


def accepts(header: str, name: str) -> bool:
    """Whether an Accept or Accept-Encoding header names this, and not with a quality of 0, which refuses it."""
    for choice in header.lower().split(","):
        parts = [part.strip().replace(" ", "") for part in choice.split(";")]
        if parts[0] == name and not any(re.match(r"q=0(\.0*)?\Z", part) for part in parts):
            return True
    return False


class _Handler(PatientHandler, http.server.BaseHTTPRequestHandler):
    server: "Endpoint"
    server_version = "xenmeter/" + __version__
    sys_version = ""

    def parse_request(self) -> bool:
        """A head that is longer than ``room`` ends the request."""
        good = super().parse_request()
        if self.line.full:
            if good:
                self.send_error(431)
            return False
        self.server.goes_on(self.request)
        return good

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path == "/metrics":
            openmetrics = accepts(self.headers.get("Accept", ""), "application/openmetrics-text")
            packed = accepts(self.headers.get("Accept-Encoding", ""), "gzip")
            kind = OPENMETRICS_TYPE if openmetrics else TEXT_TYPE
            self._answer(200, kind, self.server.exposed.page(openmetrics, packed), packed)
        elif path == "/":
            self._answer(200, "text/html; charset=utf-8", b'<title>xenmeter</title><a href="/metrics">metrics</a>\n')
        else:
            self._answer(404, "text/plain; charset=utf-8", b"only /metrics is here\n")

    do_HEAD = do_GET    # noqa: N815 - as http.server calls it

    def _answer(self, status: int, kind: str, body: bytes, packed: bool = False) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        if packed:
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:     # noqa: A002 - as http.server calls it
        pass    # a line for each scrape would be noise


class Endpoint(BoundedThreads, http.server.HTTPServer):
    """The server; ``server_address`` tells the port when 0 was asked for."""

    allow_reuse_address = True
    request_queue_size = 64

    def __init__(self, address: str, port: int, exposed: Exposed) -> None:
        self.exposed = exposed
        self._hourly = Hourly()
        self.address_family = socket.AF_INET6 if ":" in address else socket.AF_INET
        super().__init__((address, port), _Handler)

    def server_bind(self) -> None:
        """As HTTPServer's, without its look-up of our own name, which may ask a slow DNS server."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]

    def turn_away(self, request: Any) -> None:
        request.settimeout(1)
        request.sendall(b"HTTP/1.0 503 Busy\r\nContent-Length: 0\r\n\r\n")

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away or never reads is no fault of ours; anything else is said."""
        error = sys.exc_info()[1]
        if not isinstance(error, (OSError, ValueError)) and self._hourly.may("%s: %s" % (type(error).__name__, error)):
            sys.stderr.write("xenmeter: fault in a request: %s: %s\n" % (type(error).__name__, error))


class _Terminated(BaseException):
    """SIGTERM, as KeyboardInterrupt is SIGINT: what is to be kept is written first."""


def _on_term(number: int, frame: Any) -> None:
    signal.signal(number, signal.SIG_DFL)       # another one ends us at once
    raise _Terminated


def serve(plugin: Plugin, options: Any, address: str, port: int) -> int:
    """Answer until a signal ends the process; SIGTERM does so as if nobody handled it, once the counters are kept."""
    signal.signal(signal.SIGTERM, _on_term)
    try:
        return _serve(plugin, options, address, port)
    except _Terminated:
        os.kill(os.getpid(), signal.SIGTERM)
        raise


def _serve(plugin: Plugin, options: Any, address: str, port: int) -> int:
    pipeline = Pipeline(plugin, options, stamped=False)
    exposed = Exposed(pipeline)
    try:
        endpoint = Endpoint(address, port, exposed)
    except OSError as error:
        raise SourceError("cannot listen on %s port %d: %s" % (address, port, error.strerror or error))
    try:
        _answer(pipeline, endpoint, address, port)
    finally:
        endpoint.server_close()
        exposed.end()
    return 0


def _answer(pipeline: Pipeline, endpoint: Endpoint, address: str, port: int) -> None:
    # another port is another series, or another Prometheus'
    pipeline.start(keep=1, front="serve-%s-%d" % (re.sub("[^A-Za-z0-9.]", "_", address), port) if port else "")
    shown = "[%s]" % address if ":" in address else address
    sys.stderr.write("xenmeter: http://%s:%d/metrics%s\n" % (
        shown, endpoint.server_address[1], ", on every address of this host" if endpoint.server_address[0] in _ALL else ""))
    sys.stderr.flush()
    endpoint.serve_forever(poll_interval=0.5)
