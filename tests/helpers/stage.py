"""What the end-to-end tests share: the fake xentop, captures, hosts of any size, and our own programs as processes."""
import hashlib
import json
import os
import pathlib
import re
import select
import shlex
import signal
import subprocess
import sys
import time

import pytest

from tools import process
from tools.xenless import without_xens_tools

TOP = pathlib.Path(__file__).resolve().parents[2]
PLUGINS = TOP / "plugins"
FIXTURES = TOP / "fixtures" / "xentop"
CONF = TOP / "conf.d" / "collectd" / "xentop.conf"
FAKE = TOP / "tests" / "helpers" / "fake_xentop.py"

#: Every real capture with all of -f -n -x -v, that is as the plugin starts xentop.
CAPTURES = sorted(case for case in os.listdir(FIXTURES) if "fnxv" in case)
HOST = "credit-4pcpu-b-d1-i3-fnxv-15domu"
#: PATH of a place that has no xentop, whatever this machine has (these tests are not for a dom0).
PATH = without_xens_tools("/usr/local/bin:/usr/bin:/bin")

HEADER = ("%*s  STATE   CPU(sec) CPU(%%)     MEM(k) MEM(%%)  MAXMEM(k) MAXMEM(%%) VCPUS NETS NETTX(k) NETRX(k) VBDS   "
          "VBD_OO   VBD_RD   VBD_WR  VBD_RSECT  VBD_WSECT SSID\n")
ROW = b"%s %s %10d %6.1f %10d %6.1f %10d %9.1f %5d %4d %8d %8d %4d %8d %8d %8d %10d %10d %4d\n"


def capture_of(case):
    """The file with xentop's text of a fixture."""
    folder = FIXTURES / case
    return next(folder / name for name in ("input.txt", "xentop.txt") if (folder / name).exists())


def source_of(case):
    """What to give as --source for a fixture."""
    folder = FIXTURES / case
    return folder / "input.txt" if (folder / "input.txt").exists() else folder


