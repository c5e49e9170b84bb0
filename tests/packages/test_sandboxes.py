"""The services inside what their units forbid: groups and capabilities by setpriv, calls by the seccomp filters of the unit."""
import contextlib
import errno
import grp
import http.client
import lzma
import os
import pathlib
import re
import signal
import socket
import struct
import subprocess
import sys

import pytest

from helpers.sandbox import Sandbox, sets_of
from helpers.paths import TOP, TRACES
from tools.process import poll
from xenmeter.core.errors import SourceError
from xenmeter.xentrace.baker.control import ask
from xenmeter.xentrace.baker.shm import Reader

from helpers.fake_hypervisor import Domain, FakeHypervisor, Vcpu, build
from helpers.fake_xenstored import FakeXenstored
from helpers.stage import FakeXentop

pytestmark = pytest.mark.xdist_group("packages: system")

UNITS = TOP / "packaging" / "systemd"
MORTAL = TOP / "tests" / "helpers" / "mortal_baker.py"
#: Groups of every Debian, in place of xenmeter's.
OWN, OTHER = "games", "staff"
UNTIL = 120.0
NARROW, BEFORE = 0x00161000, 0x0002F000
SYSCTL = 35


def gid(name):
    return grp.getgrnam(name).gr_gid


@pytest.fixture(scope="module")
def sets(system):
    """Set -> calls, as the systemd of this release has them."""
    return sets_of(system.run("systemd-analyze", "--no-pager", "syscall-filter").stdout)


@pytest.fixture(scope="module")
def library(system):
    (path,) = system.root.glob("usr/lib/*/libseccomp.so.2")
    return path


class Unit:
    """A unit's file: what it starts, and inside what."""

    def __init__(self, name, folder, sets, library):
        self.text = (UNITS / name).read_text()
        self.sandbox = Sandbox(folder, self.text, sets, library)
        assert self.value("CapabilityBoundingSet") == "" and self.value("User") == "root"

    def value(self, name):
        (found,) = self.sandbox.values(name)
        return found

    def words(self, setting, program, group=OWN, options=(), instance=""):
        """The command of a setting, with other groups, and options where it has variables for them."""
        (_, *words) = self.value(setting).replace("%i", instance).replace(" xenmeter ", " %s " % group).split()
        given = [word for word in words if not word.startswith("$")]
        return list(program) + given + list(options)

    def command(self, words, more_groups=()):
        """As systemd starts it: root without any capability, in the sandbox."""
        groups = ["--groups", ",".join(more_groups)] if more_groups else ["--clear-groups"]
        return ["setpriv", "--regid", OWN] + groups + ["--bounding-set=-all", "--inh-caps=-all", "--no-new-privs"] \
            + self.sandbox.command(*words)


XENMETER = (sys.executable, "-m", "xenmeter")


@pytest.fixture
def baker(tmp_path, sets, library):
    return Unit("xenmeter-baker.service", tmp_path, sets, library)


@pytest.fixture
def serve(tmp_path, sets, library):
    return Unit("xenmeter-serve@.service", tmp_path, sets, library)


class Started:
    """A service that tells systemd when it is ready, and ends when its stdin does."""

    def __init__(self, call, folder):
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        path = str(folder / "notify")
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        self.notify.bind(path)
        os.chmod(path, 0o666)
        self.process = subprocess.Popen(call, stdin=subprocess.PIPE, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL,
                                        env=dict(os.environ, NOTIFY_SOCKET=path, WATCHDOG_USEC="60000000"))
        self.said = ""

    def wait_ready(self):
        self.notify.settimeout(0.1)

        def seen():
            assert self.process.poll() is None, "ended with %s: %s" % (
                self.process.returncode, self.process.stderr.read().decode())
            try:
                return b"READY=1" in self.notify.recv(4096)
            except OSError:
                return False
        poll(seen, UNTIL, AssertionError)

    def end(self):
        """Its exit status."""
        self.said = self.process.communicate(timeout=UNTIL)[1].decode()
        return self.process.returncode

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.communicate()
        self.notify.close()


@pytest.fixture
def trace(tmp_path):
    """Options of a baker that bakes a recorded trace, beside a folder that it makes itself."""
    path = tmp_path / "trace.bin"
    path.write_bytes(lzma.decompress((TRACES / "narrow-churn" / "trace.bin.xz").read_bytes()))
    return ["--source", str(path), "--cpu-khz", "2596120", "--shared", str(tmp_path / "run" / "baker"), "--stay",
            "--until-stdin-ends"]


def given_to(path, group):
    """What a reader of the group meets: the modes of folder, file and socket."""
    seen = [os.stat(str(one)) for one in (path.parent, path, path.with_name("baker.sock"))]
    assert [one.st_gid for one in seen[1:]] == [gid(group)] * 2
    return [one.st_mode & 0o777 for one in seen]


