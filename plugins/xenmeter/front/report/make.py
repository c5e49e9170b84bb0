"""From the path that people give to the text of the report."""
import io
import os
import sys
from typing import Any, BinaryIO, Dict, Optional, Tuple

from xenmeter.core.clock import now_ns
from xenmeter.core.errors import SourceError
from xenmeter.core.recording import open_recording
from xenmeter.core.unpacking import unpacked
from xenmeter.front.progress import Progress
from xenmeter.front.report.csvlog import looks_like_csv, of_csv
from xenmeter.front.report.document import of_trace
from xenmeter.front.report.gather import Gathered, gather
from xenmeter.front.report.page import page
from xenmeter.publish.text import bounded
from xenmeter.xen.recordednames import names_by_time
from xenmeter.xentrace.attribute import Attribution
from xenmeter.xentrace.engine.frequency import checked_khz

__all__ = ("make", "document_of")

#: How many moments of a recording are asked for names.
_MOMENTS = 64


def make(path: str, cpu_khz: Optional[int] = None, span: Optional[Tuple[int, int]] = None) -> str:
    """The report as HTML. :param span: (from, to) in ns that is to be shown exactly; raises XenmeterError."""
    document = document_of(path, cpu_khz, span)
    with Progress("drawing the plots") as progress:
        progress.clock()
        return page(document)


def document_of(path: str, cpu_khz: Optional[int] = None, span: Optional[Tuple[int, int]] = None) -> Dict[str, Any]:
    """What the report says, see ``document``."""
    name = "stdin" if path == "-" else os.path.basename(os.path.abspath(path))
    source: Dict[str, Any] = {"name": bounded(name), "made_ns": now_ns(), "bytes": None}
    names: Any = lambda time_ns: None     # noqa: E731
    if path == "-":
        stream: Any = sys.stdin.buffer
    else:
        recording = open_recording(path)
        entry = recording.source("xentrace")
        names = names_by_time(recording)
        khz = entry.get("cpu_khz")
        if cpu_khz is None and khz:
            checked_khz(khz, "cpu_khz of the recording's manifest")
            cpu_khz, source["cpu_khz_from"] = khz, "told by the recording"
        source["start_ns"] = recording.start_ns(entry)
        stream = recording.open(entry["file"])
        source["bytes"] = os.fstat(stream.fileno()).st_size
    try:
        with Progress("reading " + name) as progress:
            watched = progress.watch(stream)
            return _document(unpacked(watched, name) if path == "-" else watched, path, name, source, cpu_khz, span, names)
    finally:
        if path != "-":
            stream.close()


def _document(stream: Any, path: str, name: str, source: Dict[str, Any], cpu_khz: Optional[int], span: Optional[Tuple[int, int]],
              names: Any) -> Dict[str, Any]:
    buffered = io.BufferedReader(_Raw(stream, name), 1 << 16)
    if looks_like_csv(buffered.peek(4096)[:4096]):
        return of_csv(io.TextIOWrapper(buffered, encoding="utf-8", errors="replace", newline=""), path, source)
    gathered = gather(buffered, path, cpu_khz, span)
    if gathered.note:
        source["cpu_khz_from"] = gathered.note
    elif "cpu_khz_from" not in source:
        source["cpu_khz_from"] = "given with --cpu-khz"
    return of_trace(gathered, _names(gathered, names, source.get("start_ns") or 0), source)


def _names(gathered: Gathered, names: Any, start_ns: int) -> Dict[Tuple[int, int], Any]:
    """Who each life was: as xenstore said in its time. A recording without names: nobody is known."""
    if names(start_ns) is None:
        return {}
    span = gathered.figures["trace"]["span_ns"]
    known = Attribution()
    whose: Dict[Tuple[int, int], Any] = {}
    for step in range(_MOMENTS + 1):
        moment = span * step // _MOMENTS
        lives = [{"domid": domid, "generation": generation, "end_ns": None if end is None or end > moment else end}
                 for domid, generation, start, end in gathered.lives if start <= moment]
        whose.update(known.whose(lives, names(start_ns + moment)))
    return whose


class _Raw(io.RawIOBase):
    """Any readable stream as one that BufferedReader takes."""

    def __init__(self, stream: BinaryIO, name: str) -> None:
        self._stream = stream
        self._name = name

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            data = self._stream.read(len(buffer))
        except (OSError, EOFError) as error:
            raise SourceError("%s cannot be read on: %s" % (self._name, error))
        buffer[:len(data)] = data
        return len(data)
