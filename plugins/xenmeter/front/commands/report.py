"""``xenmeter report TRACE|CSV|RUNS -o report.html``: one file with plots that any browser opens."""
import os
import re
import shlex
import sys
from typing import Any, Optional, Tuple

import xenmeter
from xenmeter.bench.runs import is_file_of_runs
from xenmeter.core import files
from xenmeter.core.child import BEGIN
from xenmeter.core.errors import BadOption, SourceError
from xenmeter.core.times import seconds_ns
from xenmeter.front.report import profilepage
from xenmeter.front.report.runspage import page_of
from xenmeter.xentrace.engine.frequency import checked_khz

__all__ = ("add", "run")

#: What the extra `report` of setup.cfg wants.
BOKEH = "bokeh>=3.9,<4"
#: A distribution's pip installs nothing beside its own packages; in an environment that sees ours it does.
_BY_PIP = "python3 -m venv --system-site-packages v; v/bin/pip install '" + BOKEH + "'; "
BY_PIP = _BY_PIP + "v/bin/python3 -I -m xenmeter report"


def add(subparsers: Any, parent: Any) -> None:
    parser = subparsers.add_parser(
        "report", parents=[parent], help="a trace, a log or benchmark runs as one HTML file with plots",
        description="Who ran when on which pCPU, shares of time, wait latencies, executions, I/O: one HTML file that "
                    "opens anywhere, without a network. Needs Bokeh: " + BY_PIP + ". Meant for the machine that you work "
                    "on, not for a dom0. Of a file of `xenmeter bench -o`, which needs no Bokeh: the figures of each run, and "
                    "what a unit of work cost each domain.")
    parser.add_argument("file", metavar="TRACE|CSV|RUNS|FOLDED",
                        help="what xentrace wrote (.gz and .xz too; - is stdin), a recording's directory, or the CSV that "
                             "`xenmeter mon --log` or `xenmeter xentrace --format csv` wrote; what `xenmeter bench -o` wrote; or "
                             "FILE.folded of `xenmeter profile -o`")
    parser.add_argument("-o", "--output", metavar="FILE", default="report.html", help="the report (default: "
                                                                                      "report.html)")
    parser.add_argument("--cpu-khz", type=int, metavar="K", help="TSC rate of the traced host in kHz (xl info: "
                                                                 "cpu_mhz * 1000); without it, what the recording "
                                                                 "says, or found from the trace")
    parser.add_argument("--exact", metavar="FROM-TO", help="seconds of the trace that are shown to the nanosecond, "
                                                           "like 2.5-2.75, as far as there is room (default: around "
                                                           "the longest wait)")
    parser.add_argument("--compare", metavar="FOLDED", help="of a profile: an earlier one, and what changed since")
    parser.set_defaults(run=run)


def run(arguments: Any) -> int:
    checked_khz(arguments.cpu_khz)
    span = _span(arguments.exact)
    if arguments.file.endswith(profilepage.END):
        made = profilepage.page_of(arguments.file, arguments.compare)
    elif arguments.compare:
        raise BadOption("--compare %s: is of profiles, FILE.folded of `xenmeter profile -o`; `xenmeter compare` is of benchmark "
                        "runs" % arguments.compare)
    else:
        made = page_of(arguments.file) if is_file_of_runs(arguments.file) else _of_trace(arguments, span)
    target = arguments.output
    try:
        files.replace(target, made.encode("utf-8"))
    except OSError as error:
        raise SourceError("cannot write %s: %s" % (target, error.strerror))
    sys.stdout.write("%s\n" % target)
    return 0


def _of_trace(arguments: Any, span: Optional[Tuple[int, int]]) -> str:
    try:
        from xenmeter.front.report.make import make
    except ImportError as error:
        if (error.name or "").partition(".")[0] not in ("bokeh", "numpy"):
            raise
        raise SourceError("the report needs Bokeh, which is not here (%s): %s ...; or make the report on another machine: "
                          "the trace is all it needs" % (error, _by_pip(xenmeter.__file__)))
    return make(arguments.file, arguments.cpu_khz, span)


def _by_pip(ours: str) -> str:
    """The commands for this installation: an environment sees what is installed, but neither a clone nor the one file. None of
    them imports from where it is typed.

    :param ours: the path of our package's first module.
    """
    above = os.path.dirname(os.path.dirname(os.path.abspath(ours)))
    if os.path.isfile(above):
        return _BY_PIP + "v/bin/python3 -I %s report" % shlex.quote(above)
    if os.path.basename(above) in ("dist-packages", "site-packages"):
        return BY_PIP
    return _BY_PIP + "v/bin/python3 -I -c %s %s report" % (shlex.quote(BEGIN), shlex.quote(above))


def _span(text: Optional[str]) -> Optional[Tuple[int, int]]:
    if text is None:
        return None
    match = re.match(r"(\d+(?:\.\d{1,9})?)-(\d+(?:\.\d{1,9})?)\Z", text, re.ASCII)
    begin, end = [seconds_ns(part) for part in match.groups()] if match else (0, 0)
    if begin >= end:
        raise BadOption("--exact %s: takes two times in seconds, like 2.5-2.75, the first before the second" % text)
    return begin, end
