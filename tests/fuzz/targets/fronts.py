"""HTTP requests to the endpoint."""
import contextlib
import io
import re
import socket
import sys
import threading

from fuzz.target import FIXTURES, Target
from xenmeter.core.options import defaults
from xenmeter.core.pipeline import Pipeline
from xenmeter.front.daemons.endpoint import Endpoint
from xenmeter.front.daemons.exposed import Exposed
from xenmeter.xentop.plugin import PLUGIN

_STATUS = re.compile(rb"HTTP/1\.[01] (200|400|404|405|408|411|413|414|431|501|503|505) ")


class Http(Target):
    """An answer or an end each, and nothing of the request in it; a scrape afterwards is answered."""

    name = "http"
    reads = "HTTP requests"
    longest = 4000
    words = (b"\r\n", b"\n", b"GET ", b" HTTP/1.1", b"HTTP/0.9", b"HTTP/2.0", b"Accept: ", b"Accept-Encoding: gzip;q=0",
             b"/metrics",
             b"Host: x", b"Content-Length: 5", b"Transfer-Encoding: chunked", b"\0", b"\xff", b"HEAD ", b"POST ", b": ",
             b"Connection: keep-alive", b" " * 300, b"Expect: 100-continue", b"\r\n\r\n", b"application/openmetrics-text")

    def __init__(self):
        options = defaults(PLUGIN.options)
        options.source = str(FIXTURES / "xentop" / "credit2-2pcpu-joined-b-d1-i3-fnxvr")
        pipeline = Pipeline(PLUGIN, options)
        self._endpoint = Endpoint("127.0.0.1", 0, Exposed([pipeline]))
        pipeline.start(keep=1)
        self._address = self._endpoint.server_address[:2]
        self._said = io.StringIO()
        self._count = 0
        threading.Thread(target=self._endpoint.serve_forever, args=(0.5,), daemon=True).start()

    def seeds(self):
        return [b"GET /metrics HTTP/1.1\r\nHost: x\r\nAccept: application/openmetrics-text\r\nAccept-Encoding: gzip\r\n\r\n",
                b"HEAD / HTTP/1.0\r\n\r\n", b"GET /x?y HTTP/1.1\r\nHost: a\r\n\r\nGET /metrics HTTP/1.1\r\n\r\n",
                b"GET /metrics\r\n",
                b"POST /metrics HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc"]

    def _ask(self, data):
        with socket.create_connection(self._address, timeout=30) as client:
            try:
                client.sendall(data)
                client.shutdown(socket.SHUT_WR)
            except OSError:
                pass        # it has answered and gone
            told = b""
            with contextlib.suppress(ConnectionResetError):
                while True:
                    part = client.recv(1 << 16)
                    if not part:
                        break
                    told += part
            return told

    def check(self, data, chance):
        before, sys.stderr = sys.stderr, self._said
        try:
            told = self._ask(data)
        finally:
            sys.stderr = before
        assert "fault" not in self._said.getvalue() and "Traceback" not in self._said.getvalue(), self._said.getvalue()
        # HTTP/0.9 has no status line
        assert not told or _STATUS.match(told) or told.startswith((b"<", b"# ", b"only ", b"\x1f\x8b")), told[:200]
        self._count += 1
        if self._count % 50 == 0:
            told = self._ask(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
            assert told.startswith(b"HTTP/1.0 200 ") and b"xenmeter_up" in told, told[:200]

    def close(self):
        self._endpoint.shutdown()
        self._endpoint.server_close()
