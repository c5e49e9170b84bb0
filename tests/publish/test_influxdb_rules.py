"""What InfluxDB 2 and 3 ask of line protocol, by their references: no server of either can be had for the tests.

Source: "Line protocol" of InfluxDB 2 (naming restrictions, duplicate points, ranges), "Naming restrictions and conventions" and
"Schema design" of InfluxDB 3 (Core, Enterprise, Clustered): reserved names, tags beside fields, columns, types. The smallest of
their limits is taken.
"""
import collections
import re

import pytest

from helpers.lineprotocol import Refused, parse
from helpers.paths import TOP
from xenmeter.front.catalogue_text import catalogues

GOLDEN = sorted((TOP / "fixtures").rglob("expected*.influx"))
#: Columns that a table may have where nobody raised it (Clustered), and tables of all databases (Core).
COLUMNS, TABLES = 250, 2000
#: What Telegraf adds to every point, and what every domain's point has.
ALWAYS = ("host", "domain", "uuid")


def tables():
    """{measurement: (tags, fields)} of all that can be written."""
    found = collections.defaultdict(lambda: (set(ALWAYS), set()))
    for catalogue in catalogues():
        for entity in catalogue.entities.values():
            for figure in entity.figures:
                if figure.influx is not None:
                    tags, fields = found[figure.influx.measurement]
                    tags.update(figure.influx.tags)
                    fields.add(figure.influx.field)
    return found


def lines():
    """Every golden line: (file, measurement, tags, fields, time)."""
    return [(path, *line) for path in GOLDEN for line in parse(path.read_bytes())]


def test_names_are_such_as_every_version_takes_unquoted():
    """Letters, digits and underscores, a letter first; `time` is the time's column, _ and iox_ are InfluxDB's own."""
    found = tables()
    assert 10 < len(found) < TABLES
    for measurement, (tags, fields) in found.items():
        for name in (measurement, *tags, *fields):
            assert re.match(r"[a-z][a-z0-9_]*\Z", name) and not name.startswith("iox_") and name != "time", (measurement, name)


def test_a_column_is_a_tag_or_a_field_and_there_are_few():
    """InfluxDB 3 refuses a table in which one name is both."""
    for measurement, (tags, fields) in tables().items():
        assert not tags & fields, measurement
        assert len(tags) + len(fields) + 1 <= COLUMNS, measurement


def test_the_tables_are_those_that_are_written():
    """In the golden cases, so that the tests above look at all there is."""
    known = tables()
    for path, measurement, tags, fields, _ in lines():
        assert set(tags) <= known[measurement][0] and set(fields) <= known[measurement][1], (path, measurement, tags)


def test_a_column_keeps_its_type():
    """Also over all cases: a field that was an integer once is refused as a float later."""
    types = collections.defaultdict(set)
    for _, measurement, _, fields, _ in lines():
        for field, value in fields.items():
            types[measurement, field].add(type(value))
    assert len(types) > 100
    assert {name: kinds for name, kinds in types.items() if len(kinds) > 1} == {}


def test_a_point_comes_once():
    """Of two with one table, tags and time the second would take the first one's place, field by field."""
    seen = collections.Counter()
    for path, measurement, tags, fields, at in lines():
        assert -2 ** 63 + 2 <= at <= 2 ** 63 - 2
        seen.update((path, measurement, tuple(sorted(tags.items())), at, field) for field in fields)
    assert [key for key, number in seen.items() if number > 1] == []


@pytest.mark.parametrize("line", [b"xen,_a=b c=1i 1\n", b"xen,a= c=1i 1\n", b"#xen c=1i 1\n", b"xen,a=b c=1i\n",
                                  b"xen,a=b c=9223372036854775808i 1\n"])
def test_the_reader_would_see_what_is_not_allowed(line):
    with pytest.raises(Refused):
        parse(line)
