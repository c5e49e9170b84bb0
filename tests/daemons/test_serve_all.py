"""`xenmeter serve all`: several plugins on one port, and the page for people, in the real Prometheus and a real browser."""
import http.client
import re

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics

from helpers.browser import Browser
from helpers.stage import TOP, Running, iteration, domain, xenmeter
from tools import daemons
from xenmeter.front import plugins

pytestmark = pytest.mark.daemon

EXAMPLE = str(TOP / "plugins" / "xenmeter" / "example")


class Served(Running):
    """`xenmeter serve` on a port of its own."""

    def __init__(self, *words, path=None):
        super().__init__("serve", *words, "--listen", "127.0.0.1:0", **({"path": path} if path else {}))
        self.port = int(self.wait_err(rb"http://127\.0\.0\.1:(\d+)/metrics\n").group(1))

    def get(self, path="/metrics", accept="application/openmetrics-text"):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request("GET", path, headers={"Accept": accept})
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read().decode()
        finally:
            connection.close()

    def wait_body(self, pattern, **more):
        return self.wait_for(lambda: re.search(pattern, self.get(**more)[2]) and self.get(**more)[2], 60, pattern)


def own(text):
    """Samples but for the meter's."""
    return [line for line in text.splitlines() if line.startswith("xen_")]


def test_no_family_is_of_two_plugins():
    """So their expositions can follow each other, and none is interleaved."""
    families = []
    for name in plugins.NAMES:
        families.extend({figure.openmetrics.name for entity in plugins.get(name).catalogue.entities.values()
                         for figure in entity.figures if figure.openmetrics})
    assert len(families) == len(set(families))


def test_each_plugin_says_in_one_page_what_it_says_alone():
    with Served("all", "--source", "example") as served:
        text = served.get()[2]
    wanted = []
    for name in plugins.NAMES:
        alone = xenmeter(name, "--source", "example", "--format", "openmetrics", "--count", "1").stdout
        wanted.extend(own(alone))
    assert own(text) == wanted and len(wanted) > 300
    assert text.count("# EOF") == 1 and text.endswith("# EOF\n")
    found = [sample for family in openmetrics(text) for sample in family.samples]
    assert {sample.labels["plugin"]: sample.value for sample in found if sample.name == "xenmeter_up"} == dict.fromkeys(
        plugins.NAMES, 1)
    assert len([sample for sample in found if sample.name == "xenmeter_build_info"]) == 1


def test_several_are_named_and_an_option_of_one_is_stronger(tmp_path):
    with Served("vcpu,xentop", "--source", "example", "--exclude", "burner", "--vcpu-exclude", "two*") as served:
        text = served.get()[2]
    assert not re.search(r'^xen_domain_vcpus\{domain="burner"', text, re.M)
    assert re.search(r'^xen_domain_vcpus\{domain="two vcpus"', text, re.M)
    assert re.search(r'^xen_vcpu_runstate_seconds_total\{domain="burner"', text, re.M)
    assert not re.search(r'^xen_vcpu_runstate_seconds_total\{domain="two', text, re.M)
    assert "xen_sched" not in text


@pytest.mark.parametrize("words, line", [
    (("xentop,nothing",), "xentop,nothing: no plugin is called 'nothing'; there are xentop, vcpu, xentrace, and all"),
    ((",",), ",: no plugin is called ''; there are xentop, vcpu, xentrace, and all"),
    (("all", "--xentrace-group", "disk"), "xentrace: --group: 'disk' is not what it takes: one of "),
    (("all", "--interval", "0"), "xentop: --interval: '0' is not what it takes: a number of seconds"),
])
def test_what_cannot_be_is_one_line(words, line):
    ran = xenmeter("serve", *words)
    assert ran.returncode == 2 and ran.stderr.startswith("xenmeter: " + line) and ran.stderr.count("\n") == 1


