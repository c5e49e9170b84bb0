"""A server beside the runs: started before them, waited for, and ended after them."""
import contextlib
import shlex
import socket
import subprocess
import time
from typing import Any, Callable, Iterator, Tuple

from xenmeter.bench.runner import Interrupted, end_group
from xenmeter.core.errors import BadOption, SourceError

__all__ = ("serving",)

#: Seconds that a server has to answer.
READY = 60.0


@contextlib.contextmanager
def serving(command: str, ready: str, stopped: Callable[[], bool]) -> Iterator[None]:
    """With a server running, if ``command`` is not empty.

    :param ready: ``tcp:HOST:PORT``, where it answers when it is ready; empty: it is at once.
    :raises SourceError: it cannot be started, ends before it answers, or does not answer.
    """
    place = _place(ready) if ready else None
    if not command:
        if place is not None:
            _wait(place, None, stopped)
        yield
        return
    try:
        child = subprocess.Popen(shlex.split(command), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                 stderr=subprocess.DEVNULL, start_new_session=True)
    except (OSError, ValueError, IndexError) as error:
        raise SourceError("cannot start the server %s: %s" % (command, getattr(error, "strerror", None) or error))
    try:
        if place is not None:
            _wait(place, child, stopped)
        yield
    finally:
        end_group(child)


def _place(text: str) -> Tuple[str, int]:
    kind, _, rest = text.partition(":")
    host, _, port = rest.rpartition(":")
    if kind != "tcp" or not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise BadOption("--ready %s: takes tcp:HOST:PORT" % text)
    return host.strip("[]"), int(port)


def _wait(place: Tuple[str, int], child: Any, stopped: Callable[[], bool]) -> None:
    deadline = time.monotonic() + READY
    while True:
        try:
            socket.create_connection(place, timeout=2).close()
            return
        except OSError as error:
            reason = error.strerror or str(error)
        if stopped():
            raise Interrupted
        if child is not None and child.poll() is not None:
            raise SourceError("the server ended with status %d before it answered" % child.returncode)
        if time.monotonic() >= deadline:
            raise SourceError("nothing answers at %s port %d after %g s: %s" % (place[0], place[1], READY, reason))
        time.sleep(0.1)
