"""The vcpu plugin, as the fronts see it."""
from typing import Any, Mapping, Sequence

from xenmeter.core.options import Option
from xenmeter.core.plugin import Plugin, Probe, common_options
from xenmeter.core.recorder import Part
from xenmeter.core.select import domain_filter
from xenmeter.core.source import SampleMirror, Source
from xenmeter.publish.table import Block, Column
from xenmeter.vcpu.collector import CATALOGUE, Collector
from xenmeter.vcpu.live import LiveVcpus
from xenmeter.vcpu.playback import Playback
from xenmeter.vcpu.readers import MODES

__all__ = ("PLUGIN",)

# no `start`: a recording of this plugin's always has its times
OPTIONS = tuple(option for option in common_options(
    ("runstate", "placement", "source", "domain"),
    "auto, resource (pages of statistics only) or hypercall (maps nothing), or the path of a recording (example: one that comes "
    "with xenmeter)", tuple(MODES))
                if option.name != "start") + (
    Option("csv_time", "choice", "iso", "time column of CSV", ("iso", "epoch")),
)

TABLE = (
    Block("vcpu", "", (
        Column("DOMAIN", "domain", width=40), Column("VCPU", "vcpu"), Column("PCPU", "pcpu"), Column("ONLINE", "online"),
        Column("RUNNING", "running_ns"), Column("RUNNABLE", "runnable_ns"), Column("BLOCKED", "blocked_ns"),
        Column("OFFLINE", "offline_ns"))),
    Block("domain", "Sources", (
        Column("DOMAIN", "domain", width=40), Column("SOURCE", "source"), Column("VCPUS", "vcpus"))),
)


def open_source(options: Any) -> Source:
    if options.source in MODES:
        return LiveVcpus(options.interval, options.source, own=options.dom0)
    return Playback(options.source, options.pace, tuple(MODES))


def make_collector(options: Any) -> Collector:
    return Collector(domain_filter(options.include, options.exclude, options.dom0))


def _json(options: Any) -> SampleMirror:
    from xenmeter.vcpu.mirror import JsonMirror
    return JsonMirror(options)


def _csv(options: Any) -> SampleMirror:
    from xenmeter.vcpu.mirror import CsvMirror
    return CsvMirror(options)


def _probes() -> Sequence[Probe]:
    from xenmeter.vcpu.probes import PROBES
    return PROBES


def _auto(usable: Mapping[str, bool]) -> str:
    guests = [name for name in ("resource", "vcpu_runstates", "runstate_domctl", "getvcpuinfo") if usable[name]][:1]
    return " and ".join(guests + (["own_runstate for dom0"] if usable["own_runstate"] else []))


def _recorders(directory: str, interval: int) -> Sequence[Part]:
    from xenmeter.vcpu.record import parts
    return parts(directory, interval)


PLUGIN = Plugin("vcpu", "what each vCPU does, at almost no cost", CATALOGUE, OPTIONS, open_source, make_collector,
                {"json": _json, "csv": _csv}, TABLE, "xenvcpu", _probes, _auto, _recorders)
