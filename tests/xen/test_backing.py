"""The block devices below blkback's disks: their times, and whose they are."""
import resource

import pytest
from helpers.sysfs import block

from xenmeter.core import descriptors
from xenmeter.xen.backing import Backing, Backings

STAT = (40, 1, 800, 200, 20, 2, 160, 500, 3, 100, 700)


class Host:
    def __init__(self, path):
        self.now = 100.0
        self.root = path / "block"
        self.mounts = path / "mountinfo"
        self.backings = Backings(str(self.root), str(self.mounts), lambda: self.now)

    def alone(self, wanted):
        return sorted((domid, dev) for domid, its in self.backings.read(wanted, wanted).items() for dev in its)


@pytest.fixture
def host(tmp_path):
    host = Host(tmp_path)
    yield host
    host.backings.close()


def test_what_a_device_tells(host):
    place = block(host.root, "7:0", "loop0", *STAT)
    (backing,) = host.backings.read({(7, 51712): (7, 0)}, [(7, 51712)])[7].values()
    assert backing == Backing(40, 200 * 10 ** 6, 20, 500 * 10 ** 6, 3, (place / "stat").stat().st_ino)
    block(host.root, "7:0", "loop0", *((41,) + STAT[1:8] + (0,)))      # no more than in_flight, as before Linux 2.6
    assert host.backings.read({(7, 51712): (7, 0)}, [(7, 51712)])[7][51712][:5] == (41, 200 * 10 ** 6, 20, 500 * 10 ** 6, 0)


@pytest.mark.parametrize("text", [b"", b"1 2 3", b"1 2 3 4 5 6 7 8 x", b"1 2 3 4 5 6 7 -8 9"])
def test_what_is_no_stat_tells_nothing(host, text):
    (block(host.root, "7:0", "loop0") / "stat").write_bytes(text)
    assert host.backings.read({(7, 51712): (7, 0)}, [(7, 51712)]) == {}


def test_one_vbd_alone(host):
    block(host.root, "8:0", "sda", *STAT)
    block(host.root, "8:1", "sda1", *STAT, whole="sda")
    block(host.root, "8:2", "sda2", *STAT, whole="sda")
    block(host.root, "7:0", "loop0", *STAT)
    assert host.alone({(1, 51712): (7, 0), (2, 51712): (8, 1), (3, 51712): (8, 2)}) == [(1, 51712), (2, 51712), (3, 51712)]
    assert host.alone({(1, 51712): (7, 0), (2, 51712): (7, 0)}) == []
    assert host.alone({(1, 51712): (7, 0), (1, 51728): (7, 0)}) == []
    assert host.alone({(1, 51712): (8, 0), (2, 51712): (8, 1), (3, 51712): (7, 0)}) == [(3, 51712)]
    assert host.alone({(1, 51712): (8, 0)}) == [(1, 51712)]
    assert host.alone({(1, 51712): (9, 9)}) == []       # there is no such device
    # another backend has it as well, whose own times are told
    assert host.backings.read({(1, 51712): (7, 0), (2, 51712): (7, 0)}, [(1, 51712)]) == {}


@pytest.mark.parametrize("number, name, whole", [("8:0", "sda", None), ("8:1", "sda1", "sda")])
def test_what_dom0_uses_itself_is_not_told(host, number, name, whole):
    """The disk, or a partition of it: mounted, or a part of another device. It is looked again from time to time."""
    block(host.root, "8:0", "sda", *STAT)
    place = block(host.root, number, name, *STAT, whole=whole)
    wanted = {(1, 51712): (8, 0)}
    assert host.alone(wanted) == [(1, 51712)]
    host.mounts.write_text("22 1 %s / / rw - ext4 /dev/%s rw\n" % (number, name))
    assert host.alone(wanted) == [(1, 51712)]
    host.now += 300
    assert host.alone(wanted) == []
    host.mounts.write_text("")
    (place / "holders" / "dm-0").mkdir()
    host.now += 300
    assert host.alone(wanted) == []
    (place / "holders" / "dm-0").rmdir()
    host.now += 300
    assert host.alone(wanted) == [(1, 51712)]


def test_a_file_stays_open_while_it_is_wanted(host, monkeypatch):
    place = block(host.root, "7:0", "loop0", *STAT)
    wanted = {(1, 51712): (7, 0)}
    assert host.alone(wanted) == [(1, 51712)]
    (place / "stat").rename(place / "stat.old")
    assert host.alone(wanted) == [(1, 51712)]       # by its descriptor
    assert min(file for file, _ in host.backings._files.values()) >= resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2
    assert host.alone({}) == [] and host.backings._files == {}
    (place / "stat.old").rename(place / "stat")
    monkeypatch.setattr(descriptors, "least_of_ours", lambda: 1 << 30)     # no room: by path each time
    assert host.alone(wanted) == [(1, 51712)] and host.backings._files == {}


def test_a_device_that_is_another_one(host, monkeypatch):
    """A descriptor of what is gone answers with an error."""
    block(host.root, "7:0", "loop0", *STAT)
    wanted = {(1, 51712): (7, 0)}
    assert host.alone(wanted) == [(1, 51712)]
    from xenmeter.xen import backing
    monkeypatch.setattr(backing.os, "pread", lambda *_: (_ for _ in ()).throw(OSError(19, "no such device")))
    assert host.alone(wanted) == []
    monkeypatch.undo()
    assert host.alone(wanted) == [(1, 51712)]
