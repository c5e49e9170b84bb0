"""`xenmeter check` for Nagios and Icinga, Checkmk and Zabbix: held to the text that each of them reads."""
import http.server
import json
import os
import re
import shlex
import threading

import pytest

from helpers.borrowed import borrowed
from helpers.stage import Running, TOP, domain, iteration, xenmeter
from xenmeter.core.errors import SourceError
from xenmeter.front import health
from xenmeter.front.monitors import Range

EXAMPLE = ["--source", "example"]
GUIDE = re.compile(r"([^'=\s]+)=(-?[\d.]+)(s|%|B|c|)((?:;[-~@:\d.]*){2};[-\d.]*;[-\d.]*)\Z")


def check(*words):
    ran = xenmeter("check", *words)
    assert "Traceback" not in ran.stderr
    return ran


def textfile(tmp_path, *lines, name="x.prom"):
    path = tmp_path / name
    path.write_text("".join(line + "\n" for line in ('xenmeter_up{plugin="xentop"} 1',) + lines))
    return str(path)


def state(name, value, uuid="u", what="crashed"):
    return 'xen_domain_state{domain="%s",uuid="%s",state="%s"} %d' % (name, uuid, what, value)


class TestRanges:
    @pytest.mark.parametrize("text", ["10", "10:", "~:10", "10:20", "@10:20", "@20", "0", "0:0", "-5:5", "1.5:2.5", ":7", "@~:3"])
    def test_as_the_well_kept_library_reads_them(self, text):
        ours, theirs = Range.of(text), borrowed("nagiosplugin", "nagiosplugin.range").Range(text)
        for value in (-10, -5, -0.1, 0, 1.4, 1.5, 2, 2.5, 2.6, 3, 5, 7, 7.1, 9.99, 10, 15, 20, 20.01, 1e9):
            assert ours.alerts(value) == (not theirs.match(value)), value

    @pytest.mark.parametrize("text", ["", "@", ":", "a", "10:5", "1:2:3", "~", "1,5", "10 ", "~:~"])
    def test_what_is_none(self, text):
        with pytest.raises(ValueError):
            Range.of(text)

    @pytest.mark.parametrize("given", ["load", "lod=5", "load=x", "=5"])
    def test_a_wrong_option_is_unknown_and_said_where_nagios_looks(self, given):
        ran = check("--nagios", "-w", given, *EXAMPLE)
        assert ran.returncode == 3 and ran.stdout.startswith("XEN UNKNOWN - ") and ran.stdout.count("\n") == 1
        assert given.rpartition("=")[2] in ran.stdout and ran.stderr == ""

    def test_an_unknown_option_is_unknown_too(self):
        assert check("--nagios", "--lod", "5").returncode == 3
        assert check("--format", "json", "--lod", "5").returncode == 2


def parsed(line):
    """(status's word, text, {label: (value, unit, warn, crit, min, max)}) of a line as the guidelines have it."""
    head, _, data = line.rstrip("\n").partition(" | ")
    assert "\n" not in head and "|" not in head and len(line) < 1024
    found = {}
    for one in data.split():
        label, value, unit, rest = GUIDE.match(one).groups()
        found[label] = (float(value), unit) + tuple(rest[1:].split(";"))
    word, text = re.match(r"XEN (\w+) - (.+)\Z", head).groups()
    return word, text, found


