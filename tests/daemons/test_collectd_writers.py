"""conf.d/collectd/README.md: its blocks, pasted into the real collectd; what each writer hands on are the figures that csv shows,
and those are the recording's (test_collectd_values.py)."""
import re
import socket
import subprocess
import threading
import time

import pytest
from prometheus_client.parser import text_string_to_metric_families

from helpers.blocks import block
from helpers.collectd_stage import INTERVAL, Site, module
from helpers.paths import TOP
from helpers.stage import FIXTURES, HOST, domain, iteration, readings, source_of
from tools import daemons, provision
from tools.collectd_daemon import Collectd
from xenmeter.publish.stocktypes import STOCK_TYPES

pytestmark = pytest.mark.daemon

PAGE = "collectd/README.md"
JOINED = FIXTURES / "credit2-2pcpu-joined-b-d1-i3-fnxvr"
#: Figures about the measuring differ from one reading to the next.
OURS = re.compile(r"testhost/xentop-(?!xenmeter/)")


def played(tmp_path, text, interval=INTERVAL, csv=None):
    """All values that csv has of a recording, played to its end in a collectd with one more writer.

    :param csv: the folder of csv, where the text says another one than the tests' own.
    """
    with Site(tmp_path, text + module(Source=JOINED, Interval=interval, Start=str(int(time.time())))) as collectd:
        collectd.csv = csv or collectd.csv
        collectd.wait_log("the source has ended", timeout=60)
        collectd.settle()
        assert collectd.stop() == 0
    assert collectd.lines() == []
    return collectd.values("testhost/xentop-*")


def sources_of(identifier):
    """Names of a value list's values."""
    return STOCK_TYPES[identifier.rpartition("/")[2].partition("-")[0]].sources


def newest(collectd):
    """{identifier: values} that csv has last, of all but the meter's own."""
    found = {value.identifier: value.values for value in collectd.values("testhost/xentop-*")}
    return {identifier: values for identifier, values in found.items() if OURS.match(identifier)}


def settled(collectd):
    """Whether the last iteration of the fake xentop, which goes on for ever, is what csv has last; and that."""
    want = {"testhost/xentop-%s/memory-total" % one["name"]: (one["mem_bytes"],)
            for one in readings("--source", source_of(HOST))[-1]["domains"]}
    want.update({"testhost/xentop-%s/virt_cpu_total" % one["name"]: (one["cpu_seconds"] * 10 ** 9,)
                 for one in readings("--source", source_of(HOST))[-1]["domains"]})
    collectd.wait(lambda: want.items() <= newest(collectd).items(), 60, "the last iteration")
    return want


def test_csv(tmp_path):
    """The page's folder counts, for it is said last; what is in its files is compared with the recording elsewhere."""
    values = played(tmp_path, block(PAGE, "csv", folder=("/var/lib/collectd/csv", tmp_path / "own")), csv=tmp_path / "own")
    assert {"testhost/xentop-io-guest/if_octets-vif0", "testhost/xentop-host/count-domains"} < {
        value.identifier for value in values}
    (file,) = (tmp_path / "own").glob("testhost/xentop-io-guest/if_octets-vif0-*")
    lines = file.read_text().splitlines()
    readings_ = readings("--source", JOINED)
    assert lines[0] == "epoch,rx,tx" and len(lines) == 1 + len(readings_)
    (guest,) = (one for one in readings_[-1]["domains"] if one["name"] == "io-guest")
    assert lines[-1].split(",")[1:] == [str(guest["networks"][0][key]) for key in ("tx_bytes", "rx_bytes")]


