"""vifs on a bridge of Linux, on Open vSwitch and routed, by xentop's text and by source direct, against dom0's kernel."""
import re

import pytest

pytestmark = pytest.mark.on("networks")

GUESTS = ("bridged", "switched", "routed")


def newest(boot, look, form):
    """{name: domain} of the newest sample."""
    return {domain["name"]: domain for domain in boot.samples(f"{look}-{form}")[-1]["domains"]}


def agrees(boot, look, domain, domid):
    """Its one vif's bytes lie between what the kernel said before and after; returns them."""
    before, after = (boot.net_dev(f"{look}-{when}")[f"vif{domid}.0"] for when in ("before", "after"))
    vif, = domain["networks"]
    assert before[0] <= vif["rx_bytes"] <= after[0] and before[1] <= vif["tx_bytes"] <= after[1]
    assert before[0] > 5000 and before[1] > 5000
    return vif["rx_bytes"], vif["tx_bytes"]


def test_each_guest_is_on_its_network(boot):
    vifs = {name: f"vif{domid}.0" for name, domid in boot.notes["guests"].items()}
    assert boot.text("ovs").split() == [vifs["switched"]]
    assert re.search(rf"{vifs['bridged']}: .* master xenbr0 ", boot.text("links"))
    assert not re.search(rf"{vifs['routed']}: .* master ", boot.text("links"))


@pytest.mark.parametrize("guest", GUESTS)
@pytest.mark.parametrize("look", ["networks", "bridgeless"])
def test_direct_has_each_vif_whatever_it_is_connected_to(boot, look, guest, tell):
    told = agrees(boot, look, newest(boot, look, "direct")[guest], boot.notes["guests"][guest])
    tell(f"{boot.name}: {look}: direct has {guest}'s vif: {told[0]} and {told[1]} bytes")


@pytest.mark.parametrize("guest", GUESTS)
def test_text_has_each_vif_while_there_is_one_bridge(boot, guest):
    agrees(boot, "networks", newest(boot, "networks", "xentop")[guest], boot.notes["guests"][guest])
    assert re.search(rf"^xen_vif,.*domain={guest},.* rx_bytes=\d+i", boot.text("networks-influx"), re.MULTILINE)


@pytest.mark.parametrize("guest", GUESTS)
def test_what_text_does_not_show_without_a_bridge_is_absent_and_not_zero(boot, guest):
    assert newest(boot, "bridgeless", "xentop")[guest]["networks"] == []
    lines = [line for line in boot.text("bridgeless-influx").splitlines()
             if re.match(rf"xen_domain,(.*,)?domain={guest}[, ]", line)]
    assert lines and not any("rx_bytes=" in line or "tx_bytes=" in line for line in lines)
