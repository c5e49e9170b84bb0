"""How the host does, in a few figures, for monitoring systems that ask a program: of a reading of our own, of what `xenmeter
serve` answers, or of textfiles. All three are read as Prometheus' text form 0.0.4, so that what is judged is what is published.
"""
import contextlib
import http.client
import os
import re
import socket
import threading
import time
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple

from xenmeter.core import files
from xenmeter.core.errors import BadOption, SourceError
from xenmeter.core.options import from_pairs
from xenmeter.core.pipeline import Pipeline
from xenmeter.front import plugins
from xenmeter.publish.openmetrics import Exposition

__all__ = ("Figure", "Health", "FIGURES", "look")

#: Bytes that are read of a file or an answer at most: a thousand domains with all plugins are some 25 MB.
_MOST = 1 << 28
#: Seconds that an endpoint or a reading of our own may take; who asks us waits for ten or sixty.
_PATIENCE = 20.0
_SAMPLE = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)(?: -?\d+)?\Z")
_LABEL = re.compile(r'([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)",?')
_ESCAPED = re.compile(r"\\(.)")
_URL = re.compile(r"http://(\[[0-9A-Fa-f:.]+\]|[^/:\[\]]+)(?::(\d{1,5}))?(/.*)?\Z")

Sample = Tuple[str, Dict[str, str], float]


class Figure(NamedTuple):
    """``unit``: as Nagios writes it. ``warning``, ``critical``: the ranges that are right unless others are given, or empty."""

    name: str
    unit: str
    help: str
    warning: str = ""
    critical: str = ""


FIGURES = (
    Figure("down", "", "plugins whose source does not answer", critical="0"),
    Figure("age", "s", "of the oldest file of --from", critical="300"),
    Figure("domains", "", "domains on the host, dom0 among them"),
    Figure("crashed", "", "domains that have crashed", critical="0"),
    Figure("paused", "", "domains that are paused"),
    Figure("load", "%", "vCPUs that want to run now, by the number of pCPUs"),
    Figure("cpu", "%", "time that pCPUs were busy, mean of all"),
    Figure("memory_free", "B", "memory of the host that no domain has"),
    Figure("dom0_memory", "%", "of dom0's memory, what can be had without swapping", warning="10:"),
    Figure("grants", "%", "the fullest grant table, of what it may have", warning="80"),
    Figure("observed", "%", "time since the baker began that it saw; it rests where events cost too much", warning="5:"),
)


class Health:
    """:ivar values: by figure's name; what is not known is not there.
    :ivar who: figure -> names of the domains that it is about.
    :ivar host: figures of the host by the ends of their names in Prometheus, ``memory_free_bytes``.
    :ivar domains: each domain's likewise, with ``name`` and ``uuid``.
    """

    def __init__(self, samples: Sequence[Sample], age: Optional[float] = None) -> None:
        self.who: Dict[str, List[str]] = {}
        self.host: Dict[str, float] = {}
        self._domains: Dict[Tuple[str, str], Dict[str, Any]] = {}
        self._busy: List[float] = []
        self._observed: List[float] = []
        ups = []
        for name, labels, value in samples:
            if value - value != 0:      # not a number, or infinite: nobody knows it
                continue
            if name == "xenmeter_up":
                ups.append(value)
            elif name == "xen_pcpu_busy_ratio":
                self._busy.append(value)
            elif name == "xen_trace_observed_ratio":
                self._observed.append(value)
            elif name.startswith("xen_host_") and not labels:
                self.host[name[len("xen_host_"):]] = value
            elif name.startswith("xen_domain_"):
                self._of_domain(name[len("xen_domain_"):], labels, value)
        if not ups:
            raise SourceError("there is no figure of xenmeter in it (xenmeter_up)")
        self.domains = list(self._domains.values())
        self.values: Dict[str, float] = {"down": ups.count(0)}
        if age is not None:
            self.values["age"] = age
        self._judge()

    def _of_domain(self, key: str, labels: Dict[str, str], value: float) -> None:
        whose = labels.pop("domain", ""), labels.pop("uuid", "")
        state = labels.pop("state", None)
        if labels:
            return      # of a vCPU, a disk and so on
        known = self._domains.setdefault(whose, {"name": whose[0], "uuid": whose[1]})
        known[key if state is None else "%s_%s" % (key, state)] = value

    def _judge(self) -> None:
        values, host = self.values, self.host
        for name, key, factor in (("domains", "domains", 1), ("load", "load_ratio", 100),
                                  ("memory_free", "memory_free_bytes", 1)):
            if key in host:
                values[name] = host[key] * factor
        for state in ("crashed", "paused"):
            told = [one for one in self.domains if "state_" + state in one]
            if told:
                self.who[state] = [one["name"] for one in told if one["state_" + state]]
                values[state] = len(self.who[state])
        if self._busy:
            values["cpu"] = 100 * sum(self._busy) / len(self._busy)
        if self._observed:
            values["observed"] = 100 * min(self._observed)
        if host.get("dom0_memory_bytes") and "dom0_memory_available_bytes" in host:
            values["dom0_memory"] = 100 * host["dom0_memory_available_bytes"] / host["dom0_memory_bytes"]
        full = [(100 * one["grant_frames"] / one["grant_frames_max"], one["name"]) for one in self.domains
                if one.get("grant_frames_max") and "grant_frames" in one]
        if full:
            values["grants"], name = max(full)
            self.who["grants"] = [name]


