"""`xenmeter serve` scraped by the real Prometheus, and the textfile read by the real node_exporter."""
import contextlib
import gzip
import http.client
import os
import pathlib
import re
import socket
import threading
import time

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as prometheus_text

from helpers.stage import FIXTURES, TOP, HOST, Running, capture_of, domain, iteration, many, readings, source_of, told, xenmeter
from tools import daemons, promtool
from xenmeter.front import plugins

pytestmark = pytest.mark.daemon

JOINED = FIXTURES / "credit2-2pcpu-joined-b-d1-i3-fnxvr"
OPENMETRICS = {"Accept": "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
                         "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"}


class Served(Running):
    """`xenmeter serve xentop` on a port of its own."""

    def __init__(self, xentop=None, *arguments):
        super().__init__("serve", "xentop", "--interval", "1", "--listen", "127.0.0.1:0", *arguments,
                         **({"path": xentop.path} if xentop else {}))
        self.port = int(self.wait_err(rb"http://127\.0\.0\.1:(\d+)/metrics\n").group(1))
        self.err = b""

    def get(self, headers=None, path="/metrics", timeout=60):
        """(status, content type, body)"""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request("GET", path, headers=headers or {})
            answer = connection.getresponse()
            return answer.status, answer.getheader("Content-Type"), answer.read()
        finally:
            connection.close()

    def wait_body(self, pattern, timeout=15):
        return self.wait_for(lambda: re.search(pattern, self.get()[2]) and self.get()[2], timeout, "%r" % pattern)


def took(served, found):
    """Seconds until a scrape that has this in its answer."""
    began = time.monotonic()
    status, _, body = served.get()
    assert status == 200 and found in body
    return time.monotonic() - began


def samples(families):
    return {(sample.name, tuple(sorted(sample.labels.items()))): sample.value for family in families
            for sample in family.samples}


def figures(found):
    """Without the meter's own, which differ from one scrape to the next."""
    return {key: value for key, value in found.items() if not key[0].startswith("xenmeter")}


def wanted(sample):
    """A few figures of each domain, worked out from the mirror of xentop's columns: {(name, domain): value}."""
    found = {}
    for one in sample["domains"]:
        name = one["name"].replace("\t", "_")
        name = name if one.get("uuid") else told(one["name"], name)
        found["xen_domain_cpu_seconds_total", name] = one["cpu_seconds"]
        found["xen_domain_memory_bytes", name] = one["mem_bytes"]
        found["xen_domain_vcpus", name] = one["vcpus"]
        found["xen_domain_network_receive_bytes_total", name] = one["net_tx_bytes"]
        found["xen_domain_vbd_read_requests_total", name] = one["vbd_rd"]
        if one["cpu_percent"] is not None:
            found["xen_domain_cpu_ratio", name] = one["cpu_percent"] / 100
    return found


def picked(found, expected):
    by_domain = {(name, dict(labels).get("domain")): value for (name, labels), value in found.items()}
    return {key: by_domain.get(key) for key in expected}


def has(found, expected):
    return None not in picked(found, expected).values() and picked(found, expected) == pytest.approx(expected)


def assert_has(found, expected):
    assert picked(found, expected) == pytest.approx(expected)


def scraped(prometheus, shown):
    """All of ours that Prometheus has, once it shows a query's result and says that all is well with its only target."""
    def whole():
        vectors, told = prometheus.query('{__name__=~"xen.*",job="test"}'), prometheus.query(shown)
        healths = [(target["health"], target["lastError"]) for target in prometheus.targets()]
        return told and healths == [("up", "")] and vectors
    return prometheus.wait(whole, 60, shown)


