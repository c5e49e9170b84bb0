"""``xenmeter bench``: a benchmark program's own result, and what each domain paid for it."""
import os
import signal
from typing import Any, Dict, List, Optional

from xenmeter.bench import replay, runs, session
from xenmeter.bench.outputs import Outputs
from xenmeter.bench.readers import READERS, Reader, reader_named, reader_of, result_of
from xenmeter.bench.results import Result, Unusable
from xenmeter.bench.runner import Interrupted
from xenmeter.bench.server import serving
from xenmeter.core.errors import EXAMPLE, BadOption, SourceError
from xenmeter.core.stopping import stopped_by
from xenmeter.core.times import parse_time
from xenmeter.front.benchforms import FORMS, Told
from xenmeter.front.benchwork import played, watching
from xenmeter.front.progress import Progress

__all__ = ("add", "run")

LIVE = ("auto", "direct", "xentop", "none")


def add(subparsers: Any, parent: Any) -> None:
    parser = subparsers.add_parser(
        "bench", parents=[parent], help="a benchmark program's result, and what each domain paid for it",
        description="Runs COMMAND as often as told, reads its result, and says what each domain paid meanwhile: CPU, waiting, "
                    "executions, bytes and requests of its networks and disks, above what it takes anyway and per unit of work. "
                    "Readers: %s." % ", ".join(sorted(READERS)))
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
    parser.add_argument("--blind", action="store_true",
                        help="the runs alternate, unwatched and watched: compare says what watching itself costs the program")
    parser.add_argument("--serve", default="", metavar="CMD", help="a server: started before the runs, ended after them")
    parser.add_argument("--ready", default="", metavar="tcp:HOST:PORT", help="where the server answers when it is ready")
    parser.add_argument("--timeout", type=float, metavar="S", help="seconds after which a run is ended and does not count")
    parser.add_argument("words", nargs="*", metavar="COMMAND", help="after --: the program and its arguments")


def _add_watching(parser: Any) -> None:
    parser.add_argument("--idle", type=float, default=5, metavar="S",
                        help="seconds over which it is measured first what the domains take without COMMAND; 0: not at all "
                             "(default: 5)")
    parser.add_argument("--interval", type=float, default=1, metavar="S",
                        help="seconds between readings; of a recording, between those of its trace (default: 1)")
    parser.add_argument("--source", default="auto", metavar="SOURCE",
                        help="auto: this host; xentop, direct; none: nothing is watched; a recording, for a span of it without "
                             "a COMMAND; or a file of -o, whose runs are shown")
    parser.add_argument("--no-trace", dest="trace", action="store_false",
                        help="without waiting times and executions: no baker is asked or started")
    parser.add_argument("--from", dest="first", default="", metavar="TIME", help="beginning of the span of a recording")
    parser.add_argument("--to", dest="last", default="", metavar="TIME", help="its end")
    parser.add_argument("--printed", metavar="FILE", help="what a program printed that ran in the span; with --reader")
    parser.add_argument("--runs-of", metavar="FILE",
                        help="the runs of FILE (of -o; maybe of another machine, --source none), with what each domain paid for "
                             "them by the recording")
    parser.add_argument("--format", choices=FORMS, default="table", help="how runs are told (default: table); an exposition "
                                                                         "holds the last run of each label")
    parser.add_argument("-o", "--output", metavar="FILE",
                        help="append each run to FILE, a line of JSON; what the program printed goes into FILE.d")


def run(arguments: Any) -> int:
    _check(arguments)
    reader = reader_named(arguments.reader) if arguments.reader else reader_of(arguments.words)
    told = Told(arguments.format)
    if _recorded(arguments.source):
        outputs = Outputs(arguments.output)
        try:
            for record in _of_recording(arguments, reader):
                outputs.keep(record)
                told.run(record)
        finally:
            outputs.close()
        told.end()
        return 0
    return _live(arguments, reader, told)


