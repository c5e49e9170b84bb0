"""vifs and disks of guests, as dom0's kernel counts them."""
import socket

from helpers.sysfs import HEADER, net_dev
from xenmeter.xen.backends import Vifs, interface_indexes


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


