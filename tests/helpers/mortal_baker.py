"""`xenmeter baker` on a fake host that outlives it, and that kills it with SIGKILL at a chosen hypercall.

    python3 mortal_baker.py HOST KILL_AT ARGUMENT...      KILL_AT: the how many-th call of the sysctl is its last; -1: none

HOST is a file: u32 event mask, u32 whether tracing is on, u32 pages of the rings. Its lock is the trace interrupt.
"""
import errno
import fcntl
import mmap
import os
import pathlib
import signal
import struct
import sys
import types

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parents[1] / "plugins")]

from helpers import fake_rings  # noqa: E402
from xenmeter.xentrace.baker import sources    # noqa: E402
from xenmeter.front.cli import main  # noqa: E402
from xenmeter.xen.tracemap import Frames, TraceEvents  # noqa: E402


def _kept(place):
    def get(self):
        return struct.unpack_from("<I", self.memory_of_host, place)[0]

    def put(self, value):
        struct.pack_into("<I", self.memory_of_host, place, value)
    return property(get, put)


class Host(fake_rings.Xen):
    """What is said to it is in the file at once, and stays there."""

    mask, enabled, pages = _kept(0), _kept(4), _kept(8)

    def __init__(self, path, kill_at, pcpus=2):
        self.file = open(path, "r+b")
        self.memory_of_host = mmap.mmap(self.file.fileno(), 12)
        self.kill_at = kill_at
        mask, enabled, pages = self.mask, self.enabled, self.pages
        super().__init__(pcpus)
        if pages:
            self.make(pages)
        self.mask, self.enabled = mask, enabled

    def call(self, number, address, *rest):
        if self.count == self.kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        self.count += 1
        return super().call(number, address, *rest)

    @property
    def virq_taken(self):
        try:
            fcntl.flock(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            assert error.errno == errno.EWOULDBLOCK
            return True
        return False

    @virq_taken.setter
    def virq_taken(self, taken):
        if not taken:
            fcntl.flock(self.file, fcntl.LOCK_UN)


def play(host, arguments):
    """Its status. :param host: a Host; what Xen says to the baker of this process."""
    sources.open_calls = lambda: host
    sources.Hypervisor = lambda calls=None: types.SimpleNamespace(
        interface_versions=lambda: (fake_rings.VERSION, 0), close=lambda: None,
        host=lambda: types.SimpleNamespace(max_cpu_id=host.pcpus - 1, cpu_khz=1000000), idle_ns=lambda _: [0] * host.pcpus)
    sources.open_events = lambda: TraceEvents(host.evtchn())
    sources.open_frames = lambda: Frames(host.foreignmemory())
    return main(["baker"] + arguments)


if __name__ == "__main__":
    sys.exit(play(Host(sys.argv[1], int(sys.argv[2])), sys.argv[3:]))
