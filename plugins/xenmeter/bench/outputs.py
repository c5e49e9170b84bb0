"""Where the records of runs go, and what their programs print: FILE and FILE.d, or a directory that goes with us."""
import contextlib
import json
import os
import shutil
import tempfile
from typing import Any, BinaryIO, Dict, Iterator, List, Optional, Set

from xenmeter.bench import runs
from xenmeter.core import files
from xenmeter.core.errors import SourceError

__all__ = ("Outputs", "line_of")

#: Of a program, each of which has a file.
STREAMS = ("stdout", "stderr")


def line_of(record: Dict[str, Any]) -> bytes:
    """A record as its line of JSON."""
    return (json.dumps(record, ensure_ascii=True, separators=(",", ":")) + "\n").encode("ascii")


class Outputs:
    """:param path: the file that records are appended to, or None: nothing is kept.

    Runs that stand in the file already keep what their programs printed: numbers of files go on. What a full disk or a signal
    leaves of a run that has no record goes with ``close``, and so do a file and a folder that were made and hold nothing.
    """

    def __init__(self, path: Optional[str]) -> None:
        self._path = path
        self._before = 0
        self._opened: Set[int] = set()
        self._kept: Set[int] = set()
        self._new: List[str] = []       # what was not there before
        with _told(path or "the directory for temporary files"):
            if path is None:
                self._folder = tempfile.mkdtemp(prefix="xenmeter-bench-")
                return
            self._folder = path + ".d"
            self._new = [one for one in (path, self._folder) if not os.path.lexists(one)]
            try:
                os.close(files.own(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644))
                self._before = sum(1 for _ in runs.load(path))
                with files.folder(self._folder, make=True):
                    pass
            except BaseException:
                self.close()
                raise

    def close(self) -> None:
        """No more comes."""
        if self._path is None:
            shutil.rmtree(self._folder, ignore_errors=True)
            return
        for number in self._opened - self._kept:
            for stream in STREAMS:
                files.remove(self._name(number, stream))
        if self._path in self._new:
            files.keep_whole_lines(self._path)
        if self._folder in self._new:
            files.remove_folder(self._folder)

    @contextlib.contextmanager
    def open(self, number: int, stream: str) -> Iterator[BinaryIO]:
        """A new file for what a run prints on ``stdout`` or ``stderr``; SourceError where it cannot be made, or not be written
        meanwhile."""
        self._opened.add(number)
        with _told(self._folder), files.create(self._name(number, stream)) as file:
            yield file

    def read(self, number: int, stream: str) -> str:
        """What a run has printed; what is no UTF-8 is replaced."""
        with _told(self._folder):
            descriptor = files.own(self._name(number, stream), os.O_RDONLY)     # the folder may be another user's
            with open(descriptor, encoding="utf-8", errors="replace", newline="") as file:
                return file.read()

    def keep(self, record: Dict[str, Any]) -> None:
        """Appends a record, and the place of what its program printed, if it was printed into our files."""
        if self._path is None:
            return
        number = record["run"]
        if number in self._opened:
            record = dict(record, outputs="%s/run-%03d" % (os.path.basename(self._folder), self._before + number))
        with _told(self._path), open(files.own(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644), "wb", 0) as file:
            size, left = os.fstat(file.fileno()).st_size, memoryview(line_of(record))
            try:
                while left:
                    left = left[file.write(left):]
            except OSError:
                file.truncate(size)     # half a line would make the whole unreadable
                raise
        self._kept.add(number)

    def _name(self, number: int, stream: str) -> str:
        return os.path.join(self._folder, "run-%03d.%s" % (self._before + number, stream))


@contextlib.contextmanager
def _told(path: str) -> Iterator[None]:
    """What the system refuses, as an error that names the path."""
    try:
        yield
    except OSError as error:
        raise SourceError("%s: %s" % (path, error.strerror or error))
