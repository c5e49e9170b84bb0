"""The HTTP endpoint: GET /metrics, and / for people, each request in a thread of its own, none waiting for another's client."""
import http.server
import os
import re
import signal
import socket
import socketserver
import sys
from typing import Any, Sequence

from xenmeter import __version__
from xenmeter.core.errors import SourceError
from xenmeter.core.log import Hourly
from xenmeter.core.memory import give_back, one_arena
from xenmeter.core.pipeline import Pipeline
from xenmeter.core.serving import BoundedThreads, PatientHandler, tell_unbegun
from xenmeter.front.daemons.exposed import HTML, OPENMETRICS, TEXT, Exposed
from xenmeter.front.daemons.hostpage import POLICY
from xenmeter.publish.openmetrics import OPENMETRICS_TYPE, TEXT_TYPE

__all__ = ("Endpoint", "serve")

#: Form -> Content-Type.
_KINDS = {OPENMETRICS: OPENMETRICS_TYPE, TEXT: TEXT_TYPE, HTML: "text/html; charset=utf-8"}

#: Addresses to listen on that are every one of the host's.
_ALL = ("0.0.0.0", "::")


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
            self._show(OPENMETRICS if accepts(self.headers.get("Accept", ""), "application/openmetrics-text") else TEXT)
        elif path == "/":
            self._show(HTML)
        else:
            self._answer(404, "text/plain; charset=utf-8", b"only /metrics is here, and / for people\n")

    do_HEAD = do_GET    # noqa: N815 - as http.server calls it

    def _show(self, form: str) -> None:
        packed = accepts(self.headers.get("Accept-Encoding", ""), "gzip")
        self._answer(200, _KINDS[form], self.server.exposed.page(form, packed), packed)

    def _answer(self, status: int, kind: str, body: bytes, packed: bool = False) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        if kind == _KINDS[HTML]:
            self.send_header("Content-Security-Policy", POLICY)
            self.send_header("Cache-Control", "no-store")
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


def serve(pipelines: Sequence[Pipeline], address: str, port: int) -> int:
    """Answer until a signal ends the process; SIGTERM does so as if nobody handled it, once the counters are kept."""
    signal.signal(signal.SIGTERM, _on_term)
    one_arena()     # whichever client's thread is there makes the page
    give_back()
    tell_unbegun(lambda text: sys.stderr.write("xenmeter: %s\n" % text))
    try:
        return _serve(Exposed(pipelines), address, port)
    except _Terminated:
        os.kill(os.getpid(), signal.SIGTERM)
        raise


def _serve(exposed: Exposed, address: str, port: int) -> int:
    try:
        endpoint = Endpoint(address, port, exposed)
    except OSError as error:
        raise SourceError("cannot listen on %s port %d: %s" % (address, port, error.strerror or error))
    try:
        _answer(exposed, endpoint, address, port)
    finally:
        endpoint.server_close()
        exposed.end()
    return 0


def _answer(exposed: Exposed, endpoint: Endpoint, address: str, port: int) -> None:
    # another port is another series, or another Prometheus'
    exposed.start("serve-%s-%d" % (re.sub("[^A-Za-z0-9.]", "_", address), port) if port else "")
    shown = "[%s]" % address if ":" in address else address
    sys.stderr.write("xenmeter: http://%s:%d/metrics%s\n" % (
        shown, endpoint.server_address[1], ", on every address of this host" if endpoint.server_address[0] in _ALL else ""))
    sys.stderr.flush()
    endpoint.serve_forever(poll_interval=0.5)
