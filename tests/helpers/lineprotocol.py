"""A strict reader of line protocol: it takes only what Telegraf and InfluxDB read alike, and says where not.

Written from the grammar (Telegraf's machine.go.rl, InfluxDB's reference), not from our encoder.
"""
import re

FIELD_INT = re.compile(rb"-?(0|[1-9][0-9]*)i\Z")
FIELD_FLOAT = re.compile(rb"-?[0-9]+(\.[0-9]+)?(e[+-]?[0-9]+)?\Z")
ESCAPABLE = b",= "


class Refused(Exception):
    pass


def parse(data):
    """bytes -> [(measurement, {tag: text}, {field: int or float}, timestamp)]; raises Refused."""
    if data and not data.endswith(b"\n"):
        raise Refused("last line is not ended")
    return [_line(line) for line in data.split(b"\n")[:-1]]


def _line(line):
    if re.search(rb"[\x00-\x1f\x7f]", line):
        raise Refused("control character in %r" % line)
    at, measurement = _name(line, 0, b", ")
    if not measurement or measurement.startswith("#"):
        raise Refused("measurement in %r" % line)
    tags = []
    while line[at:at + 1] == b",":
        at, key = _name(line, at + 1, b"=, ")
        if line[at:at + 1] != b"=":
            raise Refused("tag without a value in %r" % line)
        at, value = _name(line, at + 1, b"=, ")
        if not key or not value or key.startswith("_"):
            raise Refused("empty tag in %r" % line)
        tags.append((key, value))
    if [key for key, _ in tags] != sorted({key for key, _ in tags}):
        raise Refused("tags not sorted or twice in %r" % line)
    rest = line[at:].split(b" ")
    if len(rest) != 3 or rest[0] or not re.match(rb"-?[0-9]{1,19}\Z", rest[2]):
        raise Refused("want one space, fields, one space, time in %r" % line)
    fields = {}
    for field in rest[1].split(b","):
        key, equals, value = field.partition(b"=")
        if not re.match(rb"[a-z][a-z0-9_]*\Z", key) or key in fields:
            raise Refused("field %r in %r" % (field, line))
        fields[key.decode()] = _number(value, line)
    return measurement, dict(tags), fields, int(rest[2])


def _name(line, at, stops):
    """Up to an unescaped stop: (place of the stop, text)."""
    found = bytearray()
    while at < len(line) and line[at] not in stops:
        if line[at] == 0x5c:
            after = line[at + 1:at + 2]
            if not after or after in b'"\\':
                raise Refused("a backslash that readers differ about in %r" % line)
            if after in ESCAPABLE:
                at += 1
        found.append(line[at])
        at += 1
    return at, found.decode("utf-8")


def _number(value, line):
    if FIELD_INT.match(value):
        number = int(value[:-1])
        if not -2 ** 63 <= number < 2 ** 63:
            raise Refused("%r is no int64" % value)
        return number
    if FIELD_FLOAT.match(value):
        return float(value)
    raise Refused("value %r in %r" % (value, line))
