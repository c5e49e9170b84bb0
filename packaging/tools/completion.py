#!/usr/bin/env python3
"""Writes the completions of bash, zsh and fish from the parser: completion.py FOLDER"""
import pathlib
import sys

from commands import choices, commands, said

HEAD = "# xenmeter: written by packaging/tools/completion.py from the command's own parser.\n"
OFFER = """COMPREPLY=($(compgen -W '%s' -- "$cur"))"""

BASH = HEAD + """\
_xenmeter() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} path= word i
    COMPREPLY=()
    for ((i = 1; i < COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        case "$path $word" in
%(paths)s
                path="$path $word" ;;
        esac
    done
    case "$path $prev" in
%(values)s
    esac
    case "$path" in
%(words)s
    esac
    if [ -z "$COMPREPLY" ] && [[ $cur != -* ]]; then
        compopt -o default 2>/dev/null
    fi
}
complete -F _xenmeter xenmeter
"""


def path_of(command):
    """How bash's function writes a command: " serve xentop"."""
    return "".join(" " + word for word in command.words[1:])


def bash(top, below):
    """The text for bash: sub-commands, options, and the values of those options that have choices."""
    values, words = [], []
    for command in [top] + below:
        offered = [child.words[-1] for child in command.children]
        for action in command.arguments:
            offered.extend(map(str, action.choices or ()))
        for action in command.options:
            offered.extend(action.option_strings)
            if action.nargs != 0:
                reply = OFFER % choices(action) if choices(action) else "compopt -o default"
                names = "|".join('"%s %s"' % (path_of(command), name) for name in action.option_strings)
                values.append("        %s)\n            %s; return ;;" % (names, reply))
        words.append('        "%s")\n            %s ;;' % (path_of(command), OFFER % " ".join(offered)))
    return BASH % {"paths": "|\\\n".join('            "%s"' % path_of(one) for one in below) + ")",
                   "values": "\n".join(values), "words": "\n".join(words)}


def quote(text):
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def fish(top, below):
    """The text for fish, with each option's help beside it."""
    lines = [HEAD, "complete -c xenmeter -f\n"]
    for command in [top] + below:
        words = command.words[1:]
        here = "".join("__fish_seen_subcommand_from %s; and " % word for word in words)
        names = " ".join(child.words[-1] for child in command.children)
        condition = here + ("not __fish_seen_subcommand_from %s" % names if names else "true")
        if len(words) == 1 and not names:
            condition = "__fish_seen_subcommand_from %s; and not __fish_seen_subcommand_from execd serve" % words[0]
        for child in command.children:
            lines.append("complete -c xenmeter -n %s -a %s -d %s\n" % (
                quote(condition), child.words[-1], quote(child.about)))
        for action in command.options:
            kinds = "".join(" -l " + name[2:] if name.startswith("--") else " -s " + name[1:]
                            for name in action.option_strings)
            value = ""
            if action.nargs != 0:
                value = " -x -a %s" % quote(choices(action)) if choices(action) else " -r -F"
            lines.append("complete -c xenmeter -n %s%s%s -d %s\n" % (
                quote(condition), kinds, value, quote(said(command.parser, action))))
    return "".join(lines)


def zsh_text(text):
    """Inside '...[here]': brackets, colons and quotes mean something to _arguments."""
    return text.replace("\\", "\\\\").replace("[", "\\[").replace("]", "\\]").replace(":", "\\:").replace("'", "'\\''")


def zsh_function(command):
    """One function of zsh for one command: its options, then its sub-commands or files."""
    name = "_xenmeter" + "".join("_" + word for word in command.words[1:])
    specs = []
    for action in command.options:
        value = ""
        if action.nargs != 0:
            value = ":value:" + ("(%s)" % choices(action) if choices(action) else "_files")
        specs.extend("'*%s[%s]%s'" % (option, zsh_text(said(command.parser, action)), value)
                     for option in action.option_strings)
    if not command.children:
        if command.arguments:
            specs.append("'*:file:_files'")
        return "%s() {\n    _arguments %s\n}\n" % (name, " \\\n        ".join(specs))
    offered = " ".join("'%s:%s'" % (child.words[-1], zsh_text(child.about)) for child in command.children)
    cases = "\n".join("            %s) %s_%s ;;" % (child.words[-1], name, child.words[-1])
                      for child in command.children)
    return ("%s() {\n    local context state line curcontext=$curcontext\n    typeset -A opt_args\n    _arguments -C %s \\\n"
            "        '1:command:->command' '*::argument:->argument'\n"
            "    case $state in\n        command) local -a offered=(%s); _describe command offered ;;\n"
            "        argument) case $line[1] in\n%s\n        esac ;;\n    esac\n}\n"
            % (name, " \\\n        ".join(specs), offered, cases))


def zsh(top, below):
    """The text for zsh: a function for each command."""
    return "#compdef xenmeter\n" + HEAD + "".join(map(zsh_function, below + [top])) + '_xenmeter "$@"\n'


def texts():
    """File name -> text."""
    top, below = commands()
    return {"xenmeter.bash": bash(top, below), "xenmeter.fish": fish(top, below), "_xenmeter": zsh(top, below)}


if __name__ == "__main__":
    for file, text in texts().items():
        (pathlib.Path(sys.argv[1]) / file).write_text(text, encoding="utf-8")
