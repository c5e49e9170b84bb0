"""Bounded threads: the slowest gives way, who finds no place is turned away, and a place that is left is free again."""
import errno
import resource
import socket
import socketserver
import statistics
import sys
import threading
import time
import types

import pytest

from tools.process import poll
from xenmeter.core import serving
from xenmeter.core.serving import BoundedThreads, PatientHandler, tell_unbegun


class Handler(PatientHandler):
    patience = 1.0
    room = 100

    def handle(self):
        self.wfile.write(b"in\n")
        try:
            self.server.heard.append(self.rfile.readline())
        except OSError as error:
            self.server.heard.append(error)


class Server(BoundedThreads, socketserver.UnixStreamServer):
    busy = 2

    def __init__(self, *arguments):
        self.heard = []
        super().__init__(*arguments)

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


def test_the_slowest_gives_way(server):
    """However many come and say nothing, who comes next is answered soon."""
    inside, took = [], []
    for _ in range(10):
        began = time.monotonic()
        inside.append(call(server))
        took.append(time.monotonic() - began)
        assert inside[-1][1] == b"in\n"
    assert inside[0][0].recv(1) == b""
    assert statistics.median(took) < 10 * serving.SILENT + 1        # whatever else the machine did during some of them


def test_one_who_asks_is_not_the_first_to_give_way(server, monkeypatch):
    monkeypatch.setattr(serving, "GRACE", 60.0)
    first = call(server)[0]
    call(server)
    for request in list(server._held):
        server.goes_on(request)
        break
    for _ in range(3):
        assert call(server)[1] == b"in\n"
    first.sendall(b"still here\n")
    assert first.recv(1) == b"" and b"still here\n" in server.heard


def test_a_byte_now_and_then_is_no_patience(server):
    client, _ = call(server)
    with pytest.raises(OSError):
        for _ in range(100):        # 10 s, of which it has patience for one
            client.sendall(b"x")
            time.sleep(0.1)
    assert isinstance(server.heard[0], socket.timeout)


def test_a_long_line_is_not_held(server):
    client, _ = call(server)
    try:
        client.sendall(b"x" * 1000000)
    except OSError:
        pass
    while not server.heard:
        time.sleep(0.01)
    assert server.heard == [b"x" * 100]


def test_a_place_comes_back_when_no_thread_can_be_started(server, monkeypatch):
    def refuse(function, arguments):
        raise RuntimeError("can't start new thread")
    with monkeypatch.context() as now:
        now.setattr(serving._thread, "start_new_thread", refuse)
        assert [call(server)[1] for _ in range(5)] == [b"busy\n"] * 5
    assert len(server._held) == 0 and call(server)[1] == b"in\n"


def test_too_few_descriptors_cost_no_cpu(server, monkeypatch):
    """Who waits to be accepted keeps the listening socket readable: it is not asked at once again."""
    asked = []

    def refuse(self):
        asked.append(1)
        raise OSError(errno.EMFILE, "Too many open files")
    monkeypatch.setattr(socketserver.UnixStreamServer, "get_request", refuse)
    client = socket.socket(socket.AF_UNIX)
    client.connect(server.server_address)
    began, before = time.monotonic(), resource.getrusage(resource.RUSAGE_SELF)
    time.sleep(1)
    poll(lambda: len(asked) >= 2, 60, AssertionError)
    took, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_SELF)
    assert len(asked) <= 30 * took and after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 0.5 * took
    monkeypatch.undo()
    assert client.makefile("rb").readline() == b"in\n"


def test_places(server, monkeypatch):
    monkeypatch.setattr(serving, "GRACE", 0.1)
    monkeypatch.setattr(serving, "SILENT", 60.0)
    monkeypatch.setattr(Handler, "patience", 60.0)
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
    monkeypatch.setattr(serving, "GRACE", 0.1)
    monkeypatch.setattr(serving, "SILENT", 60.0)
    monkeypatch.setattr(Handler, "patience", 60.0)
    inside = [call(server) for _ in range(2)]
    assert call(server)[1] == b""
    assert [word for _, word in inside] == [b"in\n"] * 2


def test_a_thread_that_dies_before_its_first_word_holds_up_nobody(server, monkeypatch):
    """As where there is no memory for it: its client hears that at once, the next ones are answered, and no place is lost."""
    with monkeypatch.context() as now:
        now.setattr(serving._thread, "start_new_thread", lambda function, arguments: 1)
        assert [call(server)[1] for _ in range(3 * server.busy)] == [b""] * 3 * server.busy
    poll(lambda: len(server._held) == 0, 60, AssertionError)       # a client is closed a moment before its place is free
    assert [call(server)[1] for _ in range(server.busy)] == [b"in\n"] * server.busy


@pytest.mark.skipif(sys.version_info < (3, 8), reason="nobody is asked before Python 3.8")
def test_threads_without_memory_are_one_line_and_all_else_is_told_as_ever(monkeypatch):
    usual, said = [], []
    monkeypatch.setattr(sys, "unraisablehook", usual.append)
    tell_unbegun(said.append)
    lost = types.SimpleNamespace(exc_type=MemoryError, err_msg="Exception ignored in thread started by")
    others = [types.SimpleNamespace(exc_type=one, err_msg=about) for one, about in ((MemoryError, None), (OSError, "in thread"))]
    for what in [lost, *others] * 3:
        sys.unraisablehook(what)
    assert said == ["no memory for a client's thread now: it is left without an answer"] and usual == others * 3


@pytest.mark.parametrize("number, goes_on", [(errno.ENOMEM, True), (errno.EAGAIN, True), (errno.EBADF, False)])
def test_a_server_that_finds_no_memory_to_wait_with_serves_on(number, goes_on):
    class Waiting:
        failures = [OSError(number, "of poll")] * 2

        def serve_forever(self, poll_interval):
            if self.failures:
                raise self.failures.pop()

    class Served(BoundedThreads, Waiting):
        pass
    if goes_on:
        Served().serve_forever()
        assert Waiting.failures == []
    else:
        with pytest.raises(OSError, match="of poll"):
            Served().serve_forever()
