"""vifs and disks of guests, as dom0's kernel counts them."""
import pathlib
import socket

import pytest

from xenmeter.core.errors import SourceError
from xenmeter.xen.backends import Disk, Vifs, interface_indexes, read_disks

HEADER = (
    b"Inter-|   Receive                                                |  Transmit\n"
    b" face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls"
    b" carrier compressed\n")


def net_dev(*names):
    return HEADER + b"".join(b"%s: %d 2 3 4 0 0 0 0 %d 6 7 8 0 0 0 0\n" % (name.encode(), number, number + 1)
                             for number, name in enumerate(names))


def test_vifs_whatever_the_bridge():
    """No bridge, Open vSwitch's, one whose name is in a vif's name: xentop's library loses some of these."""
    text = net_dev("lo", "ovs-system", "vif", "vif7.0", "vif7.1", "vif70.0", "eth0", "vif7.0-emu", "vif8.0.100")
    found = Vifs(lambda: text, lambda name: None).read()
    assert {domid: [vif[:2] for vif in vifs] for domid, vifs in found.items()} == {
        7: [(0, False), (1, False), (0, True)], 70: [(0, False)]}
    assert found[7][0][2] == (3, 2, 3, 4, 4, 6, 7, 8)


def test_renamed_vifs_are_looked_up_once():
    names = ["lo", "web-net"]
    asked = []

    def nodename(name):
        asked.append(name)
        return b"backend/vif/7/2\n" if name == "web-net" else None

    vifs = Vifs(lambda: net_dev(*names), nodename)
    for _ in range(3):
        assert vifs.read()[7][0][:2] == (2, False)
    assert asked == ["lo", "web-net"]
    names.append("vif3.0")
    assert set(vifs.read()) == {3, 7} and asked == ["lo", "web-net"] * 2


def test_interfaces_are_asked_for_their_indexes_when_they_may_be_others():
    """A vif that is plugged again between two readings has the name and the place of the one before."""
    text, asked, index = [None], [], [3]

    def indexes():
        asked.append(index[0])
        return {"vif7.0": index[0]}

    vifs = Vifs(lambda: text[0], lambda name: None, indexes)
    for sent, expected, times in ((100, 3, 1), (100, 3, 1), (200, 3, 1), (50, 4, 2), (60, 4, 2)):
        index[0] = expected
        text[0] = HEADER + b"lo: 1 2 3 4 0 0 0 0 5 6 7 8 0 0 0 0\nvif7.0: %d 2 3 4 0 0 0 0 5 6 7 8 0 0 0 0\n" % sent
        assert vifs.read()[7][0].ifindex == expected and len(asked) == times


def test_indexes_of_this_machine():
    assert interface_indexes() == {name: index for index, name in socket.if_nameindex()}


def test_taps_of_emulated_cards():
    """xapi's names, and libxl's of a vif that was renamed; a tap that is nobody's vif is no guest's."""
    names = ["lo", "tap7.0", "vif7.0", "web0", "web0-emu", "tap9.0", "tap0", "eth0-emu", "vif7.0-emu-emu", "tap7.0.1"]
    found = Vifs(lambda: net_dev(*names), lambda name: b"backend/vif/8/1\n" if name == "web0" else None).read()
    assert {domid: [vif[:2] for vif in vifs] for domid, vifs in found.items()} == {
        7: [(0, True), (0, False)], 8: [(1, False), (1, True)]}


def disk(root, name, *counters):
    folder = pathlib.Path(str(root)) / name / "statistics"
    folder.mkdir(parents=True)
    for file, counter in zip(("oo_req", "rd_req", "wr_req", "rd_sect", "wr_sect"), counters):
        (folder / file).write_bytes(counter if isinstance(counter, bytes) else b"%d\n" % counter)


def test_disks(tmp_path):
    disk(tmp_path, "vbd-3-51728", 1, 2, 3, 4, 5)
    disk(tmp_path, "vbd-3-51712", 0, 20, 30, 40, 2 ** 64 - 1)
    disk(tmp_path, "tap-12-768", 6, 7, 8, 9, 10)
    disk(tmp_path, "vif-3-0", 1, 1, 1, 1, 1)
    disk(tmp_path, "vbd-3-51712-x", 1, 1, 1, 1, 1)
    assert anonymous(read_disks(str(tmp_path))) == {
        3: [Disk("BlkBack", 51712, (0, 20, 30, 40 * 512, (2 ** 64 - 1) * 512)),
            Disk("BlkBack", 51728, (1, 2, 3, 4 * 512, 5 * 512))],
        12: [Disk("BlkTap", 768, (6, 7, 8, 9 * 512, 10 * 512))]}


def anonymous(disks):
    return {domid: [disk._replace(identity=None) for disk in found] for domid, found in disks.items()}


def test_a_counter_with_a_sign_is_as_xentop_reads_it_and_leaves_the_others(tmp_path):
    disk(tmp_path, "vbd-3-51712", 1, 2, 3, b"-2147483648\n", 5)
    assert read_disks(str(tmp_path))[3][0].counters == (1, 2, 3, (2 ** 64 - 2 ** 31) * 512, 5 * 512)


def test_a_disk_that_is_plugged_again_is_another_node(tmp_path):
    disk(tmp_path, "vbd-3-51712", 1, 2, 3, 4, 5)
    first = read_disks(str(tmp_path))[3][0].identity
    assert first is not None and read_disks(str(tmp_path))[3][0].identity == first
    (tmp_path / "vbd-3-51712").rename(tmp_path / "it-was")      # it goes on to hold its inode's number
    disk(tmp_path, "vbd-3-51712", 1, 2, 3, 4, 5)
    assert read_disks(str(tmp_path))[3][0].identity not in (first, None)


@pytest.mark.parametrize("counters", [(1, 2, 3, 4), (1, 2, 3, 4, b""), (1, 2, 3, 4, b"--1\n"), (b"x", 2, 3, 4, 5)])
def test_a_disk_that_cannot_be_read(tmp_path, counters):
    disk(tmp_path, "vbd-3-51712", *counters)
    assert read_disks(str(tmp_path)) == {3: [Disk("BlkBack", 51712, None)]}


def test_no_backend_driver(tmp_path):
    assert read_disks(str(tmp_path / "nowhere")) == {}
    (tmp_path / "file").write_text("")
    with pytest.raises(SourceError, match="disks cannot be told"):
        read_disks(str(tmp_path / "file"))
