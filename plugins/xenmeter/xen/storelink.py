"""The connection to xenstored: a Unix socket, or the kernel's device where xenstored is in a domain of its own."""
import os
import select
import socket
import stat
import time
from typing import Optional, Tuple

from xenmeter.core.errors import NoPrivilege, NotXen, SourceError
from xenmeter.core.passing import passing
from xenmeter.core.waiting import polled

__all__ = ("Link", "connect")

_WINDOW = 128               # requests under way: bounds what xenstored must keep for us


class Link:
    """Bytes to and from xenstored, never waiting beyond a deadline.

    :ivar window: how many requests may be under way: /dev/xen/xenbus takes one message per write.
    :ivar is_device: whether it is the kernel's: that answers WATCH itself, with req_id 0, and leaves the ids of events as they
        happen to be (Linux's xenbus_dev_frontend.c).
    """

    def __init__(self, where: str, fd: int, sock: Optional[socket.socket] = None) -> None:
        self.where = where
        self.pid = os.getpid()
        self.is_device = sock is None
        self.window = 1 if self.is_device else _WINDOW
        self._fd = fd
        self._socket = sock
        self._poll = select.poll()
        self._poll.register(fd, select.POLLIN)

    def exchange(self, queue: bytes, deadline: float) -> Tuple[bytes, bytes]:
        """Write what can be written and read what has come, after waiting for either; gives (unwritten, read)."""
        events = select.POLLIN
        if queue:
            queue = queue[self._write(queue):]      # at once: the kernel's device never says that it is writable
            if queue and self._socket is not None:
                events |= select.POLLOUT
        left = deadline - time.monotonic()
        if queue and self._socket is None:
            left = min(left, 0.005)
        self._poll.modify(self._fd, events)
        ready = polled(self._poll, left) if left > 0 else []
        if ready and ready[0][1] & ~select.POLLOUT:
            received = self.idle()
            if received is None:
                raise SourceError("xenstore: %s closed the connection; the next reading opens another" % self.where)
            return queue, received
        if time.monotonic() >= deadline:
            raise SourceError("xenstore: %s did not answer in time; see whether xenstored runs and is not overloaded"
                              % self.where)
        return queue, b""

    def idle(self) -> Optional[bytes]:
        """What has come, without waiting; None where the other side is gone."""
        try:
            return os.read(self._fd, 65536) or None
        except BlockingIOError:
            return b""
        except OSError:
            return None

    def _write(self, data: bytes) -> int:
        try:
            if self._socket is not None:
                return self._socket.send(data, socket.MSG_NOSIGNAL)
            return os.write(self._fd, data)     # kernels before 4.11 wait in here for the answer
        except BlockingIOError:
            return 0
        except OSError as error:
            raise SourceError("xenstore: %s: %s; the next reading opens another connection"
                              % (self.where, error.strerror))

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
        else:
            os.close(self._fd)


def connect(path: Optional[str], deadline: float) -> Link:
    """The first of the usual places that takes us, in libxenstore's order (``xs_open``), or the one that was given."""
    own, rundir = os.environ.get("XENSTORED_PATH"), os.environ.get("XENSTORED_RUNDIR")
    places = [path] if path else ([own] if own else []) + ([rundir + "/socket"] if rundir else []) + [
        "/run/xenstored/socket", "/var/run/xenstored/socket", "/dev/xen/xenbus", "/proc/xen/xenbus"]
    denied, last = "", ""
    for place in places:
        try:
            mode = os.stat(place).st_mode
            if stat.S_ISSOCK(mode):
                return _connect_socket(place, deadline)
            if stat.S_ISCHR(mode) or place.startswith("/proc/xen/"):
                return Link(place, os.open(place, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC))
            last = "%s is neither a socket nor a device" % place
        except PermissionError:
            denied = denied or place
        except FileNotFoundError:
            pass
        except OSError as error:
            if passing(error) is not None:      # nothing is said of whether there is a xenstored
                raise SourceError("xenstore: %s: %s; the next reading tries again" % (place, error.strerror or error))
            last = "%s: %s" % (place, error.strerror or error)
    if denied:
        raise NoPrivilege("xenstore: %s may not be opened by this user; run as root in dom0" % denied)
    if last:
        raise NotXen("xenstore: %s; see whether this is a Xen dom0 and xenstored runs" % last)
    raise NotXen("xenstore: there is none at %s; see whether this is a Xen dom0 and xenstored runs" % ", ".join(places))


def _connect_socket(place: str, deadline: float) -> Link:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        while True:
            try:
                sock.connect(place)
                return Link(place, sock.fileno(), sock)
            except BlockingIOError:     # xenstored's backlog is one
                if time.monotonic() >= deadline:
                    raise SourceError("xenstore: %s takes no connection in time; xenstored is overloaded" % place)
                time.sleep(0.005)
    except BaseException:
        sock.close()
        raise
