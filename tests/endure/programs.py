"""Our programs as processes: started, read without ever blocking, never left behind."""
import http.client
import os
import re
import signal
import subprocess
import sys
import threading
import time

from tests_paths import PLUGINS


class Program:
    """`xenmeter ...`. What it writes is read in a thread.

    :ivar errors: lines of stderr so far.
    """

    def __init__(self, name, words, environment, prefix=(), on_data=None):
        self.name = name
        environment = dict(environment, PYTHONPATH=str(PLUGINS), PYTHONDONTWRITEBYTECODE="1")
        self.process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", *prefix, sys.executable, "-m", "xenmeter", *words], env=environment, cwd="/",
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

    def wait_error(self, pattern, seconds=60):
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


def port_of(program):
    return int(program.wait_error(r"http://127\.0\.0\.1:(\d+)/metrics").group(1))
