"""A guest whose network card and disk another guest serves: what dom0 cannot count is absent, and never 0."""
import re

import pytest

pytestmark = pytest.mark.on("driver")


def lines(boot, source, measurement, domain):
    """[text] of line protocol: a measurement's lines of a domain."""
    return [line for line in boot.text(f"driver-{source}-influx").splitlines()
            if re.match(rf"{measurement},(.*,)?domain={domain}[, ]", line)]


def test_the_guest_is_served_by_the_other_one(boot):
    """Its backends are the driver's, both are connected, and it works with them."""
    driver, served = (boot.notes["guests"][name] for name in ("driver", "served"))
    store = boot.text("xenstore")
    for kind, device in (("vif", 0), ("vbd", 51712)):
        # 4: XenbusStateConnected
        assert f'/local/domain/{driver}/backend/{kind}/{served}/{device}/state = "4"' in store
    text = (boot.results / "guest-served.log").read_text(errors="replace")
    assert "GUEST up" in text and "Kernel panic" not in text
    assert not any(name.startswith(f"vif{served}.") for name in boot.net_dev("driver-after"))


def test_direct_counts_its_devices_and_tells_no_false_zero(boot, tell):
    found = lines(boot, "direct", "xen_domain", "served")
    assert found
    for line in found:
        tell(f"{boot.name}: {line}")
        assert ",vifs=1i" in line and ",vbds=1i" in line
        assert not re.search(r"[ ,](rx_bytes|tx_bytes|read_requests|write_requests|read_bytes|write_bytes)=", line)
    for measurement in ("xen_vif", "xen_vbd"):
        assert not any(re.search(r"=0i", line) for line in lines(boot, "direct", measurement, "served"))


def test_text_tells_no_false_zero_either(boot, tell):
    """xentop shows neither device; xenstore knows of both."""
    found = lines(boot, "xentop", "xen_domain", "served")
    assert found
    for line in found:
        tell(f"{boot.name}: {line}")
        assert not re.search(r"[ ,](rx_bytes|tx_bytes|read_requests|write_requests|read_bytes|write_bytes)=", line)


def test_the_driver_itself_is_a_domain_as_any_other(boot):
    for source in ("direct", "xentop"):
        assert all("cpu_time_ns=" in line and "memory_bytes=" in line for line in lines(boot, source, "xen_domain", "driver"))
        assert lines(boot, source, "xen_domain", "driver")
