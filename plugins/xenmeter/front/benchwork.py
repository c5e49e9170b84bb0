"""The plugins beside a benchmark: at work on this host, or all that a recording has of them."""
import sys
import time
from typing import Any, Callable, Dict, List, Sequence, Tuple

from xenmeter.bench.replay import Played
from xenmeter.bench.runner import Interrupted
from xenmeter.bench.watch import Watch
from xenmeter.core.errors import SourceError
from xenmeter.core.options import defaults
from xenmeter.core.pipeline import Pipeline
from xenmeter.front import plugins
from xenmeter.publish.text import for_terminal

__all__ = ("watching", "played")

#: The plugins that know what a domain pays.
WATCHED = ("xentop", "xentrace")


def watching(source: str, interval: float, trace: bool, stopped: Callable[[], bool], told: Dict[str, str]) -> Watch:
    """A watch at work: every plugin has spoken, or has said why it cannot; what is missing is told once.

    :param trace: with waiting times and executions: a baker is started where none runs.
    :param told: what is missing and has been told; more is added.
    """
    watch = Watch(*_pipelines(source, interval, False, WATCHED if trace else WATCHED[:1]))
    deadline = time.monotonic() + 15 + 3 * interval
    while not watch.settled and time.monotonic() < deadline:
        if stopped():
            watch.stop()
            raise Interrupted
        watch.look(0.1)
    for name, why in sorted(watch.missing.items()):
        if told.setdefault(name, why) is why:
            sys.stderr.write("xenmeter: no figures of %s: %s\n" % (name, for_terminal(why)))
    return watch


def played(source: str, interval: float = 1) -> Played:
    """All readings of a recording.

    :param interval: seconds between those of a trace; others were taken when they were.
    :raises SourceError: it has none.
    """
    readings: Dict[str, List[Any]]
    readings, catalogues = {}, {}
    pipelines, missing = _pipelines(source, interval, True, WATCHED)
    for name, pipeline in pipelines.items():
        taken: List[Any] = []
        while not pipeline.ended:
            taken += [pipeline.collect(sample) for sample in pipeline.take(1.0)]
        pipeline.stop()
        if taken:
            readings[name], catalogues[name] = taken, pipeline.plugin.catalogue
        elif pipeline.error is not None:
            missing[name] = str(pipeline.error)
    if not readings:
        raise SourceError("; ".join(missing.values()) or "%s: the recording is empty" % source)
    return Played(readings, catalogues)


def _pipelines(source: str, interval: float, recorded: bool, names: Sequence[str]) -> Tuple[Dict[str, Pipeline],
                                                                                            Dict[str, str]]:
    """The plugins, started, and why others could not be."""
    found, missing = {}, {}
    for name in names:
        plugin = plugins.get(name)
        options = defaults(plugin.options)
        options.interval = interval
        options.source = source if name == "xentop" or recorded else "auto"
        if recorded and name == "xentrace":
            options.window = ["%g" % interval]
        pipeline = Pipeline(plugin, options)
        try:
            pipeline.start(keep=64)
            found[name] = pipeline
        except SourceError as error:
            missing[name] = str(error)
    return found, missing