def _live(arguments: Any, reader: Optional[Reader], told: Told) -> int:
    stop = stopped_by([signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
    outputs = Outputs(arguments.output)
    stages = _Stages()
    missing: Dict[str, str] = {}
    failed = 0
    try:
        with serving(arguments.serve, arguments.ready, stop.is_set):
            for record in session.session(_plan(arguments, reader),
                                          lambda: watching(arguments.source, arguments.interval, arguments.trace,
                                                           stop.is_set, missing),
                                          outputs, stop.is_set, stages.say):
                failed += bool(record["unusable"])
                outputs.keep(record)
                stages.close()
                told.run(record)
    except Interrupted:
        return 130
    finally:
        stages.close()
        outputs.close()
    told.end()
    return 1 if failed else 0


def _plan(arguments: Any, reader: Optional[Reader]) -> session.Plan:
    switches, blind, names = {}, [], ("A", "B")
    if arguments.a:
        switches = {"a": arguments.a, "b": arguments.b}
    if arguments.blind:
        switches, blind, names = {"a": "", "b": ""}, ["a"], ("unwatched", "watched")
    if arguments.source == "none":
        blind = ["", "a", "b"]
    return session.Plan(arguments.words, reader, arguments.runs, arguments.label, arguments.interval, arguments.idle,
                        arguments.timeout, switches, arguments.restore, blind, names)


def _recorded(source: str) -> bool:
    return source not in LIVE and (os.path.exists(source) or source == EXAMPLE)


def _check(arguments: Any) -> None:
    if arguments.runs < 1:
        raise BadOption("--runs %d: takes 1 or more" % arguments.runs)
    if bool(arguments.a) != bool(arguments.b):
        raise BadOption("--a and --b go together: one makes the first configuration, the other the second")
    if arguments.blind and (arguments.a or arguments.source == "none"):
        raise BadOption("--blind makes two sides of its own: not with --a and --b, nor with --source none")
    least = 0.001 if _recorded(arguments.source) else 0.1
    if not 0 <= arguments.idle <= 86400 or not least <= arguments.interval <= 3600:
        raise BadOption("--idle takes 0 to 86400 seconds, --interval %g to 3600" % least)
    if arguments.timeout is not None and not 0 < arguments.timeout <= 366 * 86400:
        raise BadOption("--timeout %g: takes seconds, more than 0" % arguments.timeout)
    spanned = arguments.first or arguments.last or arguments.printed
    if _recorded(arguments.source):
        _check_recorded(arguments, spanned)
        return
    if arguments.source not in LIVE:
        raise BadOption("--source %s: no such recording; or one of %s" % (arguments.source, ", ".join(LIVE)))
    if spanned or arguments.runs_of:
        raise BadOption("--from, --to, --printed and --runs-of are for a recording: --source DIR")
    if not arguments.words:
        raise BadOption("which command? xenmeter bench -- COMMAND ...")


def _check_recorded(arguments: Any, spanned: str) -> None:
    if arguments.words:
        raise BadOption("--source %s is a recording: nothing runs beside it; give --from and --to instead of a command" % (
            arguments.source))
    if spanned and arguments.runs_of:
        raise BadOption("--runs-of has the spans of its runs: not with --from, --to or --printed")
    if bool(arguments.printed) != bool(arguments.reader):
        raise BadOption("--printed and --reader go together: one is the output, the other who reads it")


def _of_recording(arguments: Any, reader: Optional[Reader]) -> List[Dict[str, Any]]:
    if runs.is_file_of_runs(arguments.source):
        return list(runs.load(arguments.source))
    if arguments.runs_of:
        return list(replay.again(list(runs.load(arguments.runs_of)), played(arguments.source, arguments.interval),
                                 arguments.idle))
    first = parse_time(arguments.first, "--from") if arguments.first else None
    last = parse_time(arguments.last, "--to") if arguments.last else None
    if first is not None and last is not None and last <= first:
        raise BadOption("--to %s is not after --from %s" % (arguments.last, arguments.first))
    result: Optional[Result]
    result, unusable = None, None
    if reader is not None and arguments.printed:
        try:
            result = result_of(reader, _text(arguments.printed), "", 0)
        except Unusable as error:
            unusable = str(error)
    return [replay.span_record(played(arguments.source, arguments.interval), first, last, arguments.label,
                               reader.name if reader else None, result, unusable)]


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace", newline="") as file:
            return file.read(session.MOST)
    except OSError as error:
        raise SourceError("%s: %s" % (path, error.strerror))


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