class TestNagios:
    def test_of_a_recording(self):
        ran = check("--nagios", *EXAMPLE)
        word, text, data = parsed(ran.stdout)
        assert (ran.returncode, word, ran.stderr) == (0, "OK", "")
        assert data["domains"][:2] == (5, "") and data["crashed"] == (0, "", "", "0", "0", "") and data["down"][0] == 0
        assert 0 < data["cpu"][0] <= 100 and data["cpu"][5] == "100"
        assert data["memory_free"][1] == "B" and 0 < data["memory_free"][0] < float(data["memory_free"][5])

    @pytest.mark.parametrize("words, status, said", [
        (["-w", "domains=4"], 1, "domains is 5, which is not in 4;"),
        (["-c", "domains=4"], 2, "domains is 5, which is not in 4;"),
        (["-w", "domains=4", "-c", "domains=10"], 1, "domains is 5"),
        (["-c", "domains=@5"], 2, "domains is 5, which is in 5"),
        (["-w", "load=50"], 3, "load is not known here"),
        (["-w", "load=50", "-c", "domains=1"], 2, "load is not known here"),
        (["-w", "domains=3:"], 0, "domains 5")])
    def test_statuses(self, words, status, said):
        ran = check("--nagios", *words, *EXAMPLE)
        assert ran.returncode == status and said in ran.stdout, ran.stdout
        assert parsed(ran.stdout)[0] == ("OK", "WARNING", "CRITICAL", "UNKNOWN")[status]

    def test_a_crashed_guest_is_critical_and_named_whatever_it_is_called(self, tmp_path):
        names = ["web1", 'a|b\\"c', "line\\nend", "\u202eevil", "fifth"]
        path = textfile(tmp_path, *[state(name, 1, str(number)) for number, name in enumerate(names)], state("well", 0, "9"))
        ran = check("--nagios", "--from", path)
        word, text, data = parsed(ran.stdout)
        assert (ran.returncode, word) == (2, "CRITICAL") and data["crashed"][0] == 5
        assert "crashed is 5, which is not in 0 (web1, a?b\"c, " in text and "and 2 more)" in text
        assert check("--nagios", "--from", path, "-c", "crashed=").returncode == 0

    def test_what_prometheus_alerts_of_is_judged_by_itself(self, tmp_path):
        path = textfile(tmp_path, "xen_host_dom0_memory_bytes 1000", "xen_host_dom0_memory_available_bytes 50",
                        'xen_domain_grant_frames{domain="web",uuid="u"} 90',
                        'xen_domain_grant_frames_max{domain="web",uuid="u"} 100', "xen_trace_observed_ratio 0.03")
        ran = check("--nagios", "--from", path)
        assert ran.returncode == 1 and "dom0_memory is 5 %, which is not in 10:;" in ran.stdout
        assert "grants is 90 %, which is not in 80 (web)" in ran.stdout
        assert "observed is 3 %, which is not in 5:;" in ran.stdout and "observed=3%;5:;;0;100" in ran.stdout
        path = textfile(tmp_path, "xen_trace_observed_ratio 0.06")
        assert check("--nagios", "--from", path).returncode == 0

    def test_a_source_that_is_down_and_a_file_that_is_old(self, tmp_path):
        path = textfile(tmp_path, 'xenmeter_up{plugin="vcpu"} 0')
        ran = check("--nagios", "--from", path)
        assert ran.returncode == 2 and "down is 1" in ran.stdout
        good = textfile(tmp_path, name="old.prom")
        os.utime(good, (1, 1))
        ran = check("--nagios", "--from", good)
        assert ran.returncode == 2 and re.search(r"age is [\d.e+]+ s, which is not in 300", ran.stdout)

    @pytest.mark.parametrize("place, said", [
        ("/nothing/here", "cannot read /nothing/here: No such file"), ("http://127.0.0.1:1/metrics", "Connection refused"),
        ("https://127.0.0.1/metrics", "takes http://"), ("http://127.0.0.1:99999/x", "takes http://")])
    def test_what_cannot_be_read_is_unknown(self, place, said):
        ran = check("--nagios", "--from", place)
        assert ran.returncode == 3 and said in ran.stdout and ran.stdout.count("\n") == 1

    def test_a_fifo_in_the_place_of_a_textfile_is_not_waited_for(self, tmp_path):
        """Whose folder it is may lay one there; who asks us ends us after a while, and knows nothing of the others."""
        os.mkfifo(str(tmp_path / "x.prom"))
        ran = check("--nagios", "--from", str(tmp_path / "x.prom"))
        assert ran.returncode == 3 and "x.prom: it is no regular file" in ran.stdout

    def test_a_file_of_somebody_else_is_unknown(self, tmp_path):
        (tmp_path / "x.prom").write_text("node_load1 3\n")
        ran = check("--nagios", "--from", str(tmp_path / "x.prom"))
        assert ran.returncode == 3 and "no figure of xenmeter" in ran.stdout

    def test_no_xen_here_is_unknown(self):
        ran = check("--nagios")
        assert ran.returncode == 3 and ran.stdout.startswith("XEN UNKNOWN - there is no /dev/xen/privcmd")

    def test_live_by_the_text_of_xentop(self, xentop):
        xentop.play(iteration([domain(b"Domain-0", 1), domain(b"web", 2, state=b"---c--")]) * 3)
        ran = xenmeter("check", "--nagios", "--source", "xentop", path=xentop.path)
        assert ran.returncode == 2 and "crashed is 1, which is not in 0 (web)" in ran.stdout


