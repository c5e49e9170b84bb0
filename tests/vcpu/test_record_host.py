"""`xenmeter record` on a host with a hypervisor (the fake one): every source is in the directory, every command takes it."""
import errno
import json
import lzma
import os
import pathlib
import re
import subprocess
import sys

import pytest
from helpers.fake_hypervisor import Domain, Vcpu
from helpers.fake_xenstored import FakeXenstored, host as xenstore_of
from helpers.vcpu_host import Host, dom0, guest
from helpers.lineprotocol import parse
from helpers.stage import PATH, FakeXentop, wait_for

TESTS = pathlib.Path(__file__).resolve().parents[1]

pytestmark = [pytest.mark.daemon, pytest.mark.usefixtures("compiler")]

TRACE = TESTS.parent / "fixtures" / "xentrace" / "narrow-steady" / "trace.bin.xz"
KHZ = 2596120
XENTRACE = """#!/bin/sh
trap 'exit 0' TERM
cat %s
while :; do sleep 0.05; done
"""


class Recorded:
    """A host, its programs, and the command on it."""

    def __init__(self, folder, fake, store):
        self.folder = folder
        self.fake = fake
        self.target = folder / "recorded"
        self.xentop = None
        self.bin = folder / "programs"
        self.bin.mkdir()
        self._environment = fake.preload(PYTHONPATH=str(TESTS.parent / "plugins"), XENSTORED_PATH=store.path, LANG="C.UTF-8")

    def with_xentop(self):
        self.xentop = FakeXentop(self.folder / "xentop")

    def with_xentrace(self):
        (self.folder / "trace.bin").write_bytes(lzma.decompress(TRACE.read_bytes()))
        (self.bin / "xentrace").write_text(XENTRACE % (self.folder / "trace.bin"))
        (self.bin / "xentrace").chmod(0o755)

    def start(self, *words):
        path = "%s:%s" % (self.bin, self.xentop.path if self.xentop else PATH)
        return subprocess.Popen([sys.executable, "-m", "xenmeter"] + [str(word) for word in words],
                                env=dict(self._environment, PATH=path), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, universal_newlines=True, cwd=str(self.folder))

    def run(self, *words):
        with self.start(*words) as process:
            out, err = process.communicate(timeout=120)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def says(self, *words):
        ran = self.run(*words)
        assert (ran.returncode, ran.stderr) == (0, "")
        return ran.stdout

    def record(self, *words):
        return self.run("record", self.target, "--seconds", "1.5", "--interval", "1", *words)

    @property
    def sources(self):
        return json.loads((self.target / "manifest.json").read_text())["sources"]


@pytest.fixture
def host(tmp_path):
    guests = [guest(1, 100, 200), guest(2, 300, page=True), Domain(3, [Vcpu(cpu_time=5 * 10 ** 9 + 7)], flags=0x10, tot_pages=99)]
    with Host(tmp_path / "state", [dom0()] + guests) as fake, FakeXenstored(
            xenstore_of(3, vifs=False), str(tmp_path / "socket")) as store:
        found = Recorded(tmp_path, fake, store)
        yield found
        if found.xentop:
            found.xentop.end()


def figures(text):
    """Lines of line protocol, without their times, the meter's own and ratios of an interval."""
    return [(name, tags, {key: value for key, value in fields.items() if not key.endswith("_percent")})
            for name, tags, fields, _ in parse(text.encode()) if not name.startswith("xenmeter")]


def test_every_source_of_the_host_is_in_it(host):
    host.with_xentop()
    ran = host.record()
    assert (ran.returncode, ran.stderr) == (0, "")
    found = re.match(r"%s: (\d+) samples of xentop, (\d+) of direct, (\d+) of vcpu\n\Z" % re.escape(str(host.target)), ran.stdout)
    assert found and all(int(number) >= 1 for number in found.groups())
    assert set(host.sources) == {"xentop", "direct", "vcpu", "names"}
    assert {told["file"] for told in host.sources.values()} | {"xentop.stamps", "manifest.json", "direct-names.jsonl"} == set(
        os.listdir(str(host.target)))
    for name, source in (("xentop", "direct"), ("vcpu", "auto")):
        live = figures(host.says(name, "--source", source, "--count", "1", "--format", "influx"))
        replayed = figures(host.says(name, "--source", host.target, "--count", "1", "--format", "influx"))
        for told in (live, replayed):       # what this machine has free is another figure at each look
            assert [fields.pop("memory_available_bytes") > 0 for of, _, fields in told if of == "xen_host_dom0"] == [True] * (
                name == "xentop")
        assert replayed == live and len(live) > 4
    times = {(tags["domain"], tags["vcpu"]): fields["cpu_time_ns"] for name, tags, fields in figures(
        host.says("xentop", "--source", host.target, "--count", "1", "--format", "influx")) if name == "xen_domain_vcpu"}
    assert times == {("Domain-0", "0"): 500, ("Domain-0", "1"): 40, ("guest-1", "0"): 100, ("guest-1", "1"): 200,
                     ("guest-2", "0"): 300, ("guest-3", "0"): 5 * 10 ** 9 + 7}
    assert host.says("vcpu", "--source", host.target, "--format", "json") == (host.target / "vcpu.jsonl").read_text()
    text = json.loads(host.says("xentop", "--source", host.target / "xentop.txt", "--format", "json", "--count", "1"))
    assert "busy" in {one["name"] for one in text["domains"]}       # of the captured host that the program plays


