"""``xenmeter mon``: the XenMon screen, of this host or of a recording; and its logs."""
import os
import shutil
import signal
import sys
from typing import Any, Optional

from xenmeter.core.errors import BadOption, SourceError, XenmeterError
from xenmeter.core.options import Option, Options, add_arguments, defaults, from_arguments
from xenmeter.core.log import Hourly
from xenmeter.core.select import domain_filter
from xenmeter.core.stopping import stopped_by
from xenmeter.front.progress import Progress
from xenmeter.front.screen.history import History
from xenmeter.front.screen.live import Live
from xenmeter.front.screen.logs import Logs
from xenmeter.front.screen.pages import print_pages
from xenmeter.xentrace.plugin import OPTIONS as ALL
from xenmeter.xentrace.engine.naming import NAMED
from xenmeter.xentrace.plugin import open_source
from xenmeter.xentrace.baker.shm import NothingYet

__all__ = ("add", "run")

_NAMES = ("source", "shared", "cpu_khz", "start", "window", "allocation", "cpus", "include", "exclude", "dom0")
OPTIONS = tuple(option for option in ALL if option.name in _NAMES) + (
    Option("pace", "seconds", 1, "speed of a recording: 1 its own, 10 ten times as fast, 0 at once (logs: 0)", minimum=0),
    Option("interval", "seconds", 1, "what a line of the logs covers", minimum=0.01),
)

#: What the source is called where it is none that was given.
_LIVE = "this host"


def add(subparsers: Any, parent: Any) -> None:
    parser = subparsers.add_parser(
        "mon", parents=[parent], help="the XenMon screen: who ran, who waited, for how long",
        description="CPU gotten, waiting and blocked time, executions, I/O and waits of each domain, the last 10 seconds "
                    "beside the last second. Key h shows the keys. Where nothing can be drawn, one page after the other.")
    add_arguments(parser, OPTIONS)
    parser.add_argument("--share", type=float, metavar="PERCENT",
                        help="of one pCPU that a baker of our own may take; where the events would cost more, it rests "
                             "between observations of whole windows; 0: no bound (default: 0)")
    parser.add_argument("--count", type=int, default=0, metavar="N", help="print N pages instead of drawing on the terminal")
    parser.add_argument("--log", metavar="PREFIX", help="instead of a screen, write PREFIX.csv, and PREFIX-domN.log and "
                                                        "PREFIX-idle.log as xenmon -n did")
    parser.add_argument("--seconds", type=float, metavar="N",
                        help="logs: how long (default: until the source ends or a signal comes)")
    parser.set_defaults(run=run)


def run(arguments: Any) -> int:
    options = _options(arguments)
    history = History(domain_filter(options.include, options.exclude, options.dom0))
    source = open_source(options, arguments.share or 0.0)
    live = Live(source, options.shared, _ignored_options(arguments)) if options.source in ("auto", "baker") else None
    name = _LIVE if live is not None else os.path.basename(os.path.abspath(options.source))
    if arguments.log:
        return _log(arguments, options, source, history, name, live)
    if not arguments.count:
        try:
            from xenmeter.front.screen.show import show
            from xenmeter.front.screen.terminal import can_draw
        except ImportError:     # a Python without curses
            pass
        else:
            if can_draw():
                return show(source, history, name, live)
    return print_pages(source, history, name, shutil.get_terminal_size((100, 24)).columns, arguments.count, live)


def _ignored_options(arguments: Any) -> str:
    """What was asked of a baker of our own, which one that runs does not heed."""
    given = (("--share", arguments.share), ("--cpus", arguments.cpus), ("--cpu-khz", arguments.cpu_khz))
    return " ".join("%s %s" % (name, value if isinstance(value, str) else "%g" % value)
                    for name, value in given if value is not None)


def _log(arguments: Any, options: Options, source: Any, history: History, name: str, live: Optional[Live]) -> int:
    """Until the source ends, there is enough of it or a signal comes; what is wrong meanwhile is said on stderr."""
    stop = stopped_by([signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
    hourly = Hourly()

    def failed(error: XenmeterError) -> None:
        if isinstance(error, NothingYet):
            return
        if not history.slices:
            raise error
        if hourly.may(str(error)):
            sys.stderr.write("xenmeter: %s\n" % error)
    logs = Logs(arguments.log, round(options.line * 10 ** 9))
    try:
        with Progress("logging " + name, arguments.seconds) as progress:
            if options.pace or name == _LIVE:
                progress.clock()
            else:
                source.watch = progress.watch
            _write(source.samples(stop, failed), history, logs, arguments.seconds, live, hourly)
    finally:
        logs.close()
    if not logs.intervals:
        raise SourceError("%s: no interval of %g s has ended; nothing is logged" % (name, options.line))
    if history.trouble:
        sys.stderr.write("xenmeter: %s\n" % history.trouble)
    sys.stdout.write("%s*: %d intervals of %d domains\n" % (arguments.log, logs.intervals, len(logs.domains)))
    return 0


def _write(samples: Any, history: History, logs: Logs, seconds: Any, live: Optional[Live],
           hourly: Hourly) -> None:
    covered = 0
    note = ""
    for sample in samples:
        if live is not None and live.note != note:
            note = live.note
            if note:
                sys.stderr.write("xenmeter: %s\n" % note)
        made = history.add(sample)
        if made is not None:
            try:
                logs.add(made, history)
            except XenmeterError:
                raise
            except Exception as error:      # what a baker wrote may be whole and wrong
                history.drop(error)
        if history.unusable and hourly.may(history.unusable):
            sys.stderr.write("xenmeter: %s\n" % history.unusable)
        if made is not None:
            covered += made.length
            if seconds and covered >= seconds * 10 ** 9:
                return


def _options(arguments: Any) -> Options:
    """Those of the plugin; a baker is looked at more often than it speaks, so that no window is missed."""
    options = defaults(ALL)
    mine = from_arguments(OPTIONS, arguments)
    options.__dict__.update(mine.__dict__)
    options.line, options.interval = mine.interval, 0.25
    options.per_vcpu = not arguments.log
    options.causes = 0 if arguments.log else NAMED
    if arguments.share is not None and not 0 <= arguments.share <= 100:
        raise BadOption("--share %s: takes 0 to 100 percent" % arguments.share)
    if arguments.log and arguments.pace is None:
        options.pace = 0
    if arguments.seconds is not None and not arguments.seconds > 0:
        raise BadOption("--seconds %s: takes a number of seconds above 0" % arguments.seconds)
    return options
