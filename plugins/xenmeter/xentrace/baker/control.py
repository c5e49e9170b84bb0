"""The baker's Unix socket: one line of JSON asks, one line of JSON answers; as many as one likes on a connection.

``{"get": "figures"}`` the newest document; ``{"get": "windows", "window": "1s", "last": 60}`` the last closed windows of a
length, up to 600; ``{"get": "status"}`` what the baker is at. Anything else: ``{"error": "..."}``.

Answers are made in pieces, which together take a bounded share of a CPU: whoever asks, and however much, the baker's own
work goes on.
"""
import json
import os
import socket
import socketserver
import sys
import threading
from itertools import chain, islice
from typing import Any, Dict, Iterator, Optional

from xenmeter.core.allowance import Allowance
from xenmeter.core.errors import SourceError
from xenmeter.core.log import Hourly
from xenmeter.core.serving import BoundedThreads, PatientHandler
from xenmeter.xentrace.baker.bakery import HISTORY, Bakery
from xenmeter.xentrace.baker.writing import give

__all__ = ("ControlSocket", "ask")

_PATIENCE = 10
_LONGEST = 4096
#: Of one CPU, what all answers together may take; and ns at once after a quiet time, in which a screen's minute is answered.
_SHARE, _BURST_NS = 0.1, 10 ** 9
#: Domains of a window in a piece of an answer: about a millisecond of work.
_PIECE = 25


class _Handler(PatientHandler):
    server: "ControlSocket"
    patience = _PATIENCE
    room = _LONGEST

    def handle(self) -> None:
        spender = self.server.allowance.spender()
        try:
            while True:
                self.line.begin()
                line = self.rfile.readline(_LONGEST)
                if not line:
                    return
                self.server.goes_on(self.request)
                for piece in answer(self.server.bakery, line):
                    spender.pay()
                    self.wfile.write(piece)
        except OSError:
            pass        # a client that went away or never reads
        finally:
            spender.pay()


def ask(path: str, **question: Any) -> Any:
    """What the baker at this socket answers; SourceError where none is there."""
    try:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(_PATIENCE)
            client.connect(path)
            client.sendall(json.dumps(question).encode("ascii") + b"\n")
            with client.makefile("rb") as stream:
                return json.loads(stream.readline().decode("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise SourceError("no baker answers at %s (%s); start one: xenmeter baker"
                          % (path, getattr(error, "strerror", None) or error))


def answer(bakery: Bakery, line: bytes) -> Iterator[bytes]:
    """A line of JSON, in pieces; each is made as it is asked for."""
    try:
        asked = json.loads(line.decode("utf-8"))
        what = asked["get"]
        if what == "figures":
            told = iter([bakery.figures() or b'{"error":"no window has ended yet"}'])
        elif what == "status":
            told = iter([json.dumps(bakery.status()).encode("ascii")])
        elif what == "windows":
            last = int(asked.get("last", HISTORY))
            if not 0 < last <= HISTORY:
                raise ValueError("last: takes 1 to %d" % HISTORY)
            told = _listed(bakery.windows(str(asked.get("window", "1s")), last))
        else:
            raise ValueError("get: takes figures, windows or status")
    except KeyError as error:
        told = iter([json.dumps({"error": "there is no %s" % error}).encode("ascii")])
    except (ValueError, TypeError, ArithmeticError, RecursionError) as error:
        told = iter([json.dumps({"error": str(error)}).encode("ascii")])
    return chain(told, (b"\n",))


def _listed(windows: Iterator[Dict[str, Any]]) -> Iterator[bytes]:
    """A JSON array of windows, a few domains at a time."""
    before = b"["
    for window in windows:
        yield before + ('{"start_ns": %d, "length_ns": %d, "domains": [' % (window["start_ns"], window["length_ns"])).encode()
        some = list(islice(window["domains"], _PIECE))
        while some:
            piece = json.dumps(some)[1:-1]
            some = list(islice(window["domains"], _PIECE))
            yield (piece + ", " * bool(some)).encode("ascii")
        before = b"]}, "
    yield b"[]" if before == b"[" else b"]}]"


class ControlSocket(BoundedThreads, socketserver.UnixStreamServer):
    """Listens from the start; answers in threads of its own. :ivar allowance: what they may take of a CPU."""

    request_queue_size = 16

    def __init__(self, path: str, bakery: Bakery, gid: Optional[int] = None) -> None:
        self.bakery = bakery
        self.allowance = Allowance(_SHARE, _BURST_NS)
        self._hourly = Hourly()
        self._path = path
        try:
            if os.path.lexists(path):
                os.unlink(path)     # left by a baker that was killed: that none is alive was checked before
            # It has its rights from the start: what lies at a path afterwards may be somebody else's link.
            mask = os.umask(0o117)
            try:
                super().__init__(path, _Handler)
            finally:
                os.umask(mask)
            give(path, gid)
        except OSError as error:
            raise SourceError("cannot listen on %s: %s" % (path, error.strerror or error))
        threading.Thread(target=self._listen, name="xenmeter-answers", daemon=True).start()

    def _listen(self) -> None:
        self._spender = self.allowance.spender()
        self.serve_forever(None)        # type: ignore[arg-type]    # whoever closes it wakes it

    def process_request(self, request: Any, client_address: Any) -> None:
        """Who only connects and goes has a cost too."""
        super().process_request(request, client_address)
        self._spender.pay()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is no fault; anything else is said, in one line."""
        error = sys.exc_info()[1]
        if not isinstance(error, OSError) and self._hourly.may("%s: %s" % (type(error).__name__, error)):
            sys.stderr.write("xenmeter: fault in an answer: %s: %.200s\n" % (type(error).__name__, error))

    def close(self) -> None:
        self.socket.shutdown(socket.SHUT_RDWR)      # its thread wakes, and finds that it is to end
        self.shutdown()
        self.server_close()
        try:
            os.unlink(self._path)
        except OSError:
            pass
