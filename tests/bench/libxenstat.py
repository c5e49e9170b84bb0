"""CPU time of one look by libxenstat, what xentop is made of, beside a sample of source direct, on the same faked host.

Usage: libxenstat.py [DOMAINS ...], 1000 unless told otherwise; as root.

Domains with 2 vCPUs, 1 vif and 1 disk each. The real library (Debian's libxenstat) makes its hypercalls into the fake
hypervisor, asks a xenstored of ours for the names, and reads network cards and files that are there for it alone, in a network
and a mount namespace: so many cards of the kernel's, a bridge, and the disks' files in a directory that stands in for /sys. Ours
asks the same hypervisor and reads the same /proc/net/dev and directory. libxenstat asks for each name at each look; ours is told
by xenstored when one changes (xen.domainwatch), so names are not in its figure. What xenstored itself does is in neither.
"""
import os
import pathlib
import subprocess
import sys
import tempfile

TESTS = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS), str(TESTS / "bench"), str(TESTS.parent / "plugins")]

import direct as ours   # noqa: E402    (it stages the compiled parts first)
from helpers.fake_xenstored import FakeXenstored    # noqa: E402
from tools import provision     # noqa: E402
from tools.compiler import compiler     # noqa: E402

LOOKS = 8
INSIDE = "XENMETER_BENCH_NAMESPACE"


def built(folder):
    """The program, and where its libraries are."""
    provision.ensure("libxen-dev")
    usr = provision.root_of("libxen-dev") / "usr"
    libraries = usr / "lib" / "x86_64-linux-gnu"
    program = os.path.join(folder, "libxenstat")
    subprocess.run([*compiler(), "-O2", "-std=gnu99", "-I%s" % (usr / "include"), "-o", program,
                    str(TESTS / "bench" / "libxenstat.c"), "-L%s" % libraries, "-Wl,-rpath-link,%s" % libraries, "-lxenstat"],
                   check=True)
    return program, str(libraries)


def nodes(domains):
    found = {}
    for domid in range(domains):
        found[b"/local/domain/%d/name" % domid] = b"guest-%05d" % domid if domid else b"Domain-0"
        found[b"/local/domain/%d/domid" % domid] = b"%d" % domid
    return found


def furnish(machine, domains):
    """Cards and files of this namespace: those that libxenstat asks for."""
    names = ["vif%d.0" % domid for domid in range(1, domains)] + ["spare"]
    cards = ["link add xenbr0 type bridge"]
    cards += ["link add %s type veth peer name %s" % pair for pair in zip(names[::2], names[1::2])]
    subprocess.run(["ip", "-batch", "-"], input="\n".join(cards).encode(), check=True)
    subprocess.run(["mount", "-t", "tmpfs", "none", "/sys"], check=True)
    for folder in ("devices", "bus/xen-backend", "class/net/xenbr0/bridge", "class/net/xenbr0/brif"):
        os.makedirs("/sys/" + folder)
    os.symlink(machine.sysfs, "/sys/devices/xen-backend")
    os.symlink(machine.sysfs, "/sys/bus/xen-backend/devices")


def theirs(machine, program, libraries, store, domains):
    """The best look in ms, what it found, and hypercalls for each."""
    before = machine.host.hypercalls
    run = subprocess.run([program, str(LOOKS)], env=machine.host.preload(XENSTORED_PATH=store, LD_LIBRARY_PATH=libraries),
                         stdout=subprocess.PIPE, check=True)
    looks = [[int(word) for word in line.split()] for line in run.stdout.splitlines()]
    assert all(found[1:3] == [domains, 2 * domains] for found in looks), looks
    return min(found[0] for found in looks) / 1e6, looks[-1][1:], (machine.host.hypercalls - before) // LOOKS


def measure(domains):
    """One row, inside a namespace of its own."""
    with tempfile.TemporaryDirectory() as folder:
        program, libraries = built(folder)
        machine = ours.Machine(folder, domains)
        furnish(machine, domains)
        with machine.host, FakeXenstored(nodes(domains), os.path.join(folder, "socket")) as store:
            spent, found, calls = theirs(machine, program, libraries, store.path, domains)
    ours.Machine.read_net_dev = lambda _machine: pathlib.Path("/proc/net/dev").read_bytes()
    best, own_calls = ours.direct(domains)
    print("%-16s%12.2f%12.2f%12.2f%11d%11d   libxenstat found %d vCPUs, %d networks, %d disks" % (
        "%d domains" % domains, spent, best["read"], best["all"], calls, own_calls, *found[1:]), flush=True)


def main(sizes):
    if os.geteuid():
        sys.exit("libxenstat.py: needs root, for network cards and files that libxenstat alone sees")
    print("%-16s%12s%12s%12s%11s%11s" % ("CPU ms", "libxenstat", "direct", "to lines", "its calls", "our calls"),
          flush=True)
    for domains in sizes:
        subprocess.run(["unshare", "-n", "-m", sys.executable, __file__, str(domains)], env=dict(os.environ, **{INSIDE: "1"}),
                       check=True)


if __name__ == "__main__":
    if INSIDE in os.environ:
        measure(int(sys.argv[1]))
    else:
        main([int(size) for size in sys.argv[1:]] or [1000])
