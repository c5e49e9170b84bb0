"""Start a real program on loopback, wait until it answers, and never leave it behind.

Waiting is polling for an event with a deadline; there is no sleep that hopes, and no deadline that goes by the clock alone:
where the machine stands still for seconds, whoever waits has not been patient meanwhile. A program dies with its test:
`setpriv --pdeathsig` asks the kernel to kill it when the thread that started it ends, so start daemons in a
thread that lives as long as they do (pytest's own does).
"""
import abc
import os
import pathlib
import re
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request

POLL = 0.02
#: Seconds that one look and the rest after it can cost of a wait's patience: a stall of the machine costs no more than that.
LOOK = 0.1
#: A wait ends after so many times its patience by the clock, for looks that take long themselves.
SLOWEST = 10
TAIL = 25


class DaemonError(AssertionError):
    """A program did not do what the test waited for; the text ends with the last lines of its log."""


def free_port():
    """A TCP port of 127.0.0.1 that was free just now. Another process may take it: Daemon.start tries again then."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def http(url, body=None, timeout=5.0):
    """(status, body) of a GET, or of a POST when there is a body; status 0 when nobody answers. No proxies."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(urllib.request.Request(url, data=body), timeout=timeout) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()
    except OSError as error:
        return 0, str(error).encode()


def poll(look, timeout, failed):
    """Call look() until it gives something true, and return that; failed(text) makes the error to raise.

    :param timeout: seconds of patience, of which each look costs at most LOOK; SLOWEST times as many by the clock.
    """
    began = last = time.monotonic()
    spent = 0.0
    while True:
        seen = look()
        if seen:
            return seen
        now = time.monotonic()
        spent, last = spent + min(now - last, LOOK), now
        if spent > timeout or now - began > SLOWEST * timeout:
            raise failed(f"not within {timeout:g} s of looking, {now - began:.1f} s by the clock")
        time.sleep(POLL)


def is_running(pid):
    """True while a process lives. A zombie, whose parent has not looked yet, does not."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


class Daemon(abc.ABC):
    """A program under test: a context manager around start() and stop().

    A subclass says how: prepare() picks ports and writes files, command() gives argv, environment() the
    variables, is_up() whether it answers.
    """

    name = "program"
    start_timeout = 120.0
    #: Seconds by the clock before it is killed: long, so that only one that hangs is.
    stop_timeout = 60.0

    def __init__(self, workdir):
        self.workdir = pathlib.Path(workdir).resolve()
        self.workdir.mkdir(parents=True, exist_ok=True)
        self.log = self.workdir / (self.name + ".log")
        self.process = None

    def prepare(self):
        """Before each attempt to start."""

    @abc.abstractmethod
    def command(self):
        """The argument vector."""

    @abc.abstractmethod
    def environment(self):
        """All variables that the program sees."""

    @abc.abstractmethod
    def is_up(self):
        """True when the program can be used."""

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *exc_info):
        self.stop()

    def start(self):
        """Start and wait until it is up; a port that somebody took meanwhile costs another attempt."""
        for attempt in range(3):
            self.prepare()
            self.spawn()
            try:
                self.wait(self.is_up, self.start_timeout, "start")
                return
            except BaseException as error:
                self.stop()
                if attempt == 2 or "address already in use" not in str(error):
                    raise

    def spawn(self):
        """Start the process in a process group of its own."""
        argv = ["setpriv", "--pdeathsig", "KILL"] + [str(word) for word in self.command()]
        with self.log.open("ab") as sink:
            self.process = subprocess.Popen(argv, cwd=str(self.workdir), env=self.environment(), stdout=sink,
                                            stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, start_new_session=True)

    @property
    def pid(self):
        """The process id, or None before the start."""
        return self.process.pid if self.process else None

    def is_alive(self):
        """True while the process runs."""
        return self.process is not None and self.process.poll() is None

    def wait(self, look, timeout=10.0, what="this"):
        """Poll look() until it gives something true; fail at once when the program has died."""
        def look_at_living():
            alive = self.is_alive()
            seen = look()
            if not seen and not alive:
                status = self.process.returncode if self.process else None
                raise self.failure(f"ended with status {status} while waiting for: {what}")
            return seen
        return poll(look_at_living, timeout, lambda text: self.failure(f"{what}: {text}"))

    def failure(self, text):
        """An error that shows what the program said last."""
        return DaemonError(f"{self.name} {text}\n--- end of {self.log}\n{self.tail()}")

    def log_text(self):
        """All that the program wrote so far."""
        try:
            return self.log.read_text(errors="replace")
        except FileNotFoundError:
            return ""

    def tail(self, lines=TAIL):
        """The last lines of the log."""
        return "\n".join(self.log_text().splitlines()[-lines:])

    def wait_log(self, pattern, timeout=10.0):
        """Wait until the log holds a match of the regular expression; returns the match."""
        return self.wait(lambda: re.search(pattern, self.log_text(), re.MULTILINE), timeout, f"log line /{pattern}/")

    def signal(self, number):
        """Send a signal to the whole process group."""
        if self.is_alive():
            os.killpg(self.process.pid, number)

    def stop(self):
        """Ask it to end, insist after stop_timeout, and return the exit status (negative: the signal)."""
        if self.process is None:
            return None
        self.signal(signal.SIGTERM)
        try:
            self.process.wait(self.stop_timeout)
        except subprocess.TimeoutExpired:
            pass
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        return self.process.wait()
