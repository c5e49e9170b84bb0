"""vifs and disks of guests, as dom0's kernel counts them."""
import pathlib

import pytest

from xenmeter.core.errors import SourceError
from xenmeter.xen.backends import Disk, Vifs, read_disks

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
    assert read_disks(str(tmp_path)) == {
        3: [Disk("BlkBack", 51712, (0, 20, 30, 40 * 512, (2 ** 64 - 1) * 512)),
            Disk("BlkBack", 51728, (1, 2, 3, 4 * 512, 5 * 512))],
        12: [Disk("BlkTap", 768, (6, 7, 8, 9 * 512, 10 * 512))]}


@pytest.mark.parametrize("counters", [(1, 2, 3, 4), (1, 2, 3, 4, b""), (1, 2, 3, 4, b"-1\n"), (b"x", 2, 3, 4, 5)])
def test_a_disk_that_cannot_be_read(tmp_path, counters):
    disk(tmp_path, "vbd-3-51712", *counters)
    assert read_disks(str(tmp_path)) == {3: [Disk("BlkBack", 51712, None)]}


def test_no_backend_driver(tmp_path):
    assert read_disks(str(tmp_path / "nowhere")) == {}
    (tmp_path / "file").write_text("")
    with pytest.raises(SourceError, match="disks cannot be told"):
        read_disks(str(tmp_path / "file"))
