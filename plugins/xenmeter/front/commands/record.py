"""``xenmeter record DIR``: what this host's sources say, as a recording that every --source takes."""
import os
import signal
import sys
from typing import Any, List, Optional

from xenmeter.core.errors import BadOption, printable
from xenmeter.core.stopping import stopped_by
from xenmeter.front.progress import Progress
from xenmeter.front.recorder import Recorder

__all__ = ("add", "run")

SOURCES = ("xentop", "direct", "vcpu")
#: What else may be in a recording, as it is told.
_MORE = {"xentrace": "a trace", "profile": "raw samples of a profile"}
_LONGEST_S = 366 * 86400
#: A trace that has failed until then takes the rest of the recording with it.
_SOON_NS = 60 * 10 ** 9


def add(subparsers: Any, parent: Any) -> None:
    parser = subparsers.add_parser("record", parents=[parent], help="record this host's sources into a directory",
                                   description="What xentop prints, what Xen and dom0 themselves say (source direct), "
                                               "what the vcpu plugin reads, and names; a source that cannot be used here is "
                                               "said and left out. A recording shows names, UUIDs and figures of all "
                                               "domains; nothing else of xenstore is in it.")
    parser.add_argument("directory", metavar="DIR", help="must not exist yet, or be empty")
    parser.add_argument("--seconds", type=float, default=60.0, metavar="N", help="how long (default: 60)")
    parser.add_argument("--interval", type=int, default=10, metavar="S", help="seconds between samples (default: 10)")
    parser.add_argument("--only", default="", metavar="SOURCE,...",
                        help="these sources alone: %s. Without it all, and each has its cost" % ", ".join(SOURCES))
    parser.add_argument("--trace", action="store_true",
                        help="a trace too, for `xenmeter bake DIR` and `xenmeter xentrace --source DIR`; no baker may run. "
                             "The memory of Xen's trace rings, 128 KiB per pCPU, then stays until the host reboots")
    parser.add_argument("--trace-source", choices=("rings", "xentrace"), default="rings",
                        help="the hypervisor's rings, or a child process xentrace (Xen 4.18 and later) (default: rings)")
    parser.add_argument("--trace-mb", type=int, default=256, metavar="N", help="size at which the trace ends (default: 256)")
    parser.add_argument("--allocation", action="store_true", help="trace the granted time slices too: many more events")
    parser.add_argument("--profile", action="append", default=[], metavar="DOMAIN",
                        help="raw samples of this guest too, for `xenmeter profile --source DIR`: they hold bytes of its stacks, "
                             "and only root may read them; may be repeated")
    parser.set_defaults(run=run)


def run(arguments: Any) -> int:
    _check(arguments)
    stop = stopped_by([signal.SIGINT, signal.SIGTERM])      # an interrupted recording is a whole one, only shorter
    recorder = Recorder(arguments.directory, arguments.interval, _only(arguments.only))
    trace = profile = None
    try:
        if arguments.profile:
            from xenmeter.profile.record import ProfileRecorder
            profile = ProfileRecorder(arguments.directory, arguments.profile)
        if arguments.trace:
            from xenmeter.xentrace.record import record_trace
            trace = record_trace(arguments.directory, arguments.trace_source, arguments.allocation, arguments.trace_mb << 20,
                                 lambda error: stop.set())
        with Progress("recording into " + os.path.basename(os.path.abspath(arguments.directory)),
                      arguments.seconds) as progress:
            progress.clock()
            recorder.run(stop, arguments.seconds, others=int(arguments.trace))
    finally:
        stop.set()
        try:
            _end("profile", profile, recorder)
            _end("xentrace", trace, recorder)
            if trace is not None and trace.error is not None and trace.lasted_ns < _SOON_NS:
                recorder.discard()      # who asked for a trace is not to find out an hour later that there is none
        finally:
            recorder.close()
    if trace is not None and trace.error is not None:
        raise type(trace.error)("there is no trace: %s" % trace.error)
    if not recorder.taken and not recorder.more:
        raise recorder.nothing()
    for line in recorder.failures():
        sys.stderr.write("xenmeter: %s\n" % line)
    counts = ["%d %sof %s" % (number, "" if place else "samples ", name)
            for place, (name, number) in enumerate(recorder.taken.items())] + [_MORE[name] for name in recorder.more]
    if recorder.more:
        counts[-2:] = [", and ".join(counts[-2:])]
    sys.stdout.write("%s: %s\n" % (arguments.directory, ", ".join(counts)))
    return int(recorder.unwritten)


def _only(text: str) -> List[str]:
    """The sources that were named; BadOption where there is no such one."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in SOURCES:
            raise BadOption("--only %s: takes some of %s, with commas between them" % (printable(name), ", ".join(SOURCES)))
    return names


def _check(arguments: Any) -> None:
    if arguments.trace_mb < 1:
        raise BadOption("--trace-mb %d: takes 1 or more" % arguments.trace_mb)
    if arguments.interval < 1:
        raise BadOption("--interval %d: takes a whole number of seconds, at least 1" % arguments.interval)
    if not 0 < arguments.seconds <= _LONGEST_S:
        raise BadOption("--seconds %g: takes a number of seconds above 0, at most %d" % (arguments.seconds, _LONGEST_S))


def _end(name: str, part: Optional[Any], recorder: Recorder) -> None:
    if part is None:
        return
    entry = part.close()
    if entry is not None:
        recorder.more[name] = entry
    for remark in part.remarks if name == "profile" else [part.remark] if part.remark else []:
        sys.stderr.write("xenmeter: %s\n" % printable(remark))
