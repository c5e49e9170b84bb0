"""What `xenmeter --help` knows, for whoever writes it in another form: manual pages and completions. Python 3.6 does."""
import argparse

from xenmeter.front.cli import build_parser

__all__ = ("Command", "choices", "commands", "metavar", "said")


class Command:
    """One command or sub-command. :ivar words: how it is called, ("xenmeter", "serve", "xentop"). :ivar about: its one line."""

    def __init__(self, words, parser, about):
        self.words = words
        self.parser = parser
        self.about = about

    @property
    def options(self):
        """argparse's actions that begin with a dash."""
        return [action for action in self.parser._actions if action.option_strings]

    @property
    def arguments(self):
        """argparse's positional actions, without the choice of a sub-command."""
        return [action for action in self.parser._actions
                if not action.option_strings and not isinstance(action, argparse._SubParsersAction)]

    @property
    def children(self):
        """Its sub-commands, in the order of their declaration."""
        found = []
        for action in self.parser._actions:
            if isinstance(action, argparse._SubParsersAction):
                about = {choice.dest: choice.help for choice in action._choices_actions}
                found.extend(Command(self.words + (name,), parser, about.get(name) or "")
                             for name, parser in action.choices.items())
        return found


def commands():
    """(the command itself, all that stands below it in the order of --help)"""
    top = Command(("xenmeter",), build_parser(), "")
    below, left = [], top.children
    while left:
        one = left.pop(0)
        below.append(one)
        left = one.children + left
    return top, below


def choices(action):
    """What an option takes, between blanks: argparse's choices, or those of an option of a plugin."""
    found = action.choices or getattr(action, "offered", ())
    return " ".join(map(str, found))


def metavar(action):
    """What stands for an option's or argument's value; empty where it takes none."""
    if action.nargs == 0:
        return ""
    if action.metavar is not None:
        return action.metavar if isinstance(action.metavar, str) else " ".join(action.metavar)
    return "|".join(str(choice) for choice in action.choices) if action.choices else action.dest.upper()


def said(parser, action):
    """An option's help, with its default and the like filled in."""
    return parser._get_formatter()._expand_help(action) if action.help else ""
