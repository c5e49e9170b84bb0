"""The preset `--group small`: some 20 series per domain, the same in every front, and the alerts that it feeds."""
import re

import pytest

from helpers.stage import Running, TOP, xenmeter
from tools import dashboards, fleet
from xenmeter.core.catalogue import SMALL, parse
from xenmeter.core.options import from_pairs
from xenmeter.front import plugins

DOMAINS = 5


def per_domain(counts):
    """Series of a domain, all plugins together. ``counts``: of so many domains and of one more."""
    return sum(more - fewer for fewer, more in counts)


@pytest.mark.parametrize("form", ["openmetrics", "influx", "collectd"])
def test_a_domain_has_some_twenty_series(form):
    def count(name, domains):
        host = fleet.Host(name, domains, 1, [SMALL])
        host.lines(0), host.page(0)
        if form == "influx":
            return fleet.fields_of(host.lines(1))
        if form == "collectd":
            return len(host.value_lists(1))
        return sum(not line.startswith(b"#") for line in host.page(1).splitlines())
    found = per_domain([(count(name, DOMAINS), count(name, DOMAINS + 1)) for name in fleet.NAMES])
    assert 15 <= found <= 23


@pytest.mark.parametrize("name", plugins.NAMES)
def test_every_plugin_takes_it_alone_and_beside_groups(name):
    plugin = plugins.get(name)
    alone, beside = (from_pairs(plugin.options, [("Group", given)])[0].group for given in (
        [SMALL], [SMALL, plugin.catalogue.groups()[0]]))
    whole = [figure for entity in plugin.catalogue.entities.values() for figure in entity.figures]
    few, more = ({figure.key for figure in whole if figure.wanted(groups)} for groups in (alone, beside))
    assert few and few <= more < {figure.key for figure in whole} | {None}
    assert {figure.key for figure in whole if figure.small} == few


def names(text):
    return set(re.findall(r"^(xen_\w+)", text, re.MULTILINE))


def test_fronts_say_the_same():
    by_command = set()
    for name in plugins.NAMES:
        said = xenmeter(name, "--source", "example", "--group", SMALL, "--format", "openmetrics", "--count", "1").stdout
        by_command |= names(said)
    with Running("serve", "all", "--source", "example", "--group", SMALL, "--listen", "127.0.0.1:0") as served:
        import http.client
        port = int(served.wait_err(rb"http://127\.0\.0\.1:(\d+)/metrics\n").group(1))
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        connection.request("GET", "/metrics", headers={"Accept": "application/openmetrics-text"})
        by_port = names(connection.getresponse().read().decode())
        connection.close()
    assert by_port == by_command and "xen_domain_cpu_seconds_total" in by_port
    assert not [name for name in by_port if "vif" in name or "bucket" in name]


@pytest.mark.parametrize("form", ["influx", "collectd", "table", "prometheus"])
def test_each_form_takes_it(form):
    said = [xenmeter("xentop", "--source", "example", "--count", "2", "--format", form, *more)
            for more in ([], ["--group", SMALL])]
    assert [one.returncode for one in said] == [0, 0] and 100 < len(said[1].stdout) < len(said[0].stdout)


def asked(expression):
    """(family, state) of all that an alert's rule asks for; no state: whatever the family has."""
    for name, labels in re.findall(r"\b(xen_\w+)(?:\{([^}]*)\})?", expression):
        states = re.search(r'\bstate=~?"([^"]*)"', labels)
        for state in states.group(1).split("|") if states else [None]:
            yield re.sub("_bucket$", "", name), state


def test_which_alerts_it_feeds():
    """Those that README of conf.d/fleet names, and no other. What is divided by a part of itself would be 1, and an alarm: so no
    state that a rule asks for may be missing."""
    figures = [figure for name in plugins.NAMES for entity in plugins.get(name).catalogue.entities.values()
               for figure in entity.figures if figure.openmetrics]

    def there(family, state):
        of_family = [figure for figure in figures if figure.openmetrics.name == family and "vcpu" not in figure.openmetrics.labels
                     or figure.openmetrics.name == family and family.startswith("xen_vcpu")]
        chosen = [figure for figure in of_family if state is None or ("state", state) in figure.openmetrics.constant]
        assert chosen, (family, state)
        return all(figure.small for figure in chosen)
    rules = (TOP / "conf.d" / "prometheus" / "alerts.yml").read_text()
    fed = {alert for alert, expression in re.findall(r"- alert: (\w+)\n +expr: (.*?)\n +(?:for|labels):", rules, re.DOTALL)
           if all(there(*one) for one in asked(expression))}
    page = (TOP / "conf.d" / "fleet" / "README.md").read_text()
    told = set(re.findall(r"Xen\w+", re.search(r"The alerts (.*?) work with it", page, re.DOTALL).group(1)))
    assert told == fed and "XenDomainReady" in fed and "XenWaitLatency" not in fed


def test_the_first_look_needs_no_more():
    """All that the dashboard asks, and what its variables offer."""
    asks = [ask for _, panels in dashboards.LOOK.rows for panel in panels for ask in panel.asks]
    for ask in asks:
        asks += [ask.otherwise] * bool(ask.otherwise)
        if not ask.figure.startswith("meter/") and ask.figure != "xentrace/pcpu/busy_ns":   # that is asked where xentop is not
            for path in (ask.figure, *ask.per):
                assert ask.found(path)[2].small, path
    names = {figure.openmetrics.name for name in plugins.NAMES for entity in plugins.get(name).catalogue.entities.values()
             for figure in entity.figures if figure.openmetrics and figure.small}
    assert "xen_domain_vcpus" in names and len(asks) > 12


def test_what_is_no_preset_is_refused_in_the_catalogue():
    row = dict(entity="domain", figure="cpu", kind="gauge", unit="1", group="cpu+large", openmetrics="-", influx="-",
               collectd="-", help="x")
    with pytest.raises(ValueError, match="group 'cpu.large'"):
        parse([row], "p")
    assert parse([dict(row, group="cpu+small")], "p").entities["domain"].figures[0].small
