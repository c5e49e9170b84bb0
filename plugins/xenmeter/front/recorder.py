"""Writes a recording: a directory with what each source of this host said, and the manifest that makes it one."""
import os
import platform
import threading
from typing import Any, Dict, List, Optional, Sequence

from xenmeter import __version__
from xenmeter.core import files
from xenmeter.core.clock import now_ns
from xenmeter.core.errors import NotXen, SourceError, XenmeterError
from xenmeter.core.recorder import Failed, Part
from xenmeter.core.recording import write_manifest
from xenmeter.front import plugins

__all__ = ("Recorder",)

#: A file that holds room for the manifest, and how much.
_RESERVE, _ROOM = ".room-for-the-manifest", 16384


class Recorder:
    """One recording of this host. Its directory is made here; without a sample, all that was made goes again.

    :param interval: seconds between samples. :param only: the sources that are recorded; none named: all.
    :ivar more: other sources in the directory, as the manifest tells them; for who writes them.
    """

    def __init__(self, directory: str, interval: int, only: Sequence[str] = ()) -> None:
        self._directory = directory
        self._made: List[str] = []
        try:
            self._make(os.path.abspath(directory))
            if os.listdir(directory):
                raise SourceError("%s is not empty; give a directory that does not exist yet" % directory)
        except OSError as error:
            self._unmake()
            raise SourceError("%s: %s" % (directory, error.strerror))
        self._reserve()
        self._parts = [part for part in _parts(directory, interval) if not only or part.name in only]
        self._start_ns = now_ns()
        self.more: Dict[str, Dict[str, Any]] = {}

    def _reserve(self) -> None:
        """Keeps the manifest's room on a disk that may fill up: without one what was recorded would be no recording."""
        path = os.path.join(self._directory, _RESERVE)
        try:
            with files.create(path) as file:
                file.write(b"\0" * _ROOM)
        except OSError as error:
            files.remove(path)
            self._unmake()
            raise SourceError("%s cannot be written: %s" % (path, error.strerror))

    def discard(self) -> None:
        """Nothing of it is to stay."""
        for part in self._parts:
            part.taken = 0
        self.more = {}

    def _make(self, path: str) -> None:
        """The directory with those that it is in; what was not there is noted."""
        if not os.path.isdir(path):
            self._make(os.path.dirname(path))
            above, name = os.path.split(path)
            with files.folder(above) as place:
                os.mkdir(name, dir_fd=place)
            self._made.append(path)

    def _unmake(self) -> None:
        while self._made:
            try:
                os.rmdir(self._made.pop())
            except OSError:     # somebody else has put something there
                return

    def run(self, stop: threading.Event, seconds: float, others: int = 0) -> None:
        """Record for so long, until ``stop``, or until no source is left. ``others`` write here, too, all the time."""
        left = [len(self._parts) + others]
        lock = threading.Lock()

        def ended() -> None:
            with lock:
                left[0] -= 1
                if not left[0]:
                    stop.set()
        for part in self._parts:
            part.start(stop, ended)
        stop.wait(seconds)
        stop.set()

    @property
    def taken(self) -> Dict[str, int]:
        """Samples by source, of those that gave any."""
        return {part.name: part.taken for part in self._parts if part.taken}

    def close(self) -> None:
        """Finish the files; the manifest comes last, and only when something was recorded; else nothing is left."""
        for part in self._parts:
            part.close()
        files.remove(os.path.join(self._directory, _RESERVE))
        sources: Dict[str, Dict[str, Any]] = {}
        for part in reversed(self._parts):
            if part.taken:
                sources.update(part.told())
        sources.update(self.more)
        try:
            if not sources:
                self._unmake()
                return
            write_manifest(self._directory, {
                "made_by": "xenmeter " + __version__, "start_ns": self._start_ns, "end_ns": now_ns(),
                "host": {"kernel": platform.release(), "machine": platform.machine(), "xen": _xen_version()},
                "sources": sources})
        except OSError as error:
            alone = [os.path.join(self._directory, entry["file"]) for name, entry in sorted(sources.items()) if name != "names"]
            raise SourceError("%s: the recording cannot be finished: %s; as a source of its own each of these still plays: %s" % (
                os.path.join(self._directory, "manifest.json"), error.strerror, ", ".join(alone)))

    def failures(self) -> List[str]:
        """What is missing from the recording, and why: a line for each reason."""
        lines = _by_reason([part for part in self._parts if part.error is not None and not part.taken])
        failures = ["not recorded: " + line for line in lines]
        early = _reasons([part for part in self._parts if part.error is not None and part.taken])
        return failures + ["the recording of %s ends early: %s" % (", ".join(who), reason) for reason, who in early.items()]

    @property
    def unwritten(self) -> bool:
        """Whether a part of it could not be written."""
        return any(part.unwritten for part in self._parts)

    def nothing(self) -> XenmeterError:
        """Why there is no recording at all, in one line."""
        errors = [part.error for part in self._parts]
        if all(isinstance(error, NotXen) for error in errors):
            return NotXen("%s; nothing is recorded" % errors[-1])  # all say that there is no Xen: once is enough
        return SourceError("%s; there is no recording" % "; ".join(_by_reason(self._parts)))


def _parts(directory: str, interval: int) -> List[Part]:
    """Those of all plugins, the one first whose word counts where several know the same."""
    parts: List[Part] = []
    for name in plugins.NAMES:
        try:
            parts.extend(plugins.get(name).recorders(directory, interval))
        except XenmeterError as error:
            parts.append(Failed(name, error))
    return parts


def _reasons(silent: List[Part]) -> Dict[str, List[str]]:
    """Why nothing more came -> of whom."""
    names: Dict[str, List[str]] = {}
    for part in silent:
        names.setdefault("it has said nothing" if part.error is None else str(part.error), []).append(part.name)
    return names


def _by_reason(silent: List[Part]) -> List[str]:
    """``direct, vcpu: there is no ...``"""
    return ["%s: %s" % (", ".join(who), reason) for reason, who in _reasons(silent).items()]


def _xen_version() -> Optional[str]:
    parts: List[str] = []
    for name in ("major", "minor", "extra"):
        try:
            with open("/sys/hypervisor/version/" + name) as file:
                parts.append(file.read().strip())
        except OSError:
            return None
    return "%s.%s%s" % tuple(parts)