def test_write_graphite(tmp_path):
    """Each value list of each reading arrives, a value a line."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        got = []
        listener = threading.Thread(target=lambda: got.append(server.accept()[0].makefile("rb").read()), daemon=True)
        listener.start()
        values = played(tmp_path, block(PAGE, "write_graphite", host=("graphite.example.org", "127.0.0.1"),
                                           port=('"2003"', '"%d"' % server.getsockname()[1])))
        listener.join(60)
    lines = [line.split(" ") for line in got[0].decode().replace("\r\n", "\n").splitlines()]
    found = sorted((path, float(value), int(at)) for path, value, at in lines if path.startswith("xen.testhost.xentop-"))
    want = []
    for value in values:
        host, plugin, type_ = (re.sub(r"[.\s]", "_", part) for part in value.identifier.split("/"))
        names = sources_of(value.identifier)
        for name, number in zip(names, value.values):
            path = ".".join(["xen", host, plugin, type_] + ([name] if len(names) > 1 else []))
            want.append((path, pytest.approx(number, rel=1e-12), int(value.time)))
    want.sort(key=lambda one: (one[0], one[2]))
    found.sort(key=lambda one: (one[0], one[2]))
    assert len(want) > 300 and found == want


def test_rrdtool(tmp_path):
    """Counters are kept as they are and of the right kind; RRDtool itself reads the files."""
    provision.ensure("rrdtool")     # brings the library that collectd's plugin wants
    text = block(PAGE, "rrdtool", folder=("/var/lib/collectd/rrd", tmp_path / "rrd"), flush=("CacheFlush 900", "StepSize 1"),
                 cache=("CacheTimeout 120", "CacheTimeout 0"))
    values = played(tmp_path, text, interval=1)
    last = {value.identifier: value for value in values}
    compared = set()
    for identifier in last:
        if not re.match(r"testhost/xentop-(io-guest|host)/", identifier):
            continue
        file = tmp_path / "rrd" / (identifier + ".rrd")
        told = daemons.rrdtool("lastupdate", file, text=True)
        names, row = [line for line in told.stdout.splitlines() if line.strip()]
        at, _, numbers = row.partition(":")
        assert tuple(names.split()) == sources_of(identifier) and int(at) == int(last[identifier].time)
        assert tuple(float(number) for number in numbers.split()) == pytest.approx(last[identifier].values, rel=1e-9), identifier
        stock = STOCK_TYPES[identifier.rpartition("/")[2].partition("-")[0]]
        kinds = re.findall(r'^ds\[\w+\]\.type = "(\w+)"', daemons.rrdtool("info", file, text=True).stdout, re.M)
        assert kinds == [stock.kind] * len(stock.sources), identifier
        compared.add(identifier)
    assert len(compared) > 20


def test_network(tmp_path, xentop):
    """Datagrams: what one sending lost the next brings, for the fake xentop goes on with its last iteration."""
    port = daemons.free_port()
    listen = 'LoadPlugin network\n<Plugin network>\n  Listen "127.0.0.1" "%d"\n</Plugin>\n' % port
    send = 'LoadPlugin network\n<Plugin network>\n  Server "127.0.0.1" "%d"\n</Plugin>\n' % port
    with Collectd(tmp_path / "server", listen, load_python=False, host="central") as server, \
            Site(tmp_path, send + module(Source="xentop", Interval=1), xentop) as client:
        settled(client)

        def whole():
            want = newest(client)
            return len(want) > 100 and newest(server) == want
        server.wait(whole, 60, "all of the client's series")
        assert client.stop() == 0 and server.stop() == 0


def test_write_prometheus(tmp_path, xentop):
    port = daemons.free_port()
    with Site(tmp_path, block(PAGE, "write_prometheus", port=('"9103"', '"%d"' % port)) + module(
            Source="xentop", Interval=1), xentop) as collectd:
        settled(collectd)

        def page():
            status, body = daemons.http("http://127.0.0.1:%d/metrics" % port)
            return status == 200 and {
                (sample.name, tuple(sorted(sample.labels.items()))): sample.value
                for family in text_string_to_metric_families(body.decode()) for sample in family.samples
                if sample.labels.get("xentop", "xenmeter") != "xenmeter"}

        def wanted():
            found = {}
            for identifier, values in newest(collectd).items():
                host, plugin, type_ = identifier.split("/")
                type_, _, instance = type_.partition("-")
                stock = STOCK_TYPES[type_]
                labels = {"xentop": plugin.partition("-")[2], "instance": host}
                labels.update({"type": instance} if instance else {})
                for source, value in zip(stock.sources, values):
                    name = "_".join(["collectd_xentop", type_] + [source] * (source != "value")
                                    + ["total"] * (stock.kind == "DERIVE"))
                    found[name, tuple(sorted(labels.items()))] = pytest.approx(value, rel=1e-12)
            return found
        collectd.wait(lambda: len(wanted()) > 100 and page() == wanted(), 60, "a page of all that csv has")
        assert collectd.stop() == 0


def test_threshold(tmp_path):
    """A domain crashes and leaves that state; dom0 is busy for a while; in the end nothing comes of the plugin any more, which
    is said of the plugin and of no domain."""
    steps = [(b"--b---", 5.0), (b"--b---", 5.0), (b"---c--", 97.5), (b"--b---", 5.0)]
    recording = tmp_path / "crash.txt"
    recording.write_bytes(b"".join(iteration([
        domain(b"Domain-0", 10 + number, percent=percent), domain(b"web", state=state)])
        for number, (state, percent) in enumerate(steps)))
    with Site(tmp_path, "WriteThreads 1\n" + block(PAGE, "threshold") + module(
            Source=recording, Interval=INTERVAL, Start=str(int(time.time())))) as collectd:
        collectd.wait_log("the source has ended", timeout=60)
        collectd.wait_log(r"severity = FAILURE.*type_instance = xentop_up.*has not been updated", 60)
        assert collectd.stop() == 0
    told = {}
    for severity, *about in re.findall(r"Notification: severity = (\w+), host = testhost, plugin = xentop, "
                                       r"plugin_instance = (\S+), type = (\w+),", collectd.log_text()):
        said = told.setdefault(tuple(about), [])
        if said[-1:] != [severity]:     # where the machine stood still collectd forgets, and says it again
            said.append(severity)
    assert told.pop(("xenmeter", "gauge"))[-1] == "FAILURE"
    assert told == {("web", "domain_state"): ["OKAY", "FAILURE", "OKAY"], ("Domain-0", "gauge"): ["OKAY", "WARNING", "OKAY"],
                    ("Domain-0", "domain_state"): ["OKAY"]}
    assert "is currently 6" in collectd.log_text() and "is currently 97.5" in collectd.log_text()


def test_threshold_of_a_baker_that_rests(tmp_path):
    """A share of the time that no guest leaves a baker, by the page's own block."""
    conf = block(PAGE, "threshold")
    assert conf.count("WarningMin 5\n") == 1
    with Site(tmp_path, "WriteThreads 1\n" + conf.replace("WarningMin 5\n", "WarningMin 101\n"), conf=(
            TOP / "conf.d" / "collectd" / "xentrace.conf").read_text() + module(Source="example", Interval=INTERVAL).replace(
                "<Module xentop>", "<Module xentrace>")) as collectd:
        collectd.wait_log(r"severity = WARNING, host = testhost, plugin = xentrace, plugin_instance = host, type = percent, "
                          r"type_instance = observed", 60)
        assert collectd.stop() == 0