class TestOverHttp:
    def test_of_the_endpoint(self):
        with Running("serve", "all", "--source", "example", "--listen", "127.0.0.1:0") as served:
            url = served.wait_err(rb"(http://127\.0\.0\.1:\d+/metrics)\n").group(1).decode()
            data = parsed(check("--nagios", "--from", url).stdout)[2]
        assert data["domains"][0] == 5 and "age" not in data

    def test_an_endpoint_that_is_another(self):
        class Other(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_error(418)

            def log_message(self, *words):
                pass
        with http.server.HTTPServer(("127.0.0.1", 0), Other) as server:
            thread = threading.Thread(target=server.serve_forever, daemon=True)
            thread.start()
            ran = check("--nagios", "--from", "http://127.0.0.1:%d/metrics" % server.server_port)
            server.shutdown()
            thread.join()
        assert ran.returncode == 3 and "answers 418" in ran.stdout

    def test_an_endpoint_that_never_comes_to_an_end(self, monkeypatch):
        """Each byte in time, and no end to them."""
        class Slow(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                self.end_headers()
                while not done.wait(0.05):
                    self.wfile.write(b"x")

            def log_message(self, *words):
                pass
        done = threading.Event()
        monkeypatch.setattr(health, "_PATIENCE", 2.5)      # no byte is so late
        with http.server.HTTPServer(("127.0.0.1", 0), Slow) as server:
            server.handle_error = lambda *_: None
            thread = threading.Thread(target=server.serve_forever, daemon=True)
            thread.start()
            with pytest.raises(SourceError, match="has not answered whole in 2.5 s"):
                health.look(["http://127.0.0.1:%d/metrics" % server.server_port])
            done.set()
            server.shutdown()
            thread.join()


class TestCheckmk:
    def test_the_line(self, tmp_path):
        ran = check("--format", "checkmk", "-w", "domains=4", "-w", "memory_free=1:", *EXAMPLE)
        status, service, data, text = re.match(r'([0-3]) "([^"]+)" (\S+) (.+)\n\Z', ran.stdout).groups()
        assert (ran.returncode, status, service) == (0, "1", "Xen host") and text.startswith("domains is 5")
        found = dict(one.split("=") for one in data.split("|"))
        assert all(re.match(r"[a-z]\w*\Z", name) for name in found)
        assert found["xen_domains"].startswith("5;4;;0;") and found["xen_crashed"] == "0;;0;0;"
        assert re.match(r"\d+;;;0;\d+\Z", found["xen_memory_free"])      # a lower bound has no place there

    def test_what_is_unknown_has_no_metrics(self):
        assert check("--format", "checkmk", "--from", "/nothing").stdout.startswith('3 "Xen host" - cannot read /nothing')


class TestZabbix:
    def test_the_document(self, tmp_path):
        path = textfile(tmp_path, "xen_host_domains 2", 'xen_domain_cpu_seconds_total{domain="a\\"b",uuid="u1"} 1.5',
                        state('a\\"b', 1, "u1"), 'xen_domain_cpu_ratio{domain="web",uuid="u2"} NaN',
                        'xen_domain_vcpu_seconds_total{domain="web",uuid="u2",vcpu="0"} 3', "xen_host_load_ratio +Inf")
        ran = check("--format", "zabbix", "--from", path)
        told = json.loads(ran.stdout, parse_constant=lambda name: pytest.fail(name))
        assert ran.returncode == 0 and ran.stdout.count("\n") == 1 and told["status"] == 2
        assert told["host"] == {"domains": 2} and told["figures"]["domains"] == 2
        assert told["domains"] == [{"name": 'a"b', "uuid": "u1", "cpu_seconds_total": 1.5, "state_crashed": 1}]

    def test_what_is_unknown_has_no_figures(self):
        told = json.loads(check("--format", "zabbix", "--from", "/nothing").stdout)
        assert told["status"] == 3 and set(told) == {"status", "text"}


def test_figures_stand_on_the_page():
    """With the ranges that they have by themselves."""
    text = (TOP / "conf.d" / "nagios" / "README.md").read_text()

    def shown(bound):
        return "`%s`" % bound if bound else ""
    for one in health.FIGURES:
        row = "| `%s` | %s | %s | %s | %s |\n" % (one.name, one.help, one.unit, shown(one.warning), shown(one.critical))
        assert row in text, row


def commands(path, pattern):
    """The commands of xenmeter in a shipped file, as words."""
    return [shlex.split(line) for line in re.findall(pattern, (TOP / "conf.d" / path).read_text(), re.MULTILINE)]


SHIPPED = {
    "nagios/commands.cfg": r"command_line +(?:\S*check_nrpe .*|(/usr/bin/xenmeter .*))$",
    "nagios/nrpe.cfg": r"^command\[\w+\]=(/usr/bin/xenmeter .*)$",
    "checkmk/xenmeter": r"^exec (/usr/bin/xenmeter .*)$",
    "zabbix/xenmeter.conf": r"^UserParameter=[\w.]+,(/usr/bin/xenmeter .*)$",
}


@pytest.mark.parametrize("path", sorted(SHIPPED))
def test_what_is_shipped_calls_us_as_we_are(path, tmp_path):
    """By the endpoint, so that nobody needs root."""
    found = [words for words in commands(path, SHIPPED[path]) if words]
    assert found
    with Running("serve", "all", "--source", "example", "--listen", "127.0.0.1:0") as served:
        url = served.wait_err(rb"(http://127\.0\.0\.1:\d+/metrics)\n").group(1).decode()
        for words in found:
            assert "http://127.0.0.1:9778/metrics" in words
            ran = xenmeter(*[url if word == "http://127.0.0.1:9778/metrics" else word for word in words[1:]])
            assert ran.returncode == 0 and ran.stderr == "" and len(ran.stdout) > 100, (words, ran.stderr)