def look(places: Sequence[str], source: str = "auto") -> Health:
    """The host's health by files and endpoints; where there are none, by two readings of the plugin xentop, a second apart.

    :raises XenmeterError: where there is nothing to judge by.
    """
    if not places:
        return Health(list(_samples(_own(source))))
    found: List[Sample] = []
    ages = []
    for place in places:
        if place.startswith("http://"):
            found.extend(_samples(_fetched(place)))
        elif "://" in place:
            raise BadOption("--from %s: takes http://ADDRESS:PORT/metrics, or the path of a textfile" % place)
        else:
            text, age = _read(place)
            found.extend(_samples(text))
            ages.append(age)
    try:
        return Health(found, max(ages) if ages else None)
    except SourceError as error:
        raise SourceError("%s: %s" % (", ".join(places), error))


def _samples(text: str) -> Iterator[Sample]:
    """Lines that are no samples are passed over."""
    for line in text.split("\n"):
        match = _SAMPLE.match(line)
        if match and not line.startswith("#"):
            labels = {key: _ESCAPED.sub(lambda found: "\n" if found.group(1) == "n" else found.group(1), value)
                      for key, value in _LABEL.findall(match.group(2) or "")}
            try:
                yield match.group(1), labels, float(match.group(3))
            except ValueError:
                pass


def _read(path: str) -> Tuple[str, float]:
    """(text, how many seconds ago it was written). The folder is often node_exporter's: what lies there is not waited for."""
    try:
        with open(files.regular(path), "rb") as file:
            age = max(0.0, time.time() - os.fstat(file.fileno()).st_mtime)
            return file.read(_MOST).decode("utf-8", "replace"), age
    except OSError as error:
        raise SourceError("cannot read %s: %s" % (path, error.strerror or error))


def _fetched(url: str) -> str:
    match = _URL.match(url)
    if not match or int(match.group(2) or 0) > 65535:
        raise BadOption("--from %s: takes http://ADDRESS:PORT/metrics, or the path of a textfile" % url)
    connection = http.client.HTTPConnection(match.group(1).strip("[]"), int(match.group(2) or plugins.PORT_OF_ALL),
                                            timeout=_PATIENCE)
    late = threading.Event()
    alarm = threading.Timer(_PATIENCE, lambda: _end(link, late))
    alarm.daemon = True
    try:
        connection.connect()
        link = connection.sock      # which the answer takes away with it where it ends with the connection
        alarm.start()
        connection.request("GET", match.group(3) or "/metrics", headers={"Accept": "text/plain"})
        answer = connection.getresponse()
        if answer.status != 200:
            raise SourceError("%s answers %d %s" % (url, answer.status, answer.reason))
        text = answer.read(_MOST).decode("utf-8", "replace")
    except (OSError, http.client.HTTPException) as error:
        if not late.is_set():
            raise SourceError("%s: %s" % (url, getattr(error, "strerror", None) or error or type(error).__name__))
    finally:
        alarm.cancel()
        connection.close()
    if late.is_set():
        raise SourceError("%s has not answered whole in %g s" % (url, _PATIENCE))
    return text


def _end(link: socket.socket, late: threading.Event) -> None:
    """Who answers a byte at a time keeps each wait short, and all of them long."""
    late.set()
    with contextlib.suppress(OSError):      # it has ended by itself
        link.shutdown(socket.SHUT_RDWR)


def _own(source: str) -> str:
    plugin = plugins.get("xentop")
    options = from_pairs(plugin.options, [("--source", [source]), ("--interval", [1])])[0]
    pipeline = Pipeline(plugin, options, stamped=False)
    exposition = Exposition(pipeline.catalogues, pipeline.groups)
    reading, taken, until = None, 0, time.monotonic() + _PATIENCE
    pipeline.start()
    try:
        while taken < 2 and not pipeline.ended and pipeline.error is None and time.monotonic() < until:
            for sample in pipeline.take(timeout=0.5):
                reading, taken = pipeline.collect(sample), taken + 1
        if pipeline.error is not None:
            raise pipeline.error
        if reading is None:
            raise SourceError("source %s has said nothing in %d s" % (source, _PATIENCE))
        return exposition.text([reading, pipeline.own(reading.time_ns)]).decode("utf-8")
    finally:
        pipeline.stop()
