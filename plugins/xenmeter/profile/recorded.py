"""Recordings of raw samples: lines of JSON, the first of which says what they are of. Their bytes of stacks are the guests'
secrets, so only root reads them (mode 0600).

Line 1: ``{"profile": 1, "t": ns, "seconds": s, "hz": n, "domains": [{"domid", "name", "kernel", "build_id"}]}``; then samples
(``profile.sample``), and for each domain a line with its modules: ``{"modules": domid, "build_id": ...,
"slide": n, "list": [...]}``, where the build is that which ran.
"""
import base64
import json
from array import array
from typing import Any, BinaryIO, Dict, List, NamedTuple, Optional

from xenmeter.core.errors import BadInput, SourceError, printable
from xenmeter.core.unpacking import opened
from xenmeter.profile.guest.modules import Module
from xenmeter.profile.kernel.kallsyms import Names
from xenmeter.profile.kernel.orc import Orc
from xenmeter.profile.sample import Sample, as_record, of_record

__all__ = ("Head", "Of", "Recording", "Writer", "load", "is_recording")

_LONGEST = 1 << 26
_FIRST = b'{"profile": 1'


class Of(NamedTuple):
    """A domain of the recording. ``kernel``: the file that its kernel was read from, and ``build_id`` its build."""

    domid: int
    name: str
    kernel: Optional[str]
    build_id: Optional[str]


class Head(NamedTuple):
    time_ns: int
    hz: float
    domains: List[Of]


class Recording(NamedTuple):
    head: Head
    samples: List[Sample]
    modules: Dict[int, List[Module]]
    slides: Dict[int, int]
    build_ids: Dict[int, str]       # of the kernels that were seen to run


class Writer:
    """:param file: new, and of mode 0600; closed with it."""

    def __init__(self, file: BinaryIO, head: Head) -> None:
        self._file = file
        self.samples = 0
        domains = [one._asdict() for one in head.domains]
        self._line({"profile": 1, "t": head.time_ns, "hz": head.hz, "domains": domains})

    def _line(self, record: Any) -> None:
        self._file.write(json.dumps(record).encode() + b"\n")

    def sample(self, sample: Sample) -> None:
        self.samples += 1
        self._line(as_record(sample))

    def modules(self, domid: int, slide: int, modules: List[Module], build_id: Optional[str] = None) -> None:
        self._line({"modules": domid, "build_id": build_id, "slide": slide, "list": [_told(module) for module in modules]})

    def close(self) -> None:
        self._file.close()


def _told(module: Module) -> Dict[str, Any]:
    orc = module.orc
    return {"name": module.name, "begin": module.begin, "end": module.end, "at": list(module.names.at),
            "names": module.names.names, "orc": None if orc is None else {
                "base": orc.base, "ips": base64.b64encode(array("I", orc.ips).tobytes()).decode(), "three_bits": orc.three_bits,
                "early": orc.early,
                "entries": base64.b64encode(orc.entries).decode()}}


def is_recording(path: str) -> bool:
    try:
        with opened(path) as file:
            return file.read(len(_FIRST)) == _FIRST
    except OSError:
        return False


def load(path: str) -> Recording:
    """All of it; SourceError names the file and the place of what is wrong."""
    try:
        with opened(path) as file:
            return _read(file)
    except OSError as error:
        raise SourceError("%s: %s" % (path, error.strerror))
    except BadInput as error:
        raise SourceError("%s: %s" % (path, error))


def _read(file: BinaryIO) -> Recording:
    head: Optional[Head] = None
    samples: List[Sample] = []
    modules: Dict[int, List[Module]] = {}
    slides: Dict[int, int] = {}
    build_ids: Dict[int, str] = {}
    offset = 0
    for line in iter(lambda: file.readline(_LONGEST), b""):
        record = _parsed(line, offset)
        if head is None:
            head = _head(record, offset)
        elif "modules" in record:
            try:
                slides[int(record["modules"])] = int(record["slide"])
                if record.get("build_id") is not None:
                    build_ids[int(record["modules"])] = printable(str(record["build_id"]))[:128]
                modules[int(record["modules"])] = [_module(one) for one in record["list"]]
            except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
                raise BadInput("these are no modules of a guest", offset)
        else:
            sample = of_record(record, offset)
            if sample.domid not in [one.domid for one in head.domains]:
                raise BadInput("a sample of domain %d, which the recording is not of" % sample.domid, offset)
            samples.append(sample)
        offset += len(line)
    if head is None:
        raise BadInput("the recording is empty", 0)
    return Recording(head, samples, modules, slides, build_ids)


def _parsed(line: bytes, offset: int) -> Dict[str, Any]:
    try:
        record = json.loads(line.decode("utf-8"))
    except (ValueError, RecursionError):
        raise BadInput("this is no line of JSON: is the recording whole?", offset)
    if not isinstance(record, dict):
        raise BadInput("this is no record", offset)
    return record


def _head(record: Dict[str, Any], offset: int) -> Head:
    try:
        if record["profile"] != 1:
            raise ValueError("version")
        domains = [Of(int(one["domid"]), printable(str(one["name"]))[:255], one["kernel"], one["build_id"])
                   for one in record["domains"]]
        if not all(text is None or isinstance(text, str) for one in domains for text in one[2:]):
            raise ValueError("kernel")
        return Head(int(record["t"]), float(record["hz"]), domains)
    except (KeyError, TypeError, ValueError, OverflowError):
        raise BadInput("this is no recording of a profile, or of a newer xenmeter", offset)


def _module(told: Dict[str, Any]) -> Module:
    at, names = array("Q", told["at"]), [printable(str(name)) for name in told["names"]]
    begin, end = int(told["begin"]), int(told["end"])
    if len(at) != len(names) or list(at) != sorted(at) or not 0 <= begin < end <= 1 << 64:
        raise ValueError("names")
    orc = None
    if told["orc"] is not None:
        ips = array("I")
        ips.frombytes(base64.b64decode(told["orc"]["ips"]))
        if list(ips) != sorted(ips):
            raise ValueError("order")
        orc = Orc(int(told["orc"]["base"]), ips, base64.b64decode(told["orc"]["entries"]), bool(told["orc"]["three_bits"]),
                  bool(told["orc"].get("early")))
    return Module(printable(str(told["name"])), begin, end, Names(at, names, {}), orc)
