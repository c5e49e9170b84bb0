"""xentop as a source: one child process that runs on, is restarted with growing pauses, and says why it cannot run."""
import threading
import time
from typing import Any, Callable, Dict, FrozenSet, Iterator, List, Optional, Set, Tuple

from xenmeter.core.child import Child
from xenmeter.core.clock import thread_cpu_ns
from xenmeter.core.errors import NoPrivilege, NotXen, SourceError
from xenmeter.core.programs import find_program
from xenmeter.core.retry import persistent
from xenmeter.core.source import Report, Source
from xenmeter.core.stopping import woken_by
from xenmeter.xen.domains import Snapshot, Unreadable
from xenmeter.xen.names import LiveNames
from xenmeter.xen.netdev import unlisted_vifs
from xenmeter.xentop.samples import Sample
from xenmeter.xentop.text.arrivals import SILENCE, Arrivals
from xenmeter.xentop.text.lineends import with_line_ends
from xenmeter.xentop.text.records import Iteration

__all__ = ("LiveXentop", "find_xentop", "reason")

#: Seconds after which ``stop`` is looked at while nothing comes, where it is one that cannot wake us.
_LOOK = 0.5
#: Of an iteration in which such a name stands for the first time.
_UNKNOWN = "a new domain's name holds a line end: xentop's text of that moment cannot be told apart, and is left out"


def find_xentop() -> str:
    """The path of xentop; NotXen where there is none."""
    found = find_program("xentop")
    if found is None:
        raise NotXen("xentop is not installed here; in a dom0 it comes with Xen's tools (Debian: xen-utils-common, "
                     "Alpine: xen, EL and XCP-ng: xen-runtime or xen-dom0-tools)")
    return found


