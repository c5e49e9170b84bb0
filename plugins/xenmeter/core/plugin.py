"""What a plugin is to the fronts: a name, its catalogue and options, a source and a collector. Which plugins there are,
front/plugins.py alone knows.
"""
from typing import Any, Callable, Mapping, NamedTuple, Optional, Sequence, Tuple, Union

from xenmeter.core.catalogue import SMALL, Catalogue
from xenmeter.core.options import Option
from xenmeter.core.recorder import Part
from xenmeter.core.source import Collector, ReadingMirror, SampleMirror, Source

__all__ = ("Plugin", "Probe", "common_options")

#: A source of this host for ``xenmeter check``: its name, and a function that opens what it asks for itself and closes it again.
#: It gives what the source can measure here, or two texts: that, and what a reading costs; or raises an XenmeterError that says
#: why the source cannot be used here.
Probe = Tuple[str, Callable[[], Union[str, Tuple[str, str]]]]


def _no_probes() -> Sequence[Probe]:
    return ()


def _no_parts(directory: str, interval: int) -> Sequence[Part]:
    return ()


class Plugin(NamedTuple):
    """``open_source``, ``make_collector`` and each of ``mirrors`` (the plugin's own forms of what a sample says, by format name)
    take the plugin's options; core.source says what they give. Where there is no mirror, publish.generic writes JSON and CSV.
    ``table`` says what the table for people shows: blocks of publish.table; where it is empty, all figures.
    ``probes()`` gives what ``xenmeter check`` asks, ``recorders(directory, interval)`` what ``xenmeter record`` writes: parts of
    a recording. ``auto(usable)`` says which of the probed sources, name -> whether it can be used, ``--source auto`` takes
    ("": none).
    ``open_in_daemon`` is ``open_source`` for a daemon full of threads, which must not fork: where that is another one.
    What a plugin rarely needs it imports in these functions, so that it starts without.
    """

    name: str
    title: str
    catalogue: Catalogue
    options: Sequence[Option]
    open_source: Callable[[Any], Source]
    make_collector: Callable[[Any], Collector]
    mirrors: Mapping[str, Callable[[Any], Union[ReadingMirror, SampleMirror]]] = {}
    table: Sequence[Any] = ()
    collectd: str = ""    # the plugin's name in collectd's identifiers, where it is another one; else empty
    probes: Callable[[], Sequence[Probe]] = _no_probes
    auto: Optional[Callable[[Mapping[str, bool]], str]] = None
    recorders: Callable[[str, int], Sequence[Part]] = _no_parts
    open_in_daemon: Optional[Callable[[Any], Source]] = None


def common_options(groups: Tuple[str, ...], sources: str, live: Tuple[str, ...], off: Tuple[str, ...] = ()) -> Tuple[Option, ...]:
    """Options that every plugin has, with the same names and meaning.

    :param groups: the groups of the plugin's catalogue.
    :param off: those of them that are published only where they are named.
    :param sources: what ``source`` may be, for its help; :param live: those of them that are no path.
    """
    return (
        Option("interval", "seconds", 10, "seconds between readings", minimum=0.1),
        Option("source", "source", "auto", "where the figures come from: " + sources, live),
        Option("include", "list", [], "only domains whose name or UUID matches this glob, or /regular expression/; "
                                      "may be repeated"),
        Option("exclude", "list", [], "not the domains whose name or UUID matches; stronger than include; may be repeated"),
        Option("dom0", "flag", True, "whether dom0 is published"),
        Option("group", "choices", [group for group in groups if group not in off],
               "groups of figures that are published; may be repeated; small stands for some of each plugin, 20 or so per domain",
               groups + (SMALL,)),
        Option("instance_format", "choice", "name", "how collectd names a domain", ("name", "uuid", "name-uuid")),
        Option("pace", "seconds", 0, "speed of a recording: 0 at once, 1 its own, 10 ten times as fast", minimum=0),
        Option("start", "text", "", "time of a recording's first sample where it has none: ISO 8601, or seconds since "
                                    "1970; empty: now"),
    )