def asked(path, line):
    """Lines that answer one command of the socket; none where it is not there yet."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(60)
        if client.connect_ex(path):
            return []
        client.sendall(line.encode() + b"\n")
        with client.makefile("r") as answers:
            head = answers.readline()
            return [head] + [answers.readline() for _ in range(max(0, int(head.split()[0])))]


def test_people_ask_the_socket(tmp_path, xentop):
    """LISTVAL, GETVAL, and the page's own commands with collectdctl and nc's words."""
    path = str(tmp_path / "sock")
    text = block(PAGE, "What there is now", path=("/run/collectd-unixsock", path)).replace('  SocketGroup "adm"\n', "")
    with Site(tmp_path, text + module(Source="xentop", Interval=1), xentop) as collectd:
        want = settled(collectd)
        memory = {name: values[0] for name, values in want.items() if name.endswith("/memory-total")}
        collectd.wait(lambda: set(memory) <= {line.split(" ", 1)[1].rstrip("\n") for line in asked(path, "LISTVAL")[1:]},
                          60, "all domains in LISTVAL")
        for identifier, value in memory.items():
            head, line = collectd.wait(lambda identifier=identifier: (asked(path, 'GETVAL "%s"' % identifier) + [""])[:2][1]
                                       and asked(path, 'GETVAL "%s"' % identifier), 60, "GETVAL of " + identifier)
            assert head == "1 Value found\n"
            assert float(line.partition("value=")[2]) == pytest.approx(value, rel=1e-6)
        assert asked(path, 'GETVAL "testhost/xentop-nobody/memory-total"')[0].startswith("-1 ")
        listed = collectdctl(path, "listval")
        assert set(memory) <= set(listed.splitlines())
        first = sorted(memory)[0]
        assert float(collectdctl(path, "getval", first).partition("value=")[2]) == pytest.approx(memory[first], rel=1e-6)
        assert collectd.stop() == 0


def collectdctl(path, *words):
    ran = subprocess.run([provision.program("collectd-utils", "usr/bin/collectdctl"), "-s", path, *words], check=False,
                         env=provision.environment("collectd-utils"), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                         stderr=subprocess.STDOUT, text=True, timeout=60)
    assert ran.returncode == 0, ran.stdout
    return ran.stdout