def test_one_that_cannot_be_opened_stops_no_other():
    with Served("xentop,vcpu", "--source", "example", "--vcpu-source", "/nothing/here") as served:
        text = served.get()[2]
        assert 'xenmeter_up{plugin="vcpu"} 0' in text and 'xenmeter_up{plugin="xentop"} 1' in text
        page = served.get("/")[2]
        assert "no figures now" in page
    assert b"xenmeter: vcpu: /nothing/here" in served.err
    ran = xenmeter("serve", "xentop,vcpu", "--source", "/nothing/here", "--listen", "127.0.0.1:0")
    assert ran.returncode == 1 and "/nothing/here" in ran.stderr


def test_each_plugin_says_who_it_is_and_once():
    """Where there is no Xen two of them have the same to say."""
    with Served("xentop,vcpu", "--interval", "1") as served:
        for name in ("xentop", "vcpu"):
            served.wait_body(r'xenmeter_up\{plugin="%s"\} 0' % name)
        for _ in range(3):
            served.get()
        # who asks before the source has tried is told no reason
        served.wait_for(lambda: served.get() and served.err.count(b"there is no /dev/xen/privcmd") >= 2, 60, "a line of each")
    lines = served.err.decode().splitlines()[1:]
    assert sorted(line.partition(": there is no /dev/xen/privcmd")[0] for line in lines) == ["xenmeter: vcpu", "xenmeter: xentop"]


def test_prometheus_takes_all_of_it_as_one_target(tmp_path):
    with Served("all", "--source", "example", "--pace", "1") as served:
        served.wait_body(r'xenmeter_domains\{plugin="xentrace"\} 4')
        assert daemons.promtool_check_metrics(served.get(accept="text/plain")[2].encode()) == (0, "")
        with daemons.Prometheus(tmp_path, ["127.0.0.1:%d" % served.port]) as prometheus:
            found = prometheus.wait_for("xenmeter_up", lambda vector: len(vector) == len(plugins.NAMES), 60)
            assert len(prometheus.targets()) == 1
    assert {item["metric"]["plugin"] for item in found} == set(plugins.NAMES)


def test_a_person_sees_the_host_in_a_browser(xentop):
    """Names are those that a guest's owner would choose to run something here, or to ask somebody for something."""
    names = [b"<script>document.title='taken'</script>", b"<img src=//example.org/x>", b"a&amp;b", b'" style="color:red',
             "\u202eevil".encode(), b"web1"]
    xentop.play(iteration([domain(name, number) for number, name in enumerate(names)]) * 2)
    with Served("xentop", "--interval", "1", path=xentop.path) as served:
        served.wait_body("xen_domain_cpu_ratio")
        status, headers, page = served.get("/")
        browser = Browser()
        try:
            address = "http://127.0.0.1:%d/" % served.port
            browser.visit(address)
            shown = browser.ask("[...document.querySelectorAll('td:first-child')].map((one) => one.textContent)")
            titles = browser.ask("[...document.querySelectorAll('th')].map((one) => one.textContent)")
            bars = browser.ask("[...document.querySelectorAll('td.b')].length")
            scripts = browser.ask("document.querySelectorAll('script, img, link').length")
            title = browser.ask("document.title")
            assert (browser.complaints, [one for one in browser.requests if one != address]) == ([], [])
        finally:
            browser.close()
    assert status == 200 and headers["Content-Type"] == "text/html; charset=utf-8" and "'none'" in headers[
        "Content-Security-Policy"]
    assert sorted(shown[:len(names)]) == sorted([
        "<script>document.title='taken'</script>", "<img src=//example.org/x>", "a&amp;b", '" style="color:red',
        "\\u202eevil", "web1"])
    assert "CPU TIME" in titles and bars == len(names) and scripts == 0 and title.endswith(" - xenmeter")


def test_who_looks_at_a_recording_takes_no_sample_from_prometheus():
    with Served("xentop", "--source", "example") as served:
        first = served.get("/")[2]
        assert served.get("/")[2].split("</p>")[2:] == first.split("</p>")[2:]
        times = [re.search(r"xen_domain_cpu_seconds_total\{.*\} (.*)", served.get()[2]).group(1) for _ in range(2)]
        assert times[0] != times[1]
