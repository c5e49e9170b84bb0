"""``xenmeter bench``: a benchmark program's own result, and what each domain paid for it."""
import os
import signal
import sys
import time
from typing import Any, Callable, Dict, List, Optional, Tuple

from xenmeter.bench import runs, session, table
from xenmeter.bench.outputs import Outputs
from xenmeter.bench.readers import READERS, reader_named, reader_of
from xenmeter.bench.runner import Interrupted
from xenmeter.bench.server import serving
from xenmeter.bench.watch import Watch
from xenmeter.core.errors import BadOption, SourceError
from xenmeter.core.options import defaults
from xenmeter.core.pipeline import Pipeline
from xenmeter.core.stopping import stopped_by
from xenmeter.core.times import parse_time
from xenmeter.front import plugins
from xenmeter.front.progress import Progress
from xenmeter.publish.text import for_terminal

__all__ = ("add", "run")

#: The plugins that know what a domain pays.
WATCHED = ("xentop", "xentrace")


def add(subparsers: Any, parent: Any) -> None:
    parser = subparsers.add_parser(
        "bench", parents=[parent], help="a benchmark program's result, and what each domain paid for it",
        description="Runs COMMAND as often as told, reads its result, and says what each domain paid meanwhile: CPU above what "
                    "it takes anyway, waiting, executions, bytes of its networks and disks, per unit of work. Readers: %s." % (
                        ", ".join(sorted(READERS))))
    _add_runs(parser)
    _add_watching(parser)
    parser.set_defaults(run=run)


def _add_runs(parser: Any) -> None:
    parser.add_argument("--runs", type=int, default=1, metavar="N", help="runs, of each side with --a and --b (default: 1)")
    parser.add_argument("--label", default="", metavar="L", help="what these runs are called")
    parser.add_argument("--reader", metavar="NAME",
                        help="reads COMMAND's output: a reader's name, or a regular expression with (?P<value>...), and if you "
                             "like (?P<unit>...) and (?P<name>...); else it goes by the first known program's name")
    parser.add_argument("--a", metavar="CMD", help="makes configuration A; with --b the runs alternate: A B B A ...")
    parser.add_argument("--b", metavar="CMD", help="makes configuration B")
    parser.add_argument("--restore", default="", metavar="CMD", help="puts back at the end what --a and --b changed")
    parser.add_argument("--serve", default="", metavar="CMD", help="a server: started before the runs, ended after them")
    parser.add_argument("--ready", default="", metavar="tcp:HOST:PORT", help="where the server answers when it is ready")
    parser.add_argument("--timeout", type=float, metavar="S", help="seconds after which a run is ended and does not count")
    parser.add_argument("words", nargs="*", metavar="COMMAND", help="after --: the program and its arguments")


def _add_watching(parser: Any) -> None:
    parser.add_argument("--idle", type=float, default=5, metavar="S",
                        help="seconds over which it is measured first what the domains take without COMMAND; 0: not at all "
                             "(default: 5)")
    parser.add_argument("--interval", type=float, default=1, metavar="S", help="seconds between readings (default: 1)")
    parser.add_argument("--source", default="auto", metavar="SOURCE",
                        help="auto: this host; xentop, direct; or a recording, of which --from and --to take a span, without a "
                             "COMMAND")
    parser.add_argument("--from", dest="first", default="", metavar="TIME", help="beginning of the span of a recording")
    parser.add_argument("--to", dest="last", default="", metavar="TIME", help="its end")
    parser.add_argument("-o", "--output", metavar="FILE",
                        help="append each run to FILE, a line of JSON; what the program printed goes into FILE.d")


