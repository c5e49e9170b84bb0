"""What an administrator writes: option texts, and the values of collectd's configuration."""
import sys
from types import SimpleNamespace

from fuzz.target import Target, allowed
from xenmeter.core.cpulist import parse_cpus
from xenmeter.core.errors import BadOption
from xenmeter.core.options import from_pairs
from xenmeter.core.select import domain_filter
from xenmeter.core.source import Source
from xenmeter.core.times import parse_time
from xenmeter.front import plugins
from xenmeter.xentrace.plugin import lengths_of


def pairs_of(data, values_of):
    """Lines of key and values, blanks between them."""
    pairs = []
    for line in data.split(b"\n")[:40]:
        key, *values = line.decode("utf-8", "surrogateescape").split(" ")
        pairs.append((key, tuple(values_of(values))))
    return pairs


class OptionTexts(Target):
    """BadOption, or options that the plugin can be made with."""

    name = "options"
    reads = "option texts"
    longest = 1500
    words = (b"\n", b" ", b"interval ", b"include ", b"exclude /", b"group cpu", b"start 2026-", b"window 1,10", b"cpus 0-3",
             b"nan",
             b"inf", b"1e999", b"\xff", b"pace -1", b"dom0 yes", b"[", b"*", b"(", b"all", b"16383")

    def seeds(self):
        return [b"interval 5\ninclude web*\ngroup cpu\nstart 2026-11-01T12:00:00Z", b"window 0.5,10\ncpus 0-3,7\ncpu_khz 2596120",
                b"instance_format uuid\nexclude /^a[0-9]/\ndom0 off\nunknown 1\npace 2"]

    def check(self, data, chance):
        for name in plugins.NAMES:
            told = allowed(BadOption, from_pairs, plugins.get(name).options, pairs_of(data, list))
            if told is None:
                continue
            options, warnings = told
            assert all("\n" not in warning for warning in warnings)
            assert options.interval >= 0.1 and getattr(options, "pace", 0) >= 0
            if not any(len(text) > 20 for text in options.include + options.exclude):    # a long expression may take for ever
                allowed(BadOption, _filter, options)
            if getattr(options, "start", ""):
                allowed(BadOption, parse_time, options.start)
            if name == "xentrace":
                allowed(BadOption, lengths_of, options.window)
                allowed(BadOption, parse_cpus, options.cpus, "cpus")


def _filter(options):
    wanted = domain_filter(options.include, options.exclude, options.dom0)
    return True if wanted is None else wanted("guest-1", None, 1) in (True, False)


class _Values:
    """collectd's, as far as it is told what is wrong: numbers of the type's number, texts without NUL."""

    def __init__(self, **told):
        pass

    def dispatch(self, **told):
        assert all("\0" not in text for text in (told["plugin_instance"], told["type_instance"]))
        assert all(isinstance(value, (int, float)) for value in told["values"])


class _Nothing(Source):
    """Nothing of this host is read."""

    stepwise = True

    def samples(self, stop, report):
        return iter(())


class CollectdValues(Target):
    """Whatever stands in a <Module> block, neither config nor init nor read raises: that would end the daemon.

    collectd hands numbers over as floats, words as texts, true and false as bools (collectd-python(5)).
    """

    name = "collectd-values"
    reads = "values of collectd's configuration"
    longest = 1000
    words = OptionTexts.words + (b"Interval", b"InstanceFormat", b"Include", b"true", b"5.0", b"PerVcpu", b"1e308")

    def __init__(self):
        self._said = []
        def say(text):
            assert isinstance(text, str) and text.isprintable() and len(text) < 1100, text
            self._said.append(text)
        self._registered = {}
        sys.modules["collectd"] = SimpleNamespace(
            register_config=lambda call, name: self._registered.update(config=call),
            register_init=lambda call, name: self._registered.update(init=call),
            register_read=lambda call, interval, name: self._registered.update(read=call, interval=interval),
            register_shutdown=lambda call, name: self._registered.update(shutdown=call),
            Values=_Values, error=say, warning=say, info=say)
        from xenmeter.collectd.bridge import Bridge
        self._bridge = Bridge

    def seeds(self):
        return [b"Interval 5\nInclude web*\nGroup cpu memory\nDom0 true", b"InstanceFormat name-uuid\nWindow 1 10\nPerVcpu true",
                b"Interval\nIgnoreSelected 1e999\nSource \xff\nPace -3"]

    def check(self, data, chance):
        del self._said[:]
        children = [SimpleNamespace(key=key, values=values, children=()) for key, values in pairs_of(data, _typed)]
        for name in plugins.NAMES:
            self._registered.clear()
            self._bridge(plugins.get(name)._replace(open_source=lambda options: _Nothing()), "xenmeter.collectd." + name)
            self._registered["config"](SimpleNamespace(children=children))
            self._registered["init"]()
            if "read" in self._registered:
                assert 0.1 <= self._registered["interval"] <= 366 * 86400
                self._registered["read"]()
            assert not any("fault" in text for text in self._said), self._said
            self._registered["shutdown"]()


def _typed(values):
    for value in values:
        try:
            yield {"true": True, "false": False}[value] if value in ("true", "false") else float(value)
        except ValueError:
            yield value
