"""The textfile of a plugin while it is kept: written anew at each sample, tried again where that fails, and gone at the end."""
import signal
import time
from typing import Any, Optional

from xenmeter.core.errors import XenmeterError
from xenmeter.core.pipeline import Pipeline
from xenmeter.publish import textfile

__all__ = ("KeptFile",)

#: Intervals that a file may keep its last good figures while it cannot be written; then it is to say that they are old.
_GRACE = 3


class KeptFile:
    """The newest sample in a file. node_exporter shows whatever is in it, so old figures must not stay there: while no sample
    comes it says that the source is down, and it goes when we are told to end. What cannot be written (a full disk, a directory
    that is away for a moment) is said and tried again; meanwhile the old figures stay for three intervals, and then up is 0.

    :param patient: go on where the source is not there yet: before xenstored is up.
    :ivar failure: why the last sample could not be written; None where it was, or none came.
    :ivar told_to_end: SIGTERM has come.
    :raises XenmeterError: where the file can never be: its directory is not there now, or not for this user.
    """

    def __init__(self, path: str, pipeline: Pipeline, format_: Any, patient: bool) -> None:
        textfile.check(path)
        self.failure: Optional[str] = None
        self.patient = patient
        self._path = path
        self._pipeline = pipeline
        self._format = format_
        self._interval = pipeline.options.interval
        self._due = 0.0             # when it is said again that there is nothing
        self._good = time.monotonic()   # when the file was written last
        self.told_to_end = False
        signal.signal(signal.SIGTERM, self._end)

    @property
    def trouble(self) -> Optional[str]:
        """For the log."""
        return self.failure and "%s; it is tried again at each interval" % self.failure

    def _end(self, number: int, frame: Any) -> None:
        self.told_to_end = True

    def sample(self, sample: Any) -> None:
        if not self._write(self._format.sample(sample)) and time.monotonic() >= self._good + _GRACE * self._interval:
            self._down()

    def flush(self) -> None:
        pass

    def silent(self) -> None:
        """No sample comes: it is said once an interval."""
        if time.monotonic() >= self._due:
            self._due = time.monotonic() + self._interval
            if self._down():
                self.failure = None

    def _down(self) -> bool:
        """The meter's own figures alone, which are few; there are none of the plugin's, so it is not up."""
        self._pipeline.meter.up = False
        failure = self.failure
        figures = self._format.own_only()
        written = self._write(figures)
        if not written:
            textfile.remove(self._path)     # its room is enough for these; and old figures are worse than none
            written = self._write(figures)
        self.failure = self.failure or failure      # that the figures find no room is still so
        return written

    def _write(self, data: bytes) -> bool:
        try:
            textfile.write(self._path, data)
        except XenmeterError as error:
            self.failure = str(error)
            return False
        self.failure, self._good = None, time.monotonic()
        return True

    def remove(self) -> None:
        textfile.remove(self._path)
