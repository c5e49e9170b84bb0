"""``xenmeter check``: each source on this host, usable or why not, what it can measure and what that costs; or, with
``--install``, what each backend still wants here.
"""
import json
import shutil
import sys
import textwrap
from typing import Any, Callable, Dict, List, NamedTuple, Tuple

from xenmeter import __version__
from xenmeter.core.errors import EXAMPLE, EXAMPLE_PATH, XenmeterError
from xenmeter.core.plugin import Probe
from xenmeter.front import plugins
from xenmeter.front.health import FIGURES
from xenmeter.front.monitors import FORMS, say
from xenmeter.profile.probes import PROBES

__all__ = ("add", "run", "probes", "NOTHING")

_HEAD = ("SOURCE", "USABLE", "MEASURES", "COSTS PER READING")

#: Exit status where nothing can be measured: no dom0, or no rights. The baker's is the same.
NOTHING = 3


class Answer(NamedTuple):
    """What a probe said. ``reason``: why the source cannot be used; empty: it can."""

    source: str
    measures: str
    costs: str
    reason: str


def add(subparsers: Any, parent: Any) -> None:
    parser = subparsers.add_parser(
        "check", parents=[parent], help="what this host offers, usable or why not",
        description="Asks each source once. The status is 0 where something can be measured, else %d; with --install, where a "
                    "backend has all that it needs. In the forms nagios, checkmk and zabbix it judges the host instead: domains, "
                    "crashed ones, load, memory." % NOTHING)
    parser.add_argument("--install", action="store_true",
                        help="instead, what each backend still wants on this host, with the commands that bring it")
    parser.add_argument("--format", choices=("table", "json") + FORMS, default="table",
                        help="for people, for programs, or for a monitoring system (default: table)")
    judged = parser.add_argument_group("of nagios, checkmk and zabbix")
    judged.add_argument("--nagios", action="store_const", dest="format", const="nagios",
                        help="the same as --format nagios: a line with performance data; status 0, 1, 2 or 3")
    judged.add_argument("--from", action="append", default=[], dest="places", metavar="PLACE",
                        help="judge by what `xenmeter serve` answers, http://127.0.0.1:9778/metrics, or by a textfile's path, "
                             "which needs no root; may be repeated (default: two readings of our own)")
    judged.add_argument("--source", default="auto", help="of readings of our own: as xentop's (default: auto)")
    judged.add_argument("-w", "--warning", action="append", default=[], metavar="FIGURE=RANGE",
                        help="what is right of a figure (%s); 10: 0 to 10, 10:, ~:10, 10:20, @10:20; may be repeated" % ", ".join(
                            [figure.name for figure in FIGURES]))
    judged.add_argument("-c", "--critical", action="append", default=[], metavar="FIGURE=RANGE", help="the same, for critical")
    parser.set_defaults(run=run)


def run(arguments: Any) -> int:
    if arguments.format in FORMS:
        return say(arguments.format, arguments.warning, arguments.critical, arguments.places, arguments.source)
    if arguments.install:
        return _installing(arguments.format == "json")
    answers = [_asked(name, probe) for name, probe in probes()]
    taken = _taken({answer.source: not answer.reason for answer in answers})
    sys.stdout.write((_json if arguments.format == "json" else _table)(answers, taken))
    return 0 if any(taken.values()) else NOTHING


def _installing(as_json: bool) -> int:
    from xenmeter.front import hostfiles, installing
    host = hostfiles.Host()
    found = installing.steps(host)
    if as_json:
        told = [{"backend": name, "ready": not steps, "missing": [step._asdict() for step in steps]} for name, _, steps in found]
        sys.stdout.write(json.dumps({"xenmeter": __version__, "dom0": host.is_dom0(), "backends": told}) + "\n")
    else:
        sys.stdout.write("%-15s%-7s%s\n" % ("BACKEND", "READY", "WHAT IS MISSING, WITH THE COMMANDS, AS ROOT"))
        for name, about, steps in found:
            lines = [step.missing + "".join(["\n%28s" % "" + command for command in step.commands]) for step in steps]
            sys.stdout.write("%-15s%-7s%s\n" % (name, "no" if steps else "yes", ("\n%24s" % "").join(lines) or about))
        if not host.is_dom0():
            sys.stdout.write("\nThis is no Xen dom0 (/proc/xen/capabilities does not say control_d): only there services begin "
                             "and daemons have figures.\n")
    return 0 if any([not steps for _, _, steps in found]) else NOTHING


