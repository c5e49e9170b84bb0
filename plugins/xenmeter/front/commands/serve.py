"""``xenmeter serve``: an HTTP endpoint for Prometheus, of one plugin, of several, or of all."""
import argparse
import sys
from typing import Any, List, Sequence, Tuple

from xenmeter.core.descriptors import ask_for_many
from xenmeter.core.errors import BadOption, XenmeterError
from xenmeter.core.options import Option, Options, add_arguments, from_arguments
from xenmeter.core.pipeline import Pipeline
from xenmeter.core.plugin import Plugin
from xenmeter.front import plugins
from xenmeter.front.commands import add_asked
from xenmeter.front.daemons.endpoint import serve

__all__ = ("add", "run")

#: In place of a plugin's name.
ALL = "all"


def add(subparsers: Any, parent: Any, words: Sequence[str]) -> None:
    parser = subparsers.add_parser(
        "serve", help="HTTP endpoint for Prometheus",
        description="Answers GET /metrics, and / with a page for people, on loopback unless --listen names another address; its "
                    "first line on stderr says where. PLUGIN may be several, xentop,vcpu: one port for all of them.")
    inner = parser.add_subparsers(dest="serve_plugin", metavar="PLUGIN")
    inner.required = True

    def add_plugin(name: str) -> None:
        if name == ALL or "," in name:
            _add_several(inner, parent, name)
            return
        plugin = plugins.get(name)
        sub = inner.add_parser(name, parents=[parent], help=plugin.title)
        add_arguments(sub, plugin.options)
        _finish(sub, [plugin], plugins.PORTS[name])
    several = tuple(words[:1]) if words and "," in words[0] else ()
    add_asked(inner, plugins.NAMES + (ALL,) + several, words, add_plugin)


def _finish(sub: Any, chosen: List[Plugin], port: int) -> None:
    sub.add_argument("--listen", default="127.0.0.1:%d" % port, metavar="ADDRESS[:PORT]",
                     help="the address of this host on which to answer; [::1] for IPv6; 0.0.0.0 for all, [::] with those of "
                          "IPv6; without a port %d, port 0 for any (default: 127.0.0.1:%d)" % (port, port))
    sub.set_defaults(run=run, chosen=chosen, port=port, faults=())


def _add_several(inner: Any, parent: Any, names: str) -> None:
    """Options that each of them has, by their names; and those of one of them, stronger: ``--xentrace-source baker``."""
    chosen, faults = [], []
    for name in _names(names):
        try:
            chosen.append(plugins.get(name))
        except XenmeterError as error:
            faults.append(error)
    if not chosen:
        raise faults[0]
    sub = inner.add_parser(names, parents=[parent], help="several in one, %s" % ", ".join([one.name for one in chosen]))
    add_arguments(sub, _shared(chosen))
    for plugin in chosen:
        add_arguments(sub, [option._replace(name="%s_%s" % (plugin.name, option.name), help="of %s: %s" % (
            plugin.name, option.help)) for option in plugin.options])
    _finish(sub, chosen, plugins.PORT_OF_ALL)
    sub.set_defaults(faults=faults)


def _names(text: str) -> List[str]:
    """Of ``all``, or ``xentop,vcpu``: each once, in the order of the list."""
    asked = list(plugins.NAMES) if text == ALL else [name for name in text.split(",") if name]
    unknown = [name for name in asked if name not in plugins.NAMES]
    if unknown or not asked:
        raise BadOption("%s: no plugin is called %s; there are %s, and %s" % (
            text, " or ".join([repr(name) for name in unknown]) or "''", ", ".join(plugins.NAMES), ALL))
    return [name for name in plugins.NAMES if name in asked]


def _shared(chosen: List[Plugin]) -> List[Option]:
    """The first plugin's options of the names that all have; what a value may be is each plugin's own."""
    names = set.intersection(*[{option.name for option in plugin.options} for plugin in chosen])
    return [option._replace(default=[] if isinstance(option.default, list) else "", help="of each of them: " + option.help)
            if option.kind in ("choices", "source") else option for option in chosen[0].options if option.name in names]


def _options(plugin: Plugin, arguments: Any) -> Options:
    """Its own options where they are given, else those of all."""
    given = argparse.Namespace()
    for option in plugin.options:
        own = getattr(arguments, "%s_%s" % (plugin.name, option.name), None)
        setattr(given, option.name, getattr(arguments, option.name, None) if own is None else own)
    return from_arguments(plugin.options, given)


def run(arguments: Any) -> int:
    address, port = _place(arguments.listen, arguments.port)
    pipelines = []
    for plugin in arguments.chosen:
        try:
            pipelines.append(Pipeline(plugin, _options(plugin, arguments), stamped=False))
        except BadOption as wrong:
            raise wrong if len(arguments.chosen) == 1 else BadOption("%s: %s" % (plugin.name, wrong))
    for error in arguments.faults:      # of a plugin that cannot be loaded; the others go on
        sys.stderr.write("xenmeter: %s\n" % error)
    ask_for_many()
    return serve(pipelines, address, port)


def _place(text: str, default: int) -> Tuple[str, int]:
    """(address, port) of ADDRESS, [ADDRESS] or either with :PORT."""
    address, colon, port = text.rpartition(":")
    if not colon or text.endswith("]"):
        address, port = text, str(default)
    if text.isdigit() or not text or not port.isdigit() or int(port) > 65535:
        raise BadOption("--listen: %r is not what it takes: ADDRESS or ADDRESS:PORT" % text)
    if not address.strip("[]"):     # to sockets it is every address, which is not to be chosen by what is left out
        raise BadOption("--listen: %r names no address: 127.0.0.1:%s is for this host alone, 0.0.0.0:%s for all who can reach it"
                        % (text, port, port))
    return address.strip("[]"), int(port)
