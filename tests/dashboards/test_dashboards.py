"""The shipped dashboards: up to date, sound, of our own metrics only, and each query gives data in its real backend."""
import json
import re

from helpers.dashboards import always_busy
from helpers.dashboards import governed
from helpers.dashboards import inside
from helpers.dashboards import neighbours
from helpers.dashboards import served
import pytest
from helpers.dashboards.metric_names import collectd_names, graphite_names, influx_fields, prometheus_names
from tools import dashboards
from xenmeter.bench import readings

NAMES = [backend.name for backend in dashboards.BACKENDS]
GUESTS = ("Domain-0", "busy", "io-guest")


BOARDS = [board.file for board in dashboards.BOARDS]


def shipped(name, board=""):
    return json.loads((dashboards.FOLDER / ("xenmeter-%s%s.json" % (board, name))).read_text(encoding="utf-8"))


def panels(name, board=""):
    return [panel for panel in shipped(name, board)["panels"] if panel["type"] != "row"]


def queries(name, board=""):
    """[(title of the panel, query)]"""
    return [(panel["title"], target.get("expr") or target["query"]) for panel in panels(name, board)
            for target in panel["targets"]]


def of_all(name):
    """The same of all dashboards, each question once."""
    return list(dict.fromkeys(one for board in BOARDS for one in queries(name, board)))


def test_the_files_are_what_the_description_makes():
    assert dashboards.main(["--check"]) == 0, "run: make docs"


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("board", BOARDS)
def test_the_model_is_sound(name, board):
    """What Grafana needs to read it, and to draw no two panels in one place."""
    model = shipped(name, board)
    assert {"title", "uid", "schemaVersion", "panels", "templating", "time"} <= set(model) and "id" not in model
    assert len({panel["id"] for panel in model["panels"]}) == len(model["panels"])
    taken = set()
    for panel in model["panels"]:
        place = panel["gridPos"]
        cells = {(x, y) for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])}
        assert not cells & taken and max(x for x, _ in cells) < 24
        taken |= cells
    for _, query in queries(name, board) + [("", one["query"]) for one in model["templating"]["list"]]:
        assert not re.search(r"\$\{?(host|domain|guest)(?!:regex\}|\w)", query)
    known = {variable["name"] for variable in model["templating"]["list"]}
    text = json.dumps(model)
    used = set(re.findall(r"\$\{?([A-Za-z_]+)", text.replace("$/", "")))
    of_grafana = {"__rate_interval", "__interval", "timeFilter", "__url_time_range", "__field"}
    assert used - of_grafana - {one for one in used if one.startswith("tag_")} == known
    for panel in panels(name, board):
        assert panel["description"].endswith(".")
        assert panel["targets"] and panel["datasource"]["uid"] == "${datasource}"
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])


@pytest.mark.parametrize("board", BOARDS)
def test_all_show_the_same_panels(board):
    assert len({tuple(panel["title"] for panel in panels(name, board)) for name in NAMES}) == 1


def test_the_first_look_is_one():
    """At most ten panels, all seen without scrolling far."""
    for name in NAMES:
        shown = shipped(name, "first-")["panels"]
        assert 6 <= len(shown) <= 10 and all(panel["type"] in ("stat", "timeseries") for panel in shown)
        assert max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in shown) <= 32


@pytest.mark.parametrize("name", NAMES)
def test_one_dashboard_leads_to_the_other(name):
    """By a list of those with our tag; and from a domain's line, which chooses the domain there. The label that names it is one
    by which the panel's lines are told apart."""
    first, long = (shipped(name, board) for board in ("first-", ""))
    for model in (first, long):
        (link,) = model["links"]
        assert link["type"] == "dashboards" and set(link["tags"]) <= set(first["tags"]) & set(long["tags"])
        assert link["includeVars"] and link["keepTime"]
    there = {variable["name"] for variable in long["templating"]["list"]}
    followed = 0
    for panel in first["panels"]:
        for link in panel["fieldConfig"]["defaults"]["links"]:
            uid, chosen = re.match(r"/d/([\w-]+)\?(.*)\Z", link["url"]).groups()
            assert uid == long["uid"] and set(re.findall(r"var-(\w+)|\$\{(\w+):queryparam\}", chosen)) == {
                ("", "datasource"), ("", "host"), ("guest", "")}
            assert {"datasource", "host", "guest"} <= there
            label = re.search(r"\$\{__field\.labels\.(\w+):percentencode\}", chosen).group(1)
            for target in panel["targets"]:
                text = target.get("expr") or target["query"]
                assert re.search(r'(?:sum by \(|GROUP BY .*")%s\b' % label, text), (panel["title"], text)
            followed += 1
    assert followed == 5


