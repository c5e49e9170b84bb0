"""``xenmeter execd PLUGIN``: the form that Telegraf's inputs.execd runs."""
from typing import Any, Sequence

from xenmeter.core.descriptors import ask_for_many
from xenmeter.core.errors import BadOption, XenmeterError, told
from xenmeter.core.options import add_arguments, from_arguments
from xenmeter.core.passing import last_words
from xenmeter.front import plugins
from xenmeter.front.commands import add_asked
from xenmeter.front.daemons.execd import MODES, Execd, complain

__all__ = ("add", "run")


def add(subparsers: Any, parent: Any, words: Sequence[str]) -> None:
    parser = subparsers.add_parser("execd", help="Telegraf's long-running form: line protocol on stdout",
                                   description="Runs under Telegraf's inputs.execd until stdin ends.")
    inner = parser.add_subparsers(dest="execd_plugin", metavar="PLUGIN")
    inner.required = True

    def add_plugin(name: str) -> None:
        plugin = plugins.get(name)
        sub = inner.add_parser(name, parents=[parent], help=plugin.title)
        add_arguments(sub, plugin.options)
        sub.add_argument("--signal", choices=MODES, default="stdin",
                         help="the same as `signal` in Telegraf's configuration (default: stdin)")
        sub.set_defaults(run=run, plugin=plugin)
    add_asked(inner, plugins.NAMES, words, add_plugin)


def run(arguments: Any) -> int:
    try:
        options = from_arguments(arguments.plugin.options, arguments)
        if options.source in ("-", "/dev/stdin"):
            raise BadOption("--source %s: stdin is Telegraf's word to us; let xentop write into a FIFO, and give that"
                            % options.source)
        ask_for_many()
        return Execd(arguments.plugin, options, arguments.signal).run()
    except XenmeterError as error:
        complain("E", told(error), arguments.plugin.name)
        return 2 if isinstance(error, BadOption) else 1
    except Exception as error:
        if arguments.debug:
            raise
        complain("E", last_words(error), arguments.plugin.name)
        return 1
