"""Samples of one plugin to bytes of one format: what the command, execd and the textfile share. A format's publisher is imported
where it is asked for: execd needs one of them.
"""
from typing import Any, Callable, List, Optional, Union

from xenmeter.core.pipeline import Pipeline
from xenmeter.core.quiet_gc import quiet_gc
from xenmeter.core.reading import Reading
from xenmeter.core.source import Format, ReadingMirror, SampleMirror

__all__ = ("FORMATS", "TEXTFILE", "make_format")

#: As prometheus, for node_exporter's textfile collector.
TEXTFILE = "textfile"
FORMATS = ("table", "csv", "json", "influx", "openmetrics", "prometheus", "collectd")


class _Published(Format):
    """A format made from readings."""

    def __init__(self, pipeline: Pipeline, encode: Callable[[List[Reading]], bytes]) -> None:
        self._pipeline = pipeline
        self._encode = encode

    def sample(self, sample: Any) -> bytes:
        with quiet_gc:      # both steps are quiet; between them all that the first one made would be looked through
            reading = self._pipeline.collect(sample)
            return self._encode([reading, self._pipeline.own(reading.time_ns)])

    def own_only(self) -> bytes:
        """Nothing where the time of now is not told."""
        own = self._pipeline.own_now()
        return self._encode([own]) if own is not None else b""


class _Mirrored(Format):
    """A plugin's own form, or publish.generic's. A sample that it cannot use is left out, and told as the pipeline's error."""

    def __init__(self, pipeline: Pipeline, mirror: Union[ReadingMirror, SampleMirror]) -> None:
        self._pipeline = pipeline
        self._mirror = mirror

    @property
    def trouble(self) -> Optional[str]:
        return self._mirror.trouble

    def header(self) -> bytes:
        return self._mirror.header()

    def sample(self, sample: Any) -> bytes:
        return self._pipeline.usable(self._encode, sample) or b""

    def _encode(self, sample: Any) -> bytes:
        if isinstance(self._mirror, ReadingMirror):
            return self._mirror.reading(sample, self._pipeline.reading(sample))
        return self._mirror.sample(sample)


def make_format(name: str, pipeline: Pipeline) -> Format:
    """:param name: one of FORMATS, or TEXTFILE."""
    mirror = pipeline.plugin.mirrors.get(name)
    if mirror is not None:
        return _Mirrored(pipeline, mirror(pipeline.options))
    if name == "influx":
        from xenmeter.publish.influx import LineProtocol
        protocol = LineProtocol(pipeline.catalogues, pipeline.groups)
        pipeline.spare_histograms()
        return _Published(pipeline, lambda readings: b"".join(protocol.encode(reading) for reading in readings))
    if name in ("openmetrics", "prometheus", TEXTFILE):
        from xenmeter.publish.openmetrics import Exposition
        exposition = pipeline.publisher = Exposition(pipeline.catalogues, pipeline.groups)
        if name == TEXTFILE:
            return _Published(pipeline, lambda readings: exposition.text([_without_build(each) for each in readings]))
        return _Published(pipeline, exposition.openmetrics if name == "openmetrics" else exposition.text)
    if name == "collectd":
        return _Published(pipeline, _putval(pipeline))
    from xenmeter.publish import generic
    if name == "table":
        from xenmeter.publish.csvrows import iso_time
        from xenmeter.publish.table import Table
        table = Table(pipeline.catalogues, pipeline.plugin.table or generic.blocks(pipeline.plugin.catalogue), pipeline.groups)
        return _Published(pipeline, lambda readings: ("%s\n%s\n" % (
            iso_time(readings[0].time_ns), table.render(readings[0]))).encode("utf-8"))
    if name == "json":
        return _Mirrored(pipeline, generic.JsonObjects(pipeline.plugin.catalogue, pipeline.groups))
    if name == "csv":
        time = getattr(pipeline.options, "csv_time", "iso")
        return _Mirrored(pipeline, generic.CsvRows(pipeline.plugin.catalogue, pipeline.groups, time))
    raise KeyError(name)


def _putval(pipeline: Pipeline) -> Callable[[List[Reading]], bytes]:
    from xenmeter.publish.collectdvalues import CollectdValues
    from xenmeter.publish.putval import Putval
    plugin = pipeline.plugin.collectd or pipeline.plugin.name
    values = pipeline.publisher = CollectdValues(pipeline.catalogues, plugin, pipeline.groups, pipeline.options.instance_format)
    return Putval(values, plugin, pipeline.options.interval).encode


def _without_build(reading: Reading) -> Reading:
    """node_exporter refuses a series that stands in two files; xenmeter_build_info would stand in each plugin's."""
    return Reading(reading.time_ns, {name: rows for name, rows in reading.tables.items() if name != "build"})