def _asked(name: str, probe: Callable[[], Any]) -> Answer:
    try:
        answer = probe()
    except XenmeterError as error:
        return Answer(name, "", "", str(error))
    measures, costs = answer if isinstance(answer, tuple) else (answer, "")
    return Answer(name, measures, costs, "")


def _json(answers: List[Answer], taken: Dict[str, str]) -> str:
    """One line: what is not known is absent. ``auto``: plugin -> the source that it takes, empty: none."""
    sources = []
    for answer in answers:
        told: Dict[str, Any] = {"source": answer.source, "usable": not answer.reason}
        told.update({key: value for key, value in zip(answer._fields[1:], answer[1:]) if value})
        sources.append(told)
    return json.dumps({"xenmeter": __version__, "sources": sources, "auto": taken}) + "\n"


def _table(answers: List[Answer], taken: Dict[str, str]) -> str:
    rows: List[Tuple[str, ...]] = [_HEAD]
    reason = ""
    for answer in answers:
        if not answer.reason:
            rows.append((answer.source, "yes", answer.measures, answer.costs))
        elif answer.reason == reason:
            rows.append((answer.source, "no", "for the same reason"))
        else:
            reason = answer.reason
            rows.append((answer.source, "no", reason))
    width = max(80, min(160, shutil.get_terminal_size((120, 24)).columns))
    first = max([len(answer.source) for answer in answers]) + 2
    return "".join([_lines(row, first, width) for row in rows]) + "\n" + _choices(taken)


def probes() -> List[Probe]:
    """Those of all plugins, in order, and the profile's; a plugin that cannot be loaded stands there under its own name, with the
    reason."""
    asked: List[Probe] = []
    for name in plugins.NAMES:
        try:
            asked.extend(plugins.get(name).probes())
        except XenmeterError as error:
            asked.append((name, _raising(error)))
    return asked + list(PROBES)


def _raising(error: XenmeterError) -> Callable[[], str]:
    def probe() -> str:
        raise error
    return probe


def _lines(row: Tuple[str, ...], first: int, width: int) -> str:
    """A row of the table on as many lines as it needs; a reason why not has the room of both columns."""
    room = width - first - 8
    cells = [_wrapped(row[2], room)] if len(row) == 3 else [
        _wrapped(row[2], room * 3 // 5 - 2), _wrapped(row[3], room * 2 // 5)]
    text = ""
    for number in range(max(1, max([len(cell) for cell in cells]))):
        parts = [cell[number] if number < len(cell) else "" for cell in cells]
        heads = row[:2] if not number else ("", "")
        text += ("%-*s%-8s" % (first, heads[0], heads[1]) + "".join(
            ["%-*s" % (room * 3 // 5, part) for part in parts[:-1]]) + parts[-1]).rstrip() + "\n"
    return text


def _wrapped(text: str, width: int) -> List[str]:
    return textwrap.wrap(text, width, break_on_hyphens=False)


def _taken(usable: Dict[str, bool]) -> Dict[str, str]:
    """What ``--source auto`` of each plugin takes."""
    taken = {}
    for name in plugins.NAMES:
        try:
            auto = plugins.get(name).auto
        except XenmeterError:
            continue
        if auto is not None:
            taken[name] = auto(usable)
    return taken


def _choices(taken: Dict[str, str]) -> str:
    if not any(taken.values()):
        return "There is nothing to measure here. In a Xen dom0, as root, there is; anywhere, recordings play: --source PATH.\n" \
               "One comes along, in %s:\n    xenmeter xentop --source %s --count 2 --interval 1\n" % (EXAMPLE_PATH, EXAMPLE)
    return "Source auto takes: %s.\n" % "; ".join(["%s: %s" % (name, text or "none") for name, text in taken.items()])