class LiveXentop(Source):
    """Samples from ``xentop -b -f -n -x -v -d N``.

    :param interval: seconds between iterations; xentop takes whole ones, at least 1 (-d 0 would keep a pCPU busy).
    :param names: xenstore's word on the domains at the time of a sample (xen.names.LiveNames).
    :param command: what to run instead of xentop (tests).
    :param tee: called with the raw bytes as they come and their time (``xenmeter record``).
    """

    cpu_ns = 0      # of the reading thread and of all children so far
    children_ns = 0     # of the children alone
    skipped: Optional[str] = None

    def __init__(self, interval: float, names: LiveNames, command: Optional[List[str]] = None,
                 tee: Optional[Callable[[bytes], Any]] = None) -> None:
        self.interval = max(1, int(interval))
        self._remark = None if self.interval == interval else (
            "xentop takes whole seconds: its figures come every %d s, not every %s" % (self.interval, interval))
        self.command = command
        self._names = names
        self._tee = tee
        self._disks: Dict[bytes, Set[int]] = {}  # by name, of the last iteration
        self._vifs: Set[Tuple[int, int]] = set()  # (domid, devid) of those that dom0's kernel did not list then
        self._line_ends: FrozenSet[bytes] = frozenset()  # names of domains that hold some
        self._worked = False    # a xentop has shown figures here, and may have ended since

    def samples(self, stop: threading.Event, report: Report) -> Iterator[Sample]:
        """Samples until ``stop``; what goes wrong is reported, and tried again after a pause."""
        return persistent(self._run, stop, report, self.interval)

    def _run(self, stop: threading.Event) -> Iterator[Sample]:
        wakes, wake = woken_by(stop)
        with wakes:
            yield from self._one_child(stop, wake)

    def _one_child(self, stop: threading.Event, wake: Optional[int]) -> Iterator[Sample]:
        """Samples of one xentop. ``wake``: a descriptor that ends a wait, or None."""
        command = self.command or [find_xentop(), "-b", "-f", "-n", "-x", "-v", "-d", str(self.interval)]
        arrivals = Arrivals(self.interval, "nxv")
        try:
            child = Child(command)
        except OSError as error:
            raise SourceError("%s cannot be started: %s" % (command[0], error.strerror or error))
        heard = False
        self._know(arrivals)
        spent, before = self.cpu_ns - thread_cpu_ns(), self.children_ns
        silent_since = time.monotonic()
        try:
            while not stop.is_set():
                # between two iterations there is nothing to do, and a wake-up costs more than a look at a small host
                idle = _LOOK if wake is None else self.interval + 1.0
                data, alive = child.read(SILENCE if arrivals.parser.waits else idle, wake)
                if data:
                    if self._tee is not None:
                        self._tee(data)
                    silent_since = time.monotonic()
                for arrived in arrivals.take(data, alive):
                    first, heard = not heard, True
                    self._worked = True
                    childs = child.cpu_ns()
                    self.cpu_ns = max(self.cpu_ns, spent + thread_cpu_ns() + childs)
                    self.children_ns = max(self.children_ns, before + childs)
                    names = self._ask_names(arrived.iteration)
                    iteration = arrived.iteration
                    if self._line_ends - arrivals.parser.known:
                        iteration, names = Iteration(), Unreadable(_UNKNOWN)
                    yield Sample(arrived.time_ns, iteration, names, first or not arrived.rated, self._remark)
                    del arrived, iteration, names
                arrivals.parser.know(self._line_ends)
                if self.skipped is None and arrivals.parser.first_skipped:
                    self.skipped = repr(arrivals.parser.first_skipped[1])
                if not alive:
                    raise reason(child.complaint(), self._worked)
                if time.monotonic() - silent_since > 3 * self.interval + 30:
                    raise SourceError("xentop has said nothing for %d s; it is started again"
                                      % (time.monotonic() - silent_since))
        finally:
            child.stop()

    def _know(self, arrivals: Arrivals) -> None:
        """Names with line ends must be known before the text in which they are."""
        self._ask_names(Iteration())
        arrivals.parser.know(self._line_ends)

    def _ask_names(self, iteration: Iteration) -> Any:
        try:
            snapshot = self._names.snapshot()
            if snapshot is not None:
                self._line_ends = with_line_ends(facts.name for facts in snapshot.domains)
            changed = [] if snapshot is None else self._with_other_devices(iteration, snapshot)
            return self._names.again(changed) if changed else snapshot
        except SourceError as error:
            return Unreadable(str(error))

    def _with_other_devices(self, iteration: Iteration, snapshot: Snapshot) -> List[int]:
        """Domids whose rows show a disk that is not known yet, whose series must begin under its name, not its number; or no
        longer show one, which is unplugged if xenstore, asked anew, does not list it either; so with a vif that dom0's kernel
        does not list."""
        shown: Dict[bytes, Set[int]] = {}
        for row in iteration.rows:
            if row.vbds:
                shown.setdefault(row.name, set()).update([vbd.dev for vbd in row.vbds])
        before, self._disks = self._disks, shown
        missing, self._vifs = self._vifs, set()
        found: List[int]
        none: Set[int]
        found, none = [], set()
        for facts in snapshot.domains:
            name = facts.name.lstrip(b" ")
            now = shown.get(name, none)
            gone = {(facts.domid, devid) for devid in unlisted_vifs(facts, snapshot.vif_order)}
            self._vifs |= gone
            if (not now.issubset(facts.vbds) or (before.get(name, none) - now).intersection(facts.vbds) or gone - missing):
                found.append(facts.domid)
        return found


def reason(complaint: str, worked: bool) -> SourceError:
    """Why xentop ended, from what it said (texts: tools/xentop/xentop.c, tools/libs/call, Debian's xen-utils-wrapper).

    :param worked: whether a xentop has shown figures here before. Then Xen is here, however often it fails since.
    """
    low = complaint.lower()
    if "permission denied" in low or "operation not permitted" in low:
        return NoPrivilege("xentop may not talk to Xen: %s; run as root, or give this user /dev/xen/privcmd" % complaint)
    if not worked and ("no such file" in low or "failed to initialize xenstat" in low or "version of xen utils" in low
                      or "hypervisor information" in low or "xen" in low and "error" in low):
        return NotXen("xentop finds no Xen here (%s); this must run in a dom0 with xenstored up" % complaint)
    return SourceError("xentop ended%s" % (": " + complaint if complaint else " without a word"))