def test_every_metric_is_in_the_catalogue():
    for _, query in of_all("influxdb"):
        asked = re.findall(r'(?:last|max|non_negative_difference|elapsed)\("(\w+)"|FROM "(\w+)"', query)
        fields = set()
        for field, measurement in asked:        # fields come before what they are from
            fields.add(field)
            if measurement:
                assert {(measurement, one) for one in fields - {""}} <= influx_fields(), query
                assert fields != {""}
                fields = set()
        assert fields == set(), query
    for name, known, pattern in (("prometheus", prometheus_names(), r"\b(xen\w+)\{"),
                                 ("collectd", collectd_names(), r"\b(collectd_\w+)\{"),
                                 ("telegraf", {"%s_%s" % pair for pair in influx_fields()}, r"\b(xen\w+)\{"),
                                 ("graphite", graphite_names(), r'\{__name__="([^"]+)"')):
        texts = [query for _, query in of_all(name)] + [one["query"] for one in shipped(name)["templating"]["list"]]
        for query in texts:
            for metric in re.findall(pattern, query) + re.findall(r"label_values\((\w+)[,{]", query):
                assert metric in known, query


def test_runs_of_benchmarks_are_marks_by_the_catalogue():
    entity = readings.CATALOGUE.entities["bench"]
    start = entity.figures[0]
    assert start.key == "start_time_ns"
    asked = {name: shipped(name)["annotations"]["list"] for name in NAMES}
    assert all(len(found) == 1 and found[0]["enable"] for found in asked.values())
    assert asked["prometheus"][0]["expr"].startswith(start.openmetrics.name + "{")
    for name in ("prometheus", "collectd", "telegraf", "graphite"):
        assert asked[name][0]["useValueForTime"] and asked[name][0]["expr"].endswith(" * 1000")
    fields = {figure.influx.field for figure in entity.figures} | set(start.influx.tags)
    found = re.match(r'SELECT (.*) FROM "(\w+)"', asked["influxdb"][0]["query"])
    assert set(re.findall(r'"(\w+)"', found.group(1))) <= fields and found.group(2) == start.influx.measurement
    assert re.sub(r"\{label\}", "A", start.collectd.instance).endswith("_start_time") and start.collectd.type == "gauge"


@pytest.mark.daemon
def test_the_marks_query_is_one(loaded):
    """The backend has no run; it takes the question."""
    name, backend = loaded
    mark = shipped(name)["annotations"]["list"][0]
    assert backend.ask(mark.get("expr") or mark["query"], "busy") == []


@pytest.mark.daemon
def test_every_query_gives_data(loaded):
    name, backend = loaded
    empty = []
    for title, query in of_all(name):
        values = [value for guest in (GUESTS if "${guest" in query else GUESTS[:1]) for value in backend.ask(query, guest)]
        if not values and title == "pCPUs busy":        # xentop's text, which was recorded, does not have it
            values = backend.ask_known(query, "resting", "5m")
        if not values and title in inside.SHOWN:        # nor what Xen tells beside it
            values = backend.ask_known(query, inside.HOST, "5m")
        if not values and title in served.SHOWN:        # nor what backends tell of their own
            values = backend.ask_known(query, served.HOST, "5m")
        if not values:
            empty.append((title, query))
        assert all(value >= 0 for value in values), (title, query)
    assert empty == []


@pytest.mark.daemon
def test_what_xen_tells_is_shown_as_it_is(loaded):
    """In every window, and nothing else of that host."""
    name, backend = loaded
    for title, want in inside.SHOWN.items():
        asked = [query for one, query in queries(name) if one == title]
        for window in backend.windows:
            found = [backend.ask_known(query, inside.HOST, window) for query in asked]
            assert all(found), (title, window)
            assert sorted({round(value, 6) for values in found for value in values}) == pytest.approx(want, rel=1e-4), title


@pytest.mark.daemon
def test_the_variables_offer_what_is_there(loaded):
    name, backend = loaded
    offered = {one["name"]: (backend.variable(one["query"]), one["regex"]) for one in shipped(name)["templating"]["list"]
               if one["type"] == "query"}
    hosts, regex = offered["host"]
    if regex:
        hosts = {re.match(regex.strip("/"), host).group(1) for host in hosts}
    assert hosts == {"testhost"}
    assert set(GUESTS) <= offered["domain"][0] and offered["domain"][0] == offered["guest"][0]


