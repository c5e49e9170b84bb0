"""Another domain's frames, by the library and by privcmd: one at a time, or many with one question."""
import ctypes
import errno
import mmap
import os
import types

import pytest

from xenmeter.core.errors import NoPrivilege, SourceError
from xenmeter.xen import foreign, privcmd
from xenmeter.xen.foreign import BATCH, Frames, Unmapped

PAGE = privcmd.PAGE_SIZE
#: Frames that may not be mapped, of a domain whose others begin with their number.
BAD = {5, 7}


class Library:
    """libxenforeignmemory.so.1 with a domain."""

    def __init__(self):
        self.open, self.asked = {}, []
        self.refuse = 0

        def mapped(handle, domid, prot, number, frames, errors):
            assert (domid, prot) == (3, mmap.PROT_READ)
            if self.refuse:
                ctypes.set_errno(self.refuse)
                return None
            given = (ctypes.c_uint64 * number).from_address(frames)
            told = (ctypes.c_int * number).from_address(errors)
            room = ctypes.create_string_buffer(number * PAGE)
            for place, frame in enumerate(given):
                told[place] = -errno.EINVAL if frame in BAD else 0
                room[place * PAGE:place * PAGE + 8] = frame.to_bytes(8, "little")
            self.asked.append(list(given))
            address = ctypes.addressof(room)
            self.open[address] = room, number
            return address

        def unmapped(handle, address, number):
            assert self.open.pop(address)[1] == number
            return 0
        self.functions = types.SimpleNamespace(
            xenforeignmemory_open=function(lambda logger, flags: 1), xenforeignmemory_close=function(lambda handle: 0),
            xenforeignmemory_map=function(mapped), xenforeignmemory_unmap=function(unmapped))


def function(does):
    def call(*arguments):
        return does(*arguments)
    return call


@pytest.fixture
def library(monkeypatch):
    made = Library()
    monkeypatch.setattr(foreign, "load", lambda name: made.functions)
    yield made
    assert made.open == {}, "something stays mapped"


@pytest.fixture
def device(monkeypatch, tmp_path):
    """privcmd: a file of pages, whose ioctl says what became of each."""
    asked = []

    def opened():
        descriptor = os.open(str(tmp_path / "privcmd"), os.O_RDWR | os.O_CREAT)
        os.ftruncate(descriptor, 2 * BATCH * PAGE)
        return descriptor

    def ioctl(descriptor, request, argument):
        call = privcmd.MMAPBATCH_V2.unpack(argument)
        assert request == privcmd.IOCTL_MMAPBATCH_V2 and call.dom == 3
        given = list((ctypes.c_uint64 * call.num).from_address(call.arr))
        told = (ctypes.c_int * call.num).from_address(call.err)
        for place, frame in enumerate(given):
            told[place] = -(errno.ENOENT if frame == 7 else errno.EINVAL) if frame in BAD else 0
            os.pwrite(descriptor, frame.to_bytes(8, "little"), place * PAGE)
        asked.append(given)
        if 7 in given:
            raise OSError(errno.ENOENT, "paged out")
        return 0
    monkeypatch.setattr(foreign, "load", lambda name: None)
    monkeypatch.setattr(foreign, "open_device", opened)
    monkeypatch.setattr(foreign.fcntl, "ioctl", ioctl)
    return types.SimpleNamespace(asked=asked)


@pytest.fixture(params=["library", "device"])
def domain(request):
    return request.getfixturevalue(request.param)


def test_one_page(domain):
    frames = Frames(3, foreign.open_mapper())
    assert bytes(frames.page(9)[:8]) == (9).to_bytes(8, "little")
    frames.page(9)
    with pytest.raises(Unmapped, match="no frame 0x5"):
        frames.page(5)
    assert (frames.mapped, frames.questions, domain.asked) == (1, 2, [[9], [5]])
    frames.close()


def test_many_pages_with_one_question(domain):
    frames = Frames(3, foreign.open_mapper())
    found = frames.copy([4, 5, 6, 7, 8])
    assert [data and data[:8] for data in found] == [number not in BAD and number.to_bytes(8, "little") or None
                                                     for number in range(4, 9)]
    assert {len(data) for data in found if data} == {PAGE} and (frames.mapped, frames.questions) == (3, 1)
    frames.close()


def test_too_many_are_asked_for_in_parts_and_what_no_machine_has_is_not(domain):
    frames = Frames(3, foreign.open_mapper())
    found = frames.copy([1 << 50] + list(range(100, 100 + BATCH)) + [-1])
    assert found[0] is None and found[-1] is None and found[BATCH][:8] == (99 + BATCH).to_bytes(8, "little")
    assert [len(asked) for asked in domain.asked] == [BATCH - 1, 1] and frames.copy([]) == []
    assert frames.copy([1 << 50]) == [None]
    frames.close()


@pytest.mark.parametrize("number, error", [(errno.EPERM, NoPrivilege), (errno.ENOTTY, SourceError)])
def test_why_not(library, number, error):
    library.refuse = number
    frames = Frames(3, foreign.open_mapper())
    for ask in (lambda: frames.copy([1]), lambda: frames.page(1)):
        with pytest.raises(error):
            ask()
    frames.close()


def test_what_a_guests_tables_name_wrongly_is_no_end(library):
    frames = Frames(3, foreign.open_mapper())
    frames.page(1)
    library.refuse = errno.EPERM
    assert frames.copy([2, 3]) == [None, None]
    frames.close()
