"""Our programs as processes: started, read without ever blocking, never left behind."""
import http.client
import os
import re
import signal
import struct
import subprocess
import sys
import threading
import time

from helpers.paths import PLUGINS
from xenmeter.xentrace.baker import shm

DIRECT = re.compile(rb"^xen_domain,[^\n]*?uuid=([0-9a-f-]{36})[ ,][^\n]*?cpu_time_ns=(\d+)i[^\n]* (\d+)$", re.MULTILINE)
BAKED = re.compile(rb"^xen_sched,[^\n]*?uuid=([0-9a-f-]{36})[ ,][^\n]*?[ ,]running_ns=(\d+)i[^\n]* (\d+)$", re.MULTILINE)
_UP = re.compile(rb"^xenmeter,[^\n]*?up=([01])i", re.MULTILINE)


class Readings:
    """Whole readings of an execd's stream: lines of one time stamp; the meter's own line is the last one.

    :param figures: finds (UUID, ns, time stamp) in them.
    :ivar come: set while some wait; :ivar up: what the newest meter's line says; :ivar told: how many of these there were.
    """

    def __init__(self, figures=DIRECT):
        self._figures = figures
        self._held = bytearray()
        self._lock = threading.Lock()
        self._whole = []
        self.come = threading.Event()
        self.up = False
        self.told = 0

    def data(self, data):
        self._held += data
        meter = self._held.rfind(b"\nxenmeter,") + 1     # it may have come in parts
        end = self._held.find(b"\n", meter) + 1
        if not end or not self._held.startswith(b"xenmeter,", meter):
            return
        held = bytes(self._held[:end])
        del self._held[:end]
        with self._lock:
            self._whole.append(held)
        ups = _UP.findall(held)
        self.up = ups[-1:] == [b"1"]
        self.told += len(ups)
        self.come.set()

    def taken(self):
        """(stamp in seconds, (UUID, ns) of each domain), oldest first; each reading is given once."""
        with self._lock:
            whole, self._whole = self._whole, []
            self.come.clear()
        readings = {}
        for key, value, stamp in self._figures.findall(b"".join(whole)):
            readings.setdefault(int(stamp), []).append((key.decode(), int(value)))
        return [(stamp / 1e9, pairs) for stamp, pairs in sorted(readings.items())]


class Program:
    """`xenmeter ...`. What it writes is read in a thread.

    :param start: what Python is given before the words.
    :ivar errors: lines of stderr so far.
    """

    def __init__(self, name, words, environment, on_data=None, start=("-m", "xenmeter")):
        self.name = name
        environment = dict(environment, PYTHONPATH=str(PLUGINS), PYTHONDONTWRITEBYTECODE="1")
        environment.pop("PYTHONUNBUFFERED", None)   # as its users have it: what is not buffered is lost after a short write
        self.process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", sys.executable, *start, *words], env=environment, cwd="/",
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.errors = []
        self._on_data = on_data or (lambda data: None)
        self._threads = [threading.Thread(target=one, daemon=True) for one in (self._read_out, self._read_errors)]
        for thread in self._threads:
            thread.start()

    @property
    def pid(self):
        return self.process.pid

    def _read_out(self):
        while True:
            data = os.read(self.process.stdout.fileno(), 1 << 20)
            if not data:
                return
            self._on_data(data)

    def _read_errors(self):
        for line in self.process.stderr:
            self.errors.append(line.decode("utf-8", "replace").rstrip("\n"))

    def alive(self):
        return self.process.poll() is None

    def wait_error(self, pattern, seconds=180):
        """The match of a line on stderr."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            for line in self.errors:
                found = re.search(pattern, line)
                if found:
                    return found
            if not self.alive():
                break
            time.sleep(0.02)
        raise AssertionError("%s never said /%s/: %s" % (self.name, pattern, self.errors[-5:]))

    def end(self):
        """Its status."""
        if self.alive():
            self.process.send_signal(signal.SIGCONT)
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        for thread in self._threads:
            thread.join(5)
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            stream.close()
        return self.process.returncode


def page(port, timeout=20):
    """What an endpoint says, as bytes."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request("GET", "/metrics", headers={"Accept": "application/openmetrics-text"})
        answer = connection.getresponse()
        data = answer.read()
        if answer.status != 200:
            raise OSError("status %d" % answer.status)
        return data
    finally:
        connection.close()


def heart(shared):
    """What a baker's heart beat last, as its file has it, ns; None where there is no file."""
    try:
        with open(shared, "rb") as file:
            return shm.HEAD.unpack(file.read(shm.HEAD.size))[6]
    except (OSError, struct.error):
        return None


def wait_for(there, seconds):
    """Until it is so, or for so long."""
    until = time.monotonic() + seconds
    while not there() and time.monotonic() < until:
        time.sleep(0.01)


def port_of(program):
    return int(program.wait_error(r"http://127\.0\.0\.1:(\d+)/metrics").group(1))
