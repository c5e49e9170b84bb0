"""Who made whom wait, where it is known: two guests share a pCPU, and one of them burns without end at a heavy weight."""
from lab.inside import dom0, guests, steps

#: Of credit2; Xen's default is 256.
HEAVY, LIGHT = 2560, 256
#: Name: what it does, and its weight. The waiter wants 300 ms of each second.
GUESTS = {"waiter": ("burn", LIGHT), "burner": ("hog", HEAVY)}


def run():
    dom0.run("info", "xl", "info")
    dom0.run("pin-dom0", "xl", "vcpu-pin", "Domain-0", "all", "0")
    domids = {}
    for name, (role, weight) in GUESTS.items():
        domids[name] = guests.create(name, role, more='cpus = "1"\n')
        guests.wait_up(name)
        dom0.run(f"weight-{name}", "xl", "sched-credit2", "-d", name, "-w", weight)
    dom0.note("guests", domids)
    dom0.mark("both guests are up")
    dom0.run("weights", "xl", "sched-credit2")
    dom0.run("vcpus", "xl", "vcpu-list")
    steps.live_baker("neighbours", 5, page, ("--causes", "8"))


def page(_):
    dom0.run("openmetrics", *dom0.xenmeter("xentrace", "--source", "baker", "--format", "openmetrics", "--count", "1"))
