"""The real Telegraf, running a configuration as a site would have it: our file, and outputs to look at."""
import functools
import json
import re
import subprocess

from . import gobuild, provision
from .process import Daemon

AGENT = """\
[agent]
  interval = {interval}
  round_interval = false
  flush_interval = "200ms"
  metric_buffer_limit = {buffer}
  hostname = "testhost"
  omit_hostname = false
{more}
[[outputs.file]]
  files = [{file}]
  data_format = "influx"
"""
#: Since this release its default is announced to change, and it warns who does not choose.
CHOOSES, CHOSEN = (1, 33), "  skip_processors_after_aggregators = true\n"
INFLUXDB = """
[[outputs.influxdb]]
  urls = [{url}]
  database = {db}
  content_encoding = "gzip"
  timeout = "60s"
"""


def telegraf_program():
    """The path of Telegraf, which is built first where it is missing."""
    other = provision.other("telegraf")
    if other:
        return str(other / "telegraf")
    provision.ensure("telegraf")
    return str(gobuild.telegraf_path(provision.BUILD))


def telegraf(*arguments, **options):
    """Run a command of Telegraf to its end; a CompletedProcess, its log in stdout too."""
    return subprocess.run([telegraf_program()] + [str(word) for word in arguments], check=False, timeout=60,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          errors="replace", **options)


@functools.lru_cache(maxsize=None)
def release(program):
    """(1, 37)"""
    told = subprocess.run([program, "--version"], check=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True).stdout
    return tuple(int(part) for part in re.search(r"(\d+)\.(\d+)", told).groups())


class Telegraf(Daemon):
    """Telegraf with configuration text after an [agent] and an output to a file, `lines`.

    influx: (url, database) to write to as well. environment: all variables. stdout of the log is in `log_text()`.
    """

    name = "telegraf"

    def __init__(self, workdir, inputs, environment, interval="200ms", influx=None, buffer=10000, program=()):
        super().__init__(workdir)
        self._environment = dict(environment)
        self._program = list(program) or [telegraf_program()]
        self.lines = self.workdir / "lines.out"
        self.conf = self.workdir / "telegraf.conf"
        text = AGENT.format(interval=json.dumps(interval), file=json.dumps(str(self.lines)), buffer=buffer,
                            more=CHOSEN if release(telegraf_program()) >= CHOOSES else "")
        if influx:
            text += INFLUXDB.format(url=json.dumps(influx[0]), db=json.dumps(influx[1]))
        self.conf.write_text(text + inputs)

    def environment(self):
        return dict(self._environment, HOME=str(self.workdir))

    def command(self):
        return [*self._program, "--config", self.conf]

    def is_up(self):
        return re.search(r"\[agent\] Config: Interval", self.log_text())

    def signal(self, number):
        """To Telegraf alone: its children's end is its own affair, and part of the test."""
        if self.is_alive():
            self.process.send_signal(number)

    def output(self):
        """What it wrote so far, in whole lines (bytes)."""
        try:
            data = self.lines.read_bytes()
        except FileNotFoundError:
            return b""
        return data[:data.rfind(b"\n") + 1]

    def wait_output(self, pattern, count=1, timeout=30.0):
        """Wait until the output holds that many matches of the regular expression (bytes); returns all the output."""
        self.wait(lambda: len(re.findall(pattern, self.output(), re.M)) >= count, timeout, f"{count} lines of {pattern!r}")
        return self.output()

    def complaints(self):
        """Errors and warnings in its log, without those of its own version and of a slow machine, and without the one that
        its reader gives when a process has ended: Go's Wait closes the pipe below it."""
        lines = re.findall(r"^\S+ ([EW]! .*)$", self.log_text(), re.M)
        usual = ("Strict environment variable handling", "did not complete within its flush interval",
                 "Collection took longer than expected; not complete after interval of", "read |0: file already closed",
                 'stderr: "I! xenmeter: ')       # before 1.32 whatever we say is an error there
        return [line for line in lines if not any(text in line for text in usual)]
