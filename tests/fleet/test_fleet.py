"""conf.d/fleet: the sample configurations in the real programs, and a hundred hosts in a real VictoriaMetrics."""
import contextlib
import json
import re
import threading
import tomllib

import pytest
from helpers.lineprotocol import parse
from helpers.stage import HOST, Running, TOP, readings, source_of
from helpers.telegraf_stage import adapted, environment, live, measured, recording, said_by_the_command, without_host
from tools import daemons, fleet
from tools.network_collectd import Sender
from tools.collectd_daemon import Collectd
from tools.promtool import promtool
from tools.telegraf_daemon import Telegraf, telegraf
from tools.victoria import VictoriaMetrics

pytestmark = pytest.mark.daemon

CONF = TOP / "conf.d" / "fleet"
HOSTS = 100
DOMAINS = 10


@pytest.fixture(scope="module")
def victoria(tmp_path_factory):
    with VictoriaMetrics(tmp_path_factory.mktemp("victoria")) as running:
        yield running


@pytest.mark.parametrize("path", sorted(CONF.glob("prometheus-*.yml")), ids=lambda path: path.stem)
def test_prometheus_takes_the_samples(path):
    ran = promtool("check", "config", path)
    assert ran.returncode == 0, ran.stdout


def test_telegraf_takes_the_samples(tmp_path):
    for name in ("telegraf-influxdb", "telegraf-agent"):
        ran = telegraf("config", "check", "--config", CONF / (name + ".conf"))
        assert ran.returncode == 0 and "E!" not in ran.stdout, ran.stdout


def test_the_sample_for_kafka_is_toml_of_known_keys():
    """The Telegraf that is built for the tests has no Kafka in it; one on PATH has."""
    path = CONF / "telegraf-kafka.conf"
    (output,) = tomllib.loads(path.read_text())["outputs"]["kafka"]
    assert set(output) <= {"brokers", "topic", "routing_tag", "compression_codec", "required_acks", "max_retry", "namepass",
                           "data_format"}
    ran = telegraf("config", "check", "--config", path)
    assert ran.returncode == 0 or "outputs.kafka" in ran.stdout or "output: kafka" in ran.stdout, ran.stdout


def test_telegraf_to_victoriametrics_by_the_sample(tmp_path, victoria):
    """The shipped output with another address: every field is a series, and its last value is ours."""
    output = (CONF / "telegraf-influxdb.conf").read_text().replace("http://metrics.example.org:8086", victoria.url)
    assert victoria.url in output
    arguments = recording("xentop", tmp_path)
    want = said_by_the_command("xentop", arguments)
    with Telegraf(tmp_path / "telegraf", adapted("xentop", *arguments, interval="50ms") + output, environment()) as running:
        running.wait(lambda: len(measured(without_host(parse(running.output())))) >= len(want), 60, "%d points" % len(want))
        assert running.stop() == 0
    assert running.complaints() == []
    victoria.flush()
    last = max(time for _, _, time in want)
    compared = 0
    for measurement in ("xen_domain", "xen_vif", "xen_vbd", "xen_domain_vcpu"):
        found = {}
        for item in victoria.query('{__name__=~"%s_[a-z_]+",host="testhost",db="xen"}' % measurement, last / 1e9 + 1):
            labels = dict(item["metric"])
            name = labels.pop("__name__")
            assert labels.pop("host") == "testhost" and labels.pop("db") == "xen"
            found[name, tuple(sorted(labels.items()))] = float(item["value"][1])
        for (name, tags, time), fields in want.items():
            if name == measurement and time == last:
                for field, value in fields.items():
                    assert found["%s_%s" % (name, field), tags] == pytest.approx(value, rel=1e-12)
                    compared += 1
    assert compared > 200


