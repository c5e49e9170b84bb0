#!/usr/bin/env python3
"""Writes conf.d/grafana/*.json: two dashboards (grafana/boards.py) for each backend (grafana/backends.py). `make docs` runs it.

    python3 tests/tools/dashboards.py [--check]

Grafana 9 to 11 read them: the data source, the host and the domains are variables, so nothing is to be edited by hand.
"""
import json
import pathlib
import sys

TOP = pathlib.Path(__file__).resolve().parents[2]
if not __package__:
    sys.path[0] = str(TOP / "tests")
    sys.path.insert(0, str(TOP / "plugins"))

from tools.grafana.ask import DOM0   # noqa: E402
from tools.grafana.backends import BACKENDS   # noqa: E402
from tools.grafana.boards import BOARDS, FIRST, LONG, LOOK   # noqa: E402
from tools.grafana.model import dashboard, uid   # noqa: E402
from tools.grafana.panels import ROWS   # noqa: E402

FOLDER = TOP / "conf.d" / "grafana"


def text(backend, board=LONG):
    return json.dumps(dashboard(backend, board), indent=1, ensure_ascii=False) + "\n"


def path(backend, board=LONG):
    return FOLDER / (uid(backend, board) + ".json")


def main(arguments):
    """Exit status 1 where --check finds a file that is not what would be written."""
    stale = [(backend, board) for backend in BACKENDS for board in BOARDS
             if not path(backend, board).exists() or path(backend, board).read_text(encoding="utf-8") != text(backend, board)]
    for one in stale:
        if arguments != ["--check"]:
            path(*one).write_text(text(*one), encoding="utf-8")
        print("%s: %s" % (path(*one).relative_to(TOP), "is not up to date" if arguments == ["--check"] else "written anew"))
    return 1 if stale and arguments == ["--check"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

__all__ = ["BACKENDS", "BOARDS", "DOM0", "FIRST", "LONG", "LOOK", "ROWS", "dashboard", "path", "text"]