def test_live_figures_reach_prometheus(tmp_path, xentop):
    last = readings("--source", source_of(HOST))[-1]
    with Served(xentop) as served:
        # xentop's last iteration repeats for ever, so from then on all scrapes are the same
        served.wait_for(lambda: has(samples(prometheus_text(served.get()[2].decode())), wanted(last)), 60, "the last figures")
        with daemons.Prometheus(tmp_path, ["127.0.0.1:%d" % served.port]) as prometheus:
            vectors = scraped(prometheus, 'xenmeter_up{plugin="xentop"} == 1')
    kept = [item for item in vectors if item["metric"]["__name__"] == "xen_vif_receive_bytes_total"
            and (item["metric"]["domain"], item["metric"]["vif"]) == ("io-guest", "net0")]
    found = {}
    for item in vectors:
        labels = {key: value for key, value in item["metric"].items() if key not in ("__name__", "instance", "job")}
        found[item["metric"]["__name__"], tuple(sorted(labels.items()))] = float(item["value"][1])
    assert_has(found, wanted(last))
    assert len(kept) == 1
    domains = {dict(labels)["domain"] for name, labels in found if name == "xen_domain_vcpus"}
    assert domains == {one["name"] for one in last["domains"]}


def test_a_recording_is_served_sample_by_sample():
    with Served(None, "--source", str(JOINED)) as served:
        for sample in readings("--source", JOINED):
            status, kind, body = served.get(OPENMETRICS)
            assert status == 200 and kind == "application/openmetrics-text; version=1.0.0; charset=utf-8"
            assert_has(samples(openmetrics(body.decode())), wanted(sample))
        for _ in range(2):      # it is over: old figures must not look like new ones
            told = samples(openmetrics(served.get(OPENMETRICS)[2].decode()))
            assert told[("xenmeter_up", (("plugin", "xentop"),))] == 0 and figures(told) == {}
    direct = xenmeter("xentop", "--format", "openmetrics", "--source", JOINED, "--count", "1").stdout
    assert direct.endswith("# EOF\n")


def test_a_recording_at_a_pace_is_over_too():
    with Served(None, "--source", str(JOINED), "--pace", "100") as served:
        body = served.wait_body(rb'xenmeter_up\{plugin="xentop"\} 0')
        assert b"xen_domain" not in body


def test_accept_is_honoured_and_both_forms_say_the_same(xentop):
    last = wanted(readings("--source", source_of(HOST))[-1])
    with Served(xentop) as served:
        # which repeats for ever, so from then on all scrapes are the same
        served.wait_for(lambda: has(samples(prometheus_text(served.get()[2].decode())), last), 60, "the last figures")
        for accept in (None, "*/*", "text/plain", "text/plain;version=0.0.4"):
            status, kind, text = served.get({"Accept": accept} if accept else {})
            assert (status, kind) == (200, "text/plain; version=0.0.4; charset=utf-8") and b"# EOF" not in text
        status, kind, strict = served.get(OPENMETRICS)
        assert (status, kind) == (200, "application/openmetrics-text; version=1.0.0; charset=utf-8")
        # a scraper that refuses the form (q=0) must not get it
        assert served.get({"Accept": "application/openmetrics-text;q=0,text/plain"})[1].startswith("text/plain")
        assert served.get(path="/nothing")[0] == 404 and served.get(path="/")[0] == 200
    assert daemons.promtool_check_metrics(text) == (0, "")
    assert figures(samples(openmetrics(strict.decode()))) == figures(samples(prometheus_text(text.decode())))


def test_gzip_for_those_who_ask_for_it(xentop):
    with Served(xentop) as served:
        served.wait_body(b"xen_domain_cpu_ratio")
        plain, head = served.get()[2], gzip.compress(b"")[:3]
        for asked, packed in (("gzip", True), ("deflate, GZIP;q=0.5", True), ("gzip;q=0", False), ("identity", False)):
            status, kind, body = served.get({"Accept-Encoding": asked})
            assert (status, kind) == (200, "text/plain; version=0.0.4; charset=utf-8")
            assert body.startswith(head) == packed and (not packed or len(body) < len(plain) / 3), asked
            text = gzip.decompress(body) if packed else body
            assert figures(samples(prometheus_text(text.decode()))).keys() == figures(
                samples(prometheus_text(plain.decode()))).keys()


