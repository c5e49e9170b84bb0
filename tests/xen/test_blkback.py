"""Disks of guests, as blkback counts them, by compiled code and by Python: their files stay open, and are opened anew when they
were unplugged."""
import os
import resource

import pytest
from helpers.sysfs import disk

from xenmeter.core.errors import SourceError
from xenmeter.xen import blkback
from xenmeter.xen.blkback import Disk, Disks


@pytest.fixture(params=["python", "compiled"])
def make(request, compiled_counts):
    """A maker of Disks, each closed at the end: no descriptor is left behind."""
    before, made = descriptors(), []

    def opened(root, *more):
        made.append(Disks(str(root), *(more or (None,)), compiled_read=compiled_counts if request.param == "compiled" else None))
        return made[-1]
    yield opened
    for one in made:
        one.close()
    assert not descriptors() - before       # fewer is right: what an earlier test left may be collected in the meantime


def descriptors():
    """Those that are open."""
    found = set()
    for number in range(1 << 12):
        try:
            os.fstat(number)
        except OSError:
            continue
        found.add(number)
    return found


def anonymous(disks):
    return {domid: [disk._replace(identity=None) for disk in found] for domid, found in disks.items()}


def gone(folder):
    """As sysfs does it: an open file of a device that is no more cannot be read, whatever is there under its name now."""
    for file in (folder / "statistics").iterdir():
        file.write_bytes(b"")


def test_disks(tmp_path, make):
    disk(tmp_path, "vbd-3-51728", 1, 2, 3, 4, 5)
    disk(tmp_path, "vbd-3-51712", 0, 20, 30, 40, 2 ** 64 - 1)
    disk(tmp_path, "tap-12-768", 6, 7, 8, 9, 10)
    disk(tmp_path, "vif-3-0", 1, 1, 1, 1, 1)
    disk(tmp_path, "vbd-3-51712-x", 1, 1, 1, 1, 1)
    disks = make(tmp_path)
    for _ in range(3):
        assert anonymous(disks.read()) == {
            3: [Disk("BlkBack", 51712, (0, 20, 30, 40 * 512, (2 ** 64 - 1) * 512)),
                Disk("BlkBack", 51728, (1, 2, 3, 4 * 512, 5 * 512))],
            12: [Disk("BlkTap", 768, (6, 7, 8, 9 * 512, 10 * 512))]}


def test_what_is_counted_on_is_read_without_opening(tmp_path, make, monkeypatch):
    disk(tmp_path, "vbd-3-51712", 1, 2, 3, 4, 5)
    disks = make(tmp_path)
    disks.read()
    monkeypatch.setattr(blkback.os, "open", None)
    for number in (9, 10, 99, 100, 5):
        for name in ("rd_req", "wr_sect"):
            (tmp_path / "vbd-3-51712" / "statistics" / name).write_text("%d\n" % number)
        assert disks.read()[3][0].counters == (1, number, 3, 4 * 512, number * 512)


def test_a_counter_with_a_sign_is_as_xentop_reads_it_and_leaves_the_others(tmp_path, make):
    disk(tmp_path, "vbd-3-51712", 1, 2, 3, b"-2147483648\n", 5)
    assert make(tmp_path).read()[3][0].counters == (1, 2, 3, (2 ** 64 - 2 ** 31) * 512, 5 * 512)


def test_a_disk_that_is_plugged_again_is_another_node(tmp_path, make):
    disk(tmp_path, "vbd-3-51712", 1, 2, 3, 4, 5)
    disk(tmp_path, "vbd-4-51712", 6, 7, 8, 9, 10)
    disks = make(tmp_path)
    first = disks.read()
    assert first[3][0].identity is not None and disks.read() == first
    (tmp_path / "vbd-3-51712").rename(tmp_path / "it-was")      # it goes on to hold its inode's number
    disk(tmp_path, "vbd-3-51712", 0, 1, 1, 1, 1)
    gone(tmp_path / "it-was")
    for _ in range(2):
        second = disks.read()
        assert second[3][0].identity not in (first[3][0].identity, None) and second[4] == first[4]
        assert second[3][0].counters == (0, 1, 1, 512, 512)


def test_a_file_that_cannot_be_read_any_more(tmp_path, make):
    """ENODEV of sysfs; here the descriptor is a directory's."""
    disk(tmp_path, "vbd-3-51712", 1, 2, 3, 4, 5)
    disks = make(tmp_path)
    first = disks.read()
    folder = os.open(str(tmp_path), os.O_RDONLY)
    os.dup2(folder, disks._files[2], inheritable=False)
    os.close(folder)
    assert disks.read() == first and disks.read() == first


def test_disks_come_connect_and_go(tmp_path, make):
    disks = make(tmp_path)
    assert disks.read() == {}
    (tmp_path / "vbd-3-51712").mkdir()
    assert disks.read() == {3: [Disk("BlkBack", 51712, None)]}
    disk(tmp_path, "vbd-2-51712", 1, 2, 3, 4, 5)
    assert set(disks.read()) == {2, 3}
    (tmp_path / "vbd-3-51712").rmdir()
    disk(tmp_path, "vbd-3-51712", 1, 2, 3, 4, 5)
    for _ in range(2):
        assert [one.counters for found in disks.read().values() for one in found] == [(1, 2, 3, 2048, 2560)] * 2
    assert len(disks._files) == 10
    (tmp_path / "vbd-2-51712").rename(tmp_path / "was")
    assert set(disks.read()) == {3} and len(disks._files) == 5


@pytest.mark.parametrize("counters", [(1, 2, 3, 4), (1, 2, 3, 4, b""), (1, 2, 3, 4, b"--1\n"), (b"x", 2, 3, 4, 5),
                                      (1, 2, b"1 2\n", 4, 5), (1, 2, b"9" * 21, 4, 5), (1, 2, b" 1\n", 4, 5)])
def test_a_disk_that_cannot_be_read(tmp_path, make, counters):
    disk(tmp_path, "vbd-3-51712", *counters)
    disk(tmp_path, "vbd-3-51728", 1, 2, 3, 4, 5)
    disks = make(tmp_path)
    for _ in range(2):
        assert anonymous(disks.read()) == {3: [Disk("BlkBack", 51712, None), Disk("BlkBack", 51728, (1, 2, 3, 2048, 2560))]}


def test_descriptors_are_in_the_upper_half(tmp_path, make):
    """What has no room there is opened by its path, to the same figures."""
    for domid in range(1, 40):
        disk(tmp_path, "vbd-%d-51712" % domid, 1, 2, domid, 4, 5)
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, limits[1]))
    try:
        disks = make(tmp_path)
        for _ in range(3):
            assert [found[0].counters for found in disks.read().values()] == [(1, 2, domid, 2048, 2560) for domid in range(1, 40)]
            assert len(disks._files) == 125 and min(disks._files) >= 128
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    (tmp_path / "vbd-1-51712").rename(tmp_path / "was")
    assert len(disks.read()) == 38 and len(disks._files) == 190


def test_no_backend_driver(tmp_path, make):
    assert make(tmp_path / "nowhere").read() == {}
    (tmp_path / "file").write_text("")
    with pytest.raises(SourceError, match="disks cannot be told"):
        make(tmp_path / "file").read()
