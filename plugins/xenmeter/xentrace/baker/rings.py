"""This host's trace rings as a source of passes, and how they are left behind.

Xen's event mask is changed for as long as we run. What it was stands in a state file meanwhile, so that whoever comes
after a SIGKILL (``xenmeter baker --restore`` in ExecStopPost, or the next start) can put it back. The CPU mask cannot be
read back, and the rings' memory cannot be freed: both stay until the host reboots. Because it persists from whoever set it
last, the CPU mask is always set.
"""
import json
import os
import select
import threading
from typing import Any, Callable, Dict, FrozenSet, Iterator, List, Optional

from xenmeter.core import files
from xenmeter.core.boot import boot_id
from xenmeter.core.clock import steady_ns
from xenmeter.core.cpulist import format_cpus
from xenmeter.core.errors import SourceError
from xenmeter.core.stopping import woken_by
from xenmeter.core.waiting import polled
from xenmeter.xen.tracebuf import PAGE, Ring, TraceControl, check_machine, geometry, t_info_frames
from xenmeter.xentrace.engine import compiled
from xenmeter.xentrace.engine.passes import Taker
from xenmeter.xentrace.engine.scan import ROOM

__all__ = ("Rings", "Host", "restore", "POLL")

#: Seconds between two looks into the rings at the least, but for the interrupt: it comes when one gets half full, at low rates
#: never.
POLL = 0.1
#: Event mask at boot, for a state file that cannot be read.
EVERYTHING = 0x0FFFFFFF


class Host:
    """How this host's tracing was before us. :ivar mask: the event mask to put back."""

    def __init__(self, control: TraceControl, state: str) -> None:
        self._control = control
        self._state = state
        kept = _read_state(state)
        self.mask = control.info()[0] if kept is None else kept     # a killed baker's own mask is nobody's wish
        _write_state(state, self.mask)

    def put_back(self, stop: bool = True) -> None:
        """Stop the tracing and put the mask back; each is tried, whatever became of the other."""
        trouble: Optional[SourceError] = None
        steps: List[Callable[[], None]] = [lambda: self._control.set_event_mask(self.mask)]
        for step in [self._control.disable] * stop + steps:
            try:
                step()
            except SourceError as error:
                trouble = error
        if trouble is not None:
            raise trouble       # the state file stays for the next start
        _forget(self._state)


