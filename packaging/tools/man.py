#!/usr/bin/env python3
"""Writes the manual pages, xenmeter(1) and one for each command: man.py FOLDER

Options come from the parser. What it does not know (files, examples) stands in packaging/man/COMMAND.inc, in man(7)
form, and is appended. The date is SOURCE_DATE_EPOCH's.
"""
import os
import pathlib
import re
import sys
import time

from commands import commands, metavar, said

from xenmeter import __version__
from xenmeter.front import plugins

TEXTS = pathlib.Path(__file__).resolve().parents[1] / "man"
STATUS = """\
.SH EXIT STATUS
0: done. 1: failed, with one line on stderr that says what, where and what to do. 2: wrong usage.
"""


def escape(text):
    """Plain text in man(7): no character of it means anything."""
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("~", "\\(ti").replace("^", "\\(ha").replace("`", "\\(ga")
    return "\\&" + text if text[:1] in (".", "'") else text


def bold(text):
    return "\\fB%s\\fR" % escape(text)


def value_of(action):
    shown = metavar(action)
    return " \\fI%s\\fR" % escape(shown) if shown else ""


def option_text(parser, action):
    """.TP of one option or argument."""
    names = ", ".join(bold(name) + value_of(action) for name in action.option_strings) or "\\fI%s\\fR" % escape(metavar(action))
    return ".TP\n%s\n%s\n" % (names, escape(sentence(said(parser, action))))


def sentence(text):
    """As one; but what begins with a value or a name that is written so stays: "auto (the baker ...", "pCPUs"."""
    first = text.partition(" ")[0]
    is_a_word = re.match(r"[a-z]+\Z", first) and not re.match(r"[\w-]+ \(", text)
    return (text[:1].upper() + text[1:] if is_a_word else text) + ("" if text.endswith(".") else ".")


def options_text(command, without=()):
    actions = [action for action in command.arguments + command.options if key(action) not in without]
    return "".join(option_text(command.parser, action) for action in actions)


def key(action):
    """Two options with the same key are the same option."""
    return (tuple(action.option_strings), metavar(action), action.help)


def shared(children):
    """Keys of the options that all sub-commands have."""
    kinds = [{key(action) for action in child.arguments + child.options} for child in children]
    return set.intersection(*kinds) if kinds else set()


def header(words, about, date):
    name = "-".join(words)
    return '.TH %s 1 "%s" "xenmeter %s" "User Commands"\n.SH NAME\n%s \\- %s\n' % (
        name.upper().replace("-", "\\-"), date, __version__, escape(name), escape(about))


def synopsis(command):
    """One line of the call; with sub-commands, one for each."""
    calls = command.children or [command]
    lines = []
    for one in calls:
        places = "".join(" \\fI%s\\fR" % escape(metavar(action)) for action in one.arguments)
        lines.append(".B %s\n[\\fIOPTION\\fR]...%s\n" % (escape(" ".join(one.words)), places))
    return ".SH SYNOPSIS\n" + ".br\n".join(lines)


def page(command, date):
    """The manual page of one command."""
    children = command.children
    text = header(command.words, command.about, date) + synopsis(command)
    text += ".SH DESCRIPTION\n%s\n" % escape(sentence(command.parser.description or command.about))
    common = shared(children)
    if children:
        text += ".SH OPTIONS\n" + options_text(command)
        text += ".SS Of each of these\n" + "".join(
            option_text(children[0].parser, action) for action in children[0].arguments + children[0].options
            if key(action) in common)
        for child in children:
            text += ".SS Of %s\n%s.\n%s" % (bold(" ".join(child.words[1:])), escape(child.about),
                                            options_text(child, common))
    else:
        text += ".SH OPTIONS\n" + options_text(command)
    more = " ,\n.BR xenmeter\\-metrics (1)" if command.words[1] in plugins.NAMES else ""
    return text + STATUS + include(command.words[1]) + ".SH SEE ALSO\n.BR xenmeter (1)" + more + "\n"


def top_page(top, date):
    """xenmeter(1): all commands, one line each."""
    text = header(top.words, "measures a Xen host from dom0", date)
    text += ".SH SYNOPSIS\n.B xenmeter\n\\fICOMMAND\\fR [\\fIOPTION\\fR]...\n"
    text += ".SH DESCRIPTION\n%s\n.SH COMMANDS\n" % escape(top.parser.description)
    for child in top.children:
        text += ".TP\n.BR xenmeter\\-%s (1)\n%s\n" % (escape(child.words[1]), escape(sentence(child.about)))
    text += ".SH OPTIONS\n" + options_text(top) + STATUS + include("xenmeter")
    names = ["xenmeter\\-" + escape(child.words[1]) for child in top.children]
    return text + ".SH SEE ALSO\n" + ",\n".join(".BR %s (1)" % name for name in names).replace(",\n", " ,\n") + "\n"


def include(name):
    path = TEXTS / (name + ".inc")
    return path.read_text(encoding="utf-8") if path.exists() else ""


def pages(date):
    """File name -> text."""
    top = commands()[0]
    found = {"xenmeter-%s.1" % child.words[1]: page(child, date) for child in top.children}
    found["xenmeter.1"] = top_page(top, date)
    return found


if __name__ == "__main__":
    folder = pathlib.Path(sys.argv[1])
    day = time.strftime("%Y-%m-%d", time.gmtime(int(os.environ.get("SOURCE_DATE_EPOCH") or time.time())))
    for name, text in pages(day).items():
        (folder / name).write_text(text, encoding="utf-8")
