"""/proc/net/dev, and libxenstat's numbering of vifs."""
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xenmeter.core.errors import BadInput, SourceError
from xenmeter.xen.netdev import parse_net_dev, read_net_dev, read_nodename, vif_order

HEADER = (
    b"Inter-|   Receive                                                |  Transmit\n"
    b" face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls"
    b" carrier compressed\n")
TEXT = HEADER + (
    b"    lo:    1000      10    0    0    0     0          0         0     1000      10    0    0    0     0"
    b"       0          0\n"
    b"xenbr0: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n"
    b"vif3.0:18446744073709551615 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n"
    b"vif3.0-emu: 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n"
    b"eth0:1: 1 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n"
    b"b\xe4r: 1 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n")


def test_counters():
    found = parse_net_dev(TEXT)
    assert [name for name, _ in found] == ["lo", "xenbr0", "vif3.0", "vif3.0-emu", "eth0:1", "b\\xe4r"]
    assert found[0][1] == (1000, 10, 0, 0, 1000, 10, 0, 0)
    assert found[1][1] == (1, 2, 3, 4, 9, 10, 11, 12)
    assert found[2][1][0] == 2 ** 64 - 1
    assert parse_net_dev(HEADER) == []


def test_this_machine():
    assert "lo" in [name for name, _ in parse_net_dev(read_net_dev())]
    with pytest.raises(SourceError, match="/nowhere"):
        read_net_dev("/nowhere")


@pytest.mark.parametrize("data, offset", [
    (b"", 0), (HEADER[:-1], 0), (b"x" + TEXT, 0), (HEADER + b"lo: 1\n", len(HEADER)),
    (TEXT[:-1], TEXT.rindex(b"b\xe4r")),
    (TEXT + b"x: 1 0 0 0 0 0 0 0 0 0 0 0 0 0 0 -1\n", len(TEXT)),
    (TEXT + b"x: 1 0 0 0 0 0 0 0 0 0 0 0 0 0 0 1_0\n", len(TEXT)),
    (TEXT + b": 1 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n", len(TEXT)), (TEXT + b"\n", len(TEXT)),
])
def test_what_is_no_net_dev(data, offset):
    with pytest.raises(BadInput) as caught:
        parse_net_dev(data)
    assert caught.value.offset == offset


@given(st.binary())
def test_random_bytes(data):
    for text in (data, HEADER + data):
        try:
            parse_net_dev(text)
        except BadInput as error:
            assert 0 <= error.offset <= len(text)


def test_order_is_the_files():
    assert vif_order(["lo", "vif10.1", "vif3.0", "xenbr0", "vif10.0", "vif3.0-emu", "tap3.0", "xvif3.9", "vif3"]) == {
        10: ["1", "0"], 3: ["0", "0-emu"]}
    assert vif_order([]) == {}


def test_renamed_vifs_are_found_by_what_sysfs_says(tmp_path):
    for name, node in (("web", b"backend/vif/7/1\n"), ("eth0", None), ("blk", b"backend/vbd/7/51712\n")):
        (tmp_path / name / "device").mkdir(parents=True)
        if node:
            (tmp_path / name / "device" / "nodename").write_bytes(node)
    names = ["lo", "eth0", "vif7.0", "web", "blk", "a\0b"]
    assert vif_order(names, lambda name: read_nodename(name, str(tmp_path))) == {7: ["0", "1"]}
    assert vif_order(names) == {7: ["0"]}
