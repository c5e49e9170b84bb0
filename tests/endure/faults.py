"""Faults: each call that can fail fails once, signals at random moments, a xenstored that hangs, restarts or talks rubbish,
and clocks that step. After each: figures are right or absent within two intervals, little is said, nothing grows.
"""
import errno
import http.client
import os
import random
import re
import signal
import statistics
import time

from endure.held import Held
from endure.model import Host
from endure.programs import Program, page, port_of
from fake_xenstored import Hangup
from tools.compiler import build_shared

SIZE = 50
INTERVAL = 0.5
#: Seconds in which figures must be back: two intervals, and the pauses of a source that is opened anew, on a busy machine.
BACK = 10.0
#: Lines that a fault may cost: what is wrong, and that it is over; once for each front.
LINES = 3
CALLS = {"read": (errno.EIO, errno.EINTR, errno.ENOMEM), "write": (errno.ENOSPC, errno.EAGAIN, errno.EINTR, errno.EIO, -1),
         "open": (errno.EMFILE, errno.ENOMEM, errno.EIO, errno.EINTR), "socket": (errno.EMFILE, errno.ENOMEM),
         "connect": (errno.EAGAIN, errno.ECONNREFUSED), "recv": (errno.EIO, errno.ENOMEM, errno.EINTR),
         "send": (errno.EIO, errno.ENOMEM, errno.EAGAIN, -1), "accept": (errno.EMFILE, errno.ENOMEM, errno.ECONNABORTED),
         "mmap": (errno.ENOMEM, errno.EAGAIN), "ioctl": (errno.EIO, errno.ENOMEM, errno.EINTR, errno.EFAULT),
         "poll": (errno.ENOMEM, errno.EINTR), "thread": (errno.EAGAIN,)}
_CPU = re.compile(rb'^xen_domain_cpu_seconds_total\{[^\n]*?uuid="([0-9a-f-]{36})"\} ([0-9.e+]+)$', re.MULTILINE)
_UP = re.compile(rb'^xenmeter_up\{plugin="xentop"\} ([01])', re.MULTILINE)


class Faulty:
    """An endpoint of source direct on the model's host, with the library that makes calls fail."""

    def __init__(self, folder, seed):
        self.folder = folder
        self.chance = random.Random(seed)
        self.host = Host(folder, SIZE, SIZE, seed, 2)
        self.plan, self.log = folder / "failing", folder / "failed"
        self.plan.write_text("")
        library = build_shared(os.path.join(os.path.dirname(os.path.abspath(__file__)), "failing.c"), folder / "failing.so", "-w",
                               "-ldl")
        self._environment = dict(self.host.xen.preload(XENSTORED_PATH=str(folder / "store")), FAILING=str(self.plan),
                                 FAILING_LOG=str(self.log))
        self._environment["LD_PRELOAD"] = "%s:%s" % (library, self.host.xen.library)
        self.wrong, self.restarts = [], 0
        self.start()

    def start(self):
        self.program = Program("serve xentop", ["serve", "xentop", "--source", "direct", "--interval", str(INTERVAL), "--listen",
                                                "127.0.0.1:0"], self._environment)
        self.port = port_of(self.program)
        self.held = Held("serve xentop", self.program.pid)

    def look(self):
        """Whether all figures are there and of now; what is wrong is kept. A page that cannot be had is absent."""
        self.host.advance()
        try:
            told = page(self.port, 4)
        except (OSError, http.client.HTTPException):
            return False
        pairs = [(key.decode(), round(float(value) * 10 ** 9)) for key, value in _CPU.findall(told)]
        pairs = [(key, value) for key, value in pairs if key in self.host.lives or key in self.host.dead]
        self.wrong += [text for text in (self.host.wrong(key, value, BACK) for key, value in pairs) if text]
        now = [key for key, value in pairs if key in self.host.lives]
        return len(now) > 0.8 * SIZE and (_UP.search(told) or [b""] * 2)[1] == b"1"

    def back(self, seconds=BACK):
        """Seconds until three looks in a row were right, or None."""
        began, good = time.monotonic(), 0
        while time.monotonic() < began + seconds + 2:
            good = good + 1 if self.look() else 0
            if good == 3:
                return time.monotonic() - began
            time.sleep(INTERVAL / 2)
        return None


def run(folder, seconds, seed, results):
    faulty = Faulty(folder, seed)
    host = faulty.host
    with host.store:
        try:
            assert faulty.back(60) is not None, faulty.program.errors[-5:]
            _calls(faulty, seconds * 0.6, results)
            _signals(faulty, seconds * 0.15, results)
            _xenstored(faulty, results)
            _tell(faulty, results)
        finally:
            faulty.program.end()


