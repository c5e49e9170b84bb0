"""``xenmeter check``: each source on this host, usable or why not, what it can measure and what that costs."""
import shutil
import sys
import textwrap
from typing import Any, Dict, List, Tuple

from xenmeter.core.errors import EXAMPLE, EXAMPLE_PATH, XenmeterError
from xenmeter.vcpu import probes as vcpu
from xenmeter.xentop import probes as xentop
from xenmeter.xentrace import probes as xentrace

__all__ = ("add", "run", "SOURCES")

#: Name and probe of each source. A probe opens what it asks for itself and closes it again. It gives a text, what the
#: source can measure here, or two: that, and what a reading costs; or raises an XenmeterError that says why not.
SOURCES: Tuple[Tuple[str, Any], ...] = xentop.PROBES + vcpu.PROBES + xentrace.PROBES

_HEAD = ("SOURCE", "USABLE", "MEASURES", "COSTS PER READING")


def add(subparsers: Any, parent: Any) -> None:
    parser = subparsers.add_parser("check", parents=[parent], help="what this host offers, usable or why not")
    parser.set_defaults(run=run)


def run(arguments: Any) -> int:
    rows: List[Tuple[str, ...]] = [_HEAD]
    usable: Dict[str, bool] = {}
    reason = ""
    for name, probe in SOURCES:
        try:
            found = probe()
            usable[name] = True
            rows.append((name, "yes") + (found if isinstance(found, tuple) else (found, "")))
        except XenmeterError as error:
            usable[name] = False
            if str(error) != reason:
                reason = str(error)
                rows.append((name, "no", reason))
            else:
                rows.append((name, "no", "for the same reason"))
    width = max(80, min(160, shutil.get_terminal_size((120, 24)).columns))
    for row in rows:
        sys.stdout.write(_lines(row, width))
    sys.stdout.write("\n" + "".join(line + "\n" for line in _choices(usable)))
    return 0


def _lines(row: Tuple[str, ...], width: int) -> str:
    """A row of the table on as many lines as it needs; a reason why not has the room of both columns."""
    first = max([len(name) for name, _ in SOURCES]) + 2
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
    text = "direct" if usable["direct"] else "xentop" if usable["xentop"] else ""
    vcpus = [name for name in ("resource", "runstate_domctl", "getvcpuinfo") if usable[name]][:1]
    vcpus += ["own_runstate for dom0"] if usable["own_runstate"] else []
    if not text and not vcpus:
        return ["There is nothing to measure here. In a Xen dom0, as root, there is; anywhere, xenmeter plays recordings: "
                "--source PATH. One comes with it: --source %s, which lies in %s." % (EXAMPLE, EXAMPLE_PATH)]
    return ["Source auto takes: xentop: %s; vcpu: %s." % (text or "none", " and ".join(vcpus) or "none")]
