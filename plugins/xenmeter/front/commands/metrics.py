"""``xenmeter metrics``: the catalogue, for people; with --markdown as the READMEs hold it."""
import sys
from typing import Any, List

from xenmeter.core.errors import XenmeterError
from xenmeter.front import plugins
from xenmeter.front.catalogue_text import as_markdown, as_text, catalogues

__all__ = ("add", "run")


def add(subparsers: Any, parent: Any) -> None:
    parser = subparsers.add_parser("metrics", parents=[parent], help="every metric with its names, unit and meaning")
    known = plugins.NAMES + ("bench", "meter")
    parser.add_argument("only", nargs="?", metavar="PLUGIN", choices=known, help="one of " + ", ".join(known))
    parser.add_argument("--markdown", action="store_true", help="as a table for a README")
    parser.set_defaults(run=run)


def run(arguments: Any) -> int:
    errors: List[XenmeterError] = []
    for catalogue in catalogues(errors.append):
        if arguments.only in (None, catalogue.plugin):
            sys.stdout.write((as_markdown if arguments.markdown else as_text)(catalogue))
    for error in errors:
        sys.stderr.write("xenmeter: %s\n" % error)
    return int(bool(errors))
