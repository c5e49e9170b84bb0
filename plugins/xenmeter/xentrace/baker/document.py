"""What the baker tells: a picture of its accounts, with the names of their domains, for the shared file; and as JSON, for
who asks on the socket.

``{"version": 1, "time_ns", "names", "remark", "observed", "trace", "domains", "vcpus", "pcpus", "windows"}``: keys and units
as in the engine's figures, a distribution as ``[sum, max, [places], [counts]]`` with places of ``core.histogram``.
"""
import json
from typing import Any, List, Optional

from xenmeter.core.errors import SourceError
from xenmeter.core.recording import LAST_NS
from xenmeter.xen.domains import DomainFacts, Snapshot, Unreadable
from xenmeter.xentrace.engine.distribution import Distribution
from xenmeter.xentrace.engine.picture import Picture
from xenmeter.xentrace.engine.sections import text_section
from xenmeter.xentrace.samples import Sample

__all__ = ("Words", "to_json", "to_sample")

#: What a picture has records of.
_RECORDS = ("observed", "trace", "domains", "vcpus", "pcpus", "windows")


class Words:
    """The text in a picture: whose the domains are, and what to know about all of it. Made anew when it changes, which it
    seldom does."""

    def __init__(self) -> None:
        self._told: Any = None
        self._section: Any = None

    def parts(self, picture: Picture, names: Any, remark: Optional[str]) -> List[Any]:
        """The pieces of a picture for the shared file. :param names: Snapshot, None where there is no xenstore, or Unreadable."""
        if self._told is None or self._told != (names, remark):
            self._told = names, remark
            text = json.dumps({"names": _names(names), "remark": remark}, separators=(",", ":")).encode("ascii")
            self._section = text_section(bytearray(text))
        return Picture(picture.sections + [self._section]).parts()


def to_json(time_ns: int, picture: Picture, names: Any, remark: Optional[str]) -> bytes:
    told = dict({name: picture[name] for name in _RECORDS}, version=1, time_ns=time_ns, names=_names(names), remark=remark)
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


def to_sample(time_ns: int, data: bytes, cells: bytes = b"") -> Sample:
    """What the shared file holds, as a source hands it over."""
    try:
        picture = Picture.parse(data, cells)
        told = json.loads(picture.text.decode("utf-8"))
        names = told["names"]
        if names is not None:
            names = Unreadable(names["unreadable"]) if "unreadable" in names else Snapshot(
                [DomainFacts(domid, name.encode("latin-1"), uuid, None, (), {}) for domid, name, uuid in names["domains"]],
                None)
        if not 0 <= time_ns <= LAST_NS:
            raise ValueError("its time is %d" % time_ns)
        return Sample(time_ns, picture, names, told["remark"])
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise SourceError("the baker's figures are damaged: %s: %.200s" % (type(error).__name__, error))
