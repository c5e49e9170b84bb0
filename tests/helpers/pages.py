"""Statistics pages in memory, as a mapping gives them."""
import ctypes
import mmap
from types import SimpleNamespace

from xenmeter.vcpu.page import PageReader


class Memory:
    """Bytes at an address, as a mapping is."""

    def __init__(self, data, vcpus):
        self.bytes = mmap.mmap(-1, max(1, len(data)))
        self.bytes[:len(data)] = data
        buffer = (ctypes.c_ubyte * len(self.bytes)).from_buffer(self.bytes)
        self.mapping = SimpleNamespace(address=ctypes.addressof(buffer), view=memoryview(buffer).cast("B"))
        self.view = self.mapping.view[:len(data)]
        self.reader = PageReader(self.view, vcpus)
