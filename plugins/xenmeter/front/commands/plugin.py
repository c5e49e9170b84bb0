"""``xenmeter PLUGIN``: a plugin's figures in any format, on stdout or in a textfile."""
import hashlib
import os
import sys
from typing import Any, Callable, Optional

from xenmeter.core.descriptors import ask_for_many
from xenmeter.core.errors import BadOption, XenmeterError
from xenmeter.core.options import Options, add_arguments, from_arguments, from_variable
from xenmeter.core.pipeline import Pipeline
from xenmeter.core.plugin import Plugin
from xenmeter.core.log import LogOnce
from xenmeter.core.memory import give_back
from xenmeter.core.source import Format, RecordedSource, Source
from xenmeter.front.output import FORMATS, TEXTFILE, make_format
from xenmeter.front.daemons.textfile import KeptFile
from xenmeter.front.progress import Progress

__all__ = ("add", "run")


def add(subparsers: Any, parent: Any, plugin: Plugin) -> None:
    parser = subparsers.add_parser(plugin.name, parents=[parent], help=plugin.title, description=plugin.title)
    add_arguments(parser, plugin.options)
    parser.add_argument("--format", choices=FORMATS, help="form of the output (default: table)")
    parser.add_argument("--count", type=int, default=0, metavar="N",
                        help="samples to take, then end (default: 0: until the source ends or a signal comes)")
    parser.add_argument("--textfile", metavar="PATH",
                        help="write each sample to PATH for node_exporter's textfile collector, instead of stdout; the file "
                             "says so where none come, and goes when a signal ends this")
    parser.set_defaults(run=run, plugin=plugin)


def run(arguments: Any) -> int:
    if arguments.count < 0:
        raise BadOption("--count %d: takes 0 or more" % arguments.count)
    from_variable(arguments.plugin.options, arguments, "interval", "COLLECTD_INTERVAL")     # collectd's exec plugin runs us
    options = from_arguments(arguments.plugin.options, arguments)
    if arguments.textfile:
        _check_textfile(arguments)
    ask_for_many()
    with Progress("playing " + os.path.basename(options.source)) as progress:
        return _play(arguments, options, arguments.plugin._replace(open_source=_watched(arguments.plugin, progress)))


def _check_textfile(arguments: Any) -> None:
    """What goes together with --textfile, and under which names node_exporter finds it."""
    if arguments.format not in (None, "prometheus"):
        raise BadOption("--format %s: a textfile is in Prometheus' text form; leave --format out, or write to stdout: %s" % (
            arguments.format, "--format %s > %s" % (arguments.format, arguments.textfile)))
    if not arguments.textfile.endswith(".prom"):
        sys.stderr.write("xenmeter: --textfile %s: node_exporter reads only files whose names end in .prom\n" % (
            arguments.textfile))


def _watched(plugin: Plugin, progress: Progress) -> Callable[[Options], Source]:
    """Opens the plugin's source, and shows how far a long recording is where its figures go to no terminal."""
    def opened(options: Options) -> Source:
        source = plugin.open_source(options)
        if isinstance(source, RecordedSource) and source.stepwise and not sys.stdout.isatty():
            source.watch = progress.watch
        return source
    return opened


def _play(arguments: Any, options: Options, plugin: Plugin) -> int:
    pipeline = Pipeline(plugin, options, stamped=not arguments.textfile)
    format_ = make_format(TEXTFILE if arguments.textfile else arguments.format or "table", pipeline)
    if arguments.textfile:
        out: Any = KeptFile(arguments.textfile, pipeline, format_, patient=not arguments.count)
    else:
        out = _Stdout(format_)
    pipeline.start(front=_front(arguments))
    if not pipeline.stepwise:
        give_back()     # it may run for months, as a textfile's writer does
    try:
        _run(pipeline, out, arguments.count)
        if out.told_to_end:
            out.remove()
    except KeyboardInterrupt:
        out.remove()
        raise
    except XenmeterError:
        out.silent()
        raise
    finally:
        pipeline.stop()
    return 0


def _front(arguments: Any) -> str:
    """For whom counters are kept over a restart: for what backends read, each textfile for itself. People look anew."""
    if arguments.textfile:
        path = os.path.abspath(arguments.textfile).encode("utf-8", "surrogateescape")
        return "textfile-" + hashlib.sha256(path).hexdigest()[:8]
    return "stdout" if arguments.format in ("influx", "openmetrics", "prometheus", "collectd") else ""


def _run(pipeline: Pipeline, out: Any, count: int) -> None:
    """Until so many samples are written, or the source ends."""
    sayings = LogOnce(lambda level, text: sys.stderr.write("xenmeter: %s\n" % text) if level != "I" else None)
    taken = 0
    while not (pipeline.ended or out.told_to_end):
        samples = pipeline.take(timeout=1.0)
        for sample in samples:
            out.sample(sample)
            taken += 1
            if taken == count:
                _tell(sayings, pipeline, out)
                _finish(out)
                return
        out.flush()
        if out.told_to_end:
            return      # systemd tells all of us at once: that the source has ended too is no failure
        if pipeline.error is not None and not taken and not out.patient:
            raise pipeline.error    # nothing came at all: say why and end, rather than wait for better times
        if not samples and (pipeline.error is not None or pipeline.hangs()):
            out.silent()
        if not pipeline.ended or pipeline.error is None:    # what ended it is raised, and said then
            _tell(sayings, pipeline, out)
    if pipeline.error is not None and not out.told_to_end:
        raise pipeline.error
    _finish(out)


def _tell(sayings: LogOnce, pipeline: Pipeline, out: Any) -> None:
    sayings.about(pipeline)
    if out.trouble:
        sayings.once("W", out.trouble)


def _finish(out: Any) -> None:
    """The last sample is out, or was not written."""
    out.flush()
    if out.failure:
        raise XenmeterError("the last sample is not in the file: %s" % out.failure)


class _Stdout:
    """Samples as they come."""

    told_to_end = False     # SIGTERM ends the process as it ends others
    patient = False
    failure = None          # what cannot be written ends it

    @property
    def trouble(self) -> Optional[str]:
        """What the format itself has to say: of a mirror, why a sample lacks something."""
        return self._format.trouble

    def __init__(self, format_: Format) -> None:
        self._format = format_
        self._out = sys.stdout.buffer
        self._out.write(format_.header())

    def sample(self, sample: Any) -> None:
        self._out.write(self._format.sample(sample))

    def flush(self) -> None:
        self._out.flush()

    def silent(self) -> None:
        """No sample comes."""

    remove = silent
