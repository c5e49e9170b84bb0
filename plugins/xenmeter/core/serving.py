"""A server that answers each client in a thread of its own, and never more than so many at a time."""
import socketserver
import threading
from typing import Any

__all__ = ("BoundedThreads",)


class BoundedThreads(socketserver.ThreadingMixIn):
    """Stands before a class of socketserver. :cvar busy: clients at the same time; more are turned away, so that
    forgotten ones cannot fill dom0's memory."""

    daemon_threads = True
    busy = 32

    def __init__(self, *arguments):
        # type: (*Any) -> None
        self._places = threading.BoundedSemaphore(self.busy)
        super().__init__(*arguments)    # type: ignore

    def turn_away(self, request):
        # type: (Any) -> None
        """What a client hears for whom there is no place, before it is left."""

    def process_request(self, request, client_address):
        # type: (Any, Any) -> None
        if not self._places.acquire(False):
            try:
                self.turn_away(request)
            except OSError:
                pass
            self.shutdown_request(request)  # type: ignore
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request, client_address):
        # type: (Any, Any) -> None
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()
