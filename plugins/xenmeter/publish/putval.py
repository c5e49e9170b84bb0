"""collectd's plain text protocol (PUTVAL), as its exec plugin and unixsock take it."""
import os
import socket
from typing import Iterable, Optional

from xenmeter.core.reading import Reading
from xenmeter.publish.collectdvalues import CollectdValues
from xenmeter.publish.csvrows import epoch_time

__all__ = ("Putval",)


class Putval:
    """:param plugin: its name in collectd's identifiers; :param interval: seconds between readings, None: not told."""

    def __init__(self, values: CollectdValues, plugin: str, interval: Optional[float] = None) -> None:
        self._values = values
        self._begin = 'PUTVAL "%s/%s-' % (os.environ.get("COLLECTD_HOSTNAME") or socket.gethostname(), plugin)
        self._told = "" if interval is None else " interval=%s" % interval

    def encode(self, readings: Iterable[Reading]) -> bytes:
        lines = []
        for reading in readings:
            seconds = epoch_time(reading.time_ns)
            for instance, type_, type_instance, values in self._values.values(reading):
                lines.append('%s%s/%s%s"%s %s:%s\n' % (
                    self._begin, instance, type_, "-" + type_instance if type_instance else "", self._told, seconds,
                    ":".join(repr(value) for value in values)))
        return "".join(lines).encode("utf-8")
