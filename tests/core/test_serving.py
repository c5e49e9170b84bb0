"""Bounded threads: who comes when all places are taken is turned away, and a place that is left is free again."""
import socket
import socketserver
import threading

import pytest

from xenmeter.core.serving import BoundedThreads


class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        self.wfile.write(b"in\n")
        self.rfile.readline()


class Server(BoundedThreads, socketserver.UnixStreamServer):
    busy = 2

    def turn_away(self, request):
        request.sendall(b"busy\n")


@pytest.fixture
def server(tmp_path):
    with Server(str(tmp_path / "socket"), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()


def call(server):
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(20)
    client.connect(server.server_address)
    return client, client.makefile("rb").readline()


def test_places(server):
    inside = [call(server) for _ in range(2)]
    assert [word for _, word in inside] == [b"in\n"] * 2
    assert call(server)[1] == b"busy\n"
    inside[0][0].sendall(b"bye\n")
    assert inside[0][0].recv(100) == b""        # its thread has ended, or is about to
    words = iter(lambda: call(server)[1], b"in\n")
    assert set(words) <= {b"busy\n"}
    inside[1][0].close()


def test_one_that_goes_away_while_it_is_turned_away_harms_nobody(server, monkeypatch):
    def gone(request):
        raise BrokenPipeError
    monkeypatch.setattr(server, "turn_away", gone)
    inside = [call(server) for _ in range(2)]
    assert call(server)[1] == b""
    assert [word for _, word in inside] == [b"in\n"] * 2
