"""A server that answers each client in a thread of its own, never more than so many at a time, and none of them for ever."""
import _thread
import io
import socket
import socketserver
import sys
import threading
import time
import weakref
from typing import Any, Callable, MutableMapping

from xenmeter.core.log import Hourly
from xenmeter.core.passing import passing

__all__ = ("BoundedThreads", "PatientHandler", "tell_unbegun")

#: Seconds until a client gives way to the next where no place is left: one that has asked, and one that has not even done so.
GRACE, SILENT = 1.0, 0.2


class _Line(io.RawIOBase):
    """A client's socket, with the time and the bytes that it is worth.

    :ivar full: whether a request was longer than ``room``; no more of it is read.
    """

    def __init__(self, client: Any, patience: float, room: int) -> None:
        self._client = client
        self._patience = patience
        self._size = room
        self.begin()

    def begin(self) -> None:
        """Another request."""
        self._left = self._patience
        self._room = self._size
        self.full = False

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def _timed(self, call: Callable[[Any], Any], data: Any) -> Any:
        """All waiting of a request is counted: one who sends a byte now and then is no more patient than one who is silent."""
        if self._left <= 0:
            raise socket.timeout("timed out")
        began = time.monotonic()
        self._client.settimeout(self._left)
        try:
            return call(data)
        finally:
            self._left -= time.monotonic() - began

    def readinto(self, buffer: Any) -> int:
        if not self._room:
            self.full = True
            return 0
        count = self._timed(self._client.recv_into, memoryview(buffer)[:self._room])
        self._room -= count
        return int(count)

    def write(self, data: Any) -> int:
        self._timed(self._client.sendall, data)     # the whole of it, of which nobody makes a copy
        return len(data)


class PatientHandler(socketserver.StreamRequestHandler):
    """Reads at most ``room`` bytes of a request, and waits at most ``patience`` seconds for it and its answer together."""

    patience = 10.0
    room = 16384

    def setup(self) -> None:
        self.connection = self.request
        self.line = _Line(self.request, self.patience, self.room)
        self.rfile = io.BufferedReader(self.line, 4096)
        self.wfile = self.line      # type: ignore[assignment]


def tell_unbegun(say: Callable[[str], Any]) -> None:
    """Of a client whose thread finds no memory to begin, Python itself writes two lines each time, with an address. From now on
    ``say`` has one an hour. (Python before 3.8 goes on as it did.) For processes of our own."""
    usual, hourly = getattr(sys, "unraisablehook", None), Hourly()

    def told(what: Any) -> None:
        if not issubclass(what.exc_type, MemoryError) or "thread" not in (what.err_msg or ""):
            usual(what)     # type: ignore[misc]
        elif hourly.may("memory"):
            say("no memory for a client's thread now: it is left without an answer")
    if usual is not None:
        setattr(sys, "unraisablehook", told)    # noqa: B010 - since Python 3.8


class BoundedThreads(socketserver.ThreadingMixIn):
    """Stands before a class of socketserver. :cvar busy: clients at the same time, so that forgotten ones cannot fill dom0's
    memory. Where all places are taken the one that has been here longest gives way; who finds none even so is turned away.
    """

    daemon_threads = True
    busy = 32

    def __init__(self, *arguments: Any) -> None:
        # Who has a place -> when it may be taken away. A thread that finds no memory for its first word runs nothing of ours, but
        # lets go of its client: then nobody has it any more, so it is closed, and its place is free.
        self._held: MutableMapping[Any, float] = weakref.WeakKeyDictionary()
        self._left = threading.Condition()
        self._ended = False
        super().__init__(*arguments)

    def serve_forever(self, poll_interval: float = 0.5) -> None:
        """Until ``shutdown()``. Where the kernel has no memory to wait with now, it is tried again."""
        while not self._ended:
            try:
                super().serve_forever(poll_interval)    # type: ignore[misc]
                return
            except OSError as error:
                if passing(error) is None:
                    raise
                time.sleep(0.05)

    def shutdown(self) -> None:
        self._ended = True
        super().shutdown()      # type: ignore[misc]

    def turn_away(self, request: Any) -> None:
        """What a client hears for whom there is no place, before it is left."""

    def get_request(self) -> Any:
        """Too few descriptors: who waits stays to be accepted, and it is not asked at once again."""
        try:
            return super().get_request()    # type: ignore[misc]
        except OSError as error:
            if passing(error) is not None:
                with self._left:
                    self._end_oldest(GRACE)
                    self._left.wait(0.1)
            raise

    def process_request(self, request: Any, client_address: Any) -> None:
        if self._take_place(request):
            try:
                # Not a threading.Thread: its start() waits for the thread's first word, for ever where that finds no memory
                # to say it, and with it would wait all other clients.
                _thread.start_new_thread(self.process_request_thread, (request, client_address))
                return
            except RuntimeError:        # no thread can be started now
                self._leave(request)
        try:
            self.turn_away(request)
        except OSError:
            pass
        self.shutdown_request(request)  # type: ignore[attr-defined]

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._leave(request)

    def goes_on(self, request: Any) -> None:
        """A client that has asked something is not the first to give way."""
        with self._left:
            if request in self._held:
                self._held[request] = time.monotonic() + GRACE

    def _take_place(self, request: Any) -> bool:
        until = time.monotonic() + 2 * GRACE
        with self._left:
            while len(self._held) >= self.busy:
                if time.monotonic() > until:
                    return False
                self._end_oldest(0)
                self._left.wait(SILENT / 10)
            self._held[request] = time.monotonic() + SILENT
        return True

    def _end_oldest(self, early: float) -> None:
        """Its thread, which waits on it, finds the socket shut, and leaves its place. ``early``: seconds before its time."""
        if self._held:
            oldest = min(list(self._held), key=lambda one: self._held.get(one, 0.0))
            if time.monotonic() + early >= self._held.get(oldest, 0.0):
                try:
                    oldest.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass        # it has gone by itself

    def _leave(self, request: Any) -> None:
        with self._left:
            self._held.pop(request, None)
            self._left.notify()
