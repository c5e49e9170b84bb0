"""``xenmeter check``: each source on this host, usable or why not, what it can measure and what that costs."""
import shutil
import sys
import textwrap
from typing import Any, Callable, Dict, List, Tuple

from xenmeter.core.errors import EXAMPLE, EXAMPLE_PATH, XenmeterError
from xenmeter.core.plugin import Probe
from xenmeter.front import plugins

__all__ = ("add", "run", "probes")

_HEAD = ("SOURCE", "USABLE", "MEASURES", "COSTS PER READING")


def add(subparsers: Any, parent: Any) -> None:
    parser = subparsers.add_parser("check", parents=[parent], help="what this host offers, usable or why not")
    parser.set_defaults(run=run)


def run(arguments: Any) -> int:
    rows: List[Tuple[str, ...]] = [_HEAD]
    usable: Dict[str, bool] = {}
    reason = ""
    asked = probes()
    for name, probe in asked:
        try:
            answer = probe()
            usable[name] = True
            rows.append((name, "yes") + (answer if isinstance(answer, tuple) else (answer, "")))
        except XenmeterError as error:
            usable[name] = False
            if str(error) != reason:
                reason = str(error)
                rows.append((name, "no", reason))
            else:
                rows.append((name, "no", "for the same reason"))
    width = max(80, min(160, shutil.get_terminal_size((120, 24)).columns))
    first = max([len(name) for name, _ in asked]) + 2
    for row in rows:
        sys.stdout.write(_lines(row, first, width))
    sys.stdout.write("\n" + "".join(line + "\n" for line in _choices(usable)))
    return 0


def probes() -> List[Probe]:
    """Those of all plugins, in order; one that cannot be loaded stands there under its own name, with the reason."""
    asked: List[Probe] = []
    for name in plugins.NAMES:
        try:
            asked.extend(plugins.get(name).probes())
        except XenmeterError as error:
            asked.append((name, _raising(error)))
    return asked


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


def _choices(usable: Dict[str, bool]) -> List[str]:
    """What ``--source auto`` takes."""
    taken = []
    for name in plugins.NAMES:
        try:
            auto = plugins.get(name).auto
        except XenmeterError:
            continue
        if auto is not None:
            taken.append((name, auto(usable)))
    if not any([text for _, text in taken]):
        return ["There is nothing to measure here. In a Xen dom0, as root, there is; anywhere, xenmeter plays recordings: "
                "--source PATH. One comes with it: --source %s, which lies in %s." % (EXAMPLE, EXAMPLE_PATH)]
    return ["Source auto takes: %s." % "; ".join(["%s: %s" % (name, text or "none") for name, text in taken])]
