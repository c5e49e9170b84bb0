"""What a plugin is to the fronts: a name, its catalogue and options, a source and a collector. A front knows no plugin."""
from typing import Any, Callable, Dict, NamedTuple, Sequence, Tuple, Union

from xenmeter.core.catalogue import Catalogue
from xenmeter.core.options import Option
from xenmeter.core.source import Collector, ReadingMirror, SampleMirror, Source

__all__ = ("Plugin", "common_options")


class Plugin(NamedTuple):
    """``open_source``, ``make_collector`` and each of ``mirrors`` (the plugin's own forms of what a sample says, by format name)
    take the plugin's options; core.source says what they give. ``table`` says what the table for people shows: blocks of
    publish.table.
    """

    name: str
    title: str
    catalogue: Catalogue
    options: Sequence[Option]
    open_source: Callable[[Any], Source]
    make_collector: Callable[[Any], Collector]
    mirrors: Dict[str, Callable[[Any], Union[ReadingMirror, SampleMirror]]]
    table: Sequence[Any]
    collectd: str = ""    # the plugin's name in collectd's identifiers, where it is another one; else empty


def common_options(groups: Tuple[str, ...], sources: str, live: Tuple[str, ...]) -> Tuple[Option, ...]:
    """Options that every plugin has, with the same names and meaning.

    :param groups: the groups of the plugin's catalogue.
    :param sources: what ``source`` may be, for its help; :param live: those of them that are no path.
    """
    return (
        Option("interval", "seconds", 10, "seconds between readings", minimum=0.1),
        Option("source", "source", "auto", "where the figures come from: " + sources, live),
        Option("include", "list", [], "only domains whose name or UUID matches this glob, or /regular expression/; "
                                      "may be repeated"),
        Option("exclude", "list", [], "not the domains whose name or UUID matches; stronger than include; may be repeated"),
        Option("dom0", "flag", True, "whether dom0 is published"),
        Option("group", "choices", list(groups), "groups of figures that are published; may be repeated", groups),
        Option("instance_format", "choice", "name", "how collectd names a domain", ("name", "uuid", "name-uuid")),
        Option("pace", "seconds", 0, "speed of a recording: 0 at once, 1 its own, 10 ten times as fast", minimum=0),
        Option("start", "text", "", "time of a recording's first sample where it has none: ISO 8601, or seconds since "
                                    "1970; empty: now"),
    )