def run(arguments: Any) -> int:
    _check(arguments)
    if os.path.exists(arguments.source):
        return _span(arguments)
    reader = reader_named(arguments.reader) if arguments.reader else reader_of(arguments.words)
    switches = {"a": arguments.a, "b": arguments.b} if arguments.a else {}
    plan = session.Plan(arguments.words, reader, arguments.runs, arguments.label, arguments.interval, arguments.idle,
                        arguments.timeout, switches, arguments.restore)
    stop = stopped_by([signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
    watch = Watch(*_pipelines(arguments))
    outputs = Outputs(arguments.output)
    stages = _Stages()
    failed = 0
    try:
        with serving(arguments.serve, arguments.ready, stop.is_set):
            _first(watch, arguments.interval, stop.is_set)
            for record in session.session(plan, watch, outputs, stop.is_set, stages.say):
                failed += bool(record["unusable"])
                outputs.keep(record)
                stages.close()
                _show(record)
    except Interrupted:
        return 130
    finally:
        stages.close()
        watch.stop()
        outputs.close()
    return 1 if failed else 0


def _show(record: Dict[str, Any]) -> None:
    sys.stdout.write("".join(line + "\n" for line in table.lines(record, for_terminal)))
    sys.stdout.flush()


def _check(arguments: Any) -> None:
    if arguments.runs < 1:
        raise BadOption("--runs %d: takes 1 or more" % arguments.runs)
    if bool(arguments.a) != bool(arguments.b):
        raise BadOption("--a and --b go together: one makes the first configuration, the other the second")
    if arguments.idle < 0 or not 0.1 <= arguments.interval <= 3600:
        raise BadOption("--idle takes 0 or more seconds, --interval 0.1 to 3600")
    recorded = os.path.exists(arguments.source)
    if not recorded and arguments.source not in ("auto", "direct", "xentop"):
        raise BadOption("--source %s: no such recording; or one of auto, direct, xentop" % arguments.source)
    if recorded and arguments.words:
        raise BadOption("--source %s is a recording: nothing runs beside it; give --from and --to instead of a command" % (
            arguments.source))
    if not recorded and not arguments.words:
        raise BadOption("which command? xenmeter bench -- COMMAND ...")
    if not recorded and (arguments.first or arguments.last):
        raise BadOption("--from and --to are for a recording: --source DIR")


def _pipelines(arguments: Any) -> Tuple[Dict[str, Pipeline], Dict[str, str]]:
    """The plugins, started, and why others could not be."""
    found, missing = {}, {}
    for name in WATCHED:
        plugin = plugins.get(name)
        options = defaults(plugin.options)
        options.interval = arguments.interval
        options.source = arguments.source if name == "xentop" or os.path.exists(arguments.source) else "auto"
        pipeline = Pipeline(plugin, options)
        try:
            pipeline.start(keep=64)
            found[name] = pipeline
        except SourceError as error:
            missing[name] = str(error)
    return found, missing


def _first(watch: Watch, interval: float, stopped: Callable[[], bool]) -> None:
    """Waits until every plugin has spoken, or has said why it cannot; what is missing is told once."""
    deadline = time.monotonic() + 15 + 3 * interval
    while not watch.settled and time.monotonic() < deadline and not stopped():
        watch.look(0.1)
    for name, why in sorted(watch.missing.items()):
        sys.stderr.write("xenmeter: no figures of %s: %s\n" % (name, for_terminal(why)))


class _Stages:
    """What is being done, on a terminal; gone when something else is said."""

    def __init__(self) -> None:
        self._shown: Optional[Progress] = None

    def say(self, text: str) -> None:
        self.close()
        self._shown = Progress("bench: " + text)
        self._shown.clock()

    def close(self) -> None:
        if self._shown is not None:
            self._shown.close()
        self._shown = None


def _span(arguments: Any) -> int:
    """A span of a recording: what each domain paid in it, beside no program."""
    readings: Dict[str, List[Any]]
    catalogues: Dict[str, Any]
    readings, catalogues = {}, {}
    pipelines, missing = _pipelines(arguments)
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
        raise SourceError("; ".join(missing.values()) or "%s: the recording is empty" % arguments.source)
    first = parse_time(arguments.first) if arguments.first else None
    last = parse_time(arguments.last) if arguments.last else None
    span = session.between(readings, catalogues, first, last)
    record: Dict[str, Any] = {"run": 1, "label": arguments.label, "length_ns": max(span.lengths.values()), "unusable": None,
                              "figures": [], "work": None, "notes": []}
    record.update(runs.costs_of(span, None))
    record["checks"] = runs.checks(record, 0)
    _show(record)
    return 0
