"""Prometheus 3: what it asks of our endpoint and how it names what comes; its rules; and all of it handed on by remote write.

The tests of make test that run a Prometheus run with this one as well: tests/tools/backends.py.
"""
import http.client
import http.server
import json
import re
import threading

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from helpers.stage import Running, TOP, domain, iteration
from helpers.telegraf_stage import live
from tools import daemons

OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
TEXT = "text/plain; version=0.0.4; charset=utf-8"
#: What a site may ask for, and what it gets: we speak two forms, and who wants another takes the text.
PROTOCOLS = {"PrometheusProto": TEXT, "OpenMetricsText1.0.0": OPENMETRICS, "OpenMetricsText0.0.1": OPENMETRICS,
             "PrometheusText0.0.4": TEXT, "PrometheusText1.0.0": TEXT}


class Between(http.server.ThreadingHTTPServer):
    """Hands requests for the page on, and keeps what was asked for and what was given: {(Accept, Content-Type)}."""

    daemon_threads = True

    def __init__(self, port):
        super().__init__(("127.0.0.1", 0), Asked)
        self.port, self.seen = port, set()
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Asked(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=60)
        connection.request("GET", self.path, headers={"Accept": self.headers["Accept"]})
        answer = connection.getresponse()
        body, kind = answer.read(), answer.getheader("Content-Type")
        connection.close()
        self.server.seen.add((self.headers["Accept"], kind))
        self.send_response(answer.status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words):
        pass


@pytest.fixture
def served(tmp_path):
    """The endpoint of xentrace, which has every kind of metric; its last reading is told for a minute."""
    with live("xentrace", tmp_path, None) as (arguments, _):
        arguments = [60 if word == 1 else word for word in arguments]
        with Running("serve", "xentrace", *arguments, "--listen", "127.0.0.1:0") as running:
            yield int(running.wait_err(rb":(\d+)/metrics").group(1))


@pytest.fixture
def between(served):
    with Between(served) as running:
        yield running
        running.shutdown()


class Configured(daemons.Prometheus):
    """A Prometheus with a configuration of its own, and further words of its command line."""

    def __init__(self, tmp_path, text, *more):
        super().__init__(tmp_path / "prometheus", [])
        self.conf.write_text(text)
        self._more = more

    def command(self):
        return [*super().command(), *self._more]


def job(name, port, more=""):
    return ("  - job_name: %s\n    scrape_interval: 2s\n    scrape_timeout: 2s\n%s    static_configs:\n"
            "      - targets: [\"127.0.0.1:%d\"]\n" % (name, more, port))


def is_up(prometheus, jobs=1):
    found = prometheus.targets()
    return len(found) == jobs and all((one["health"], one["lastError"]) == ("up", "") for one in found)


def test_it_is_a_prometheus_3(tmp_path):
    with daemons.Prometheus(tmp_path, []) as prometheus:
        status, body = daemons.http(prometheus.url + "/api/v1/status/buildinfo")
    assert status == 200 and json.loads(body.decode())["data"]["version"].startswith("3."), body


def test_what_it_asks_for_by_default_is_what_we_answer(tmp_path, between):
    with daemons.Prometheus(tmp_path / "prometheus", ["127.0.0.1:%d" % between.server_port]) as prometheus:
        prometheus.wait_for('xen_sched_wait_seconds_bucket')
        prometheus.wait(lambda: is_up(prometheus), 60, "an up target")
    ((accept, kind),) = between.seen
    assert "application/openmetrics-text;version=1.0.0" in accept and kind == OPENMETRICS


def test_with_native_histograms_switched_on_the_classic_ones_come(tmp_path, between):
    """It asks for protobuf first then, and takes what there is."""
    text = "scrape_configs:\n" + job("native", between.server_port)
    with Configured(tmp_path, text, "--enable-feature=native-histograms") as prometheus:
        prometheus.wait_for('xen_sched_wait_seconds_bucket{job="native"}')
        prometheus.wait(lambda: is_up(prometheus), 60, "an up target")
    ((accept, kind),) = between.seen
    assert accept.startswith("application/vnd.google.protobuf") and kind == OPENMETRICS


