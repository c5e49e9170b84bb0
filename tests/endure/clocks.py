"""Clocks of programs that run ahead of the machine's: simclock.c, and the file that says by how much."""
import mmap
import os
import pathlib
import time

from tools.compiler import build_shared

HERE = pathlib.Path(__file__).resolve().parent
_WORDS = 2       # int64_t of nanoseconds


class Clock:
    """Of one or more programs. It runs as the machine's does, and jumps when it is told to.

    :ivar ahead: seconds by which it is ahead of the machine's; :ivar set: seconds by which the wall clock is set beside that;
    :ivar before: by which it was before it was set so.
    """

    def __init__(self, folder, name):
        self.path = str(folder / name)
        with open(self.path, "w+b") as file:
            file.truncate(mmap.PAGESIZE)
            # each word is written at one go: struct would empty both first, and a clock be back at its start for a moment
            self._words = memoryview(mmap.mmap(file.fileno(), mmap.PAGESIZE)).cast("q")[:_WORDS]
        self.ahead, self.set, self.before = 0.0, 0.0, 0.0

    def advance(self, seconds):
        self.ahead += seconds
        self._write()

    def set_wall(self, seconds):
        """By so much it is set beside the true time; 0: it is right."""
        self.before, self.set = self.set, seconds
        self._write()

    def _write(self):
        self._words[0], self._words[1] = round(self.ahead * 10 ** 9), round(self.set * 10 ** 9)

    def now(self):
        """Seconds since 1970 as the programs have them where nobody has set their clock."""
        return time.time() + self.ahead

    def true(self, stamp):
        """What the time is by ``now`` where a program's wall clock says ``stamp``; it may have been read before it was set."""
        return min((stamp - aside for aside in (self.set, self.before)), key=lambda time_: abs(time_ - self.now()))

    def environment(self, environment, library):
        """With this clock, for a program that has other libraries preloaded."""
        return dict(environment, SIMCLOCK=self.path, LD_PRELOAD=":".join([library, environment["LD_PRELOAD"]]))


def build_clock(folder):
    """The library's path."""
    return build_shared(HERE / "simclock.c", os.path.join(str(folder), "simclock.so"), "-Wall", "-ldl")