class Rings:
    """:param control: TraceControl; :param frames: tracemap.Frames; :param events: tracemap.TraceEvents, held already.

    :param pcpus: how many pCPU ids the host has; :param pages: per pCPU, where there are no rings yet.
    :param state: path of the state file; :param cpus: pCPUs to trace, None: all.
    :ivar full: the pCPUs whose rings were full when the newest pass read them; :ivar began_ns: when it began to, by
        CLOCK_MONOTONIC.
    :ivar pause_s: until the next pass, where no ring gets a quarter full meanwhile: whoever takes passes may set it after each.
    """

    splitter = None

    def __init__(self, control: TraceControl, frames: Any, events: Any, pcpus: int, mask: int, pages: int, state: str,
                 cpus: Optional[List[int]] = None) -> None:
        check_machine()
        self._control = control
        self._frames = frames
        self._events = events
        self._mask = mask
        self._cpus = cpus
        self._pages = pages
        self._host = Host(control, state)
        self.rings: List[Ring] = []
        self.full: FrozenSet[int] = frozenset()
        self.pause_s = POLL
        self.began_ns = steady_ns()
        self._quarter_s = POLL      # in which a ring gets so full, as it seems
        self._taker: Optional[Taker] = None
        try:
            # The narrow mask first: with the one from boot a busy host fills its rings within milliseconds.
            control.set_event_mask(mask)
            control.set_cpu_mask(list(range(pcpus)) if cpus is None else cpus)
            control.allocate(pages)
            self._map(pcpus)
            self._begin()
        except Exception:
            self.close()
            raise

    def _map(self, pcpus: int) -> None:
        _, mfn, size = self._control.info()
        info = bytes(self._frames.map(t_info_frames(mfn, size), False))[:size]
        for pcpu, frames in sorted(geometry(info, pcpus).items()):
            self.rings.append(Ring(pcpu, self._frames.map(frames, True)))
        if not self.rings:
            raise SourceError("Xen has no trace ring for any pCPU")
        if compiled.available():
            self._taker = Taker(compiled.library(), self.rings)

    def _begin(self) -> None:
        """Empty rings, and no loss that is still to be told: where tracing was left on and nobody read (an xentrace that
        was killed), Xen would tell all it lost since then with the first record that finds room."""
        self._control.disable()
        for ring in self.rings:
            ring.discard()
        self._control.enable()

    def about(self) -> str:
        """What is traced now, for the log."""
        pages = (self.rings[0].size + 8) // PAGE
        kept = "" if pages == self._pages else "; %d pages were asked for, but these are here since the first trace " \
                                               "of this boot" % self._pages
        missing = "" if self._cpus is None else "; others are not: what happens there is missing from all figures"
        return "rings of %d pages for each of %d pCPUs%s; event mask 0x%08x (before: 0x%08x); traced pCPUs: %s%s" % (
            pages, len(self.rings), kept, self._mask, self._host.mask, format_cpus(self._cpus), missing)

    def passes(self, stop: threading.Event) -> Iterator[Any]:
        """A pass over all rings after each pause, empty ones too; a last one when tracing has ended."""
        wakes, told = woken_by(stop)
        waiting = select.poll()
        for descriptor in (self._events.fd, told):
            if descriptor is not None:
                waiting.register(descriptor, select.POLLIN)
        with wakes:
            while not stop.is_set():
                ready = polled(waiting, max(POLL, min(self.pause_s, self._quarter_s)))
                if ready and self._events.fd in dict(ready):
                    self._events.take()
                yield self._scan()
        self._control.disable()
        yield self._scan()

    def rest(self) -> None:
        """Select no events. Tracing stays on: disabling it would forget losses that were not told yet."""
        self._control.set_event_mask(0)

    def resume(self) -> None:
        """Select our events again; what was still in the rings belongs to no observation."""
        for ring in self.rings:
            ring.discard()
        self._control.set_event_mask(self._mask)

    def _scan(self) -> Any:
        before, self.began_ns = self.began_ns, steady_ns()
        taken = self._taker.take(ROOM) if self._taker is not None else None
        if self._taker is not None and taken is not None:
            windows, self.full = taken
            most = self._taker.most
        else:
            windows = [(ring.pcpu, data) for ring, data in [(ring, ring.take()) for ring in self.rings] if data]
            self.full = frozenset(ring.pcpu for ring in self.rings if ring.fill > ring.size - ROOM)
            most = max([ring.fill for ring in self.rings])
        self._quarter_s = (self.began_ns - before) * self.rings[0].size / (4e9 * (most or 1))
        return windows

    def close(self) -> None:
        """Leave the host as it was found."""
        self._taker = None
        for ring in self.rings:
            ring.release()
        del self.rings[:]
        try:
            self._host.put_back()
        finally:
            self._frames.close()
            self._events.close()


def restore(control: TraceControl, state: str) -> bool:
    """After a baker was killed: stop its tracing and put the mask back. False where nothing was left behind."""
    mask = _read_state(state)
    if mask is None:
        return False
    control.disable()
    control.set_event_mask(mask)
    _forget(state)
    return True


def _read_state(path: str) -> Optional[int]:
    """The mask to put back; None where no baker of this boot was killed."""
    try:
        with open(files.own(path, os.O_RDONLY)) as file:
            told: Dict[str, Any] = json.load(file)
        if told["boot_id"] != boot_id().decode("ascii"):
            return None
        return int(told["evt_mask"])
    except OSError:
        return None
    except (ValueError, KeyError, TypeError, RecursionError):
        return EVERYTHING


def _write_state(path: str, mask: int) -> None:
    """Whole or not at all, and before anything is changed."""
    try:
        with files.folder(os.path.dirname(path), make=True):
            files.replace(path, json.dumps({"boot_id": boot_id().decode("ascii"), "evt_mask": mask}).encode("ascii"))
    except OSError as error:
        raise SourceError("cannot write %s: %s" % (path, error.strerror))


def _forget(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:
        pass
