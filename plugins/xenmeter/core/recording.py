"""Recordings: a directory with what a host's sources said, or a single file of text. A source like any other.

A recording directory holds ``manifest.json`` and the files that it names::

    {"format": "xenmeter-recording", "version": 1, "made_by": "xenmeter 0.1.0", "host": {...}, "start_ns": N,
     "sources": {"xentop": {"file": "xentop.txt", "command": [...], "interval_s": 10, "stamps": "xentop.stamps"}, ...}}

``stamps`` is a text file with a line per iteration: the wall-clock ns at which it was complete. Sources are ``xentop``
(its text), ``direct`` and ``vcpu`` (a line of JSON per reading), ``xentrace``, and ``names`` or ``xenstore``.
"""
import errno
import json
import os
import stat
from typing import Any, BinaryIO, Dict, Iterator, List, Optional, Sequence

from xenmeter.core import files, shipped
from xenmeter.core.errors import EXAMPLE, EXAMPLE_PATH, SourceError
from xenmeter.core.unpacking import lines, opened

__all__ = ("FORMAT", "VERSION", "LAST_NS", "Recording", "open_recording", "write_manifest", "times")

FORMAT = "xenmeter-recording"
VERSION = 1

#: The last moment, ns since 1970, that every form of output can tell (in 2262: a signed number of 64 bits).
LAST_NS = (1 << 63) - 1

_LONGEST_S = 366 * 86400
_LONGEST_STAMP = 100     # bytes
_LONGEST_MANIFEST = 1 << 20     # characters


class Recording:
    """A directory with a manifest, or one file as if it were the only file of a source.

    :ivar manifest: the manifest, ``{}`` for a single file.
    """

    def __init__(self, path: str, manifest: Dict[str, Any], directory: Optional[str]) -> None:
        self.path = path
        self.manifest = manifest
        self._directory = directory

    def source(self, name: str) -> Dict[str, Any]:
        """What the manifest says of a source; SourceError where the recording has none of it."""
        if self._directory is None:
            return {"file": self.path}
        source = self.manifest["sources"].get(name)
        if not isinstance(source, dict) or not isinstance(source.get("file"), str):
            raise SourceError("%s: this recording holds nothing of %s; it has: %s%s" % (
                self.path, name, ", ".join(sorted(self.manifest["sources"])) or "nothing",
                "; `xenmeter record --trace` makes one with a trace" if name == "xentrace" else ""))
        return source

    def has(self, name: str) -> bool:
        return self._directory is not None and name in self.manifest["sources"]

    def open(self, file: str) -> BinaryIO:
        """A file of the recording, for reading; one that gzip or xz has packed is unpacked on the way."""
        path = file if self._directory is None else os.path.join(self._directory, os.path.basename(file))
        try:
            if self._directory is not None:
                _must_be_its_own(path)
            return opened(path)
        except OSError as error:
            raise SourceError("%s: %s; %s" % (path, error.strerror, "let this user read it, or run as root"
                                              if isinstance(error, PermissionError) else "is the recording complete?"))
        except ValueError as error:     # a manifest may name what no file can be called
            raise SourceError("%s: %s" % (ascii(path)[1:-1], error))

    def start_ns(self, source: Dict[str, Any]) -> Optional[int]:
        """When the source, or else the whole recording, began; None where the manifest does not tell."""
        for entry in (source, self.manifest):
            value = entry.get("start_ns")
            if value is not None:
                if isinstance(value, bool) or not isinstance(value, int) or not 0 < value <= LAST_NS:
                    raise self._useless("start_ns", value, "a whole number of ns since 1970")
                return value
        return None

    def interval_ns(self, source: Dict[str, Any]) -> Optional[int]:
        """Between two samples of the source; None where the manifest does not tell."""
        value = source.get("interval_s")
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value <= _LONGEST_S:
            raise self._useless("interval_s", value, "a number of seconds, at most a year of them")
        return int(value * 10 ** 9)

    def _useless(self, name: str, value: Any, takes: str) -> SourceError:
        return SourceError("%s: manifest.json: %s is %.60r; it takes %s; mend it or take it out" % (
            self.path, name, value, takes))

    def stamps(self, source: Dict[str, Any]) -> List[int]:
        if not isinstance(source.get("stamps"), str):
            return []
        with self.open(source["stamps"]) as file:
            try:
                return [int(line) for line in lines(file, _LONGEST_STAMP) if line.strip()]
            except ValueError as error:
                raise SourceError("%s: %s holds no list of times: %s" % (self.path, source["stamps"], error))


def open_recording(path: str, live: Sequence[str] = ()) -> Recording:
    """A recording by the path of its directory or single file, or ``example``: the one that comes with us, unless there is
    something of that name. SourceError says what is wrong with it.

    :param live: names that would have been understood instead, for the message.
    """
    if path == EXAMPLE and not os.path.exists(path):
        path = shipped.folder(EXAMPLE_PATH)
    if not os.path.isdir(path):
        if not os.path.exists(path):
            raise SourceError("%s: no such file or directory; give the path of a recording, %s%s%s" % (
                path, "" if live else "or ", EXAMPLE + " (one that comes with xenmeter)",
                ", or a live source: " + ", ".join(live) if live else ""))
        return Recording(path, {}, None)
    try:
        _must_be_its_own(os.path.join(path, "manifest.json"))
        with open(os.path.join(path, "manifest.json"), encoding="utf-8") as file:
            manifest = json.loads(file.read(_LONGEST_MANIFEST))
    except OSError as error:
        raise SourceError("%s: no manifest.json in this directory (%s); a recording is made by `xenmeter record`"
                          % (path, error.strerror))
    except (ValueError, RecursionError) as error:
        raise SourceError("%s: manifest.json is no JSON: %s" % (path, error))
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise SourceError("%s: manifest.json is not a recording's (format is not %s)" % (path, FORMAT))
    if manifest.get("version") != VERSION or not isinstance(manifest.get("sources"), dict):
        raise SourceError("%s: recording version %r is not known; this xenmeter reads version %d"
                          % (path, manifest.get("version"), VERSION))
    return Recording(path, manifest, path)


def _must_be_its_own(path: str) -> None:
    """A recording may be somebody else's, and unpacked with what lay in it: it reads nothing outside its directory, and no FIFO,
    on which it would wait. OSError."""
    if not stat.S_ISREG(os.lstat(path).st_mode):
        raise OSError(errno.EINVAL, "it is a link or no regular file, and a recording's files are its own", path)


def write_manifest(directory: str, manifest: Dict[str, Any]) -> None:
    """Write the manifest last and whole: a directory without one is no recording."""
    text = json.dumps(dict(manifest, format=FORMAT, version=VERSION), indent=1, sort_keys=True) + "\n"
    files.replace(os.path.join(directory, "manifest.json"), text.encode("ascii"))


def times(stamps: List[int], start_ns: int, interval_ns: int) -> Iterator[int]:
    """A time for each iteration: its stamp, or one interval after the last. Stamps go back where the clock was set back."""
    last: Optional[int] = None
    for stamp in stamps:
        last = _told(stamp)
        yield last
    step = max(1, interval_ns)
    while True:
        last = _told(start_ns if last is None else last + step)
        yield last


def _told(time_ns: int) -> int:
    if not 0 <= time_ns <= LAST_NS:
        raise SourceError("a sample's time is before 1970 or beyond the year 2262; look at the recording's stamps, start_ns and "
                          "interval_s, or at --start and --interval")
    return time_ns
