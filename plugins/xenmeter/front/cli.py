"""The ``xenmeter`` command. Exit status: 0 done, 1 failed with one clear line on stderr, 2 wrong usage.

A command may have further ones for kinds of failure: its parser's default ``statuses``, error class -> exit status.
"""
from xenmeter.front import early    # noqa: F401  # first, and for what it does: see there

import argparse
import contextlib
import io
import sys
from typing import Any, List, Optional, Sequence

from xenmeter import __version__
from xenmeter.core.errors import BadOption, XenmeterError, printable, told
from xenmeter.core.passing import last_words
from xenmeter.front import commands, plugins
from xenmeter.front.hints import hint, split_hint
from xenmeter.front.stdout import guarded

__all__ = ("main",)


class _Parser(argparse.ArgumentParser):
    """argparse's, with what to write named when an option is not known. Sub-parsers are of this class too."""

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        parsed, left = super().parse_known_args(args, namespace)
        if left:
            parsed.refused_by = getattr(parsed, "refused_by", self)
        return parsed, left

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        parsed, left = self.parse_known_args(args, namespace)
        if left:
            parsed.refused_by.refuse(left)
        return parsed

    def refuse(self, words: List[str]) -> None:
        """Ends the program with the command's own usage, and what to write instead."""
        advice = hint(words, self._option_string_actions, self.prog.endswith(" xentop"))
        self.error("unrecognized arguments: " + " ".join(words) + ("; " + advice if advice else ""))

    def _check_value(self, action: Any, value: Any) -> None:
        """A choice with its arguments in one word is told as such, not with the list of what there is."""
        advice = split_hint(str(value), action.choices or ())
        if advice:
            raise argparse.ArgumentError(action, advice)
        super()._check_value(action, value)


def build_parser(words: Sequence[str] = ()) -> argparse.ArgumentParser:
    """:param words: the command line. Where it begins with a command, no other one is declared, nor imported."""
    parser = _Parser(
        prog="xenmeter", description="Measures a Xen host from dom0, for the monitoring that the site already runs.")
    parser.add_argument("--version", action="version", version="xenmeter " + __version__)
    debug = _Parser(add_help=False)
    debug.add_argument("--debug", action="store_true", help="show a traceback when something fails")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND")
    def add(name: str) -> None:
        if name in plugins.NAMES:
            from xenmeter.front.commands import plugin
            plugin.add(subparsers, debug, plugins.get(name))
        elif name in commands.OF_PLUGINS:
            commands.load(name).add(subparsers, debug, words[1:])
        else:
            commands.load(name).add(subparsers, debug)
    commands.add_asked(subparsers, plugins.NAMES + tuple(commands.MODULES), words, add)
    return parser


def main(argv: Optional[List[str]] = None) -> int:
    given = sys.argv[1:] if argv is None else argv
    with guarded():
        try:
            parser = build_parser(given)
        except XenmeterError as error:
            return _refused(error, given)
        try:
            arguments = _for_telegraf(parser, given) if given[:1] == ["execd"] else parser.parse_args(given)
        except SystemExit as end:
            # --help's text goes out
            sys.exit(_status_of(end.code, given) or _run(argparse.Namespace(run=lambda arguments: 0, debug=False)))
        if not arguments.command:
            parser.print_help(sys.stderr)
            return 2
        return _run(arguments)


def _refused(error: XenmeterError, given: List[str]) -> int:
    """What is asked for cannot be loaded, or is nothing that could be."""
    if "--debug" in given:
        raise error
    if given[0] == "execd":
        _complain_to_telegraf(str(error))
    else:
        _complain(error)
    return 2 if isinstance(error, BadOption) else 1


def _for_telegraf(parser: argparse.ArgumentParser, given: List[str]) -> Any:
    """The arguments of execd; wrong usage is told in one line that Telegraf knows as an error."""
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            return parser.parse_args(given)
    except SystemExit as end:
        if end.code:
            _complain_to_telegraf(said.getvalue().strip().rpartition("\n")[2])
        raise


def _status_of(code: Any, given: List[str]) -> Any:
    """Wrong usage is 2; to a monitoring system that would be critical, so there it is unknown."""
    return 3 if code and given[:1] == ["check"] and {"--nagios", "nagios", "--format=nagios"} & set(given) else code


def _complain_to_telegraf(text: str) -> None:
    from xenmeter.front.daemons.execd import complain
    complain("E", text)


def _run(arguments: Any) -> int:
    try:
        status = arguments.run(arguments)
        sys.stdout.flush()
        return status
    except BadOption as error:
        _complain(error)
        return 2
    except XenmeterError as error:
        if arguments.debug:
            raise
        _complain(told(error))
        return int(getattr(arguments, "statuses", {}).get(type(error), 1))
    except BrokenPipeError:
        return 0    # whoever read our output has had enough
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        if arguments.debug:
            raise
        _complain(last_words(error, "; --debug shows where"))
        return 1


def _complain(what: Any) -> None:
    sys.stderr.write("xenmeter: %s\n" % printable(str(what)))