@pytest.mark.daemon
def test_shares_are_shares(loaded):
    """A unit that is off by a thousand would show here: no CPU is busy for more than all of the time."""
    name, backend = loaded
    for panel in panels(name):
        if panel["fieldConfig"]["defaults"]["unit"] == "percentunit" and panel["title"] not in ("CPU of all domains",):
            for target in panel["targets"]:
                for guest in GUESTS:
                    values = backend.ask(target.get("expr") or target["query"], guest)
                    assert all(value <= 3.1 for value in values), (panel["title"], max(values))
    asked = {panel["title"]: [target.get("expr") or target["query"] for target in panel["targets"]] for panel in panels(name)}
    for title, low, high in (("pCPUs busy", 0.05, 2.1), ("CPU of all domains", 0.2, 2.1),
                             ("Wait until running, 99th percentile", 1e-6, 1)):
        values = [value for query in asked[title] for value in backend.ask(query, "busy")]
        assert low < max(values) < high, (title, max(values))


@pytest.mark.daemon
@pytest.mark.parametrize("host", governed.HOSTS)
def test_figures_are_true_where_the_baker_rests(loaded, host):
    """Whatever the window: what the trace counts is of the time that it observed, and of a domain's vCPUs. Where nothing was
    observed, nothing is shown; in particular not 0."""
    name, backend = loaded
    compared = set()
    for panel in panels(name):
        for target in panel["targets"]:
            query = target.get("expr") or target["query"]
            legend = target.get("legendFormat") or target.get("alias") or ""
            want = governed.expected(host, panel["title"], legend)
            if want is None or not governed.HOSTS[host][2] and '"xen_pcpu"' in query:
                continue
            if '"xen_sched_cause"' in query:        # per second of the clock: the panel says so
                continue
            for window in backend.windows:
                found = backend.ask_known(query, host, window)
                assert found, (panel["title"], legend, window)
                wrong = [value for value in found if not any(value == pytest.approx(one, rel=1e-3, abs=1e-9) for one in want)]
                assert not wrong, (panel["title"], legend, window, sorted(set(wrong))[:5], want)
                assert len({round(value, 3) for value in found}) == len(want)
            compared.add(panel["title"])
    assert len(compared) == (7 if name == "influxdb" else 9)


@pytest.mark.daemon
def test_what_backends_tell_is_shown_as_it_is(loaded):
    """In every window, and nothing else of that host."""
    name, backend = loaded
    for title, want in served.SHOWN.items():
        asked = [query for one, query in of_all(name) if one == title]
        for window in backend.windows:
            found = [backend.ask_known(query, served.HOST, window, served.GUEST) for query in asked]
            assert all(found), (title, window)
            shown = sorted({round(value, 6) for values in found for value in values})
            assert shown == pytest.approx(sorted(set(want)), rel=1e-4), (title, window)


@pytest.mark.daemon
def test_neighbours_are_shown_with_what_they_cause(loaded):
    """In every window; what a domain that has ended had caused is no peak."""
    name, backend = loaded
    for title, want in neighbours.SHOWN.items():
        (query,) = (query for one, query in queries(name) if one == title)
        for window in backend.windows:
            found = backend.ask_known(query, neighbours.HOST, window, neighbours.GUEST)
            assert sorted({round(value, 6) for value in found}) == pytest.approx(want, rel=1e-4), (title, window)


@pytest.fixture
def busy_guest(loaded):
    """The guest that is always busy, as it is offered to choose from."""
    name, backend = loaded
    offered = [one["query"] for one in shipped(name)["templating"]["list"] if one["name"] in ("domain", "guest")]
    (guest,), also = (backend.variable(query, always_busy.HOST) for query in offered)
    assert also == {guest} and (guest == always_busy.GUEST or name in ("collectd", "graphite"))
    return guest


@pytest.mark.daemon
def test_what_is_always_busy_is_so_in_every_window(loaded, busy_guest):
    """Also in one that is no multiple of the readings' interval, and holds now more of them, now fewer."""
    name, backend = loaded
    (query,) = [query for title, query in queries(name) if title == "vCPUs running"]
    for window in backend.windows:
        found = backend.ask_known(query, always_busy.HOST, window, busy_guest)
        assert len(found) > 3 and found == pytest.approx([1] * len(found), rel=1e-6), window


@pytest.mark.daemon
def test_names_are_no_part_of_a_query(loaded, busy_guest):
    """An IPv6 address as a host, and quotes in a guest's name: each query can be asked, and those with an answer give it."""
    name, backend = loaded
    found = {title: backend.ask_known(query, always_busy.HOST, "5m", busy_guest, busy_guest) for title, query in queries(name)}
    assert set(found["Memory of all domains"]) == {always_busy.MEMORY} and set(found["vCPUs blocked"]) == {0}
