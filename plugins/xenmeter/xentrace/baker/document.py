"""The baker's document: its figures and the names of their domains as JSON, for the shared file and the socket.

``{"version": 1, "time_ns", "names", "observed", "trace", "domains", "vcpus", "pcpus", "windows"}``: keys and units as in
the engine's figures, a distribution as ``[sum, max, [places], [counts]]`` with places of ``core.histogram``.
"""
import json
from typing import Any, Dict, Optional

from xenmeter.core.errors import SourceError
from xenmeter.core.recording import LAST_NS
from xenmeter.xen.domains import DomainFacts, Snapshot, Unreadable
from xenmeter.xentrace.engine.distribution import Distribution
from xenmeter.xentrace.samples import Sample

__all__ = ("to_bytes", "to_sample", "VERSION")

VERSION = 1


def to_bytes(time_ns: int, figures: Dict[str, Any], names: Any, remark: Optional[str] = None) -> bytes:
    """:param names: Snapshot, None where there is no xenstore, or Unreadable."""
    told = dict(figures, version=VERSION, time_ns=time_ns, names=_names(names), remark=remark)
    return json.dumps(told, default=_plain, separators=(",", ":")).encode("utf-8")


def _plain(value: Any) -> Any:
    if isinstance(value, Distribution):
        return [value.sum, value.most, list(value.places), list(value.counts)]
    raise TypeError(type(value).__name__)


def _names(names: Any) -> Any:
    """Names are bytes that need not be UTF-8: latin-1 text, so that all of them survive."""
    if names is None:
        return None
    if isinstance(names, Unreadable):
        return {"unreadable": names.reason}
    return {"domains": [[one.domid, one.name.decode("latin-1"), one.uuid] for one in names.domains]}


def to_sample(document: bytes) -> Sample:
    """What ``to_bytes`` was given, as a source hands it over."""
    try:
        told = json.loads(document.decode("utf-8"))
        if told["version"] != VERSION:
            raise SourceError("the baker writes documents of version %r; this xenmeter reads %d"
                              % (told["version"], VERSION))
        names = told["names"]
        if names is not None:
            names = Unreadable(names["unreadable"]) if "unreadable" in names else Snapshot(
                [DomainFacts(domid, name.encode("latin-1"), uuid, None, (), {}) for domid, name, uuid in names["domains"]],
                None)
        for one in told["domains"] + told["vcpus"]:
            if "histograms" in one:
                one["histograms"] = {name: Distribution(*parts) for name, parts in one["histograms"].items()}
        for window in told["windows"]:
            for one in window["domains"]:
                one["latency"] = {name: Distribution(*parts) for name, parts in one["latency"].items()}
        return Sample(_time(told["time_ns"]), told, names, told["remark"])
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise SourceError("the baker's document is damaged: %s: %.200s" % (type(error).__name__, error))


def _time(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= LAST_NS:
        raise ValueError("its time is %.60r" % (value,))
    return value
