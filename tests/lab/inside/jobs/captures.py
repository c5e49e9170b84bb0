"""Raw output of Xen's own tools for new fixtures; `captures.py` outside makes cases of it."""
from lab.inside import dom0, steps

XENTOP = ("-b -d1 -i3", "-b -d1 -i3 -f", "-b -d1 -i3 -f -n -x -v", "-b -d1 -i3 -f -n -x -v -r", "-b -d0 -i5")
XENTRACE = {"narrow": "0x00161000", "sched": "0x0002f000", "alloc": "0x00169000"}


def run():
    steps.make_guests("burner", "two vcpus", "io-guest", steps.ODD)
    dom0.run("info", "xl", "info")
    dom0.run("xenstore-ls", "xenstore-ls", "-fp")
    dom0.run("xl-list-l", "xl", "list", "-l")
    for options in XENTOP:
        dom0.run("xentop " + options, "xentop", *options.split())
    for name, mask in XENTRACE.items():
        dom0.run("xentrace-" + name, "xentrace", "-D", "-e", mask, "-T", "5", dom0.RESULTS / f"{name}.bin")
    dom0.note("xentrace_masks", XENTRACE)