@pytest.mark.parametrize("group, more", [(OWN, ()), (OTHER, (OTHER,))], ids=["its own group", "another that it is in"])
def test_the_baker_comes_up(baker, trace, tmp_path, group, more):
    """Group= names the group; or SupplementaryGroups= names the one that --shared-group does."""
    shared = tmp_path / "run" / "baker"
    with Started(baker.command(baker.words("ExecStart", XENMETER, group, trace), more), tmp_path) as started:
        started.wait_ready()
        assert given_to(shared, group) == [0o755, 0o640, 0o660]
        status = pathlib.Path("/proc/%d/status" % started.process.pid).read_text()
        assert re.search(r"^CapEff:\t0+$", status, re.MULTILINE) and re.search(r"^Seccomp:\t2$", status, re.MULTILINE)
        poll(lambda: ask(str(shared) + ".sock", get="status")["records"] > 10000, UNTIL, AssertionError)
        assert ask(str(shared) + ".sock", get="status")["process"] == started.process.pid
        assert b'"names"' in poll(lambda: document(shared), UNTIL, AssertionError)
        assert started.end() == 0, started.said
    assert os.listdir(str(shared.parent)) == []


def document(shared):
    """The newest one in the shared file, or None."""
    try:
        return Reader(str(shared)).read()[2]
    except SourceError:
        return None


def test_a_group_that_it_may_not_give_to_is_one_clear_line(baker, trace, tmp_path):
    call = baker.command(baker.words("ExecStart", XENMETER, OTHER, trace))
    ran = subprocess.run(call, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False, timeout=UNTIL)
    assert (ran.returncode, ran.stderr.decode()) == (1, "xenmeter: %s cannot be given to the group with number %d: Operation not "
                                                     "permitted; run as root, or as a service name that group with "
                                                     "SupplementaryGroups= in its unit\n" % (
                                                         tmp_path / "run" / "baker", gid(OTHER)))


def test_by_hand_as_root(trace, tmp_path):
    """Another primary group, no sandbox, and a umask that would keep others out."""
    call = ["sh", "-c", 'umask 077; exec "$@"', "sh", *XENMETER, "baker", "--shared-group", OWN] + trace
    with Started(call, tmp_path) as started:
        started.wait_ready()
        assert given_to(tmp_path / "run" / "baker", OWN) == [0o755, 0o640, 0o660]
        assert started.end() == 0, started.said


def test_killed_cleaned_up_after_and_started_again(baker, tmp_path):
    """On rings; the hypervisor is a file."""
    host, shared = tmp_path / "host", tmp_path / "run" / "baker"
    host.write_bytes(struct.pack("<III", BEFORE, 0, 0))

    def call(setting, *more):
        words = baker.words(setting, (), options=["--shared", str(shared)] + list(more))
        return baker.command([sys.executable, str(MORTAL), str(host), "-1"] + words[1:])

    def state():
        return struct.unpack("<III", host.read_bytes())[:2]
    for _ in range(2):
        with Started(call("ExecStart", "--until-stdin-ends"), tmp_path) as started:
            started.wait_ready()
            assert state() == (NARROW, 1)
            started.process.send_signal(signal.SIGKILL)
            assert started.end() == -signal.SIGKILL
        after = subprocess.run(call("ExecStopPost"), stderr=subprocess.PIPE, check=False, timeout=UNTIL)
        assert after.returncode == 0 and b"put back" in after.stderr, after.stderr
        assert state() == (BEFORE, 0) and os.listdir(str(shared.parent)) == []


def test_the_baker_starts_an_xentrace(baker, trace, tmp_path):
    program = tmp_path / "bin" / "xentrace"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\nexec cat %s\n" % trace[1])
    program.chmod(0o755)
    words = baker.words("ExecStart", ("env", "PATH=%s:/usr/bin:/bin" % program.parent) + XENMETER,
                        options=["--source", "xentrace"] + trace[2:])
    with Started(baker.command(words), tmp_path) as started:
        started.wait_ready()
        poll(lambda: ask(str(tmp_path / "run" / "baker.sock"), get="status")["records"] > 10000, UNTIL, AssertionError)
        assert started.end() == 0, started.said


def test_in_a_guest_the_baker_ends_for_good(baker, tmp_path):
    """It has Xen's devices, and Xen refuses its questions; a service that tried again would do so for ever."""
    build()
    with FakeHypervisor(str(tmp_path / "xen"), [Domain(7)]) as xen:
        xen.fault(op=SYSCTL, error=errno.EPERM)
        ran = subprocess.run(baker.command(baker.words("ExecStart", XENMETER, options=["--shared", str(tmp_path / "run/baker")])),
                             stderr=subprocess.PIPE, check=False, timeout=UNTIL, env=xen.preload())
    assert ran.stderr.decode() == "xenmeter: Xen does not let this domain ask for sysctl; run in dom0, as root\n"
    assert str(ran.returncode) in baker.value("RestartPreventExitStatus").split()
    assert ran.returncode == 3


