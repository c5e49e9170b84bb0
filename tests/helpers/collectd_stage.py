"""The real collectd with the shipped xentop.conf, and beside it a plugin of somebody else's, which must live on."""
import pathlib
import re
import time

from helpers.stage import CONF, PATH, PLUGINS
from tools.daemons import Collectd

INTERVAL = 0.2

BEAT = """\
import collectd
collectd.register_read(lambda: collectd.Values(plugin="beat", type="gauge").dispatch(values=[1]), 0.1, name="beat")
"""


def module(**options):
    """A second `<Plugin python>` block with a `<Module xentop>`, as a site's own file would have it."""
    lines = []
    for key, value in options.items():
        values = value if isinstance(value, (list, tuple)) else [value]
        lines.append("    %s %s" % (key, " ".join(
            str(one).lower() if isinstance(one, bool) else
            '"%s"' % str(one).replace("\\", "\\\\").replace('"', '\\"')
            if isinstance(one, (str, pathlib.Path)) else str(one) for one in values)))
    return "<Plugin python>\n  <Module xentop>\n%s\n  </Module>\n</Plugin>\n" % "\n".join(lines)


class Site(Collectd):
    """collectd at a site: our file as shipped, more configuration after it, and the beat plugin.

    :param xentop: the fake xentop that is in PATH, or None.
    :param counters: the folder in which counters are kept over a restart; empty: none.
    """

    def __init__(self, tmp_path, more="", xentop=None, plugins=PLUGINS, modules=(), conf=None, environment=None,
                 counters="", **options):
        own = tmp_path / "modules"
        own.mkdir(parents=True, exist_ok=True)
        (own / "beat.py").write_text(BEAT)
        for name, text in dict(modules).items():
            (own / (name + ".py")).write_text(text)
        imports = "".join('  Import "%s"\n' % name for name in ("beat",) + tuple(dict(modules)))
        shipped = CONF.read_text() if conf is None else conf
        super().__init__(tmp_path / "collectd", "<Plugin python>\n%s</Plugin>\n%s%s" % (imports, shipped, more),
                         [own, plugins], INTERVAL, env=dict(
                             environment or {}, PATH=xentop.path if xentop else PATH, XENMETER_COUNTERS=str(counters)),
                         **options)

    def lines(self, level="error|warning"):
        """What the log says of our plugin at these levels, without the stamps; left out are that the machine is slow, and
        that the tests ask for more samples than xentop gives."""
        return [match.group(2) for match in re.finditer(
            r"^\[[^]]*\] \[(%s)\] (.*xenmeter.*)$" % level, self.log_text(), re.MULTILINE)
            if not re.search("above its read interval|xentop takes whole seconds", match.group(2))]

    def settle(self):
        """Wait until all that was dispatched before this call is written: the queue before the writers is in order.

        (What is in it at the end of collectd is lost.)
        """
        now = time.time()
        self.wait(lambda: any(value.time > now for value in self.values("testhost/beat/gauge")), 10, "a later beat")

    def last(self, pattern):
        """The newest values of one series, or None."""
        found = self.values(pattern)
        return found[-1].values if found else None

    def wait_beats(self, more=3):
        """Wait until the other plugin has written so many values more."""
        self.wait_values("testhost/beat/gauge", count=len(self.values("testhost/beat/gauge")) + more)

    def wait_last(self, pattern, values, timeout=10.0):
        """Wait until the newest values of a series are these."""
        self.wait(lambda: self.last(pattern) == values, timeout, "%s to be %r, last %r" % (
            pattern, values, self.last(pattern)))
