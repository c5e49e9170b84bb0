"""What a dom0 that is a PVH domain can do, and what is said where it cannot; its figures are judged with those of other boots."""
import re

import pytest

pytestmark = pytest.mark.on("pvhdom0")


def test_dom0_is_a_pvh_domain(boot, tell):
    """By its own kernel, and by the hypervisor that built it."""
    assert boot.text("guest-type").strip() == "PVH"
    told = re.search(r"\(XEN\) \*\*\* Building a PVH Dom0 \*\*\*", (boot.folder / "console.log").read_text(errors="replace"))
    assert told
    for line in boot.text("check").splitlines():
        tell(f"{boot.name}: {line}")