def test_only_the_named_sources_are_in_it(host):
    """And the program that nobody named is not started."""
    host.with_xentop()
    ran = host.record("--only", "direct, vcpu")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert set(host.sources) == {"direct", "vcpu", "names"} and host.xentop.starts() == []
    assert "guest-1" in host.says("xentop", "--source", host.target, "--count", "1", "--format", "influx")


def test_without_the_program_a_trace_has_its_names_from_what_xen_and_xenstore_said(host):
    host.with_xentrace()
    ran = host.record("--trace", "--trace-source", "xentrace")
    assert ran.returncode == 0 and ran.stderr.count("\n") == 1
    assert ran.stderr.startswith("xenmeter: not recorded: xentop: xentop is not installed here")
    assert re.search(r": \d+ samples of direct, \d+ of vcpu, and a trace\n\Z", ran.stdout)
    assert set(host.sources) == {"direct", "vcpu", "names", "xentrace"} and host.sources["xentrace"]["cpu_khz"] == 2500000
    target = ("--source", host.target)
    assert len(json.loads(host.says("xentop", "--format", "json", "--count", "1", *target))["domains"]) == 4
    assert len(json.loads(host.says("vcpu", "--format", "json", "--count", "1", *target))["domains"]) == 4
    window = json.loads(host.says("xentrace", "--format", "json", "--cpu-khz", KHZ, "--count", "1", *target))
    assert {one["domain"] for one in window["domains"]} >= {"Domain-0", "guest-1"}
    assert json.loads(host.says("bake", host.target, "--cpu-khz", KHZ))["trace"]["records"] > 1000
    assert "guest-1" in host.says("mon", "--count", "1", "--pace", "0", "--cpu-khz", KHZ, *target)
    host.says("report", host.target, "-o", host.folder / "report.html", "--cpu-khz", KHZ)
    assert "guest-1" in (host.folder / "report.html").read_text()


def test_a_trace_alone_is_a_recording(host):
    host.with_xentrace()
    host.fake.set(open_error=errno.EACCES)
    ran = host.record("--trace", "--trace-source", "xentrace")
    assert ran.returncode == 0 and ran.stdout == "%s: a trace\n" % host.target and set(host.sources) == {"xentrace"}
    assert [line.split(": ")[1] for line in ran.stderr.splitlines()] == ["not recorded"] * 2
    assert json.loads(host.says("bake", host.target, "--cpu-khz", KHZ))["trace"]["records"] > 1000
    ran = host.run("xentop", "--source", host.target)
    assert ran.returncode == 1 and "holds nothing of xentop; it has: xentrace" in ran.stderr


def test_a_hypervisor_that_may_not_be_read(host):
    host.with_xentop()
    host.fake.set(open_error=errno.EACCES)
    ran = host.record()
    assert ran.returncode == 0 and ran.stderr.count("\n") == 1 and "run as root" in ran.stderr
    assert ran.stderr.startswith("xenmeter: not recorded: direct, vcpu: ")
    assert set(host.sources) == {"xentop", "names"} and not (host.target / "vcpu.jsonl").exists()
    assert len(json.loads(host.says("xentop", "--source", host.target, "--format", "json", "--count", "1"))["domains"]) > 3
    ran = host.run("vcpu", "--source", host.target)
    assert ran.returncode == 1 and "holds nothing of vcpu; it has: names, xentop" in ran.stderr
    ran = host.run("mon", "--source", host.target)
    assert ran.returncode == 1 and "`xenmeter record --trace` makes one" in ran.stderr


def test_a_source_that_fails_later_is_kept_as_far_as_it_came(host):
    with host.start("record", host.target, "--seconds", "6", "--interval", "1") as process:
        wait_for(lambda: all(path.exists() and path.stat().st_size for path in (host.target / "direct.jsonl",
                                                                                host.target / "vcpu.jsonl")),
                 60, "a first reading of both")
        host.fake.fault(op=35, error=errno.EACCES)
        errors = process.communicate(timeout=120)[1]
    assert process.returncode == 0 and "not recorded: xentop" in errors
    assert re.search(r"the recording of (direct|vcpu|direct, vcpu) ends early: ", errors)
    assert host.says("xentop", "--source", host.target, "--format", "influx")


def test_no_source_at_all_in_one_line(host):
    host.fake.set(open_error=errno.EACCES)
    ran = host.record()
    assert ran.returncode == 1 and ran.stdout == "" and ran.stderr.count("\n") == 1
    assert "xentop: xentop is not installed" in ran.stderr and "direct, vcpu: " in ran.stderr and "run as root" in ran.stderr
    assert not host.target.exists()
