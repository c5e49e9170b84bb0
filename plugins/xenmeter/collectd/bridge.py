"""Between collectd's Python plugin and a plugin of ours.

What collectd does to a Python plugin decides the shape of this file: an exception in import or config ends the daemon,
one in read stretches the interval up to a day; modules are imported before the daemon forks, so that threads and
descriptors belong into init; types are not loaded before; reads of several plugins run at the same time.
"""
from typing import Any, List, Optional, Tuple

import collectd

from xenmeter import __version__
from xenmeter.core.errors import XenmeterError, printable, told
from xenmeter.core.options import from_pairs
from xenmeter.core.pipeline import Pipeline
from xenmeter.core.plugin import Plugin
from xenmeter.core.log import LogOnce
from xenmeter.core.reading import Reading
from xenmeter.publish.collectdvalues import CollectdValues

__all__ = ("Bridge",)


class Bridge:
    """One plugin inside collectd.

    :param module: the module's own name, which also may stand in ``<Module ...>``.
    """

    def __init__(self, plugin: Plugin, module: str) -> None:
        self.plugin = plugin if plugin.open_in_daemon is None else plugin._replace(open_source=plugin.open_in_daemon)
        self._name = plugin.collectd or plugin.name
        self._pairs: List[Tuple[str, Tuple[Any, ...]]] = []
        self._pipeline: Optional[Pipeline] = None
        self._sayings = LogOnce(self._log)
        self._heard = False         # a sample, or why there is none; until then nothing is known to be up or down
        for name in sorted({plugin.name, self._name, module}):
            collectd.register_config(self._config, name=name)
        collectd.register_init(self._init, name=module)
        collectd.register_shutdown(self._shutdown, name=module)

    def _config(self, node: Any) -> None:
        """Called once per <Module> block, before logging is set up: it only notes what it is given."""
        for child in node.children:
            self._pairs.append((child.key, tuple(child.values)))

    def _init(self) -> None:
        try:
            self._start()
        except XenmeterError as error:
            self._log("E", "%s; the plugin is off, all else goes on" % told(error))
        except Exception as error:      # whatever it is, the daemon must live
            self._log("E", "fault: %s: %s; the plugin is off" % (type(error).__name__, error))

    def _start(self) -> None:
        options, warnings = from_pairs(self.plugin.options, self._pairs)
        for warning in warnings:
            self._log("W", warning)
        pipeline = Pipeline(self.plugin, options)
        values = pipeline.publisher = CollectdValues(pipeline.catalogues, self._name, pipeline.groups, options.instance_format)
        pipeline.start(keep=4, front="collectd")
        self._pipeline = pipeline
        collectd.register_read(lambda: self._read(pipeline, values), options.interval, name="xenmeter_" + self._name)
        self._log("I", "version %s, source %s, every %s s" % (__version__, options.source, options.interval))

    def _read(self, pipeline: Pipeline, values: CollectdValues) -> None:
        """Dispatches what waits, and returns at once: a read that blocks holds a thread of the daemon's."""
        try:
            time_ns = 0
            for sample in pipeline.take():
                reading = pipeline.collect(sample)
                time_ns = reading.time_ns
                self._dispatch(pipeline, values, reading)
            self._sayings.about(pipeline)
            self._heard = self._heard or bool(time_ns) or pipeline.error is not None
            if self._heard and not pipeline.ended:
                # A recording's own figures go with its samples. Live they have the time of the read: a sample is a
                # little older than the read that takes it, and collectd refuses a time before the last one.
                own = pipeline.own(time_ns) if pipeline.stepwise else pipeline.own_now()
                if own is not None:
                    self._dispatch(pipeline, values, own)
        except Exception as error:      # raising would double this callback's interval each time
            pipeline.meter.error("fault")
            self._sayings.once("E", "fault in read: %s: %s" % (type(error).__name__, error))

    def _dispatch(self, pipeline: Pipeline, publisher: CollectdValues, reading: Reading) -> None:
        values = collectd.Values(plugin=self._name, interval=pipeline.options.interval)
        seconds = reading.time_ns / 1e9
        for (instance, type_, type_instance, numbers), meta in publisher.with_meta(reading):
            try:
                values.dispatch(plugin_instance=instance, type=type_, type_instance=type_instance, values=numbers,
                                time=seconds, meta=meta)
            except (TypeError, ValueError, OverflowError, RuntimeError):
                # the text of a TypeError about an unknown type is garbage in collectd 5.12
                pipeline.meter.error("dispatch")
                self._sayings.once("W", "collectd does not take type %s" % type_)

    def _shutdown(self) -> None:
        if self._pipeline is not None:
            self._pipeline.stop()

    def _log(self, level: str, text: str) -> None:
        log = {"E": collectd.error, "W": collectd.warning, "I": collectd.info}[level]
        log("xenmeter %s: %s" % (self.plugin.name, printable(text)[:1000]))
