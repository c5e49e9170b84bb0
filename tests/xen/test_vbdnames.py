"""Names of block devices by their numbers."""
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xenmeter.xen.vbdnames import guest_name


@pytest.mark.parametrize("dev, name", [
    (51712, "xvda"), (51713, "xvda1"), (51728, "xvdb"), (51967, "xvdp15"), (768, "xvda"), (832, "xvdb"), (5632, "xvdc"),
    (5696, "xvdd"), (769, None), (896, None), (2048, None), (2064, None), (0, None), (2 ** 31 - 1, None), (-1, None),
    (1 << 28, "xvda"), (268439552, "xvdq"), ((1 << 28) + 25 * 256, "xvdz"), ((1 << 28) + 26 * 256 + 3, "xvdaa3"),
    ((1 << 28) + 701 * 256, "xvdzz"), ((1 << 28) + 702 * 256, "xvdaaa")])
def test_names(dev, name):
    assert guest_name(dev) == name


@given(st.integers(-2 ** 31, 2 ** 32))
def test_any_number(dev):
    name = guest_name(dev)
    assert name is None or name.startswith("xvd") and name.isalnum()


def test_disks_of_one_bus_have_names_of_their_own():
    names = [guest_name((1 << 28) + 256 * disk) for disk in range(20000)]
    assert len(set(names)) == len(names)
