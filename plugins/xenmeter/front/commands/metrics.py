"""``xenmeter metrics``: the catalogue, for people; with --markdown as the READMEs hold it."""
import sys
from typing import Any

from xenmeter.core import meter
from xenmeter.front import plugins
from xenmeter.front.catalogue_text import as_markdown, as_text

__all__ = ("add", "run")


def add(subparsers: Any, parent: Any) -> None:
    parser = subparsers.add_parser("metrics", parents=[parent], help="every metric with its names, unit and meaning")
    parser.add_argument("only", nargs="?", metavar="PLUGIN", choices=plugins.NAMES + ("meter",),
                        help="one of " + ", ".join(plugins.NAMES + ("meter",)))
    parser.add_argument("--markdown", action="store_true", help="as a table for a README")
    parser.set_defaults(run=run)


def run(arguments: Any) -> int:
    catalogues = [plugins.get(name).catalogue for name in plugins.NAMES] + [meter.CATALOGUE]
    for catalogue in catalogues:
        if arguments.only in (None, catalogue.plugin):
            sys.stdout.write((as_markdown if arguments.markdown else as_text)(catalogue))
    return 0
