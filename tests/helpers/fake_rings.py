"""Xen's side of the trace buffers: the sysctl, t_info, rings in memory, and libraries in the shape that ctypes gives.

The producer follows ``xen/common/trace.c`` (4.17): calc_unconsumed_bytes, calc_bytes_to_wrap, insert_wrap_record,
insert_lost_records, __trace_var.
"""
import ctypes
import errno
import os
import struct
import types

from helpers import encoding
from xenmeter.xen import tracebuf
from xenmeter.xen.tracebuf import PAGE, TBUF_OP
from xenmeter.xentrace.engine import records

VERSION = 0x15
T_INFO_MFN = 1000


class Producer:
    """Writes records into one ring."""

    def __init__(self, memory):
        self.words = memoryview(memory).cast("B").cast("I")
        self.data = memoryview(memory).cast("B")[8:]
        self.size = len(self.data)
        self.lost = 0
        self.first = 0
        self.stored = 0
        self.dropped = 0

    def _unread(self):
        return (self.words[1] - self.words[0]) % (2 * self.size)

    def _put(self, record):
        at = self.words[1] % self.size
        assert at + len(record) <= self.size
        self.data[at:at + len(record)] = record
        self.words[1] = (self.words[1] + len(record)) % (2 * self.size)

    def _wrap(self, record):
        """Fill up to the end where the record does not fit before it; the filler's words are whatever lay there."""
        room = self.size - self.words[1] % self.size
        while len(record) > room > 0:
            step = min(room, 32)
            self._put(struct.pack("<I", records.WRAP_BUFFER | ((step >> 2) - 1) << 28) + os.urandom(step - 4))
            room -= step

    def _needs(self, lengths):
        at, need = self.words[1] % self.size, 0
        for length in lengths:
            if length > self.size - at:
                need += self.size - at
                at = 0
            need += length
            at = (at + length) % self.size
        return need

    def write(self, tsc, record, running):
        """:param running: domid << 16 | vcpu on that pCPU now."""
        lengths = ([28] if self.lost else []) + [len(record)]
        if self._unread() + self._needs(lengths) > self.size:
            if not self.lost:
                self.first = tsc
            self.lost += 1
            self.dropped += 1
            return
        if self.lost:
            marker = encoding.lost(tsc, self.lost, running >> 16, running & 0xFFFF, self.first)
            self._wrap(marker)
            self._put(marker)
            self.lost = 0
        self._wrap(record)
        self._put(record)
        self.stored += 1


class Xen:
    """The sysctl, the frames and the interrupt of one host."""

    def __init__(self, pcpus=2, absent=()):
        self.mask = 0x0FFFFFFF
        self.cpus = None
        self.enabled = False
        self.pages = 0
        self.memory = {}        # first frame -> ctypes array
        self.producers = {}
        self.pcpus = pcpus
        self.absent = absent
        self.virq_taken = False
        self.fail = {}          # operation -> errno
        self.log = []
        self.count = 0
        self.unmapped = 0
        self.pipe = os.pipe()
        self._kept = {}

    # -- xen.calls -------------------------------------------------------------------------------------------------
    def allocate(self, size):
        memory = (ctypes.c_ubyte * size)()
        address = ctypes.addressof(memory)
        self._kept[address] = memory
        return types.SimpleNamespace(address=address, view=memoryview(memory).cast("B"))

    def free(self, buffer):
        del self._kept[buffer.address]

    def call(self, number, address, *_):
        view = memoryview(self._kept[address]).cast("B")
        told = TBUF_OP.unpack(view)
        assert (number, told.cmd) == (35, 2)
        if told.interface_version != VERSION:
            raise OSError(errno.EACCES, "version")
        if told.operation in self.fail:
            raise OSError(self.fail[told.operation], "told to fail")
        self.log.append(told.operation)
        if told.operation == tracebuf.GET_INFO:
            TBUF_OP.pack_into(view, 0, dict(told._asdict(), evt_mask=self.mask, buffer_mfn=self.pages and T_INFO_MFN,
                                            size=self.pages and PAGE))
        elif told.operation == tracebuf.SET_CPU_MASK:
            bits = int.from_bytes(bytes(memoryview(self._kept[told.bitmap])[:told.nr_bits // 8]), "little")
            self.cpus = [cpu for cpu in range(told.nr_bits) if bits >> cpu & 1]
        elif told.operation == tracebuf.SET_EVT_MASK:
            self.mask = told.evt_mask
        elif told.operation == tracebuf.SET_SIZE:
            if self.pages:
                raise OSError(errno.EBUSY if told.size == self.pages else errno.EINVAL, "once")
            self.make(told.size)
        elif told.operation == tracebuf.ENABLE:
            if not self.pages:
                raise OSError(errno.EINVAL, "no buffers")
            self.enabled = True
        else:
            self.enabled = False
            for producer in self.producers.values():
                producer.lost = 0       # as Xen does it: what was not told yet never will be

    def make(self, pages):
        """t_info and the rings; as in Xen, tracing is on then."""
        self.pages = pages
        self.enabled = True
        info = bytearray(PAGE)
        struct.pack_into("<H", info, 0, pages)
        word = 300
        for pcpu in range(self.pcpus):
            if pcpu in self.absent:
                continue
            first = 5000 + 100 * pcpu
            struct.pack_into("<H", info, 2 + 2 * pcpu, word)
            struct.pack_into("<%dI" % pages, info, word * 4, *range(first, first + pages))
            word += pages
            self.memory[first] = self.ring(pcpu, pages * PAGE)
            self.producers[pcpu] = Producer(self.memory[first])
        self.memory[T_INFO_MFN] = (ctypes.c_ubyte * PAGE).from_buffer(info)

    def ring(self, pcpu, size):
        """The memory of a pCPU's ring: this process's own."""
        return (ctypes.c_ubyte * size)()

    # -- libraries -------------------------------------------------------------------------------------------------
    def foreignmemory(self):
        def mapped(handle, domid, protection, pages, array, errors):
            assert domid == 0x7FF2 and (protection == 1) == (array[0] == T_INFO_MFN)
            assert [array[number] - array[0] for number in range(pages)] == list(range(pages))
            return ctypes.addressof(self.memory[array[0]])

        def unmap(handle, address, pages):
            self.unmapped += 1
            return 0
        return types.SimpleNamespace(xenforeignmemory_open=_function(lambda logger, flags: 1),
                                     xenforeignmemory_close=_function(lambda handle: 0),
                                     xenforeignmemory_map=_function(mapped), xenforeignmemory_unmap=_function(unmap))

    def evtchn(self):
        def bind(handle, virq):
            if self.virq_taken:
                ctypes.set_errno(errno.EEXIST)
                return -1
            self.virq_taken = virq == 4
            return 7

        def unbind(handle, port):
            self.virq_taken = False
            return 0

        def pending(handle):
            os.read(self.pipe[0], 1)
            return 7
        return types.SimpleNamespace(
            xenevtchn_open=_function(lambda logger, flags: 1), xenevtchn_close=_function(lambda handle: 0),
            xenevtchn_bind_virq=_function(bind), xenevtchn_unbind=_function(unbind),
            xenevtchn_fd=_function(lambda handle: self.pipe[0]), xenevtchn_pending=_function(pending),
            xenevtchn_unmask=_function(lambda handle, port: self.log.append("unmask") or 0))

    def interrupt(self):
        os.write(self.pipe[1], b"!")


def _function(function):
    """A plain function, which takes argtypes and restype as ctypes' do."""
    def call(*arguments):
        return function(*arguments)
    return call
