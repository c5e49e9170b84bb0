"""Mapped resources through the library and through the device, and the sizes that are none."""
import errno
import json
import pathlib
import subprocess
import sys

import pytest
from helpers.fake_hypervisor import PAGE, Domain, FakeHypervisor
from tools import provision

from xenmeter.core.errors import DomainGone, NoPrivilege, NotXen, SourceError, Unsupported
from xenmeter.xen.calls import load
from xenmeter.xen.resource import GRANT_TABLE, STATS_TABLE, DeviceMemory, LibraryMemory, open_memory

HERE = pathlib.Path(__file__).resolve().parent


@pytest.fixture
def fake(tmp_path):
    with FakeHypervisor(tmp_path / "state", [Domain(0), Domain(3, stats=b"three" * 1000), Domain(4)]) as hypervisor:
        yield hypervisor


@pytest.fixture
def memory(fake):
    opened = LibraryMemory(load(fake.library))
    yield opened
    opened.close()
    assert fake.mapped == 0


def test_map_and_size(fake, memory):
    assert memory.frames(3, STATS_TABLE) == 2
    mapping = memory.map(3, STATS_TABLE, frames=2)
    assert len(mapping.view) == 2 * PAGE and bytes(mapping.view[:5]) == b"three" and bytes(mapping.view[4995:5001]) == \
        b"three\0"
    fake.stats(3)[0:5] = b"THREE"
    assert bytes(mapping.view[:5]) == b"THREE" and fake.mapped == 1
    with pytest.raises(TypeError):
        mapping.view[0] = 1
    mapping.close()
    mapping.close()
    with pytest.raises(ValueError):
        mapping.view[0]
    assert fake.mapped == 0 and memory.count == fake.resource_calls == 2


def test_it_outlives_its_domain(fake, memory):
    mapping = memory.map(3, STATS_TABLE)
    fake.show([Domain(0)])
    assert bytes(mapping.view[:5]) == b"three"
    with pytest.raises(DomainGone, match="domain 3"):
        memory.map(3, STATS_TABLE)
    mapping.close()


@pytest.mark.parametrize("quirk", [0, 1])
def test_a_resource_that_this_xen_does_not_have(fake, memory, quirk):
    """The size of an unknown type is an error code in the place of a number of pages, in some releases."""
    fake.set(size_quirk=quirk)
    if quirk:
        with pytest.raises(Unsupported, match="another source"):
            memory.frames(4, STATS_TABLE)
    else:
        assert memory.frames(4, STATS_TABLE) is None
    with pytest.raises(Unsupported):
        memory.map(4, STATS_TABLE)
    with pytest.raises(Unsupported):
        memory.map(3, GRANT_TABLE)


def test_refusals(fake, memory):
    with pytest.raises(NoPrivilege, match="no domain its own"):
        memory.map(0, STATS_TABLE)
    with pytest.raises(Unsupported):
        memory.map(3, STATS_TABLE, frames=3)
    for code, expected in ((errno.ESRCH, DomainGone), (errno.EPERM, NoPrivilege), (errno.ENOMEM, SourceError),
                           (errno.ENOSYS, Unsupported)):
        fake.faults = []
        fake.fault(op=12, domid=3, error=code)
        with pytest.raises(expected):
            memory.map(3, STATS_TABLE)
        with pytest.raises(expected):
            memory.frames(3, STATS_TABLE)


def test_old_kernels(fake, memory):
    fake.set(size_query=0)
    assert memory.frames(3, STATS_TABLE) is None
    memory.map(3, STATS_TABLE).close()
    fake.set(resource_ioctl=0)
    with pytest.raises(Unsupported):
        memory.frames(3, STATS_TABLE)
    with pytest.raises(Unsupported):
        memory.map(3, STATS_TABLE)


def test_it_does_not_open(fake):
    fake.set(open_error=errno.EACCES)
    with pytest.raises(NoPrivilege):
        LibraryMemory(load(fake.library))


PROGRAM = """
import json, sys
from xenmeter.core.errors import XenmeterError
from xenmeter.xen.resource import open_memory
found = []
memory = open_memory(sys.argv[1])
for domid, frames in ((3, 1), (3, 2), (3, 3), (4, 1), (0, 1), (9, 1)):
    try:
        size = memory.frames(domid, 3)
    except XenmeterError as error:
        size = type(error).__name__
    try:
        mapping = memory.map(domid, 3, frames=frames)
        found.append([size, bytes(mapping.view).hex()])
        mapping.close()
    except XenmeterError as error:
        found.append([size, type(error).__name__])
print(json.dumps([memory.name, found]))
memory.close()
"""


@pytest.mark.parametrize("fields", [{}, {"size_quirk": 0}, {"size_query": 0}, {"resource_ioctl": 0}], ids=str)
def test_the_real_library_and_the_device(fake, fields):
    """With the kernel's device faked beneath them."""
    fake.set(**fields)
    provision.ensure("libxen-dev")
    environment = fake.preload(PYTHONPATH=str(HERE.parents[1] / "plugins"),
                               LD_LIBRARY_PATH=provision.environment("libxen-dev").get("LD_LIBRARY_PATH", ""))
    found = {}
    for library in ("libxenforeignmemory.so.1", "libnowhere.so.1"):
        out = subprocess.run([sys.executable, "-c", PROGRAM, library], env=environment, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE)
        assert out.stderr == b"", out.stderr.decode()
        name, answers = json.loads(out.stdout.decode())
        found[name] = answers
    assert set(found) == {"libxenforeignmemory", "/dev/xen/privcmd"}
    assert found["libxenforeignmemory"] == found["/dev/xen/privcmd"]
    first = found["/dev/xen/privcmd"][0]
    if "resource_ioctl" in fields:
        assert first == ["Unsupported", "Unsupported"]
    else:
        assert first[0] == (None if "size_query" in fields else 2) and first[1].startswith(b"threethree".hex())
        assert [answer[1] for answer in found["/dev/xen/privcmd"][2:]] == [
            "Unsupported", "Unsupported", "NoPrivilege", "DomainGone"]


def test_this_machine():
    try:
        open_memory().close()
    except (NotXen, NoPrivilege) as error:
        assert "/dev/xen/privcmd" in str(error)


@pytest.mark.parametrize("answers, size", [
    ({3: 32, 0xffff: 32}, None),                                    # Xen 4.14: of every kind, and of every domid
    ({3: 32, 0xffff: OSError(errno.EOPNOTSUPP, "")}, 32),           # 4.19.2 and later: the truth
    ({3: 32, 0xffff: (1 << 32) - errno.EOPNOTSUPP}, 32),            # 4.15 to 4.19.1: no such kind, told as a success
    ({3: 2, 0xffff: AssertionError("nobody needs to ask")}, 2)])
def test_a_length_that_xen_414_tells_of_everything_is_none(answers, size):
    class Device(DeviceMemory):
        def __init__(self):
            self.count = 0

        def _ioctl(self, domid, kind, number, frames, address):
            if isinstance(answers[kind], Exception):
                raise answers[kind]
            return answers[kind]
    assert Device().frames(5, STATS_TABLE) == size
