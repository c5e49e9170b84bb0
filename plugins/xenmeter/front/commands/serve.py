"""``xenmeter serve``: an HTTP endpoint for Prometheus."""
from typing import Any, Sequence, Tuple

from xenmeter.core.descriptors import ask_for_many
from xenmeter.core.errors import BadOption
from xenmeter.core.options import add_arguments, from_arguments
from xenmeter.front import plugins
from xenmeter.front.commands import add_asked
from xenmeter.front.daemons.endpoint import serve

__all__ = ("add", "run")


def add(subparsers: Any, parent: Any, words: Sequence[str]) -> None:
    parser = subparsers.add_parser(
        "serve", help="HTTP endpoint for Prometheus",
        description="Answers GET /metrics, on loopback unless --listen names another address; its first line on stderr says "
                    "where.")
    inner = parser.add_subparsers(dest="serve_plugin", metavar="PLUGIN")
    inner.required = True

    def add_plugin(name: str) -> None:
        plugin = plugins.get(name)
        sub = inner.add_parser(name, parents=[parent], help=plugin.title)
        add_arguments(sub, plugin.options)
        port = plugins.PORTS[name]
        sub.add_argument("--listen", default="127.0.0.1:%d" % port, metavar="ADDRESS[:PORT]",
                         help="the address of this host on which to answer; [::1] for IPv6; 0.0.0.0 for all, [::] with those of "
                              "IPv6; without a port %d, port 0 for any (default: 127.0.0.1:%d)" % (port, port))
        sub.set_defaults(run=run, plugin=plugin)
    add_asked(inner, plugins.NAMES, words, add_plugin)


def run(arguments: Any) -> int:
    address, port = _place(arguments.listen, plugins.PORTS[arguments.plugin.name])
    options = from_arguments(arguments.plugin.options, arguments)
    ask_for_many()
    return serve(arguments.plugin, options, address, port)


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
