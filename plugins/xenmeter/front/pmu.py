"""``xenmeter profile --pmu``: by the processor's counters, through perf, labelled with the event that was really counted."""
import os
import tempfile
from typing import Any

from xenmeter.core.errors import SourceError
from xenmeter.front.progress import Progress
from xenmeter.profile import perf
from xenmeter.profile.tally import Tally

__all__ = ("recorded", "of_file", "is_perfs")

#: Events of the kernel's clock: their counts are ns of CPU time, and no counter of the processor's is behind them.
_CLOCKS = ("cpu-clock", "task-clock")
_MODES = {"self": "dom0 alone (pmu_mode is self: `echo all >%s` to have Xen's and the guests', too)" % perf.MODE,
          "hv": "dom0 and Xen", "all": "dom0, Xen and all guests, of which nobody says which"}


def is_perfs(path: str) -> bool:
    try:
        with open(path, "rb") as file:
            return file.read(len(perf.MAGIC)) == perf.MAGIC
    except OSError:
        return False


def recorded(arguments: Any, tally: Tally, stop: Any) -> str:
    """A profile of this host; what is to be said of it."""
    mode = perf.must_have_vpmu()
    with tempfile.TemporaryDirectory(prefix="xenmeter-pmu-") as folder:
        path = os.path.join(folder, "perf.data")
        with Progress("perf counts %s" % arguments.event, arguments.seconds) as progress:
            progress.clock()
            perf.record(arguments.event, arguments.hz, path, stop, arguments.seconds)
        said = of_file(path, tally, arguments.event)
    return said + "counted in %s\n" % _MODES.get(mode, mode)


def of_file(path: str, tally: Tally, asked: str = "") -> str:
    """The same of a file that perf recorded. :param asked: the event that was asked for, which may not be the one counted."""
    events = perf.fill(tally, perf.script(path), perf.xens_names())
    if not events:
        raise SourceError("%s: perf took no sample" % path)
    if len(events) > 1:
        raise SourceError("%s has several events, %s: record one" % (path, ", ".join(events)))
    event = events[0]
    tally.unit = "ns" if event in _CLOCKS else event
    said = "perf counted %s" % event
    if event in _CLOCKS and asked not in ("",) + _CLOCKS:
        said += ", not %s: it takes the kernel's clock where it has no counter, and does not say so" % asked
    return said + "\n"
