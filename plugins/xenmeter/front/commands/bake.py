"""``xenmeter bake FILE|-``: a recorded trace, or a stream on stdin, all at once."""
import io
import os
import sys
from typing import Any

from xenmeter.core.options import Options, defaults
from xenmeter.core.pipeline import Pipeline
from xenmeter.core.plugin import Plugin
from xenmeter.core.source import Source
from xenmeter.core.times import length_of
from xenmeter.front.output import make_format
from xenmeter.front.progress import Progress
from xenmeter.xentrace.summary import run_bake, write
from xenmeter.xentrace.engine.frequency import checked_khz
from xenmeter.xentrace.engine.naming import NAMED
from xenmeter.xentrace.playback import Playback
from xenmeter.xentrace.plugin import PLUGIN
from xenmeter.xentrace.samples import NO_SLICES

__all__ = ("add", "run")

FORMATS = ("json", "influx", "openmetrics", "csv", "table")
#: Forms that show one moment: the end of the trace.
_LAST = ("openmetrics", "table")


def add(subparsers: Any, parent: Any) -> None:
    parser = subparsers.add_parser(
        "bake", parents=[parent], help="a recorded trace, all at once",
        description="Scheduling figures of a trace as xentrace writes it. json: one document over the whole trace; influx "
                    "and csv: every window; openmetrics and table: the state at the end of the trace.")
    parser.add_argument("file", metavar="FILE", help="what xentrace wrote (.gz and .xz too), or a recording's directory; - "
                                                     "is stdin, which may be packed so too")
    parser.add_argument("--cpu-khz", type=int, metavar="K", help="TSC rate of the traced host in kHz (xl info: cpu_mhz * "
                                                                 "1000); without it, found from the trace where it tells it")
    parser.add_argument("--window", type=float, metavar="S", help="json: also the table of every S seconds; other forms: "
                                                                  "length of the windows (default: 1)")
    parser.add_argument("--format", choices=FORMATS, default="json", help="form of the output (default: json)")
    parser.add_argument("--allocation", action="store_true", help="say so where the trace holds no time slices; where it "
                                                                  "holds them they are told anyway")
    parser.add_argument("--causes", action="store_true", help="also who made whom wait: of each domain's waits who had the "
                                                              "pCPU meanwhile; json: each, and the longest waits, other "
                                                              "forms: the %d heaviest" % NAMED)
    parser.set_defaults(run=run)


def run(arguments: Any) -> int:
    # figures that come as they are made, on the terminal itself, show how far it is
    silent = arguments.format in ("influx", "csv") and sys.stdout.isatty()
    name = "stdin" if arguments.file == "-" else os.path.basename(os.path.abspath(arguments.file))
    with Progress("baking " + name, out=io.StringIO() if silent else None) as progress:
        return _run(arguments, progress)


def _run(arguments: Any, progress: Progress) -> int:
    if arguments.format == "json":
        document = run_bake(arguments, progress.watch)
        progress.close()
        for text in document["trace"].get("doubts", ()):
            sys.stderr.write("xenmeter: %s\n" % text)
        if arguments.allocation and not any("allocation" in domain for domain in document["domains"]):
            sys.stderr.write("xenmeter: %s\n" % NO_SLICES)
        write(document, sys.stdout)
        return 0
    lengths = [length_of(1 if arguments.window is None else arguments.window, "--window")]
    khz = checked_khz(arguments.cpu_khz)
    stream = sys.stdin.buffer if arguments.file == "-" else None

    def opened(options: Options) -> Source:
        source = Playback(arguments.file, lengths, khz, stream=stream, allocation=arguments.allocation,
                          causes=NAMED if arguments.causes else 0)
        source.watch = progress.watch
        return source
    _write(PLUGIN._replace(open_source=opened), defaults(PLUGIN.options), arguments.format, progress)
    return 0


def _write(plugin: Plugin, options: Options, form: str, progress: Progress) -> None:
    pipeline = Pipeline(plugin, options)
    format_ = make_format(form, pipeline)
    out = sys.stdout.buffer
    pipeline.start()
    try:
        last = None
        remark = None
        while not pipeline.ended:
            for sample in pipeline.take():
                if last is None:
                    out.write(format_.header())
                last, remark = sample, sample.remark
                if form not in _LAST:
                    out.write(format_.sample(last))
        progress.close()
        if form in _LAST and last is not None:
            out.write(format_.sample(last))
        out.flush()
        if remark:
            sys.stderr.write("xenmeter: %s\n" % remark)
        if pipeline.error is not None:
            raise pipeline.error
    finally:
        pipeline.stop()
