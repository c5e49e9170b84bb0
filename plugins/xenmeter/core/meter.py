"""What measuring costs and what went wrong with it: each plugin's own figures, from core's metrics.csv."""
import os
import threading
import time
from typing import Any, Callable, Dict, Optional

from xenmeter import __version__
from xenmeter.core import catalogue
from xenmeter.core.clock import thread_cpu_ns
from xenmeter.core.reading import Reading, possible

__all__ = ("CATALOGUE", "Meter")

CATALOGUE = catalogue.load("meter", os.path.dirname(os.path.abspath(__file__)))
CATALOGUE.expect("meter", ("up", "collect_ns", "cpu_time_ns", "hypercalls", "domains"))
CATALOGUE.expect("meter_error", ("errors",))
CATALOGUE.expect("build", ("info",))


class Meter:
    """Counts for one plugin in one process; may be used from several threads.

    :param domains: whether the plugin's figures are of domains, so that their number is one of ours.
    :ivar up: True when the last reading came.
    """

    def __init__(self, plugin: str, domains: bool = True) -> None:
        self.plugin = plugin
        self.up = False
        self._collect_ns: Optional[int] = None
        self._cpu_ns = 0
        self._of_domains = domains
        self._domains: Optional[int] = None
        self._errors: Dict[str, int] = {}
        self._lock = threading.Lock()

    def error(self, kind: str, number: int = 1) -> None:
        with self._lock:
            self._errors[kind] = self._errors.get(kind, 0) + number

    def collect(self, function: Callable[[Any], Reading], sample: Any) -> Reading:
        """``function(sample)`` without impossible figures, with its time and its domains taken down."""
        cpu, began = thread_cpu_ns(), time.monotonic()
        reading, lost = possible(function(sample))
        if lost:
            self.error("impossible", lost)
        self._collect_ns = int((time.monotonic() - began) * 1000000) * 1000
        self._cpu_ns += max(0, thread_cpu_ns() - cpu)
        if self._of_domains:
            self._domains = len(reading.tables.get("domain", ()))
        self.up = True
        return reading

    def reading(self, time_ns: int, source_cpu_ns: int = 0, more_errors: Optional[Dict[str, int]] = None,
                hypercalls: Optional[int] = None) -> Reading:
        """The meter's own reading. ``more_errors`` are counts kept elsewhere, by kind."""
        with self._lock:
            errors = dict(self._errors)
        for kind, number in (more_errors or {}).items():
            errors[kind] = errors.get(kind, 0) + number
        return Reading(time_ns, {
            "meter": [(None, (self.plugin,), (int(self.up), self._collect_ns, self._cpu_ns + source_cpu_ns, hypercalls,
                                              self._domains))],
            "meter_error": [(None, (self.plugin, kind), (number,)) for kind, number in sorted(errors.items())],
            "build": [(None, (__version__,), (1,))],
        })
