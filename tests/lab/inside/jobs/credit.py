"""The same looks under the credit scheduler; and a disk that QEMU serves."""
import json

from lab.inside import dom0, guests, steps


def run():
    steps.make_guests("burner", "waker", "two vcpus")
    dom0.run("info", "xl", "info")
    steps.look("credit")
    steps.live_baker("credit", 8)
    steps.governed_baker("credit")
    a_disk_of_qemu()


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
