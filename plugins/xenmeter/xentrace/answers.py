"""The baker's Unix socket: one line of JSON asks, one line of JSON answers; as many as one likes on a connection.

``{"get": "figures"}`` the newest document; ``{"get": "windows", "window": "1s", "last": 60}`` the last closed windows of a
length, up to 600; ``{"get": "status"}`` what the baker is at. Anything else: ``{"error": "..."}``.
"""
import json
import os
import socket
import socketserver
import threading
from typing import Any, Optional

from xenmeter.core.errors import SourceError
from xenmeter.core.serving import BoundedThreads
from xenmeter.xentrace.bakery import HISTORY, Bakery
from xenmeter.xentrace.shm import give

__all__ = ("Answers", "ask")

_PATIENCE = 10
_LONGEST = 4096


class _Handler(socketserver.StreamRequestHandler):
    timeout = _PATIENCE

    def handle(self):
        # type: () -> None
        try:
            while True:
                line = self.rfile.readline(_LONGEST)
                if not line:
                    return
                self.wfile.write(answer(self.server.bakery, line) + b"\n")
        except OSError:
            pass        # a client that went away or never reads


def ask(path, **question):
    # type: (str, **Any) -> Any
    """What the baker at this socket answers; SourceError where none is there."""
    try:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(_PATIENCE)
            client.connect(path)
            client.sendall(json.dumps(question).encode("ascii") + b"\n")
            with client.makefile("rb") as stream:
                return json.loads(stream.readline().decode("utf-8"))
    except (OSError, ValueError) as error:
        raise SourceError("no baker answers at %s (%s); start one: xenmeter baker"
                          % (path, getattr(error, "strerror", None) or error))


def answer(bakery, line):
    # type: (Bakery, bytes) -> bytes
    try:
        asked = json.loads(line.decode("utf-8"))
        what = asked["get"]
        if what == "figures":
            return bakery.newest or b'{"error":"no window has ended yet"}'
        if what == "status":
            return json.dumps(bakery.status()).encode("ascii")
        if what == "windows":
            last = int(asked.get("last", HISTORY))
            if not 0 < last <= HISTORY:
                raise ValueError("last: takes 1 to %d" % HISTORY)
            return json.dumps(bakery.windows(str(asked.get("window", "1s")), last)).encode("ascii")
        raise ValueError("get: takes figures, windows or status")
    except KeyError as error:
        return json.dumps({"error": "there is no %s" % error}).encode("ascii")
    except (ValueError, TypeError, ArithmeticError, RecursionError) as error:
        return json.dumps({"error": str(error)}).encode("ascii")


class Answers(BoundedThreads, socketserver.UnixStreamServer):
    """Listens from the start; answers in threads of its own."""

    request_queue_size = 16

    def __init__(self, path, bakery, gid=None):
        # type: (str, Bakery, Optional[int]) -> None
        self.bakery = bakery
        self._path = path
        try:
            if os.path.lexists(path):
                os.unlink(path)     # a killed baker's; whether one lives was looked at before
            super().__init__(path, _Handler)
            give(path, gid)
            os.chmod(path, 0o660)
        except OSError as error:
            raise SourceError("cannot listen on %s: %s" % (path, error.strerror or error))
        threading.Thread(target=self.serve_forever, args=(0.2,), name="xenmeter-answers", daemon=True).start()

    def close(self):
        # type: () -> None
        self.shutdown()
        self.server_close()
        try:
            os.unlink(self._path)
        except OSError:
            pass
