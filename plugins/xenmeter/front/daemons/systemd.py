"""What systemd wants to hear of a service of Type=notify: it is ready, it lives, it ends. Where nobody asks, nothing is said.

sd_notify(3): a datagram of ``NAME=value`` lines to the Unix socket that NOTIFY_SOCKET names (``@``: an abstract one).
With WatchdogSec=, systemd ends a service that has not said ``WATCHDOG=1`` for WATCHDOG_USEC microseconds.
"""
import os
import socket
import time
from typing import MutableMapping, Optional

__all__ = ("Manager",)

#: Seconds that a datagram may wait for room in systemd's queue.
_PATIENCE = 5.0


class Manager:
    """:param environment: where it is found whether somebody listens; the children that we start do not speak for us."""

    def __init__(self, environment: MutableMapping[str, str] = os.environ) -> None:
        address = environment.pop("NOTIFY_SOCKET", "")
        pid = environment.pop("WATCHDOG_PID", "")
        period = environment.pop("WATCHDOG_USEC", "")
        self._socket: Optional[socket.socket] = None
        self._pause = 0.0       # between two signs of life; 0: nobody waits for one
        self._last = 0.0
        if address[:1] not in ("/", "@"):
            return
        self._address = "\0" + address[1:] if address[0] == "@" else address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self._socket.settimeout(_PATIENCE)
        if period.isdigit() and pid in ("", str(os.getpid())):
            self._pause = int(period) / 4e6

    def ready(self, status: str) -> None:
        """The service does its work; ``status`` is what `systemctl status` shows."""
        self._say("READY=1\nSTATUS=" + status)

    def status(self, text: str) -> None:
        self._say("STATUS=" + text)

    def alive(self) -> None:
        """A sign of life; call it as often as you like."""
        if self._pause and time.monotonic() - self._last >= self._pause:
            self._last = time.monotonic()
            self._say("WATCHDOG=1")

    def ending(self) -> None:
        self._say("STOPPING=1")

    def _say(self, text: str) -> None:
        if self._socket is None:
            return
        try:
            self._socket.sendto(text.encode("utf-8"), self._address)
        except OSError:
            pass        # systemd itself goes away, or is restarted: no reason to stop measuring