def test_every_protocol_gives_the_same_series(tmp_path, served):
    """Also the values of le, which version 3 writes as floats whatever the form; and with names validated as before."""
    text = "scrape_configs:\n"
    relays = {name: Between(served) for name in PROTOCOLS}
    for name, relay in relays.items():
        text += job('"%s"' % name, relay.server_port, "    scrape_protocols: [%s]\n" % name)
    text += job("legacy", served, "    metric_name_validation_scheme: legacy\n    metric_name_escaping_scheme: underscores\n")
    with Configured(tmp_path, text) as prometheus:
        prometheus.wait(lambda: is_up(prometheus, len(relays) + 1), 60, "all targets up")
        found = {}
        for item in prometheus.query('{__name__=~"xen_sched_.+"}'):
            labels = dict(item["metric"])
            found.setdefault(labels.pop("job"), set()).add(
                tuple(sorted(pair for pair in labels.items() if pair[0] != "instance")))
    for relay in relays.values():
        relay.shutdown()
        relay.server_close()
    assert set(found) == set(PROTOCOLS) | {"legacy"}
    assert {kind for relay in relays.values() for _, kind in relay.seen} == {OPENMETRICS, TEXT}
    assert {name: {kind for _, kind in relay.seen} for name, relay in relays.items()} == {
        name: {kind} for name, kind in PROTOCOLS.items()}
    first = found["OpenMetricsText1.0.0"]
    assert len(first) > 100 and all(series == first for series in found.values())
    bounds = {dict(series)["le"] for series in first if "le" in dict(series)}
    assert len(bounds) > 10 and all(re.match(r"(\d+\.\d+|\d(\.\d+)?e-\d+|\+Inf)\Z", bound) for bound in bounds), bounds


def test_names_are_what_they_were_before_utf_8(tmp_path, xentop):
    """Names of metrics and labels are of the old alphabet; a guest's name is a label's value, and may be anything."""
    xentop.play(iteration([domain("日本語 ü".encode(), 5), domain(b"Domain-0")]) * 2)
    with Running("serve", "xentop", "--interval", "1", "--listen", "127.0.0.1:0", path=xentop.path) as running:
        port = int(running.wait_err(rb":(\d+)/metrics").group(1))
        with daemons.Prometheus(tmp_path / "prometheus", ["127.0.0.1:%d" % port]) as prometheus:
            prometheus.wait_for('xen_domain_vcpus{domain="日本語 ü"}')
            found = prometheus.query('{__name__=~"xen.+"}')
    assert len(found) > 20
    for item in found:
        assert all(re.match(r"[a-z_][a-z0-9_]*\Z", name) for name in item["metric"]), item["metric"]
        assert re.match(r"[a-z_][a-z0-9_]*\Z", item["metric"]["__name__"])


def test_the_server_evaluates_our_rules(tmp_path, served):
    rules = TOP / "conf.d" / "prometheus" / "alerts.yml"
    number = len(re.findall(r"- alert:", rules.read_text()))
    text = "global:\n  evaluation_interval: 1s\nrule_files: [%s]\nscrape_configs:\n" % json.dumps(str(rules)) + job("x", served)
    with Configured(tmp_path, text) as prometheus:
        prometheus.wait_for("xen_trace_observed_seconds_total")

        def judged():
            groups = json.loads(daemons.http(prometheus.url + "/api/v1/rules")[1].decode())["data"]["groups"]
            healths = [(rule["name"], rule["health"], rule.get("lastError")) for group in groups for rule in group["rules"]]
            return healths and all(health != "unknown" for _, health, _ in healths) and healths
        healths = prometheus.wait(judged, 60, "every rule evaluated")
    assert len(healths) == number and {(health, error) for _, health, error in healths} == {("ok", None)}, healths


def test_the_pages_le_is_what_version_3_makes_of_it(served):
    """So a dashboard that names a bound finds it in both; ours name none."""
    status, body = daemons.http("http://127.0.0.1:%d/metrics" % served)
    connection = http.client.HTTPConnection("127.0.0.1", served, timeout=60)
    connection.request("GET", "/metrics", headers={"Accept": "application/openmetrics-text;version=1.0.0"})
    strict = {sample.labels["le"] for family in text_string_to_metric_families(connection.getresponse().read().decode())
              for sample in family.samples if "le" in sample.labels}
    connection.close()
    plain = set(re.findall(rb'le="([^"]+)"', body))
    assert status == 200 and len(strict) > 10 and {bound.encode() for bound in strict} == plain
    for bound in strict - {"+Inf"}:
        assert repr(float(bound)) == bound
