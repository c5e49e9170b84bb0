"""conf.d/opentelemetry: the real collector asks our endpoint, or takes what Telegraf sends it; all figures arrive as OTLP."""
import http.client
import math
import re

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from helpers.blocks import block
from helpers.lineprotocol import parse
from helpers.stage import FIXTURES, Running, TOP, domain, iteration
from helpers.telegraf_stage import adapted, environment, live
from tools import daemons
from tools.otelcol_daemon import Collector, Taker
from tools.telegraf_daemon import Telegraf, telegraf

SHIPPED = TOP / "conf.d" / "opentelemetry" / "otelcol.yaml"
ENDPOINT = 'endpoint: "https://otlp.example.org:4318"'


@pytest.fixture
def taker():
    with Taker() as running:
        yield running


def to(taker, text, **changes):
    """The page's text with its exporter's address and others changed."""
    for old, new in {"endpoint": (ENDPOINT, 'endpoint: "%s"\n    encoding: json' % taker.url), **changes}.values():
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text


def asking(taker, port):
    return to(taker, SHIPPED.read_text(), target=('"127.0.0.1:9778"', '"127.0.0.1:%d"' % port),
              interval=("scrape_interval: 10s", "scrape_interval: 3s"))


def page(port):
    """[family] of the endpoint, by the strict parser."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", "/metrics", headers={"Accept": "application/openmetrics-text;version=1.0.0"})
    text = connection.getresponse().read().decode()
    connection.close()
    return list(text_string_to_metric_families(text))


def complaints_of(collector):
    """But for a scrape that took longer than its interval, which is the machine's load."""
    return [line for line in re.findall(r"\t(?:warn|error)\t.*", collector.log_text()) if "context deadline exceeded" not in line]


def plain(taker):
    """{(name, labels): value} of all that is no histogram, without the label that the file adds."""
    found = {}
    for (name, labels), (kind, point) in list(taker.points.items()):
        if kind in ("sum", "gauge"):
            rest = tuple(pair for pair in labels if pair != ("host", "dom0"))
            assert len(rest) == len(labels) - 1 or not name.startswith("xen")
            found[name, rest] = float(point.get("asDouble", point.get("asInt", math.nan)))
    return found


def ours(families):
    """The same of our page, without what differs from one scrape to the next; an info metric has its family's name, as there."""
    return {(family.name if family.type == "info" else sample.name, tuple(sorted(sample.labels.items()))): sample.value
            for family in families if family.type != "histogram" and not family.name.startswith("xenmeter")
            for sample in family.samples if not sample.name.endswith("_created")}


def test_every_figure_of_the_endpoint_arrives(tmp_path, taker, xentop):
    """With the labels as attributes, and counters as such. Guests' names are hostile."""
    names = ["quo\"te", "back\\slash", "日本語", "# EOF", "Domain-0"]
    xentop.play(iteration([domain(name.encode(), number, vif=(1000, 2, 0, 0, 3000, 4, 0, 5), vbd=(1, 2, 3, 4, 5))
                           for number, name in enumerate(names)]) * 2)
    with Running("serve", "xentop", "--interval", "1", "--listen", "127.0.0.1:0", path=xentop.path) as served:
        port = int(served.wait_err(rb":(\d+)/metrics").group(1))
        with Collector(tmp_path / "otelcol", asking(taker, port)) as collector:
            def whole():
                want = ours(page(port))
                found = plain(taker)
                return len(want) > 100 and want.items() <= found.items() and (want, page(port))
            want, families = collector.wait(whole, 90, "all figures as OTLP")
            complaints = complaints_of(collector)
    assert {dict(labels)["domain"] for _, labels in want if "domain" in dict(labels)} == set(names)
    kinds = {family.name: family.type for family in families}
    units = {"": "", "seconds": "s", "bytes": "By", "ratio": "1"}
    for family in families:
        if family.samples:
            name = family.name + "_total" * (family.type == "counter")
            assert taker.metrics[name]["unit"] == units[family.unit], name
    for name, metric in taker.metrics.items():
        if kinds.get(re.sub("_total$", "", name)) == "counter":
            assert (metric["kind"], metric["isMonotonic"], metric["aggregationTemporality"]) == ("sum", True, 2), name
        if kinds.get(name) in ("gauge", "info"):
            assert metric["kind"] == {"gauge": "gauge", "info": "sum"}[kinds[name]] and not metric.get("isMonotonic"), name
    assert taker.metrics["xen_domain_cpu_seconds_total"]["description"] and complaints == []
    (resource,) = taker.resources
    assert {"service.name": "xenmeter", "service.instance.id": "127.0.0.1:%d" % port}.items() <= dict(resource).items()


