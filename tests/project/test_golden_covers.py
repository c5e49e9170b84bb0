"""Every figure of the catalogues stands in an expected file of fixtures/, with a value: nobody changes one unseen."""
import re

import pytest

from helpers.paths import FIXTURES
from xenmeter.core import meter
from xenmeter.front import plugins

#: The end of a family's name in the text of a sample, by what the catalogue calls its kind.
_ENDS = r"(?:_total|_info|_count|_sum|_bucket)?"


#: Catalogues without golden cases, and why: tests/core and tests/publish hold these figures.
EXCUSED = {meter.CATALOGUE: "what measuring costs is another at each run"}


def told(plugin):
    """What the expected files of a plugin, or of all (""), hold: (measurement, field) of line protocol, names of OpenMetrics'
    samples, and type with instance of collectd's value lists."""
    fields, names = set(), set()
    for path in (FIXTURES / plugin).rglob("expected.influx"):
        for line in path.read_text(encoding="utf-8").splitlines():
            series, found = re.match(r"((?:\\.|[^ \\])+) (.*) \d+$", line).groups()
            measurement = re.match(r"[^,]+", series).group()
            fields.update((measurement, name) for name in re.findall(r"(?:^|,)(\w+)=", found))
    for path in (FIXTURES / plugin).rglob("expected.openmetrics"):
        names.update(re.findall(r"^(\w+)[{ ]", path.read_text(encoding="utf-8"), re.MULTILINE))
    lists = set()
    for path in (FIXTURES / plugin).rglob("expected.putval"):
        lists.update(re.findall(r'^PUTVAL "[^/]*/[^/]*/([^"]*)"', path.read_text(encoding="utf-8"), re.MULTILINE))
    return fields, names, lists


def of_collectd(stock, lists):
    """Whether a value list is of this type and instance, whose labels in braces stand for anything."""
    instance = "" if not stock.instance else "-" + re.sub(r"\\{\w+\\}", ".*", re.escape(stock.instance))
    return any(re.match(re.escape(stock.type) + instance + r"\Z", one) for one in lists)


@pytest.mark.parametrize("plugin", plugins.NAMES)
def test_every_figure_stands_in_a_golden_case(plugin):
    assert missing(plugins.get(plugin).catalogue, plugin) == []


@pytest.mark.parametrize("catalogue, reason", EXCUSED.items())
def test_what_has_no_golden_case_has_a_reason_that_holds(catalogue, reason):
    """None of its figures stands in one. (In collectd's form a kind of error may be called anything.)"""
    figures = [figure for entity in catalogue.entities.values() for figure in entity.figures]
    lacking = [text for text in missing(catalogue, "") if not text.endswith("in collectd")]
    assert reason and len(lacking) == sum([bool(figure.influx) + bool(figure.openmetrics) for figure in figures])


def missing(catalogue, plugin):
    """Figures of a catalogue, and the form in which no expected file has them."""
    fields, names, lists = told(plugin)
    assert fields and names and lists
    missing = []
    for entity in catalogue.entities.values():
        for figure in entity.figures:
            if figure.influx and (figure.influx.measurement, figure.influx.field) not in fields:
                missing.append("%s.%s in line protocol" % (entity.name, figure.key))
            if figure.openmetrics and not any(re.match(figure.openmetrics.name + _ENDS + r"\Z", name) for name in names):
                missing.append("%s.%s in OpenMetrics" % (entity.name, figure.key))
            if figure.collectd and not of_collectd(figure.collectd, lists):
                missing.append("%s.%s in collectd" % (entity.name, figure.key))
            assert figure.influx or figure.openmetrics or figure.collectd
    return missing
