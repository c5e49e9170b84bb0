"""The trace rings through the kernel's devices, beside the libraries; and where the libraries are looked for."""
import ctypes
import errno
import mmap
import os
import struct

import pytest

from helpers import fake_rings
from tools.compiler import build_shared
from xenmeter.core.errors import NotXen, SourceError
from xenmeter.xen import calls, privcmd, tracedevices, tracemap
from xenmeter.xen.tracebuf import DOMID_XEN, PAGE
from xenmeter.xen.tracedevices import DeviceFrames, DeviceTraceEvents

LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.mmap.restype = ctypes.c_void_p
LIBC.mmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long)


class Kernel:
    """Frames 0 to 7 of DOMID_XEN, in a file; MMAPBATCH_V2 maps them as the kernel does."""

    def __init__(self):
        self.file = os.memfd_create("frames")
        os.truncate(self.file, 8 * PAGE)
        for frame in range(8):
            os.pwrite(self.file, bytes([frame]) * PAGE, frame * PAGE)
        self.protections = []

    def opened(self):
        return os.dup(self.file)

    def ioctl(self, descriptor, request, argument):
        assert request == privcmd.IOCTL_MMAPBATCH_V2
        asked = privcmd.MMAPBATCH_V2.unpack(argument)
        assert asked.dom == DOMID_XEN
        frames = (ctypes.c_uint64 * asked.num).from_address(asked.arr)
        errors = (ctypes.c_int * asked.num).from_address(asked.err)
        for number, frame in enumerate(frames):
            if frame > 7:
                errors[number] = -errno.EINVAL
                continue
            at = LIBC.mmap(asked.addr + number * PAGE, PAGE, mmap.PROT_READ | mmap.PROT_WRITE, mmap.MAP_SHARED | 0x10,
                           self.file, frame * PAGE)
            assert at == asked.addr + number * PAGE
        return 0


@pytest.fixture
def kernel():
    made = Kernel()
    yield made
    os.close(made.file)


def test_frames_are_mapped_in_their_order_and_written_through(kernel):
    frames = DeviceFrames(kernel.opened, kernel.ioctl)
    read = frames.map([5, 2], False)
    assert bytes(read) == b"\5" * PAGE + b"\2" * PAGE
    written = frames.map([3], True)
    written[7] = 99
    assert os.pread(kernel.file, 1, 3 * PAGE + 7) == b"\x63"
    del read, written
    frames.close()


def test_one_frame_that_is_none_is_an_error_and_leaves_no_mapping(kernel):
    frames = DeviceFrames(kernel.opened, kernel.ioctl)
    with pytest.raises(SourceError, match="cannot be mapped: Invalid argument"):
        frames.map([1, 9], False)
    frames.close()


def test_a_kernel_that_refuses(kernel):
    def refuse(*words):
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))
    frames = DeviceFrames(kernel.opened, refuse)
    with pytest.raises(SourceError, match="cannot be mapped: Operation not permitted"):
        frames.map([1], False)
    frames.close()


class Events:
    """/dev/xen/evtchn: a FIFO from which ports come and to which they go back."""

    def __init__(self, folder):
        self.path = str(folder / "evtchn")
        os.mkfifo(self.path)
        self.other = os.open(self.path, os.O_RDWR | os.O_NONBLOCK)
        self.bound, self.error = [], None

    def ioctl(self, descriptor, request, argument):
        (number,) = struct.unpack("=I", argument)
        if self.error:
            raise OSError(self.error, os.strerror(self.error))
        if request == tracedevices.IOCTL_BIND_VIRQ:
            self.bound.append(number)
            return 17
        assert request == tracedevices.IOCTL_UNBIND and number == 17
        self.bound.pop()
        return 0


@pytest.fixture
def events(tmp_path):
    made = Events(tmp_path)
    yield made
    os.close(made.other)


def test_the_interrupt_is_taken_noted_and_given_back(events):
    held = DeviceTraceEvents(tracemap.VIRQ_TBUF, events.path, events.ioctl)
    assert events.bound == [4]
    os.write(events.other, struct.pack("=I", 17))
    held.take()
    assert os.read(events.other, 8) == struct.pack("=I", 17), "it may be raised again"
    held.close()
    assert events.bound == []


@pytest.mark.parametrize("code, says", [(errno.EEXIST, "something else reads Xen's trace rings already"),
                                        (errno.ENOSYS, "Xen does not give its trace interrupt: Function not implemented")])
def test_it_is_somebody_elses(events, code, says, monkeypatch):
    events.error = code
    monkeypatch.setattr(tracemap, "load", lambda library: None)
    monkeypatch.setattr(tracemap, "DeviceTraceEvents", lambda virq: DeviceTraceEvents(virq, events.path, events.ioctl))
    with pytest.raises(SourceError, match=says):
        tracemap.open_events()


def test_without_a_device_this_is_no_dom0(tmp_path):
    with pytest.raises(NotXen, match="there is no .*/nothing; this must run in a Xen dom0"):
        DeviceTraceEvents(4, str(tmp_path / "nothing"))


def test_the_library_is_taken_where_it_is(monkeypatch):
    xen = fake_rings.Xen()
    monkeypatch.setattr(tracemap, "load", lambda library: xen.evtchn() if library == tracemap.EVENTS else xen.foreignmemory())
    assert isinstance(tracemap.open_events(), tracemap.TraceEvents)
    assert isinstance(tracemap.open_frames(), tracemap.Frames)


@pytest.fixture
def nixos(tmp_path, monkeypatch):
    """Xen's package in a folder of its own, of which the loader knows nothing: (its bin and lib folders)."""
    package = tmp_path / "store" / "abc-xen-4.19"
    (package / "bin").mkdir(parents=True)
    (package / "lib").mkdir()
    (package / "bin" / "xl").write_text("#!/bin/sh\n")
    (package / "bin" / "xl").chmod(0o755)
    (tmp_path / "part.c").write_text("int xenmeter_test_is_here(void) { return 4; }\n")
    build_shared(tmp_path / "part.c", package / "lib" / "libnowhere-else.so.1")
    monkeypatch.delenv("XENMETER_LIBRARIES", raising=False)
    monkeypatch.setenv("PATH", "/usr/sbin:/usr/bin")
    return package


def test_a_library_beside_xens_own_programs(nixos, tmp_path, monkeypatch):
    assert calls.load("libnowhere-else.so.1") is None
    profile = tmp_path / "sw" / "sbin"
    profile.mkdir(parents=True)
    (profile / "xl").symlink_to(nixos / "bin" / "xl")
    monkeypatch.setenv("PATH", str(profile))
    assert calls.load("libnowhere-else.so.1").xenmeter_test_is_here() == 4


def test_a_library_by_the_path_of_its_folder(nixos, monkeypatch):
    monkeypatch.setenv("XENMETER_LIBRARIES", "relative::%s" % (nixos / "lib"))
    assert calls.load("libnowhere-else.so.1").xenmeter_test_is_here() == 4
    monkeypatch.setenv("XENMETER_LIBRARIES", "/nonexistent")
    assert calls.load("libnowhere-else.so.1") is None
