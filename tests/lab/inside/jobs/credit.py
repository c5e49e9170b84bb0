"""The same looks under the credit scheduler; a disk that QEMU serves; and whether the emulated SVM carries a PVH guest."""
import json
import pathlib

from lab.inside import dom0, guests, steps


def run():
    steps.make_guests("burner", "waker", "two vcpus")
    dom0.run("info", "xl", "info")
    steps.look("credit")
    steps.live_baker("credit", 8)
    steps.governed_baker("credit")
    a_disk_of_qemu()
    dom0.note("pvh", try_pvh())


def a_disk_of_qemu():
    """A guest that writes 4 KiB at a time; this xentop shows no such disk. QEMU does not always answer in time."""
    guests.create("qdisk-guest", "io", address="10.77.0.3", disk=(16, "qdisk"))
    guests.wait_up("qdisk-guest")
    direct = dom0.start("qdisk-direct", *dom0.xenmeter("xentop", "--source", "direct", "--format", "json", "--interval", "3"))

    def rising():
        samples = map(json.loads, (dom0.RESULTS / "qdisk-direct.out").read_bytes().split(b"\n")[:-1])
        told = [one["vbd_wr"] for sample in samples for one in sample["domains"] if one["name"] == "qdisk-guest"]
        told = [writes for writes in told if writes is not None]
        return told and told[-1] > told[0]

    dom0.wait_for(rising, 240, "two samples with writes to QEMU's disk")
    dom0.stop(direct)
    dom0.run("qdisk-xentop", "xentop", "-b", "-f", "-x", "-i1")
    guests.destroy("qdisk-guest")


def try_pvh():
    """None when a PVH guest said that it is up, else why not: the emulator's affair, not ours."""
    try:
        guests.create("pvh-guest", "wake", kind="pvh")
        log = pathlib.Path("/var/log/xen/guest-pvh-guest.log")
        dom0.wait_for(lambda: b"GUEST up" in log.read_bytes(), 90, "the PVH guest says that it is up")
        dom0.run("pvh-vcpu", *dom0.xenmeter("vcpu", "--format", "json", "--count", "1"))
        dom0.run("pvh-list", "xl", "vcpu-list")
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return None
