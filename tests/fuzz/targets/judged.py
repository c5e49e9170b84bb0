"""What our own publishers wrote and somebody else may have changed: figures to be judged; and traces to reports."""
import contextlib
import gzip
import io
import json
import lzma
import os
import pathlib
import re
import socket
import tempfile
from unittest import mock

from fuzz.target import FIXTURES, Target, allowed
from fuzz.targets.recordings import CONTROL
from fuzz.targets.shared import trace
from xenmeter.core.errors import XenmeterError
from xenmeter.front import monitors
from xenmeter.front.report import make

_URL = "http://127.0.0.1:9779/metrics"
_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: %d\r\n\r\n%s"
_PAGE = b"""# HELP xenmeter_up Whether the source answers.
xenmeter_up{plugin="xentop"} 1
xen_host_domains 3
xen_host_load_ratio 0.25
xen_host_memory_free_bytes 1048576
xen_host_dom0_memory_bytes 4096
xen_host_dom0_memory_available_bytes 77
xen_pcpu_busy_ratio{pcpu="0"} 0.5
xen_domain_state{domain="a\\"b",uuid="u",state="crashed"} 1
xen_domain_state{domain="c\\n|d",uuid="v",state="paused"} 1
xen_domain_grant_frames{domain="c",uuid="v"} 5
xen_domain_grant_frames_max{domain="c",uuid="v"} 6
"""


class HealthTexts(Target):
    """A textfile, or all that an endpoint answers: one line in a monitor's form, without control bytes; UNKNOWN at worst."""

    name = "health"
    reads = "textfiles and answers of serve (check --nagios)"
    longest = 4000
    words = (b"xenmeter_up", b"xen_host_", b"xen_domain_", b'{domain="', b'",uuid="', b'"} ', b" NaN", b" +Inf", b" 1e308",
             b" -1", b"\\n", b"|", b"\x1b[2J", b"HTTP/1.1 200 ", b"Transfer-Encoding: chunked\r\n\r\n", b"Content-Length: -5",
             b"\r\n", b"ffffffff")

    def __init__(self):
        self._path = os.path.join(tempfile.mkdtemp(prefix="fuzz-"), "x.prom")

    def seeds(self):
        return [_PAGE, _ANSWER % (len(_PAGE), _PAGE), _ANSWER % (9, b"xen_x 1\n"), b"HTTP/1.1 503 \x1b[2J\r\n\r\n"]

    def check(self, data, chance):
        with open(self._path, "wb") as file:
            file.write(data)
        for place in (self._path, _URL) if data[:4] == b"HTTP" else (self._path,):
            form, out = chance.choice(monitors.FORMS), io.StringIO()
            with contextlib.redirect_stdout(out), self._answering(data):
                assert monitors.say(form, ["load=50"], ["domains=1:2"], [place], "auto") in range(4)
            text = out.getvalue()
            assert text.endswith("\n") and text.count("\n") == 1 and text[:-1].isprintable(), text
            if form == "zabbix":
                json.loads(text)
            elif form == "nagios":
                assert text.count("|") <= 1

    @staticmethod
    @contextlib.contextmanager
    def _answering(data):
        """Whoever connects finds somebody who has said this, and ended."""
        ours, theirs = socket.socketpair()
        with ours, theirs:
            theirs.setblocking(False)
            with contextlib.suppress(OSError):
                theirs.send(data)
            theirs.shutdown(socket.SHUT_WR)
            with mock.patch("socket.create_connection", lambda *_, **__: ours):
                yield


class TraceReports(Target):
    """A trace, packed or not, or a log as CSV, to a whole report: refused in one line, or what JSON and a page hold."""

    name = "trace-reports"
    reads = "traces and what packs them (report)"
    longest = 12000
    words = (b"\x1f\x8b\x08", b"\xfd7zXZ\0", b"time_ns,", b"\x00\x00\x00\x80", b"\xff" * 8, bytes(8))

    def __init__(self):
        self._path = os.path.join(tempfile.mkdtemp(prefix="fuzz-"), "trace.bin")

    def seeds(self):
        whole = trace()[:9000]
        log = (FIXTURES / "xentrace" / "narrow-churn" / "expected.csv").read_bytes()[:2000]
        return [whole, whole[:3000], gzip.compress(whole, mtime=0), lzma.compress(whole), log]

    def check(self, data, chance):
        pathlib.Path(self._path).write_bytes(data)
        span = (0, 10 ** 9) if chance.random() < 0.3 else None
        document = allowed(XenmeterError, make.document_of, self._path, 2596120, span)
        if document is None:
            return
        json.dumps(document, allow_nan=False)
        if chance.random() < 0.01:      # drawing one takes as long as some hundred documents
            assert not re.search("[%s]" % re.escape(CONTROL.decode()), make.page(document))
