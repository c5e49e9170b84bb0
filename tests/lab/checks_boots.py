"""Did the machines boot, and end by themselves?"""
import re

import pytest

KEPT = ("credit2", "credit", "lossy", "short", "pvhdom0", "ringless", "lives", "networks", "neighbours", "study")
EVERY = pytest.mark.on(*KEPT, "driver", "hotplug", "kinds", "profile")


@EVERY
def test_the_real_xen_booted_and_dom0_powered_off(boot, tell):
    text = (boot.folder / "console.log").read_text(errors="replace")
    banner = re.search(r"\(XEN\) Xen version [^\n]*", text).group()
    assert boot.outcome["complaint"] is None
    assert "Power down" in text
    assert (boot.results / "finished").read_text().strip() == boot.job
    assert boot.release.version in banner
    tell("{}: {} seconds, QEMU took {} MB; {}".format(
        boot.name, boot.outcome["seconds"], boot.outcome["peak_mb"], banner[:60]))


@pytest.mark.on(*KEPT)      # the others end their guests, or have such as write no log
def test_guests_worked_until_the_end(boot):
    """Every guest said that it is up, and no kernel of theirs complained."""
    for name in boot.notes["guests"]:
        if name == "paused.guest_1":
            continue
        text = (boot.results / f"guest-{name}.log").read_text(errors="replace")
        assert "GUEST up" in text and "Kernel panic" not in text and "segfault" not in text


@pytest.mark.on("credit2", "credit", "short", "pvhdom0")
def test_the_scheduler_is_the_one_asked_for(boot):
    name = "credit" if boot.job == "credit" else "credit2"
    assert re.search(r"^xen_scheduler *: (\w+)$", boot.text("info"), re.MULTILINE).group(1) == name


@EVERY
def test_what_we_started_ended_well(boot):
    """Every program's status; killed ones are -9 and noted by those who killed them."""
    meant = {"ringless-baker.status": 1}
    if not boot.release.stdout:
        # an xentrace that writes into files only: the baker ends, and its file, if it was there for a moment, is gone
        meant.update({f"{boot.job}-own-xentrace{end}.status": 1 for end in ("", "-told")})
    bad = {name: status for name, status in boot.notes.items()
           if name.endswith(".status") and status not in (0, -15, -2, meant.get(name)) and not name.startswith("churn-")}
    assert not bad
