"""Options: one declarative table per plugin, the same names everywhere.

``ignore-dom0`` on the command line is ``IgnoreDom0`` in collectd's configuration and ``options.ignore_dom0`` in code.
A value that cannot be used is a BadOption, which names option, value and what it takes; an unknown option is told with
the nearest known one, and nothing else happens.
"""
import math
import os
from typing import TYPE_CHECKING, Any, Dict, Iterable, List, NamedTuple, Optional, Sequence, Tuple

from xenmeter.core.errors import BadOption

__all__ = ("Option", "Options", "defaults", "from_pairs", "add_arguments", "from_arguments", "from_variable", "camel")


class Option(NamedTuple):
    name: str    # lower case, words joined by "_"
    kind: str    # seconds, whole, flag, text, choice, list (repeatable text), choices (repeatable choice),
    default: Any
    help: str
    choices: Tuple[str, ...] = ()
    minimum: Optional[float] = None


#: Seconds. What waits takes no time without end.
_YEAR = 366 * 86400

_TRUE = ("true", "yes", "on", "1")
_FALSE = ("false", "no", "off", "0")


class Options:
    """The values of a table's options, as attributes."""

    def __init__(self, values: Dict[str, Any]) -> None:
        self.__dict__.update(values)

    if TYPE_CHECKING:
        def __getattr__(self, name: str) -> Any:
            """Which attributes there are, and of which types, is the table's."""

        def __setattr__(self, name: str, value: Any) -> None:
            """So for what is set."""

    def __repr__(self) -> str:
        return "Options(%s)" % ", ".join("%s=%r" % item for item in sorted(self.__dict__.items()))


def camel(name: str) -> str:
    """``instance_format`` -> ``InstanceFormat``, collectd's way."""
    return "".join(word[:1].upper() + word[1:] for word in name.split("_"))


def _takes(option: Option) -> str:
    if option.kind in ("choice", "choices"):
        return "one of " + ", ".join(option.choices)
    if option.kind == "flag":
        return "true or false"
    if option.kind in ("seconds", "whole"):
        number = "a number of seconds" if option.kind == "seconds" else "a whole number"
        number += "" if option.minimum is None else ", at least %g" % option.minimum
        return number + (", at most a year" if option.kind == "seconds" else "")
    return "a text that is not empty"


def _convert(option: Option, value: Any, shown: str) -> Any:
    """One value as the option's kind; ``shown`` is the option's name where the value was written."""
    try:
        if option.kind == "flag":
            text = str(value).lower()
            if text not in _TRUE + _FALSE:
                raise ValueError
            return text in _TRUE
        if option.kind in ("seconds", "whole"):
            number = float(value)
            if isinstance(value, bool) or math.isnan(number) or math.isinf(number) or (
                    option.minimum is not None and number < option.minimum) or (
                        option.kind == "seconds" and number > _YEAR):
                raise ValueError
            if option.kind == "whole" or number == int(number):
                if number != int(number):
                    raise ValueError
                return int(number)
            return number
        text = str(value)
        if option.kind in ("choice", "choices"):
            if text.lower() not in option.choices:
                raise ValueError
            return text.lower()
        if not text and option.default != "":
            raise ValueError
        if option.kind == "source" and text.lower() in option.choices and not os.path.exists(text):
            return text.lower()
        return text
    except (TypeError, ValueError):
        raise BadOption("%s: %r is not what it takes: %s" % (shown, value, _takes(option)))


def defaults(table: Sequence[Option]) -> Options:
    return Options({option.name: _fresh(option.default) for option in table})


def _fresh(value: Any) -> Any:
    return list(value) if isinstance(value, (list, tuple)) else value


def from_pairs(table: Sequence[Option], pairs: Iterable[Tuple[str, Sequence[Any]]]) -> Tuple[Options, List[str]]:
    """Options from (key, values) pairs of a configuration file; keys in any case, with or without ``_`` and ``-``.

    :returns: the options, and a warning for each unknown key and for each that is there twice: the last one counts.
    :raises BadOption: for a value that cannot be used.
    """
    known = {_plain(option.name): option for option in table}
    values = {option.name: _fresh(option.default) for option in table}
    given = set()
    warnings = []
    for key, texts in pairs:
        option = known.get(_plain(key))
        if option is None:
            warnings.append(_unknown(key, table))
            continue
        repeatable = option.kind in ("list", "choices")
        if option.kind == "choices":    # none of them holds a comma
            texts = [part.strip() for value in texts for part in str(value).split(",")]
        if not texts or (len(texts) != 1 and not repeatable):
            raise BadOption("%s: takes %s, found %d values" % (key, _takes(option), len(texts)))
        converted = [_convert(option, value, key) for value in texts]
        if not repeatable:
            if option.name in given:
                warnings.append("%s is given twice: %r, then %r, which counts" % (key, values[option.name], converted[0]))
            values[option.name] = converted[0]
        elif option.name in given:
            values[option.name].extend(converted)
        else:
            values[option.name] = converted
        given.add(option.name)
    return Options(values), warnings


def _plain(key: str) -> str:
    return key.replace("_", "").replace("-", "").lower()


def _unknown(key: str, table: Sequence[Option]) -> str:
    names = {_plain(option.name): camel(option.name) for option in table}
    import difflib      # where nothing is wrong it is not needed
    near = difflib.get_close_matches(_plain(key), list(names), 1, 0.5)
    hint = "did you mean %s?" % names[near[0]] if near else "known are " + ", ".join(sorted(names.values()))
    return "unknown option %s is ignored; %s" % (key, hint)


def add_arguments(parser: Any, table: Sequence[Option]) -> None:
    """The table's options on an argparse parser. Values are converted by :func:`from_arguments`."""
    for option in table:
        flag = "--" + option.name.replace("_", "-")
        if option.kind == "flag":
            parser.add_argument(flag, nargs="?", const="true", metavar="BOOL", dest=option.name,
                                help="%s (default: %s)" % (option.help, str(option.default).lower()))
            continue
        repeatable = option.kind in ("list", "choices")
        shown = ", ".join(option.default) if repeatable else option.default
        added = parser.add_argument(
            flag, action="append" if repeatable else "store", dest=option.name,
            metavar={"seconds": "S", "whole": "N"}.get(option.kind, option.name.upper().replace("_", "-")),
            help="%s%s%s" % (option.help, " (%s)" % ", ".join(option.choices) if option.kind in ("choice", "choices") else "",
                             "" if shown in (None, "") else " (default: %s)" % shown))
        if option.kind != "source":     # that may be a path, too
            added.offered = option.choices      # for completions; what is refused is from_arguments' to say


def from_arguments(table: Sequence[Option], arguments: Any) -> Options:
    """Options from argparse's result; a list may also be written with commas where it is one of choices."""
    pairs = []
    for option in table:
        value = getattr(arguments, option.name, None)
        if value is None:
            continue
        pairs.append(("--" + option.name.replace("_", "-"), value if isinstance(value, list) else [value]))
    return from_pairs(table, pairs)[0]


def from_variable(table: Sequence[Option], arguments: Any, name: str, variable: str) -> None:
    """Give argparse's result an option's value from a variable of the environment, where it was not written."""
    value = os.environ.get(variable)
    if value and getattr(arguments, name, None) is None:
        for option in table:
            if option.name == name:
                setattr(arguments, name, _convert(option, value, variable))