def test_histograms_arrive_with_their_bounds(tmp_path, taker):
    """The recording's page repeats while the endpoint has no newer reading: cumulative, of the bounds of ours."""
    with live("xentrace", tmp_path, None) as (arguments, _):
        arguments = [60 if word == 1 else word for word in arguments]
        with Running("serve", "xentrace", *arguments, "--listen", "127.0.0.1:0") as served:
            port = int(served.wait_err(rb":(\d+)/metrics").group(1))
            with Collector(tmp_path / "otelcol", asking(taker, port)) as collector:
                def whole():
                    want, found = histograms(page(port)), told(taker)
                    return len(want) > 5 and want == {key: found.get(key) for key in want} and want
                want = collector.wait(whole, 90, "all histograms as OTLP")
    assert {"xen_sched_%s_seconds" % what for what in ("wait", "run", "blocked")} == {name for name, _ in want}
    assert all(taker.metrics[name]["aggregationTemporality"] == 2 for name, _ in want)
    assert sum(counts[-1][1] for counts, _ in want.values()) > 100


def histograms(families):
    """{(name, labels): ([(bound, cumulative count)], sum)}"""
    found = {}
    for family in families:
        if family.type == "histogram":
            for sample in family.samples:
                labels = {key: value for key, value in sample.labels.items() if key != "le"}
                counts, total = found.setdefault((family.name, tuple(sorted(labels.items()))), ([], []))
                if sample.name.endswith("_bucket"):
                    counts.append((float(sample.labels["le"]), sample.value))
                elif sample.name.endswith("_sum"):
                    total.append(pytest.approx(sample.value))
    return found


def told(taker):
    found = {}
    for (name, labels), (kind, point) in list(taker.points.items()):
        if kind == "histogram":
            counts, so_far = [], 0
            for bound, count in zip([*point["explicitBounds"], math.inf], point["bucketCounts"]):
                so_far += int(count)
                counts.append((float(bound), float(so_far)))
            found[name, tuple(pair for pair in labels if pair != ("host", "dom0"))] = (counts, [point.get("sum", 0.0)])
    return found


def test_telegraf_sends_to_it(tmp_path, taker):
    """Every number that Telegraf's file has is there under measurement_field, with its tags."""
    recording = FIXTURES / "credit2-2pcpu-joined-b-d1-i3-fnxvr"
    address = ('"127.0.0.1:4317"', '"127.0.0.1:%d"' % daemons.free_port())
    text = to(taker, block("opentelemetry/README.md", "Telegraf sends to it", 1), port=address)
    output = block("opentelemetry/README.md", "Telegraf sends to it", 0, port=address)
    assert "opentelemetry" in telegraf("--output-list").stdout
    with Collector(tmp_path / "otelcol", text) as collector, Telegraf(
            tmp_path / "telegraf", adapted("xentop", "--source", recording, interval="50ms") + output, environment()) as running:
        def whole():
            want = {}
            for measurement, tags, fields, _ in parse(running.output()):
                for field, value in fields.items():
                    if measurement.startswith("xen_") and not isinstance(value, str):
                        want["%s_%s" % (measurement, field), tuple(sorted(tags.items()))] = float(value)
            found = {key: float(point.get("asDouble", point.get("asInt", math.nan)))
                     for key, (_, point) in list(taker.points.items())}
            return len(want) > 100 and want.items() <= found.items() and want
        want = collector.wait(whole, 90, "all of Telegraf's figures as OTLP")
        assert running.complaints() == []
        assert complaints_of(collector) == []
    assert ("host", "testhost") in next(iter(want))[1]
    assert {taker.metrics[name]["kind"] for name, _ in want} == {"gauge"}
