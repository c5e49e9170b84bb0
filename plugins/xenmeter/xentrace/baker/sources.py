"""What ``xenmeter baker`` reads: this host's rings, an xentrace child, or a stream; and what a killed one left behind."""
import os
from typing import Any, Callable, List, Optional

from xenmeter.core.cpulist import format_cpus
from xenmeter.core.errors import BadOption, NoPrivilege, NotXen, SourceError
from xenmeter.core.unpacking import packed
from xenmeter.xen.calls import open_calls
from xenmeter.xen.hypervisor import Hypervisor
from xenmeter.xen.tracebuf import TraceControl
from xenmeter.xen.tracemap import open_events, open_frames
from xenmeter.xentrace.probes import find_xentrace
from xenmeter.xentrace.baker.rings import Host, Rings, restore
from xenmeter.xentrace.baker.streams import ChildStream, PackedFile, Stream

__all__ = ("MASK", "MASK_ALLOCATION", "open_source", "host_khz", "idle_times", "undo")

#: Runstate changes, births and ends of domains, grants (xen/include/public/trace.h); with the slices that the scheduler grants.
MASK, MASK_ALLOCATION = 0x00161000, 0x00169000


def open_source(source: str, allocation: bool, cpus: Optional[List[int]], pages: int, state: str) -> Any:
    """A source of passes for the Bakery.

    :param source: ``rings``, ``xentrace``, or the path of a stream (``-``: stdin), which takes all that comes.
    :param cpus: pCPUs to trace, None: all.
    :param pages: per pCPU, where Xen has no rings yet; :param state: where the event mask is kept meanwhile.
    """
    mask = MASK_ALLOCATION if allocation else MASK
    if source == "rings":
        return _open_rings(mask, cpus, pages, state)
    if source == "xentrace":
        command = [find_xentrace(), "-D", "-e", "0x%08x" % mask, "-c", format_cpus(cpus), "-S", str(pages)]
        return ChildStream(command, _before_a_child(state))
    if allocation or cpus is not None:
        raise BadOption("--%s: who writes %s has chosen what it holds" % (
            "allocation" if allocation else "cpus", "stdin" if source == "-" else source))
    try:
        return PackedFile(source) if source != "-" and packed(source) else Stream(source)
    except OSError as error:
        raise SourceError("cannot read %s: %s" % (source, error.strerror))


def _before_a_child(state: str) -> Callable[[bool], None]:
    """What to do after xentrace, which leaves the event mask as it was told to set it. It would also set it before it
    sees that another one is at work; so we look first. Nothing of this where Xen cannot be asked."""
    try:
        open_events().close()
        calls = open_calls()
        host = Host(TraceControl(calls, Hypervisor(calls).interface_versions()[0]), state)
    except (NotXen, NoPrivilege):
        return lambda killed: None
    return host.put_back


def _open_rings(mask: int, cpus: Optional[List[int]], pages: int, state: str) -> Rings:
    """The interrupt comes first: it is the lock, and nothing is changed where somebody else has it."""
    calls = open_calls()
    hypervisor = Hypervisor(calls)
    version, pcpus = hypervisor.interface_versions()[0], hypervisor.host().max_cpu_id + 1
    if cpus is not None and cpus[-1] >= pcpus:
        raise BadOption("--cpus: there is no pCPU %d; this host has 0 to %d" % (cpus[-1], pcpus - 1))
    events = open_events()
    try:
        frames = open_frames()
    except SourceError:
        events.close()
        raise
    return Rings(TraceControl(calls, version), frames, events, pcpus, mask, pages, state, cpus)


def host_khz(source: str = "rings") -> int:
    """The TSC's rate, by the hypervisor.

    Where there is none: NotXen; or, of a stream, whose ``source`` needs no Xen here, BadOption.
    """
    try:
        hypervisor = Hypervisor()
    except NotXen as error:
        if source in ("rings", "xentrace"):
            raise
        raise BadOption("--cpu-khz is needed, the TSC rate of the host that %s comes from (xl info there: cpu_mhz * 1000), "
                        "for no hypervisor here tells it: %s" % ("stdin" if source == "-" else source, error))
    try:
        return hypervisor.host().cpu_khz
    finally:
        hypervisor.close()


def idle_times() -> Callable[[], List[int]]:
    """A way to ask how long each pCPU was idle, ns; one hypercall each time."""
    opened: List[Any] = []

    def ask() -> List[int]:
        if not opened:
            hypervisor = Hypervisor()
            opened.extend((hypervisor, hypervisor.host()))
        return opened[0].idle_ns(opened[1])
    return ask


def undo(state: str) -> bool:
    """Stop the tracing of a killed baker and put the event mask back; False where there was nothing to undo, which
    needs no Xen: a baker of a file or FIFO stops so, too."""
    if not os.path.exists(state):
        return False
    calls = open_calls()
    version = Hypervisor(calls).interface_versions()[0]
    events = open_events()      # where a baker lives, this says so
    try:
        return restore(TraceControl(calls, version), state)
    finally:
        events.close()
