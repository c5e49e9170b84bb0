"""The parts of a recording that come sample by sample: each source writes its own files, in a thread of its own."""
import json
import os
import threading
from typing import Any, BinaryIO, Callable, Dict, List, Optional

from xenmeter.core import files
from xenmeter.core.errors import SourceError, XenmeterError
from xenmeter.publish import jsonlines
from xenmeter.vcpu.live import LiveVcpus
from xenmeter.vcpu.records import to_json
from xenmeter.xen.domains import Snapshot, Unreadable
from xenmeter.xen.names import LiveNames
from xenmeter.xen.recordednames import snapshot_to_json
from xenmeter.xentop.direct.live import LiveDirect
from xenmeter.xentop.direct.lines import to_line
from xenmeter.xentop.text.live import LiveXentop

__all__ = ("Part", "parts")

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


class _Names:
    """Notes what xenstore says whenever it says something else."""

    def __init__(self) -> None:
        self._last: Optional[Dict[str, Any]] = None

    def note(self, names: Any, number: int, time_ns: int) -> bytes:
        """The line to write: empty where nothing has changed."""
        if names is None:
            return b""
        record = {"unreadable": names.reason} if isinstance(names, Unreadable) else snapshot_to_json(names)
        if record == self._last:
            return b""
        self._last = record
        return (json.dumps(dict(record, iteration=number, time_ns=time_ns), sort_keys=True) + "\n").encode("ascii")


class Text(Part):
    """The raw bytes of xentop, when each iteration came, and what xenstore said then."""

    name = "xentop"
    FILE, STAMPS, NAMES = "xentop.txt", "xentop.stamps", "names.jsonl"

    def __init__(self, directory: str, interval: int) -> None:
        super().__init__(directory, interval)
        self._names = _Names()

    def _source(self) -> LiveXentop:
        return LiveXentop(self._interval, LiveNames(), tee=self._keep)

    def _keep(self, data: bytes) -> None:
        try:
            self._file(self.FILE).write(data)
        except OSError as error:
            raise self._unwritten(error)    # no fault of the source's, which would be tried again

    def _write(self, sample: Any) -> None:
        self._file(self.STAMPS).write(b"%d\n" % sample.time_ns)
        line = self._names.note(sample.names, self.taken, sample.time_ns)
        if line:
            self._file(self.NAMES).write(line)

    def told(self) -> Dict[str, Dict[str, Any]]:
        command = ["xentop", "-b", "-f", "-n", "-x", "-v", "-d", str(self._interval)]
        found: Dict[str, Dict[str, Any]] = {self.name: {"file": self.FILE, "interval_s": self._interval,
                             "command": command}}
        if self._is_there(self.STAMPS):
            found[self.name]["stamps"] = self.STAMPS
        if self._is_there(self.NAMES):
            found["names"] = {"file": self.NAMES}
        return found


class Direct(Part):
    """What source direct of the xentop plugin reads; and the names, for a trace where there is no xentop beside it."""

    name = "direct"
    FILE, NAMES = "direct.jsonl", "direct-names.jsonl"

    def __init__(self, directory: str, interval: int) -> None:
        super().__init__(directory, interval)
        self._names = _Names()

    def _source(self) -> LiveDirect:
        return LiveDirect(self._interval)

    def _write(self, sample: Any) -> None:
        self._file(self.FILE).write(to_line(sample))
        facts = [one.member.facts for one in sample.domains if one.member.facts is not None]
        line = self._names.note(Snapshot(facts, None) if facts else None, self.taken, sample.time_ns)
        if line:
            self._file(self.NAMES).write(line)

    def told(self) -> Dict[str, Dict[str, Any]]:
        found: Dict[str, Dict[str, Any]] = {self.name: {"file": self.FILE, "interval_s": self._interval}}
        if self._is_there(self.NAMES):
            found["names"] = {"file": self.NAMES}
        return found


class Vcpus(Part):
    """What the vcpu plugin reads, in its own form."""

    name = "vcpu"
    FILE = "vcpu.jsonl"

    def _source(self) -> LiveVcpus:
        return LiveVcpus(self._interval)

    def _write(self, sample: Any) -> None:
        self._file(self.FILE).write(jsonlines.encode(to_json(sample)))

    def told(self) -> Dict[str, Dict[str, Any]]:
        return {self.name: {"file": self.FILE, "interval_s": self._interval}}


def parts(directory: str, interval: int) -> List[Part]:
    """All of them, the one first whose word counts where several know the same."""
    return [Text(directory, interval), Direct(directory, interval), Vcpus(directory, interval)]
