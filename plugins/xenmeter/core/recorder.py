"""A part of a recording, which comes sample by sample: each source writes its own files, in a thread of its own."""
import os
import threading
from typing import Any, BinaryIO, Callable, Dict, Optional

from xenmeter.core import files
from xenmeter.core.errors import SourceError, XenmeterError

__all__ = ("Part", "Failed")

#: Seconds that a source may take to end.
PATIENCE = 15


class Part:
    """One source. It is given up where its first sample fails; what fails later is tried again, as always.

    :ivar taken: samples so far.
    :ivar error: why there are none, or no more; None where all is well.
    """

    name = ""

    def __init__(self, directory: str, interval: int) -> None:
        self.taken = 0
        self.error: Optional[XenmeterError] = None
        self._directory = directory
        self._interval = interval
        self.unwritten = False  # it ended since its files could not be written
        self._at = ""           # the file that was written last
        self._files: Dict[str, BinaryIO] = {}
        self._thread: Optional[threading.Thread] = None

    def start(self, stop: threading.Event, ended: Callable[[], None]) -> None:
        """Record until ``stop``; ``ended`` is called, in the thread, when this part is over."""
        def run() -> None:
            try:
                for sample in self._source().samples(stop, self._failed):
                    self._write(sample)
                    self.taken += 1
                    self.error = None
            except XenmeterError as error:
                self.error = error
            except OSError as error:
                self.error = self._unwritten(error)
            except Exception as error:  # a fault of ours must not end in a thread that silently is no more
                self.error = SourceError("fault in the reader: %s: %s" % (type(error).__name__, error))
            finally:
                ended()
        self._thread = threading.Thread(target=run, name="xenmeter-record-" + self.name, daemon=True)
        self._thread.start()

    def _failed(self, error: XenmeterError) -> None:
        if not self.taken or self.unwritten:
            raise error
        self.error = error

    def _unwritten(self, error: OSError) -> XenmeterError:
        self.unwritten = True
        return SourceError("%s cannot be written: %s" % (os.path.join(self._directory, self._at), error.strerror or error))

    def _file(self, name: str) -> BinaryIO:
        self._at = name
        if name not in self._files:
            self._files[name] = files.create(os.path.join(self._directory, name))
        return self._files[name]

    def _is_there(self, name: str) -> bool:
        """Whether a file was written, and a full disk has left something of it."""
        return name in self._files and os.path.exists(os.path.join(self._directory, name))

    def close(self) -> None:
        """Wait for the end, finish the files; they go where they hold no sample."""
        if self._thread is not None:
            self._thread.join(PATIENCE)
            if self._thread.is_alive():
                self.error = SourceError("it does not answer any more")
        for file in self._files.values():
            try:
                file.close()
            except OSError as error:
                if not self.unwritten:
                    self._at = os.path.basename(file.name)
                    self.error = self._unwritten(error)
            if self.taken and self.unwritten:
                files.keep_whole_lines(file.name)
            if not self.taken:
                os.unlink(file.name)

    def _source(self) -> Any:
        raise AssertionError("of a Part")

    def _write(self, sample: Any) -> None:
        raise AssertionError("of a Part")

    def told(self) -> Dict[str, Dict[str, Any]]:
        """The sources of the manifest that are in the files."""
        raise AssertionError("of a Part")


class Failed(Part):
    """A part whose plugin cannot be loaded: it says so in its place, and records nothing."""

    def __init__(self, name: str, error: XenmeterError) -> None:
        super().__init__("", 0)
        self.name = name
        self._reason = error

    def _source(self) -> Any:
        raise self._reason
