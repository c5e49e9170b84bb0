"""A real trace through the real daemons: the shipped configuration, and what bake says of it."""
import json

from helpers.captures import KHZ
from helpers.stage import TOP, xenmeter

CONF = TOP / "conf.d" / "collectd" / "xentrace.conf"


def bake(path, *more):
    ran = xenmeter("bake", path, "--cpu-khz", KHZ, *more)
    assert (ran.returncode, ran.stderr) == (0, "")
    return json.loads(ran.stdout)


def module(**options):
    lines = "".join("    %s %s\n" % (key, value if isinstance(value, (int, float)) else '"%s"' % value)
                    for key, value in options.items())
    return "<Plugin python>\n  <Module xentrace>\n%s  </Module>\n</Plugin>\n" % lines