def test_a_hundred_hosts_in_victoriametrics(victoria):
    """Each with figures of its own, all writing at once: nothing is lost or mixed, and the page's cardinality is right."""
    written, failures = {}, []

    def host(number):
        name = "dom0-%03d" % number
        hosts = [fleet.Host(plugin, DOMAINS, number) for plugin in fleet.NAMES]
        for step in range(2):
            lines = b"".join(one.lines(step, name) for one in hosts)
            status = victoria.write(lines, "fleet")
            if status[0] != 204:
                failures.append((name, status))
            written[name] = lines

    def some(first):
        for number in range(first, HOSTS, 4):
            host(number)

    threads = [threading.Thread(target=some, args=(first,)) for first in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == [] and len(written) == HOSTS
    victoria.flush()
    now = fleet.START + 11
    everything = '{__name__=~"xen.*",db="fleet"}'
    series = {item["metric"]["host"]: int(item["value"][1]) for item in victoria.query("count(%s) by (host)" % everything, now)}
    assert series == {name: fleet.fields_of(lines) for name, lines in written.items()}
    (memory,) = victoria.query('sum(xen_domain_memory_bytes{db="fleet"})', now)
    lines = parse(b"".join(written.values()))
    expected = sum(fields["memory_bytes"] for measurement, _, fields, _ in lines if measurement == "xen_domain")
    assert float(memory["value"][1]) == pytest.approx(expected, rel=1e-9)
    domains = victoria.query('count(count(xen_domain_vcpus{db="fleet"}) by (uuid))', now)
    assert int(domains[0]["value"][1]) == HOSTS * DOMAINS
    rate = victoria.query('sum(rate(xen_sched_running_ns{db="fleet"}[11s])) by (host)', now)
    assert len(rate) == HOSTS and all(float(item["value"][1]) > 0 for item in rate)


def test_collectd_to_a_central_collectd_by_the_samples(tmp_path):
    """The two shipped files, on loopback: every value that one host has arrives at the other."""
    port, scraped = daemons.free_port(), daemons.free_port()
    server = (CONF / "collectd-network-server.conf").read_text()
    for old, new in (('"0.0.0.0" "25826"', '"127.0.0.1" "%d"' % port),
                     ('Port "9103"', 'Host "127.0.0.1"\n  Port "%d"' % scraped)):
        assert old in server
        server = server.replace(old, new)
    client = (CONF / "collectd-network-client.conf").read_text()
    assert '"collectd.example.org" "25826"' in client
    host = fleet.Host("xentop", 50, 1)
    host.value_lists(0)
    lists = host.value_lists(1)
    with Collectd(tmp_path / "server", server, interval=10, load_python=False, host="central") as central:
        want = {"dom0-0001.example.org/xentop-%s/%s" % (one[0], "-".join(filter(None, one[1:3]))): tuple(one[3]) for one in lists}
        for attempt in range(5):        # they are datagrams: a busy machine may drop some, of one sending
            with Sender(tmp_path / ("client-%d" % attempt), ("127.0.0.1", port)) as sender:
                sender.put("xentop", lists)
                assert sender.stop() == 0
            try:
                central.wait(lambda: set(want) <= {value.identifier for value in central.values("dom0-0001.*")}, 20, "all values")
                break
            except daemons.DaemonError:
                pass
        found = {value.identifier: value.values for value in central.values("dom0-0001.example.org/xentop-*")}
        status, page = daemons.http("http://127.0.0.1:%d/metrics" % scraped)
        assert central.stop() == 0
    assert set(found) == set(want)
    for identifier, values in want.items():
        assert found[identifier] == pytest.approx(values, rel=1e-5), identifier
    assert status == 200 and page.count(b'instance="dom0-0001.example.org"') >= len(lists)


def test_the_client_sample_is_collectds(tmp_path):
    text = (CONF / "collectd-network-client.conf").read_text().replace("collectd.example.org", "127.0.0.1")
    with Collectd(tmp_path, text, load_python=False) as running:
        assert running.stop() == 0
    assert "[error]" not in running.log_text() and "[warning]" not in running.log_text()


def lasting(folder):
    """A recording whose readings, one per scrape, are not over before a Prometheus begins."""
    path = folder / "lasting.txt"
    path.write_bytes(source_of(HOST).read_bytes() * 200)
    return path


def test_a_site_is_federated_by_the_sample(tmp_path):
    """A site's Prometheus scrapes us; the central one takes what the sample names from it, and nothing else. The rules of which
    the sample says so can be evaluated there."""
    text = (CONF / "prometheus-federation.yml").read_text()
    with contextlib.ExitStack() as running:
        trace, _ = running.enter_context(live("xentrace", tmp_path, None))
        # seconds for which the last reading of a trace that ends is told
        trace = [60 if word == 1 else word for word in trace]
        ports = []
        for arguments in (["xentop", "--source", lasting(tmp_path)], ["xentrace", "--per-vcpu", "true", *trace]):
            served = running.enter_context(Running("serve", *arguments, "--listen", "127.0.0.1:0"))
            ports.append(served.wait_err(rb":(\d+)/metrics").group(1).decode())
        site = running.enter_context(daemons.Prometheus(tmp_path / "site", ["127.0.0.1:" + port for port in ports]))
        site.wait_for("xen_domain_vcpus")
        site.wait_for("xen_trace_observed_seconds_total > 0")
        central = daemons.Prometheus(tmp_path / "central", [])
        text = re.sub(r"targets: \[.*\]", "targets: %s" % json.dumps(["127.0.0.1:%d" % site.port]), text)
        text = text.replace("scrape_interval: 60s", "scrape_interval: 2s")
        central.conf.write_text(text.replace("scrape_timeout: 30s", "scrape_timeout: 2s"))
        running.enter_context(central)

        def both():
            """What either plugin of the site has sent is there at the same time."""
            vector = central.query('{__name__=~"xen.*"}')
            names = {item["metric"]["__name__"] for item in vector}
            return {"xen_domain_vcpus", "xen_sched_runstate_seconds_total"} <= names and vector
        federated = central.wait(both, 60, "figures of both plugins")
        there = site.wait_for('xen_sched_runstate_seconds_total{vcpu!=""}')
    metrics = [item["metric"] for item in federated]
    names = {one["__name__"] for one in metrics}
    found = {one["domain"]: one["instance"] for one in metrics if one["__name__"] == "xen_domain_vcpus"}
    runstates = [one for one in metrics if one["__name__"] == "xen_sched_runstate_seconds_total"]
    states, of_vcpus = {one["state"] for one in runstates}, [one for one in runstates if one.get("vcpu")]
    assert set(found) == {one["name"] for one in readings("--source", source_of(HOST))[0]["domains"]}
    assert set(found.values()) == {"127.0.0.1:" + ports[0]}      # honor_labels: the host's, not the site's
    assert {"xen_host_domains", "xen_domain_memory_bytes", "xen_domain_state", "xenmeter_up", "xen_trace_observed_seconds_total",
            "xen_trace_lost_records_total", "xen_trace_observed_ratio"} <= names
    assert states == {"running", "waiting", "blocked"} and there and not of_vcpus
    assert not any(name.startswith(("xen_vif", "xen_vbd", "xen_sched_wait_")) for name in names)


def test_what_the_rules_need_is_federated():
    """Every series of the rules that the sample says can be evaluated centrally is matched by it."""
    text = (CONF / "prometheus-federation.yml").read_text()
    named = set(re.findall(r"\bXen\w+", re.sub(r"\n# ", " ", text).partition("can be evaluated here")[0]))
    rules = (TOP / "conf.d" / "prometheus" / "alerts.yml").read_text()
    matched = [re.compile(one) for one in re.findall(r'__name__=~?"([^"]+)"', text)]
    checked = set()
    for name, expression in re.findall(r"- alert: (\w+)\n +expr: ((?:.*\n)(?: {10}.*\n)*)", rules):
        metrics = re.findall(r"\b(?:xen\w+|node\w+|up)\b", re.sub(r'"[^"]*"', "", expression))
        assert metrics
        if all(any(one.fullmatch(metric) for one in matched) for metric in metrics):
            checked.add(name)
    assert named == checked and len(named) == 7


def test_remote_write_reaches_victoriametrics_by_the_sample(tmp_path, victoria):
    text = (CONF / "prometheus-remote-write.yml").read_text()
    assert "http://metrics.example.org:8428" in text
    with Running("serve", "xentop", "--source", lasting(tmp_path), "--listen", "127.0.0.1:0") as served:
        port = served.wait_err(rb":(\d+)/metrics").group(1).decode()
        prometheus = daemons.Prometheus(tmp_path / "prometheus", [])
        text = re.sub(r"targets: \[.*\]", "targets: %s" % json.dumps(["127.0.0.1:" + port]), text)
        prometheus.conf.write_text(text.replace("http://metrics.example.org:8428", victoria.url).replace(
            "scrape_interval: 10s", "scrape_interval: 2s"))
        with prometheus:
            def there():
                victoria.flush()
                return victoria.query('xen_domain_vcpus{job="xenmeter"}')
            found = prometheus.wait(there, 60, "samples in VictoriaMetrics")
    assert {item["metric"]["domain"] for item in found} == {
        one["name"] for one in readings("--source", source_of(HOST))[0]["domains"]}


def test_the_pages_links_lead_somewhere():
    text = (CONF / "README.md").read_text()
    for link in re.findall(r"\]\(([^)#]+)\)", text):
        assert (CONF / link).exists(), link
    for path in CONF.iterdir():
        assert path.name == "README.md" or path.name in text, path.name


def test_the_pages_arithmetic_follows_from_its_tables():
    text = " ".join((CONF / "README.md").read_text().split())
    fields, pages = (int(re.search(r"\| %s [^|]*\|[^|]*\| ([0-9,]+) \|" % kind, text).group(1).replace(",", ""))
                     for kind in (r"line protocol \(fields\),", "OpenMetrics,"))
    sizes = [float(re.search(r"\| %s[^|]*\| ([0-9.]+) \|" % engine, text).group(1))
             for engine in ("VictoriaMetrics", "Prometheus")]
    told = re.findall(r"([0-9,]+) series(?: per host make|,) ([0-9]+) thousand million samples(?: a day)?, ([0-9]+) GB a day"
                      r"[^,]*, ([0-9.]+) TB for 30 days", text)
    wanted = []
    for series, size in zip((fields, pages), sizes):
        samples = series * 1000 * 86400 // 10
        wanted.append(("{:,}".format(series), "%.0f" % (samples / 1e9), "%.0f" % (samples * size / 1e9),
                       "%.1f" % (samples * size * 30 / 1e12)))
    assert told == wanted