def domain(name, cpu_s=10, percent=5.0, state=b"--b---", vcpus=1, vif=None, vbd=None):
    """Lines of one domain, by xentop's own formats (A.4 and A.8). vif: 8 counters; vbd: OO, RD, WR, RSECT, WSECT."""
    tx = vif[4] >> 10 if vif else 0
    rx = vif[0] >> 10 if vif else 0
    row = ROW % (b"%s", state, cpu_s, percent, 131072, 3.1, 132096, 3.1, vcpus, bool(vif), tx, rx, bool(vbd),
                 *(vbd or (0,) * 5), 0)
    lines = b"VCPUs(sec): " + b"".join(b" %2d: %10ds" % (number, cpu_s // vcpus) for number in range(vcpus)) + b"\n"
    if vif:
        lines += b"Net0 RX: %8dbytes %8dpkts %8derr %8ddrop  TX: %8dbytes %8dpkts %8derr %8ddrop\n" % tuple(vif)
    if vbd:
        lines += b"VBD BlkBack 51712 [ca: 0]  OO: %8d   RD: %8d   WR: %8d   RSECT: %10d   WSECT: %10d\n" % tuple(vbd)
    return name, row, lines


def told(name, shown):
    """How influx and Prometheus name a domain without a UUID of which they show this: what is altered bears a digest."""
    return shown if shown == name else "%s~%s" % (shown, hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8])


def iteration(domains):
    """xentop's text for these domains (``domain(...)``), names padded to the longest and sorted as xentop does."""
    width = max(10, max(len(name) for name, _, _ in domains))
    text = (HEADER % (width, "NAME")).encode()
    for name, row, lines in sorted(domains, key=lambda item: item[0].lower()):
        text += row.replace(b"%s", b"%*s" % (width, name), 1) + lines
    return text


def many(number, iterations=3):
    """Text of a host with so many guests (and dom0), every counter rising."""
    return b"".join(iteration([domain(b"Domain-0", 1000 + step, state=b"-----r", vcpus=2)] + [
        domain(b"guest-%04d" % i, 10 * i + step, vif=(1000 * i + step, i, 0, 0, 2000 * i + step, i, 0, step),
               vbd=(step, i + step, i, 8 * i, 16 * i)) for i in range(1, number)]) for step in range(iterations))


class FakeXentop:
    """``fake_xentop.py`` as the first xentop in a PATH.

    :param capture: ``pathlib.Path`` of xentop's text, or ``bytes``.
    """

    def __init__(self, folder, capture=None, speedup=4):
        self.folder = pathlib.Path(folder)
        self.control = self.folder / "control"
        self.bin = self.folder / "bin"
        self.control.mkdir(parents=True)
        self.bin.mkdir()
        self._speedup = speedup
        self.play(capture or capture_of(HOST))

    def play(self, capture, speedup=None):
        """Set what the next start plays."""
        if isinstance(capture, bytes):
            (self.folder / "capture.txt").write_bytes(capture)
            capture = self.folder / "capture.txt"
        self._speedup = speedup or self._speedup
        words = ["env", "-u", "PYTHONHOME", "-u", "PYTHONPATH", "-u", "LD_LIBRARY_PATH", "XENTOP_CAPTURE=%s" % capture,
                 "XENTOP_SPEEDUP=%s" % self._speedup, "XENTOP_CONTROL=%s" % self.control, sys.executable, "-S", str(FAKE)]
        script = self.bin / "xentop"
        script.write_text('#!/bin/sh\nexec %s "$@"\n' % " ".join(map(shlex.quote, words)))
        script.chmod(0o755)

    @property
    def path(self):
        """PATH with this xentop in it."""
        return "%s:%s" % (self.bin, PATH)

    def fault(self, name=None):
        """Begin a fault, or end it; it shows at the next iteration."""
        (self.control / "fault.new").write_text(name or "")
        (self.control / "fault.new").rename(self.control / "fault")

    def starts(self):
        """[(pid, arguments)] of all starts so far."""
        try:
            lines = (self.control / "starts").read_text()
        except FileNotFoundError:
            return []
        return [(int(pid), arguments) for pid, _, arguments in (
            line.partition(" ") for line in lines[:lines.rfind("\n") + 1].splitlines())]

    def running(self):
        return [pid for pid, _ in self.starts() if process.is_running(pid)]

    def wait_start(self, number=1, timeout=15):
        """The pid of the numberth start."""
        return wait_for(lambda: len(self.starts()) >= number and self.starts()[number - 1][0], timeout,
                        "start %d of xentop" % number)

    def wait_gone(self, timeout=60):
        wait_for(lambda: not self.running(), timeout, "end of xentop %s" % self.running())

    def end(self):
        """A test must not leave one behind; what it did leave is killed, and that fails the test."""
        try:
            self.wait_gone()
        finally:
            for pid in self.running():
                os.kill(pid, signal.SIGKILL)


@pytest.fixture
def xentop(tmp_path):
    """A xentop that plays one of the real captures; after the test nothing of it may run."""
    fake = FakeXentop(tmp_path / "xentop")
    yield fake
    fake.end()


def wait_for(look, timeout, what):
    """Poll until look() gives something true; returns it."""
    return process.poll(look, timeout, lambda text: AssertionError("%s: %s" % (what, text)))


def xenmeter(*arguments, path=PATH, **options):
    """Run the command to its end; a CompletedProcess with text output."""
    return subprocess.run([sys.executable, "-m", "xenmeter"] + [str(word) for word in arguments], check=False,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=_environment(path),
                          timeout=300, universal_newlines=True, **options)


def readings(*arguments):
    """What the mirror says of a recording: the JSON objects of `xenmeter xentop --format json`."""
    ran = xenmeter("xentop", "--format", "json", *arguments)
    assert (ran.returncode, ran.stderr) == (0, ""), ran.stderr
    return [json.loads(line) for line in ran.stdout.splitlines()]


def _environment(path):
    return {"PATH": path, "PYTHONPATH": str(PLUGINS), "LANG": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1",
            "XENMETER_COUNTERS": ""}


#: Seconds of looking; a busy machine needs them for a process that only starts.
PATIENCE = 60


class Running:
    """`xenmeter ...` as a process with pipes, read without blocking.

    :param stdout: what to give as its stdout instead of a pipe.
    """

    def __init__(self, *arguments, path=PATH, stdout=subprocess.PIPE, environment=None):
        self.out = b""
        self.err = b""
        self.process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", sys.executable, "-m", "xenmeter"] + [str(word) for word in arguments],
            stdin=subprocess.PIPE, stdout=stdout, stderr=subprocess.PIPE, bufsize=0,
            env=dict(_environment(path), **environment or {}))

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            if pipe is not None:
                pipe.close()

    def pump(self, timeout=0.02):
        """Take what it has said meanwhile."""
        pipes = [pipe for pipe in (self.process.stdout, self.process.stderr) if pipe is not None and not pipe.closed]
        for pipe in select.select(pipes, [], [], timeout)[0]:
            data = os.read(pipe.fileno(), 1 << 20)
            if not data:
                pipe.close()
            elif pipe is self.process.stdout:
                self.out += data
            else:
                self.err += data
        if not pipes:
            time.sleep(timeout)

    def wait_for(self, look, timeout=PATIENCE, what="this"):
        def pumped():
            ended = self.process.poll() is not None
            self.pump()
            seen = look()
            if ended and not seen:
                raise AssertionError("%s: it ended with %s before" % (what, self.process.returncode))
            return seen
        try:
            return wait_for(pumped, timeout, what)
        except AssertionError as error:
            raise AssertionError("%s\nstdout: %r\nstderr: %r" % (error, self.out[-2000:], self.err[-2000:])) from None

    def wait_out(self, pattern, timeout=PATIENCE):
        return self.wait_for(lambda: re.search(pattern, self.out), timeout, "stdout /%r/" % pattern)

    def wait_err(self, pattern, timeout=PATIENCE):
        return self.wait_for(lambda: re.search(pattern, self.err), timeout, "stderr /%r/" % pattern)

    def wait_catching(self, number):
        """Wait until it has a handler for a signal; before, the signal would end it."""
        def caught():
            with open("/proc/%d/status" % self.process.pid) as file:
                return int(re.search("SigCgt:\\s*(\\w+)", file.read()).group(1), 16) >> (number - 1) & 1
        self.wait_for(caught, what="a handler of %s" % number)

    def wait_end(self, timeout=PATIENCE):
        """Its exit status; all that it said is in ``out`` and ``err`` then."""
        self.wait_for(lambda: self.process.poll() is not None, timeout, "its end")
        for _ in range(1000):
            before = len(self.out) + len(self.err)
            self.pump(0.05)
            if len(self.out) + len(self.err) == before:
                break
        return self.process.returncode