def test_wrong_options_end_it_for_good_and_a_source_that_fails_does_not(baker, trace, tmp_path):
    def status(*more):
        call = baker.command(baker.words("ExecStart", XENMETER, options=trace + list(more)))
        return str(subprocess.run(call, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL, check=False,
                                  timeout=UNTIL).returncode)
    for_good = baker.value("RestartPreventExitStatus").split()
    assert status("--share", "200") in for_good
    gone = status("--source", str(tmp_path / "nothing"))
    assert gone != "0" and gone not in for_good


class Served:
    """An instance of the endpoint, started by its unit's words."""

    def __init__(self, unit, plugin, options, environment):
        words = unit.words("ExecStart", XENMETER, options=["--listen", "127.0.0.1:0"] + options, instance=plugin)
        self.process = subprocess.Popen(unit.command(words), stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment)

    def __enter__(self):
        line = self.process.stderr.readline().decode()
        found = re.match(r"xenmeter: http://127\.0\.0\.1:(\d+)/metrics$", line)
        assert found, line + self.process.stderr.read().decode()
        self.port = int(found.group(1))
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.communicate(timeout=UNTIL)

    def page(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=UNTIL)
        with contextlib.closing(connection):
            connection.request("GET", "/metrics")
            answer = connection.getresponse()
            assert answer.status == 200
            return answer.read().decode()

    def wait(self, pattern):
        poll(lambda: re.search(pattern, self.page(), re.MULTILINE), UNTIL,
             lambda text: AssertionError("%s: %s\n%s" % (pattern, text, self.page()[-3000:])))


def test_xentop_is_served(serve, tmp_path):
    """The program as a child."""
    fake = FakeXentop(tmp_path / "xentop")
    with Served(serve, "xentop", ["--source", "xentop", "--interval", "1"], dict(os.environ, PATH=fake.path)) as served:
        served.wait(r'^xen_domain_cpu_seconds_total\{.*domain="Domain-0"')
    fake.end()


@pytest.mark.parametrize("plugin, pattern", [("vcpu", r'^xen_vcpu_runstate_seconds_total\{domain="guest".* 5\.0$'),
                                             ("xentop", r'^xen_domain_cpu_seconds_total\{.*domain="guest"')])
def test_hypercalls_are_served(serve, tmp_path, plugin, pattern):
    build()
    nodes = {b"/local/domain/7/name": b"guest", b"/local/domain/0/name": b"Domain-0"}
    domains = [Domain(0), Domain(7, vcpus=[Vcpu(cpu_time=5 * 10 ** 9)])]
    path = str(tmp_path / "store")
    with FakeHypervisor(str(tmp_path / "xen"), domains) as xen, FakeXenstored(nodes, path):
        options = ["--interval", "1"] + (["--source", "direct"] if plugin == "xentop" else [])
        with Served(serve, plugin, options, xen.preload(XENSTORED_PATH=path)) as served:
            served.wait(pattern)


def test_what_the_baker_keeps_is_served(baker, serve, trace, tmp_path):
    """By the source that the unit says."""
    (options,) = [value.partition("=")[2] for value in re.findall(r'"(.*?)"', "".join(serve.sandbox.values("Environment")))
                  if value.startswith("XENMETER_SERVE_OPTIONS_xentrace=")]
    with Started(baker.command(baker.words("ExecStart", XENMETER, options=trace)), tmp_path) as started:
        started.wait_ready()
        with Served(serve, "xentrace", options.split() + ["--shared", str(tmp_path / "run" / "baker")], None) as served:
            served.wait(r"^xen_sched_\w+_total\{domain=")


def test_qubes_puller_works_inside_its_own(tmp_path, sets, library):
    """In a folder of another user's, with the one capability that it has."""
    text = (TOP / "packaging" / "qubes" / "xenmeter-pull.service").read_text()
    sandbox = Sandbox(tmp_path, text, sets, library)
    (capability,) = sandbox.values("CapabilityBoundingSet")
    folder, program = tmp_path / "collector", tmp_path / "bin" / "qrexec-client-vm"
    program.parent.mkdir()
    program.write_text('#!/bin/sh\necho "figures of $2"\n')
    program.chmod(0o755)
    folder.mkdir(mode=0o755)
    os.chown(str(folder), 65534, 65534)
    words = ["sh", str(TOP / "packaging" / "qubes" / "xenmeter-pull"), "xentop", "vcpu"]
    call = ["setpriv", "--bounding-set=-all,+" + capability[len("CAP_"):].lower(), "--inh-caps=-all", "--no-new-privs"]
    ran = subprocess.run(call + sandbox.command(*words), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                         timeout=UNTIL, env={"PATH": "%s:/usr/bin:/bin" % program.parent, "XENMETER_TEXTFILES": str(folder)})
    assert (ran.returncode, ran.stdout) == (0, "")
    assert (folder / "xenmeter-vcpu.prom").read_text() == "figures of xenmeter.Textfile+vcpu\n"
    assert sorted(os.listdir(str(folder))) == ["xenmeter-vcpu.prom", "xenmeter-xentop.prom"]
