"""Source xentop that faults happen to: a xentop in whose place another program prints the model's host as its text."""
import collections
import os
import pathlib
import re
import shlex
import signal
import sys
import uuid

from endure.calls import CASES, CHILDS
from endure.model import STEP_BITS
from endure.subjects import MOST, Execd, InCollectd
from helpers import stage

#: Of what stands as CPU(sec): serial << 16 | step of the model, in the place of what is ns there.
_BITS = 16
_SECOND = 10 ** 9

#: In the place of xentop -b: prints the file whenever there is a new one, until nobody reads it any more.
_PLAYER = """
import os, sys, time
with open(sys.argv[2] + ".new", "w") as file:
    file.write(str(os.getpid()))
os.replace(file.name, sys.argv[2])
last = None
while True:
    with open(sys.argv[1], "rb") as file:
        now = os.fstat(file.fileno()).st_ino, os.fstat(file.fileno()).st_mtime_ns
        text = b"" if now == last else file.read()
    last = now
    while text:
        text = text[os.write(1, text[:4096]):]
    time.sleep(0.01)
"""


#: What is said of the model's host, and of no fault.
ASIDE = ("a new domain's name holds a line end", "left out lines that are none of xentop's", "a migration under way?",
         "no interface here is one of them")


class Text:
    """What xentop prints is joined with xenstore's names: domains that share one, or have line ends in it, may be left out."""

    cases = CASES + CHILDS

    def __init__(self, bench):
        folder = bench.folder / re.sub("[ ,]+", "-", self.name + " sbin")
        folder.mkdir()
        self._names, self._text, self._pid = {}, folder / "text", folder / "pid"
        (folder / "player.py").write_text(_PLAYER)
        words = ["env", "-u", "LD_PRELOAD", "-u", "PYTHONPATH", sys.executable, "-S", str(folder / "player.py"), str(self._text),
                 str(self._pid)]
        (folder / "xentop").write_text("#!/bin/sh\nexec " + " ".join(map(shlex.quote, words)) + "\n")
        (folder / "xentop").chmod(0o755)
        self._path = "%s:%s" % (folder, stage.PATH)
        self.host = bench.host
        self._print()
        super().__init__(bench)

    def stir(self, names):
        """Another xentop takes the place of one that is killed."""
        if not {name for name, _ in CHILDS} & set(names) or not self.alive():
            return []
        pid = int(self._pid.read_text())
        try:
            if str(self._text).encode() in pathlib.Path("/proc/%d/cmdline" % pid).read_bytes():
                os.kill(pid, signal.SIGKILL)
        except OSError:
            pass        # it has ended by itself
        return ["xentop killed"]

    def environment(self):
        return dict(super().environment(), PATH=self._path)

    def step(self):
        self._print()
        super().step()

    def _print(self):
        rows = [stage.domain(b"Domain-0", self.host.step, state=b"-----r")]
        for life in self.host.lives.values():
            self._names[life.serial] = life.name
            rows.append(stage.domain(life.name, life.serial << _BITS | self.host.step))
        part = pathlib.Path(str(self._text) + ".new")
        part.write_bytes(stage.iteration(rows))
        os.replace(str(part), str(self._text))

    def look(self):
        fine = super().look()
        # the moment of a new name with a line end in it is left out, and that is said
        return fine or any(b"\n" in life.name and life.born >= self.host.step - 1 for life in self.host.lives.values())

    @staticmethod
    def is_aside(line):
        """Names of the model's: with a line end in them, or shared by two; and vifs that no kernel has."""
        return any(text in line for text in ASIDE)

    def compare(self, pairs, at=None):
        """Who has the name of another, and comes when that one goes, is that one for a text that was printed before."""
        super().compare([(key, value) for key, value in _told(pairs) if value >> STEP_BITS == _serial(key)
                         or self._names.get(value >> STEP_BITS) != self._names.get(_serial(key))], at)

    def fresh(self, pairs):
        shared = collections.Counter(life.name.strip() for life in self.host.lives.values())
        shared.update([b"Domain-0", b"Domain-0"])
        least, pairs = self.host.step - self.behind, dict(_told(pairs))
        alone = [key for key, life in self.host.lives.items() if shared[life.name.strip()] == 1 and b"\n" not in life.name]
        return sum(self.host.step_of(pairs.get(key, -1)) >= least for key in alone if key in pairs) > MOST * len(alone)


class ExecdText(Text, Execd):
    name = "execd xentop, its text"
    words = ("execd", "xentop", "--source", "xentop")
    behind = 1      # the domains of a moment are known at the next one


class CollectdText(Text, InCollectd):
    name = "collectd, text of xentop"
    options = 'Source "xentop"', 'Group "cpu"'
    behind = InCollectd.behind + 1


def _serial(key):
    return uuid.UUID(key).int & (1 << 64) - 1


def _told(pairs):
    """What xentop's whole seconds stand for, as the model has it."""
    return [(key, value // _SECOND >> _BITS << STEP_BITS | value // _SECOND & (1 << _BITS) - 1) for key, value in pairs]
