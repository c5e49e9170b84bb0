"""What ``xenmeter record`` writes of this plugin's sources: xentop's text, and what Xen and dom0 themselves say."""
import json
from typing import Any, Dict, Optional, Sequence

from xenmeter.core.recorder import Part
from xenmeter.xen.domains import Snapshot, Unreadable
from xenmeter.xen.names import LiveNames
from xenmeter.xen.recordednames import snapshot_to_json
from xenmeter.xentop.direct.lines import to_line
from xenmeter.xentop.direct.live import LiveDirect
from xenmeter.xentop.text.live import LiveXentop

__all__ = ("parts",)


def parts(directory: str, interval: int) -> Sequence[Part]:
    """The text first: what it knows of names counts where both know them."""
    return Text(directory, interval), Direct(directory, interval)


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
        sources: Dict[str, Dict[str, Any]] = {self.name: {"file": self.FILE, "interval_s": self._interval,
                             "command": command}}
        if self._is_there(self.STAMPS):
            sources[self.name]["stamps"] = self.STAMPS
        if self._is_there(self.NAMES):
            sources["names"] = {"file": self.NAMES}
        return sources


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
        facts = [domain.member.facts for domain in sample.domains if domain.member.facts is not None]
        line = self._names.note(Snapshot(facts, None) if facts else None, self.taken, sample.time_ns)
        if line:
            self._file(self.NAMES).write(line)

    def told(self) -> Dict[str, Dict[str, Any]]:
        sources: Dict[str, Dict[str, Any]] = {self.name: {"file": self.FILE, "interval_s": self._interval}}
        if self._is_there(self.NAMES):
            sources["names"] = {"file": self.NAMES}
        return sources
