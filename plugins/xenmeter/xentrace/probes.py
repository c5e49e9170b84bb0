"""What this host offers of scheduler traces: for ``xenmeter check``, one line each, or why not. Nothing is changed.

Each probe opens what it needs and closes it again; it returns a text, or raises an XenmeterError that says why the source
cannot be used here.
"""
from typing import Any, Callable, Tuple

from xenmeter.core.errors import NotXen, SourceError, Unsupported, XenmeterError
from xenmeter.core.programs import find_program
from xenmeter.xen.calls import open_calls
from xenmeter.xen.hypervisor import Hypervisor
from xenmeter.xen.tracebuf import TraceControl, check_machine, geometry, t_info_frames
from xenmeter.xen.tracemap import open_events, open_frames
from xenmeter.xen.versions import releases_of, traces_to_stdout
from xenmeter.xentrace.baker.document import to_sample
from xenmeter.xentrace.engine.doubts import doubts
from xenmeter.xentrace.plugin import SHARED
from xenmeter.xentrace.baker.shm import Reader

__all__ = ("PROBES", "baker", "trace_rings", "xentrace", "find_xentrace")

_GIVES = "running, waiting, blocked, offline of every vCPU, how long each wait was"


def find_xentrace() -> str:
    """The program's path; NotXen where there is none."""
    program = find_program("xentrace")
    if program is None:
        raise NotXen("xentrace is not installed here; in a dom0 it comes with Xen's tools (Debian: xen-utils-common)")
    return program


def baker(path: str = SHARED) -> str:
    """The daemon, if it runs."""
    reader = Reader(path)
    try:
        sample = to_sample(*reader.read(True)[1:], reader.cells)
    finally:
        reader.close()
    trace = sample.figures["trace"]
    doubtful = "".join("; " + text for text in doubts(sample.figures))
    causes = "who made whom wait" if sample.figures.has_causes else "not who made whom wait (its option --causes)"
    return "%s: %s; %s; %d domains, %d records, %d lost; no hypercall per reading, at most the baker's --share of one pCPU" % (
        path, _GIVES, causes, len(sample.figures.domain_rows()), trace["records"], trace["lost_records"]) + doubtful


def trace_rings(calls: Callable[[], Any] = open_calls, connect: Callable[[Any], Any] = Hypervisor,
                memory: Callable[[], Any] = open_frames, events: Callable[[], Any] = open_events, shared: str = SHARED) -> str:
    """The rings, for the baker to read. Who has the interrupt has the rings: it is taken for a moment to see."""
    check_machine()
    way = calls()
    hypervisor = connect(way)
    try:
        control = TraceControl(way, hypervisor.interface_versions()[0])
        mask, mfn, size = control.info()
        control.close()
        held = _memory(memory, mfn, size, hypervisor.host().max_cpu_id + 1)
    finally:
        hypervisor.close()
    try:
        events().close()
    except SourceError as error:
        raise SourceError(_who(error, shared))
    return "%s; event mask now 0x%08x; the baker then gives %s, for its --share of one pCPU (2 %%) and Xen's own cost of " \
           "writing" % (held, mask, _GIVES)


def _memory(memory: Callable[[], Any], mfn: int, size: int, pcpus: int) -> str:
    frames = memory()
    try:
        info = bytes(frames.map(t_info_frames(mfn, size), False))[:size] if mfn else b""
    finally:
        frames.close()
    if not mfn:
        return "no rings yet; the first trace makes them (128 KiB per pCPU), and they stay until the host reboots"
    rings = geometry(info, pcpus)
    return "rings of %d KiB for %d of %d pCPUs, until the host reboots" % (
        4 * max(map(len, rings.values()), default=0), len(rings), pcpus)


def _who(error: SourceError, shared: str) -> str:
    """The baker's own hold on the rings is no trouble."""
    try:
        baker(shared)
    except SourceError:
        return str(error)
    return "the baker that runs here reads them"


def xentrace(connect: Callable[[], Any] = lambda: Hypervisor(open_calls())) -> str:
    """Xen's own program, as a child of the baker. It comes with the hypervisor, and has its interface versions."""
    program = find_xentrace()
    try:
        hypervisor = connect()
    except XenmeterError:
        return "%s; `xenmeter baker --source xentrace` where it is of Xen 4.18 or later; one child process" % program
    try:
        versions = hypervisor.interface_versions()
    finally:
        hypervisor.close()
    if not traces_to_stdout(*versions):
        raise Unsupported("%s is of Xen %s and writes into files only; 4.18 and later write to a pipe, as the baker needs it. "
                          "Read the rings, or let it write into a FIFO for `xenmeter baker --source FIFO`"
                          % (program, releases_of(*versions)))
    return "%s; `xenmeter baker --source xentrace`, where the rings cannot be read; one child process" % program


PROBES: Tuple[Tuple[str, Callable[[], str]], ...] = (("baker", baker), ("trace_rings", trace_rings),
          ("xentrace", xentrace))
