"""Trace rings in a file: Xen's side of them, where the model's host writes, and `xenmeter baker`, in a process of its own.

    python3 tests/endure/ringed.py HOST ARGUMENT...

HOST is a file of what Xen keeps (helpers/mortal_baker.py), HOST.rings its memory: both outlive the baker, as a host does.
"""
import ctypes
import errno
import mmap
import os
import pathlib
import struct
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parents[1] / "plugins")]

from endure.traced import CHANGES, PCPUS, Trace     # noqa: E402
from helpers import encoding  # noqa: E402
from helpers import mortal_baker    # noqa: E402
from xenmeter.xen.tracebuf import PAGE  # noqa: E402
from xenmeter.xentrace.engine import records    # noqa: E402

#: Of a pCPU's ring: room for some ten steps of the host that faults happen to.
PAGES = 32
_NARROW = 0x00161000


class Host(mortal_baker.Host):
    """Its rings are there from an earlier trace. A hypercall makes a system call, which can be made to fail."""

    def __init__(self, path):
        with open(path + ".rings", "r+b") as file:
            self._mapped = mmap.mmap(file.fileno(), 0)
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._null = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        super().__init__(path, -1, PCPUS)

    @classmethod
    def made(cls, path):
        """A new one: tracing is off."""
        pathlib.Path(path).write_bytes(struct.pack("<III", 0x0FFFFFFF, 0, PAGES))
        with open(path + ".rings", "wb") as file:
            file.truncate(PCPUS * PAGES * PAGE)
        return cls(path)

    def ring(self, pcpu, size):
        assert size == PAGES * PAGE
        return (ctypes.c_ubyte * size).from_buffer(self._mapped, pcpu * size)

    def call(self, number, address, *rest):
        if self._libc.ioctl(self._null, 0, None) and ctypes.get_errno() != errno.ENOTTY:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        return super().call(number, address, *rest)


class Ringed(Trace):
    """The model's trace in rings. :param path: of the host's file."""

    def __init__(self, path, step_s):
        super().__init__(step_s)
        self.path = str(path)
        self._host = Host.made(self.path)

    @staticmethod
    def _ran(held, vcpu, *times):
        """A ring takes one record at a time."""
        held += [(at, encoding.runstate(at, vcpu >> 16, vcpu & 0xffff, *change)) for at, change in zip(times, CHANGES)]

    def step(self, domids, _patience):
        """What nobody traces is in no ring, nor what finds no room there. In the order of their times, as on a host: who looks
        meanwhile must not find a pCPU seconds before another."""
        if self._host.enabled and self._host.mask & _NARROW == _NARROW:
            held = [(time, pcpu, record) for pcpu, held in enumerate(self._records(domids)) for time, record in held]
            for time, pcpu, record in sorted(held):
                self._host.producers[pcpu].write(time, record, records.IDLE_DOMAIN << 16 | pcpu)
        self._done(domids)
        return True

    def close(self):
        """Nothing waits for it."""


if __name__ == "__main__":
    sys.exit(mortal_baker.play(Host(sys.argv[1]), sys.argv[2:]))
