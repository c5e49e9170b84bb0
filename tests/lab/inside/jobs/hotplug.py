"""A pCPU goes offline and comes back while the baker and the vcpu plugin look on; what its ring has to say afterwards."""
from lab.inside import daemons, dom0, guests, steps

SEEN = 3


def run():
    dom0.run("info", "xl", "info")
    dom0.note("guests", {"burner": guests.create("burner", "burn"), "two vcpus": guests.create("two vcpus", "two", 2)})
    for name in ("burner", "two vcpus"):
        guests.wait_up(name)
    samples = dom0.start("vcpu", *dom0.xenmeter("vcpu", "--format", "json", "--interval", "1"))
    baker = daemons.start_baker()
    dom0.wait_for(steps.SHARED.exists, 240, "the baker's file")
    dom0.wait_more([samples.lab_name], SEEN)
    dom0.run("offline", "xen-hptool", "cpu-offline", 1)
    dom0.wait_more([samples.lab_name], SEEN)
    dom0.run("online", "xen-hptool", "cpu-online", 1)
    dom0.wait_more([samples.lab_name], SEEN)
    dom0.mark("the pCPU is back")
    dom0.sleep(15)
    dom0.run("told", *dom0.xenmeter("xentrace", "--source", "baker", "--format", "json", "--interval", "2", "--count", "3"))
    dom0.run("vcpus", "xl", "vcpu-list")
    dom0.stop(baker)
    dom0.run("narrow", "xentrace", "-D", "-e", "0x00161000", "-T", "3", dom0.RESULTS / "narrow.bin")
    dom0.stop(samples)
