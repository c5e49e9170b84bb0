"""The xentop plugin, as the fronts see it."""
from typing import Any, Dict, Mapping, Sequence

from xenmeter.core import source
from xenmeter.core.options import Option
from xenmeter.core.plugin import Plugin, Probe, common_options
from xenmeter.core.recorder import Part
from xenmeter.core.select import domain_filter
from xenmeter.core.source import SampleMirror
from xenmeter.core.times import parse_time
from xenmeter.publish.table import Block, Column
from xenmeter.xentop.figures import CATALOGUE

__all__ = ("PLUGIN",)

LIVE = ("auto", "direct", "xentop")
OPTIONS = common_options(("cpu", "vcpu", "memory", "network", "disk", "state", "host", "names", "sched", "dom0", "grants", "numa",
                          "power"),
                         "auto (direct where that works, else xentop), direct (Xen and dom0 themselves), xentop (the "
                         "xentop program of this dom0), a pipe into which a xentop -b writes (- is stdin, or a FIFO), or "
                         "the path of a recording (example: one that comes with xenmeter)", LIVE, off=("power",)) + (
    Option("csv_time", "choice", "iso", "time column of CSV", ("iso", "epoch")),
    Option("disk_names", "choice", "guest", "a disk that has no name in xenstore: as the guest's PV driver calls it (xvda), or "
           "by its number (51712)", ("guest", "number")),
)

_STATES = ("running", "blocked", "paused", "shutdown", "crashed", "dying")


def _state(who: Any, labels: Any, figures: Dict[str, Any]) -> str:
    """All that holds at once, or ``ready``: on no pCPU, not blocked, waiting for its turn."""
    return " ".join(state for state in _STATES if figures["state_" + state]) or "ready"


TABLE = (
    Block("domain", "", (
        Column("DOMAIN", "domain", width=40), Column("STATE", _state), Column("CPU TIME", "cpu_time_ns"),
        Column("CPU", "cpu_ppm"), Column("VCPUS", "vcpus"), Column("MEMORY", "memory_bytes"),
        Column("LIMIT", "memory_max_bytes"))),
    Block("vif", "Networks, as the guest sees them", (
        Column("DOMAIN", "domain", width=40), Column("VIF", "vif"), Column("RECEIVED", "rx_bytes"),
        Column("PACKETS", "rx_packets"), Column("DROPS", "rx_drops"), Column("SENT", "tx_bytes"),
        Column("PACKETS", "tx_packets"), Column("DROPS", "tx_drops"))),
    Block("vbd", "Disks", (
        Column("DOMAIN", "domain", width=40), Column("VBD", "vbd"), Column("READS", "read_requests"),
        Column("READ", "read_bytes"), Column("WRITES", "write_requests"), Column("WRITTEN", "write_bytes"),
        Column("OUT OF REQUESTS", "out_of_requests"))),
    Block("pcpu", "Physical CPUs", (Column("PCPU", "pcpu"), Column("BUSY", "busy_ppm"))),
)


def _direct(options: Any) -> source.Source:
    from xenmeter.xentop.direct.live import LiveDirect
    return LiveDirect(options.interval, groups=options.group)


def _text(options: Any) -> source.Source:
    from xenmeter.xen.names import LiveNames
    from xenmeter.xentop.text.live import LiveXentop
    return LiveXentop(options.interval, LiveNames())


def open_source(options: Any) -> source.Source:
    """Only what reads the source that is asked for is imported: of ``auto``, the text's readers where it comes to them."""
    if options.source == "auto":
        from xenmeter.xentop.auto import LiveAuto
        return LiveAuto(lambda: _direct(options), lambda: _text(options))
    if options.source in LIVE:
        return _direct(options) if options.source == "direct" else _text(options)
    from xenmeter.xentop.text.piped import PipedXentop, is_pipe
    if is_pipe(options.source) and not options.start and not options.pace:
        return PipedXentop(options.source, options.interval)
    from xenmeter.xentop.playback import Playback
    return Playback(options.source, parse_time(options.start) if options.start else None,
                    int(options.interval * 10 ** 9), options.pace, LIVE)


def make_collector(options: Any) -> source.Collector:
    """For source ``auto``, as for a recording, which may be of either source: whichever the first sample is of."""
    from xenmeter.xentop.collector import EitherCollector
    return EitherCollector(domain_filter(options.include, options.exclude, options.dom0), options.disk_names == "number")


def _json(options: Any) -> SampleMirror:
    from xenmeter.xentop.mirror import JsonMirror
    return JsonMirror(options)


def _csv(options: Any) -> SampleMirror:
    from xenmeter.xentop.mirror import CsvMirror
    return CsvMirror(options)


def _probes() -> Sequence[Probe]:
    from xenmeter.xentop.probes import PROBES
    return PROBES


def _auto(usable: Mapping[str, bool]) -> str:
    return "direct" if usable["direct"] else "xentop" if usable["xentop"] else ""


def _recorders(directory: str, interval: int) -> Sequence[Part]:
    from xenmeter.xentop.record import parts
    return parts(directory, interval)


PLUGIN = Plugin("xentop", "what each domain uses: CPU, memory, networks, disks, state", CATALOGUE, OPTIONS, open_source,
                make_collector, {"json": _json, "csv": _csv}, TABLE, probes=_probes, auto=_auto, recorders=_recorders)
