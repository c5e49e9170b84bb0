"""xentop (direct) and vcpu (each source) from the faked hypervisor, through the real libraries and `xenmeter execd`."""
import errno
import os
import pathlib
import select
import signal
import subprocess
import sys
import time

import pytest
from helpers.fake_hypervisor import Domain, Vcpu
from helpers.fake_xenstored import FakeXenstored, host as xenstore_of
from tools import provision
from helpers.vcpu_host import Host, dom0, guest

from xenmeter.vcpu.page import encode

from helpers.lineprotocol import parse

TOP = pathlib.Path(__file__).resolve().parents[2]

pytestmark = [pytest.mark.daemon, pytest.mark.usefixtures("compiler")]


class Execd:
    """`xenmeter execd PLUGIN` on a faked host, asked by lines on stdin as Telegraf does."""

    def __init__(self, plugin, environment, *arguments):
        self.process = subprocess.Popen(
            [sys.executable, "-m", "xenmeter", "execd", plugin, "--interval", "0.1", "--signal", "stdin"] + list(arguments),
            env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.err = b""
        for stream in (self.process.stdout, self.process.stderr):
            os.set_blocking(stream.fileno(), False)

    def ask(self):
        """What comes after a question, as (measurement, tags, fields, time)."""
        self.process.stdin.write(b"\n")
        self.process.stdin.flush()
        out, until = b"", time.monotonic() + 1
        while time.monotonic() < until:
            ready = select.select([self.process.stdout, self.process.stderr], [], [], 0.3)[0]
            if self.process.stdout in ready:
                out += os.read(self.process.stdout.fileno(), 1 << 20)
            if self.process.stderr in ready:
                self.err += os.read(self.process.stderr.fileno(), 1 << 20)
            if not ready or (out.endswith(b"\n") and not select.select([self.process.stdout], [], [], 0.05)[0]):
                break
        return parse(out)

    def until(self, look, what):
        """Ask until the lines of one answer are what is looked for; gives what that says."""
        end = time.monotonic() + 60
        while time.monotonic() < end:
            found = look(self.ask())
            if found:
                return found
        raise AssertionError("never: %s; %s" % (what, self.err.decode()))

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        self.process.stdin.close()
        try:
            status = self.process.wait(60)
        finally:
            if self.process.poll() is None:
                self.process.send_signal(signal.SIGKILL)
                self.process.wait()
        rest = self.process.stderr.read()
        self.err += rest or b""
        if kind is None:
            assert status == 0 and b"Traceback" not in self.err and b"fault" not in self.err, self.err


@pytest.fixture
def host(tmp_path):
    guests = [guest(1, 100, 200), Domain(2, [Vcpu(cpu_time=10 ** 9)] * 2, stats=encode([(2, 10, 20, 30, 40, 50)] * 2)),
              guest(3, 5)]
    with Host(tmp_path / "state", [dom0()] + guests) as fake, FakeXenstored(
            xenstore_of(3, vifs=False), str(tmp_path / "socket")) as store:
        fake.store = store
        provision.ensure("libxen-dev")
        libraries = {"LD_LIBRARY_PATH": provision.environment("libxen-dev").get("LD_LIBRARY_PATH", "")}
        fake.environment = fake.preload(PYTHONPATH=str(TOP / "plugins"), XENSTORED_PATH=store.path, **libraries)
        yield fake


def of(lines, measurement, field, tag="domain"):
    """{tag's value: field} of the lines of a measurement."""
    return {tags.get(tag): fields[field] for name, tags, fields, _ in lines if name == measurement and field in fields}


def up(lines, value):
    return [fields for name, tags, fields, _ in lines if name == "xenmeter" and fields.get("up") == value]


PLUGINS = {"xentop": ("xen_domain", "cpu_time_ns", ("--source", "auto")),
           "vcpu": ("xen_vcpu", "running_ns", ("--source", "auto"))}


@pytest.mark.parametrize("plugin", sorted(PLUGINS))
class TestFaults:
    def test_a_hypervisor_that_refuses_for_a_while(self, plugin, host):
        measurement, field, arguments = PLUGINS[plugin]
        with Execd(plugin, host.environment, *arguments) as execd:
            execd.until(lambda lines: len(of(lines, measurement, field)) == 4, "figures")
            host.fault(op=35, times=3, error=errno.EACCES)
            execd.until(lambda lines: up(lines, 0), "up is 0")
            execd.until(lambda lines: up(lines, 1) and len(of(lines, measurement, field)) == 4, "figures again")
            assert b"interface version" in execd.err

    def test_a_domain_dies_between_two_calls(self, plugin, host):
        measurement, field, arguments = PLUGINS[plugin]
        with Execd(plugin, host.environment, *arguments) as execd:
            execd.until(lambda lines: len(of(lines, measurement, field)) == 4, "figures")
            host.fault(op=36, cmd=14, domid=3, times=1, kill=3)
            execd.until(lambda lines: set(of(lines, measurement, field)) == {"Domain-0", "guest-1", "guest-2"}, "one less")
            assert execd.err == b"" or b"W!" not in execd.err

    def test_a_domain_is_gone_in_the_middle_of_the_list(self, plugin, host):
        """ESRCH for a domain that was listed."""
        measurement, field, arguments = PLUGINS[plugin]
        with Execd(plugin, host.environment, *arguments) as execd:
            execd.until(lambda lines: len(of(lines, measurement, field)) == 4, "figures")
            host.fault(op=36, cmd=14, domid=1, error=errno.ESRCH)
            execd.until(lambda lines: set(of(lines, measurement, field)) == {"Domain-0", "guest-2", "guest-3"}, "not that one")

    def test_no_right(self, plugin, host):
        host.set(open_error=errno.EACCES)
        with Execd(plugin, dict(host.environment, PATH="/nowhere"), "--source",
                   {"xentop": "direct", "vcpu": "auto"}[plugin]) as execd:
            execd.until(lambda lines: up(lines, 0), "up is 0")
            assert b"run as root" in execd.err


@pytest.mark.parametrize("size_query, frames", [(1, None), (0, None), (1, 1)])
def test_vcpu_by_each_source(host, size_query, frames):
    host.set(size_query=size_query)
    with Execd("vcpu", host.environment) as execd:
        sources = execd.until(lambda lines: {tags["domain"]: tags["source"] for name, tags, fields, _ in lines
                                             if name == "xen_vcpu"}, "figures")
        assert sources == {"Domain-0": "own_runstate", "guest-1": "getvcpuinfo", "guest-2": "resource", "guest-3": "getvcpuinfo"}
        waits = execd.until(lambda lines: of(lines, "xen_vcpu", "runnable_ns"), "times of waiting")
        assert waits == {"Domain-0": 5, "guest-2": 20}


def test_vcpu_on_xenserver(host):
    host.set(runstate_domctl=98)
    host.show([dom0(), guest(1, 100, runstate=(0, 1, 11, 12, 13, 14, 15, 16)), guest(3, 5, runstate=(0, 1, 1, 2, 3, 4, 5, 6))])
    with Execd("vcpu", host.environment) as execd:
        found = execd.until(lambda lines: of(lines, "xen_vcpu_domain", "full_contention_ns"), "six runstates")
        assert found == {"guest-1": 12, "guest-3": 2}


def test_a_table_of_an_absurd_size(host):
    """Xen 4.15 to 4.19.1 say so of a resource that they do not know; a broken hypervisor might of one that it has."""
    host.show([dom0(), guest(1, 7), Domain(2, [Vcpu(cpu_time=9)], stats=bytes(4096 * 1025))])
    with Execd("vcpu", host.environment) as execd:
        found = execd.until(lambda lines: of(lines, "xen_vcpu", "running_ns", "source") and lines, "figures")
        assert {tags["source"] for name, tags, _, _ in found if name == "xen_vcpu"} == {"own_runstate", "getvcpuinfo"}
        assert of(found, "xen_vcpu", "running_ns")["guest-2"] == 9


def test_no_hypercall_while_nothing_happens(host):
    host.show([Domain(2, [Vcpu(cpu_time=10 ** 9)], stats=encode([(2, 10, 20, 30, 40, 50)]))])
    with Execd("vcpu", host.environment) as execd:
        seen = []

        def rests(lines):
            seen.extend(fields["hypercalls"] for name, _, fields, _ in lines if name == "xenmeter" and "hypercalls" in fields)
            return len(seen) > 10 and len(set(seen[-5:])) == 1
        execd.until(rests, "readings without a hypercall")
        costs = []
        while 0 not in costs and len(costs) < 5:    # the list of domains is asked for each 30 s, maybe just now
            before = host.hypercalls
            execd.until(lambda lines: of(lines, "xen_vcpu", "running_ns") == {"guest-2": 10}, "figures")
            costs.append(host.hypercalls - before)
        assert 0 in costs, costs
        host.show([guest(3, 5, page=True)])
        host.store.fire()
        execd.until(lambda lines: set(of(lines, "xen_vcpu", "running_ns")) == {"guest-3"}, "the other domain")


def test_xentop_says_that_it_is_direct(host):
    with Execd("xentop", host.environment) as execd:
        cpu = execd.until(lambda lines: of(lines, "xen_domain", "cpu_time_ns"), "figures")
        assert cpu == {"Domain-0": 540, "guest-1": 300, "guest-2": 2 * 10 ** 9, "guest-3": 5}
