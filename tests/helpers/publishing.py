"""What the publishers' tests share: the real catalogues, small ones, hostile names, and readings of them."""
import os

import xenmeter
from xenmeter.core import catalogue
from xenmeter.core.reading import Reading, Who

HOME = os.path.dirname(xenmeter.__file__)
UUID = "c0ffee00-1111-4222-8333-0123456789ab"
TIME = 1700000000123456789

#: Names as a guest's owner, a broken toolstack or a cut line could make them.
HOSTILE = [
    "", " ", "a b", " lead", "trail ", "no limit", "Net0 RX:", "--b---", "Domain-0", "host", "xenmeter", "#x", "_x",
    "a,b=c", "a=b", "a\"b", "\"", "'", "a'b", "%s%d%%", "{vif}", "a;b", "a/b", "/", "-", "--", "~", "web~c0ffee00",
    "\\", "a\\", "a\\\\", "a\\,b", "a\\ b", "a\\=b", "a\\\"b", "a\\n", "a\\\\,", "\\\\ ",
    "a\nb", "\n", "a\r\nb", "a\tb", "a\x0bb", "a\x0cb", "a\x00b", "\x1b[2J\x1b]0;x\x07", "a\x7fb", "a\x85b", "\x9b31m",
    "\u202eevil\u202c", "\u2066a\u2069", "a\u200bb", "\ufeffa", "a\u2028b", "a\u2029b", "\U000e0041",
    "\ud800", "a\udcff", "\udc80\udc81", "b\u00fcro", "\u65e5\u672c\u8a9e", "a\u0301", "a" + "\u0301" * 50, "\u0301",
    "\U0001f600", "=1+1", "+1", "-1", "@x", "=cmd|'/C calc'!A0", "NA", "NULL", "# EOF", "x\n# EOF\n", "a} 1\nx{b=\"c",
    "x" * 4096, "\n" * 4096, "\\" * 4096, "\u65e5" * 4096, "\ud800" * 4096, "," * 4096,
]

#: One figure of each unit and kind, and an entity of its own with labels that text could break.
ROWS = [
    ("thing", "count", "counter", "1", "cpu", "x_count_total", "x.count", "derive-count", "A count."),
    ("thing", "time_ns", "counter", "ns", "cpu", "x_seconds_total", "x.time_ns", "virt_cpu_total", "A time."),
    ("thing", "level", "gauge", "bytes", "memory", "x_level_bytes", "x.level_bytes", "memory-total", "A level."),
    ("thing", "share_ppm", "gauge", "ppm", "cpu", "x_share_ratio", "x.share_percent", "percent-share", "A share."),
    ("thing", "up", "gauge", "bool", "state", "x_up", "x.up", "gauge-up", "A flag."),
    ("part", "rx", "counter", "bytes", "network", "x_part_receive_bytes_total{part}", "x_part{part}.rx",
     "if_octets-p{part}:rx", "Received."),
    ("part", "tx", "counter", "bytes", "network", "x_part_transmit_bytes_total{part}", "x_part{part}.tx",
     "if_octets-p{part}:tx", "Sent."),
]


def tiny(rows=ROWS, plugin="tiny"):
    return catalogue.parse([dict(zip(catalogue.COLUMNS, row)) for row in rows], plugin)


def real():
    return [catalogue.load("xentop", os.path.join(HOME, "xentop")), catalogue.load("core", os.path.join(HOME, "core"))]


def reading(**tables):
    return Reading(TIME, tables)


def thing(who, *values):
    """A reading of one row of `thing`; missing values are unknown."""
    return reading(thing=[(who, (), values + (None,) * (5 - len(values)))])


def full(domains=2):
    """A reading of the real catalogues in which every figure has another value."""
    entities = {name: entity for one in real() for name, entity in one.entities.items()}
    counter = iter(range(1000001, 10 ** 9))
    own = {"domid": "1", "vcpu": "0", "vif": "0", "vbd": "xvda", "type": "vbd", "pcpu": "0", "plugin": "xentop",
           "kind": "cut", "version": "1", "source": "direct", "device_model_of": UUID}
    whos = [Who("web%d" % place, UUID[:-1] + str(place), place) for place in range(domains)]
    tables = {}
    for name, entity in entities.items():
        alone = name in ("host", "dom0", "dom0_service", "node", "pcpu", "pcpu_place", "pcpu_power", "pstate", "cstate",
                         "package", "meter", "meter_error", "build")
        tables[name] = [(who, tuple(own.get(label, label) for label in entity.labels), _values(entity, counter))
                        for who in ([None] if alone else whos)]
    return Reading(TIME, tables)


def _values(entity, counter):
    return tuple(1 if figure.unit == "bool" or figure.key == "info" else next(counter) for figure in entity.figures)