@pytest.mark.parametrize("case", [HOST, "odd-names-oddnames-fnxv", "credit2-2pcpu-joined-b-d1-i3-fnxvr"])
def test_promtool_and_the_strict_parser_take_every_form(case):
    text = xenmeter("xentop", "--format", "prometheus", "--source", source_of(case), "--count", "1").stdout
    assert daemons.promtool_check_metrics(text.encode()) == (0, "")
    strict = xenmeter("xentop", "--format", "openmetrics", "--source", source_of(case), "--count", "1").stdout
    found = samples(openmetrics(strict))
    assert figures(found) == figures(samples(prometheus_text(text)))
    assert_has(found, wanted(readings("--source", source_of(case), "--count", "1")[0]))


def test_hostile_names_reach_prometheus(tmp_path, xentop):
    names = [b'quo"te', b"back\\slash", b"end\\", b"{a=\"b\"}", b"# EOF", "日本語".encode(), b"tab\tname", b"\x1b[2J",
             b"x" * 4000, "\u202eevil".encode(), b"a} 1"]
    xentop.play(iteration([domain(name, number) for number, name in enumerate(names)]) * 2)
    with Served(xentop) as served, daemons.Prometheus(tmp_path, ["127.0.0.1:%d" % served.port]) as prometheus:
        vector = [item for item in scraped(prometheus, "xen_domain_cpu_seconds_total")
                  if item["metric"]["__name__"] == "xen_domain_cpu_seconds_total"]
        assert daemons.promtool_check_metrics(served.get()[2]) == (0, "")
    shown = {int(item["value"][1]): item["metric"]["domain"] for item in vector}
    assert sorted(shown) == list(range(len(names)))
    assert [shown[number] for number in range(8)] == [
        'quo"te', "back\\slash", "end\\", '{a="b"}', "# EOF", "日本語", told("tab\tname", "tab_name"), told("\x1b[2J", "_[2J")]


def test_clients_that_say_or_read_nothing_delay_nobody(xentop):
    xentop.play(many(1000))
    with Served(xentop) as served:
        served.wait_body(b"guest-0999", timeout=30)
        alone = max(took(served, b"guest-0999") for _ in range(3))
        idle = [socket.create_connection(("127.0.0.1", served.port)) for _ in range(3)]         # say nothing
        for _ in range(3):                                                                      # read nothing
            deaf = socket.socket()
            deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            deaf.connect(("127.0.0.1", served.port))
            deaf.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
            idle.append(deaf)
        slow = socket.create_connection(("127.0.0.1", served.port))
        idle.append(slow)
        for byte in b"GET /met":                                                                # a byte at a time
            with contextlib.suppress(OSError):      # its patience of 10 s may be over
                slow.sendall(bytes([byte]))
            assert took(served, b"guest-0999") < alone + 9      # behind one of the idle ones it would be 10 s more
        for one in idle:
            one.close()
        assert served.get()[0] == 200
    assert served.err == b""


def test_a_crowd_is_answered_or_turned_away_and_nobody_waits(xentop):
    with Served(xentop) as served:
        served.wait_body(b"xen_domain_cpu_ratio")
        answers = []

        def scrape():
            try:
                answers.append(served.get()[0])
            except OSError as error:
                answers.append(repr(error))

        crowd = [threading.Thread(target=scrape) for _ in range(100)]
        began = time.monotonic()
        for thread in crowd:
            thread.start()
        for thread in crowd:
            thread.join()
        assert time.monotonic() - began < 60
        assert len(answers) == 100 and set(answers) <= {200, 503} and answers.count(200) >= 32
        assert served.get()[0] == 200