def _judged(faulty, what, act, lost, loud, times):
    """One fault: is everything well again, and how much was said of it?"""
    before = len(faulty.program.errors)
    act()
    took = faulty.back()
    if took is None or not faulty.program.alive():
        lost.append("%s (%s)" % (what, "ended: %s" % faulty.program.errors[-1:] if not faulty.program.alive() else "not back"))
        if not faulty.program.alive():
            faulty.restarts += 1
            faulty.program.end()
            faulty.start()
            faulty.back(60)
        return
    times.append(took)
    said = faulty.program.errors[before:]
    if len(said) > LINES:
        loud.append("%s: %d lines" % (what, len(said)))
    faulty.held.look(len(faulty.held.readings))


def _calls(faulty, seconds, results):
    """Each kind of call, with each way to fail, at a random one of the next calls; in rounds while there is time."""
    lost, loud, times, done = [], [], [], 0
    until = time.monotonic() + seconds
    cases = [(name, error) for name, errors in CALLS.items() for error in errors]
    faulty.chance.shuffle(cases)
    while True:
        for name, error in cases:
            place = faulty.chance.choice((1, 1, 2, 3, 5, 9))
            _judged(faulty, "%s: %s" % (name, "short" if error < 0 else errno.errorcode[error]),
                    lambda: faulty.plan.write_text("%s %d %d\n" % (name, place, error)), lost, loud, times)
            done += 1
            if time.monotonic() >= until and done >= len(cases):
                break
        if time.monotonic() >= until:
            break
    hit = len(faulty.log.read_text().splitlines()) if faulty.log.exists() else 0
    _figures(results, "calls that fail", done, lost, loud, times)
    results.figure("calls that fail: came true", hit, "at least half", hit >= done // 2)
    faulty.plan.write_text("")


def _figures(results, what, done, lost, loud, times):
    results.figure("%s: faults; not well again after them" % what, "%d; %d%s" % (
        done, len(lost), "".join(": " + text for text in lost[:3])), "none", not lost)
    if times:
        results.figure("%s: s until figures are right, median and longest" % what, "%.1f, %.1f" % (
            statistics.median(times), max(times)), "at most %g" % BACK, max(times) <= BACK)
    results.figure("%s: more than %d lines in the log" % (what, LINES), "%d%s" % (
        len(loud), "".join(": " + text for text in loud[:3])), "never", not loud)


def _signals(faulty, seconds, results):
    """Stopped and continued, and killed and started anew, at random moments."""
    lost, loud, times, done = [], [], [], 0
    until = time.monotonic() + seconds

    def stopped():
        time.sleep(faulty.chance.random() * INTERVAL)
        faulty.program.process.send_signal(signal.SIGSTOP)
        time.sleep(faulty.chance.random() * 3)
        faulty.program.process.send_signal(signal.SIGCONT)

    def killed():
        time.sleep(faulty.chance.random() * INTERVAL)
        faulty.program.process.kill()
        faulty.program.end()
        faulty.start()
    while time.monotonic() < until or done < 4:
        _judged(faulty, "SIGSTOP", stopped, lost, loud, times)
        if done % 4 == 3:
            faulty.held.readings.clear()
            _judged(faulty, "SIGKILL", killed, lost, loud, times)
        done += 1
    _figures(results, "signals", done, lost, loud, times)


def _xenstored(faulty, results):
    lost, loud, times = [], [], []
    store, chance = faulty.host.store, faulty.chance

    def hangs():
        store.fault = lambda kind, path, reply: time.sleep(2) or reply
        for _ in range(6):
            faulty.look()
            time.sleep(INTERVAL)
        store.fault = None

    def rubbish():
        store.fault = lambda kind, path, reply: bytes(chance.randrange(256) for _ in range(chance.randrange(1, 200)))
        for _ in range(6):
            faulty.look()
            time.sleep(INTERVAL)
        store.fault = None
        store.hang_up()

    def half():
        def fault(kind, path, reply):
            raise Hangup(reply[:chance.randrange(len(reply))])
        store.fault = fault
        for _ in range(4):
            faulty.look()
            time.sleep(INTERVAL)
        store.fault = None
    for what, act in (("hangs", hangs), ("restarts", store.hang_up), ("rubbish", rubbish), ("half answers", half)):
        _judged(faulty, "xenstored: " + what, act, lost, loud, times)
    _figures(results, "xenstored", 4, lost, loud, times)


def _tell(faulty, results):
    results.figure("wrong figures", "%d%s" % (len(faulty.wrong), "".join("; " + text for text in faulty.wrong[:2])), "0",
                   not faulty.wrong)
    results.figure("programs that ended by a fault", faulty.restarts, "0", faulty.restarts == 0)
    readings = faulty.held.readings[1:]
    if len(readings) > 4:
        for column, what, unit in ((1, "memory, MiB", 1 << 20), (2, "descriptors", 1)):
            first, last = readings[0][column] / unit, readings[-1][column] / unit
            results.figure("%s, first and last" % what, "%.1f, %.1f" % (first, last), "10 % more", last <= first * 1.1 + 1)