def hostile(port, kind):
    """A client that means no good, as far as loopback can tell: a head that does not end, or an answer that nobody reads."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.settimeout(5)
    client.connect(("127.0.0.1", port))
    try:
        client.sendall({"silent": b"", "slow": b"GET /metr", "deaf": b"GET /metrics HTTP/1.0\r\n\r\n",
                        "long": b"GET /metrics HTTP/1.0\r\n" + (b"X: " + b"x" * 60000 + b"\r\n") * 90}[kind])
    except OSError:
        pass
    return client


@pytest.mark.parametrize("kind", ["silent", "slow", "deaf", "long"])
def test_hostile_clients_never_make_a_scrape_fail_nor_fill_the_memory(xentop, kind):
    """As many as there are places, and more, at 1000 domains; they stay for as long as they can."""
    xentop.play(many(1000))
    with Served(xentop) as served:
        served.wait_body(b"guest-0999", timeout=60)
        alone = max(took(served, b"guest-0999") for _ in range(3))
        clients = [hostile(served.port, kind) for _ in range(40)]
        for _ in range(10):
            clients.extend(hostile(served.port, kind) for _ in range(4))
            assert took(served, b"guest-0999") < alone + 9      # behind one of them it would be 10 s more
        peak = int(re.search(r"VmHWM:\s+(\d+)", pathlib.Path("/proc/%d/status" % served.process.pid).read_text()).group(1))
        assert peak < 64 * 1024, "%d KiB" % peak
        for one in clients:
            one.close()
    assert served.err == b""


def test_a_page_is_made_once_for_all_who_ask(xentop):
    xentop.play(many(300))
    with Served(xentop) as served:
        served.wait_body(b"guest-0299", timeout=60)
        pages = {served.get()[2] for _ in range(20)}
        assert len(pages) < 20      # a new one each second at most, and with each reading


def test_a_long_head_is_refused(xentop):
    with Served(xentop) as served:
        served.wait_body(b"xen_domain_cpu_ratio")
        assert served.get({"X": "x" * 10000})[0] == 200
        assert served.get({"X": "x" * 17000})[0] == 431
        assert served.get({"X%d" % number: "x" * 400 for number in range(60)})[0] == 431


def test_only_loopback_unless_told_otherwise(xentop):
    with Running("serve", "xentop", "--listen", "127.0.0.1:0", path=xentop.path) as running:
        port = int(running.wait_err(rb"http://127\.0\.0\.1:(\d+)/metrics\n").group(1))
        assert listening(port) == ["0100007F"]
    with Running("serve", "xentop", "--listen", "0.0.0.0:0", path=xentop.path) as running:
        port = int(running.wait_err(rb"http://0\.0\.0\.0:(\d+)/metrics, on every address of this host\n").group(1))
        assert listening(port) == ["00000000"]


def test_each_plugin_answers_on_a_port_of_its_own_and_the_shipped_file_asks_them_or_the_one_of_all(tmp_path):
    """By the defaults, on an address of loopback that nobody else uses. Of the targets in the file it is one or the others."""
    address = "127.%d.%d.%d" % (100 + os.getpid() % 100, os.getpid() // 100 % 250 + 1, os.getpid() // 25000 % 250 + 1)
    file = TOP / "conf.d" / "prometheus" / "xenmeter.yml"
    assert promtool.promtool("check", "config", file).returncode == 0
    text = file.read_text().replace("127.0.0.1:", address + ":").replace("scrape_interval: 10s", "scrape_interval: 2s")
    assert text.count("\n      - targets:") == 1 and text.count("\n      # - targets:") == len(plugins.NAMES)
    prometheus = daemons.Prometheus(tmp_path / "all", [])
    prometheus.conf.write_text(text)
    with Running("serve", "all", "--listen", address) as running, prometheus:
        running.wait_err(re.escape("http://%s:%d/metrics" % (address, plugins.PORT_OF_ALL)).encode())
        found = prometheus.wait_for('xenmeter_up{job="xenmeter"}', lambda vector: len(vector) == len(plugins.NAMES), 60)
    assert {item["metric"]["instance"] for item in found} == {"%s:%d" % (address, plugins.PORT_OF_ALL)}
    prometheus = daemons.Prometheus(tmp_path / "each", [])
    prometheus.conf.write_text(text.replace("      - targets:", "      - targets: []   #").replace("# - targets:", "- targets:"))
    with contextlib.ExitStack() as stack:
        for name in plugins.NAMES:
            running = stack.enter_context(Running("serve", name, "--listen", address))
            running.wait_err(re.escape("http://%s:%d/metrics" % (address, plugins.PORTS[name])).encode())
        stack.enter_context(prometheus)
        found = prometheus.wait_for('xenmeter_up{job="xenmeter"}', lambda vector: len(vector) == len(plugins.NAMES), 60)
    assert {item["metric"]["plugin"]: item["metric"]["instance"] for item in found} == {
        name: "%s:%d" % (address, plugins.PORTS[name]) for name in plugins.NAMES}
    fleet = (TOP / "conf.d" / "fleet" / "prometheus-remote-write.yml").read_text()
    for name in plugins.NAMES:
        assert '"127.0.0.1:%d"' % plugins.PORTS[name] in fleet
        assert "default: 127.0.0.1:%d)" % plugins.PORTS[name] in " ".join(xenmeter("serve", name, "--help").stdout.split())


def listening(port):
    """Addresses that listen on a TCP port, from the kernel."""
    found = []
    for name in ("tcp", "tcp6"):
        with open("/proc/net/" + name) as table:
            for line in table:
                fields = line.split()
                if fields[3] == "0A" and fields[1].endswith(":%04X" % port):
                    found.append(fields[1].split(":")[0])
    return found


def test_a_port_in_use_is_one_clear_line(xentop):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen(1)
        port = taken.getsockname()[1]
        ran = xenmeter("serve", "xentop", "--listen", "127.0.0.1:%d" % port, path=xentop.path)
    assert ran.returncode == 1 and ran.stdout == ""
    assert ran.stderr == "xenmeter: cannot listen on 127.0.0.1 port %d: Address already in use\n" % port
    assert xentop.starts() == []


@pytest.mark.parametrize("listen, status", [("127.0.0.1:", 2), ("9779", 2), ("127.0.0.1:http", 2), (":99999", 2), ("", 2),
                                            ("[203.0.113.7]", 1), ("203.0.113.7", 1), ("256.1.1.1:0", 1),
                                            ("203.0.113.7:0", 1)])
def test_an_address_that_cannot_be_is_one_clear_line(listen, status):
    ran = xenmeter("serve", "xentop", "--listen", listen)
    assert ran.returncode == status and ran.stderr.startswith("xenmeter: ") and ran.stderr.count("\n") == 1


def test_a_source_that_fails_leaves_no_old_figures(xentop):
    with Served(xentop) as served:
        served.wait_body(b"xen_domain_cpu_ratio")
        xentop.fault("no-statistics")
        served.wait_body(rb'xenmeter_up\{plugin="xentop"\} 0\n')
        status, _, body = served.get()
        assert status == 200 and b"xen_domain" not in body and b"xen_vif" not in body
        served.pump(0)
        assert served.err.count(b"Failed to retrieve statistics") == 1
        xentop.fault(None)
        assert b"xen_domain_cpu_seconds_total" in served.wait_body(rb'xenmeter_up\{plugin="xentop"\} 1\n')


def test_figures_of_a_xentop_that_hangs_grow_stale(xentop):
    """No error comes, only silence: figures much older than the interval are not shown as if they were new."""
    with Served(xentop) as served:
        served.wait_body(b"xen_domain_cpu_ratio")
        xentop.fault("hang")
        served.wait_for(lambda: b"xen_domain_" not in served.get()[2], timeout=60, what="an end of old figures")
        assert b'xenmeter_up{plugin="xentop"} 0\n' in served.get()[2]


def test_without_xen_it_serves_that():
    with Served() as served:
        body = served.wait_body(rb'xenmeter_up\{plugin="xentop"\} 0\n')
        assert b"xen_domain" not in body
        assert daemons.promtool_check_metrics(body) == (0, "")


@pytest.mark.parametrize("number", [2, 15])
def test_it_ends_on_a_signal_and_takes_xentop_with_it(xentop, number):
    with Served(xentop) as served:
        served.wait_body(b"xen_domain_cpu_ratio")
        served.process.send_signal(number)
        served.wait_end(60)
        assert b"Traceback" not in served.err
    xentop.wait_gone()


# --- textfile -----------------------------------------------------------------------------------------------------

def test_node_exporter_shows_the_textfile(tmp_path):
    folder = tmp_path / "text"
    folder.mkdir()
    ran = xenmeter("xentop", "--source", JOINED, "--textfile", folder / "xentop.prom")
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
    assert os.listdir(str(folder)) == ["xentop.prom"]
    assert (folder / "xentop.prom").stat().st_mode & 0o777 == 0o644
    with daemons.NodeExporter(tmp_path / "work", folder) as exporter:
        shown = exporter.metrics()
    assert "node_textfile_scrape_error 0" in shown
    found = samples(prometheus_text(shown))
    assert_has(found, wanted(readings("--source", JOINED)[-1]))
    own = samples(prometheus_text((folder / "xentop.prom").read_text()))
    assert {key: found[key] for key in own} == pytest.approx(own)


def test_a_reader_of_the_textfile_sees_the_old_or_the_new_never_a_part(tmp_path, xentop):
    xentop.play(capture_of(HOST), speedup=8)
    path = tmp_path / "xentop.prom"
    with Running("xentop", "--interval", "1", "--textfile", path, path=xentop.path) as running:
        running.wait_for(path.exists)
        inodes = set()
        while len(inodes) < 6:
            with path.open() as file:
                inodes.add((os.fstat(file.fileno()).st_ino, os.fstat(file.fileno()).st_mtime_ns))
                text = file.read()
            assert "\nxen_domain_vcpus{" in text and text.endswith("\n") and "\nxenmeter_domains{" in text
            running.pump(0.005)
            assert [name for name in os.listdir(str(tmp_path)) if name.endswith(".prom")] == ["xentop.prom"]
        # an emulated machine's clock is set now and then
        assert [line for line in running.err.splitlines() if b"the clock was set back" not in line] == []


def test_a_textfile_never_keeps_old_figures(tmp_path, xentop):
    """While the source is down it says that, while the source hangs too; and when we are told to end, the file goes."""
    path = tmp_path / "xentop.prom"
    with Running("xentop", "--interval", "1", "--textfile", path, path=xentop.path) as running:
        def says(up):
            """What is in the file once the plugin is up, or down; it changes under us."""
            text = path.read_bytes() if path.exists() else b""
            if b'xenmeter_up{plugin="xentop"} %d\n' % up not in text:
                return None
            assert up or b"xen_domain" not in text
            return text if not up or b"\nxen_domain_vcpus" in text else None
        for fault in ("no-statistics", "hang"):
            running.wait_for(lambda: says(True))
            xentop.fault(fault)
            running.wait_err(b"Failed to retrieve statistics")      # a busy machine's xentop is late without any fault
            down = running.wait_for(lambda: says(False))
            assert daemons.promtool_check_metrics(down) == (0, "")
            written = path.stat().st_mtime_ns
            running.wait_for(lambda: path.stat().st_mtime_ns > written)     # it is still looked after
            xentop.fault(None)
        assert running.err.count(b"Failed to retrieve statistics") == 1
        running.process.terminate()
        assert running.wait_end() == 0
    assert not [name for name in os.listdir(str(tmp_path)) if "prom" in name]


def test_a_textfile_says_so_where_there_is_no_xen(tmp_path):
    path = tmp_path / "xentop.prom"
    path.write_text("xen_domain_vcpus 1\n")
    ran = xenmeter("xentop", "--textfile", path, "--count", "1")
    assert ran.returncode == 1 and ran.stderr.count("\n") == 1
    assert b'xenmeter_up{plugin="xentop"} 0\n' in path.read_bytes() and b"xen_domain" not in path.read_bytes()


@pytest.mark.parametrize("path, said", [("missing/x.prom", "create the directory"),
                                        ("taken.prom", "taken.prom: it is a directory; name a file in it")])
def test_a_textfile_that_cannot_be_written_is_one_line(tmp_path, path, said):
    (tmp_path / "taken.prom").mkdir()
    ran = xenmeter("xentop", "--source", JOINED, "--textfile", tmp_path / path)
    assert ran.returncode == 1 and ran.stderr.startswith("xenmeter: ") and ran.stderr.count("\n") == 1
    assert said in ran.stderr
    assert os.listdir(str(tmp_path)) == ["taken.prom"] and os.listdir(str(tmp_path / "taken.prom")) == []
