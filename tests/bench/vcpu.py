"""CPU time and hypercalls of one reading of all vCPUs, by source, on the fake hypervisor.

Usage: vcpu.py [DOMAINS [VCPUS-PER-DOMAIN]], 2500 and 4 unless told otherwise.

Hosts: pages of which each entry changed since the last reading, pages of which one in ten domains changed, both with running
time alone and with all four times, state and entry time (then what goes on is added to each vCPU in each reading), and no
pages (getvcpuinfo). With compiled parts, and by Python alone ("no C"). Stages, in this order:

    pages         every entry of every page, by its sequence number, into one array (Python alone: into lists)
    reading       what the source does: is a domain gone or come, the pages, and records of what changed
    collect       identity, counters that do not fall
    lines         line protocol

Each is the best of some rounds; a reading holds the pages' part. The floor is one pass in C over the same entries without
the protocol. A hypercall of the fake costs a function call; a real one, some 0.2 to 2 us more each.
"""
import ctypes
import os
import pathlib
import subprocess
import sys
import tempfile
import time

TESTS = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS), str(TESTS / "bench"), str(TESTS.parent / "plugins")]

from staged import stage    # noqa: E402

STAGED = tempfile.TemporaryDirectory()
stage(STAGED.name)

from helpers.fake_xenstored import FakeXenstored, host as xenstore_of   # noqa: E402
from helpers.fake_hypervisor import Domain, Vcpu    # noqa: E402
from tools.compiler import build_shared     # noqa: E402
from helpers.vcpu_host import Host   # noqa: E402
from xenmeter.core.quiet_gc import quiet_gc     # noqa: E402
from xenmeter.publish.influx import LineProtocol    # noqa: E402
from xenmeter.vcpu import compiled    # noqa: E402
from xenmeter.vcpu.collector import CATALOGUE, Collector    # noqa: E402
from xenmeter.vcpu.live import LiveVcpus    # noqa: E402
from xenmeter.vcpu.page import encode   # noqa: E402
from xenmeter.xen.xenstore import Xenstore  # noqa: E402

ROUNDS = 7
STAGES = ("floor", "pages", "reading", "collect", "lines")
FLOOR = """
#include <stdint.h>
uint64_t touch(const uint64_t *pages, int64_t domains, int64_t vcpus)
{
    uint64_t sum = 0;
    for ( int64_t i = 0; i < domains; i++ )
        for ( int64_t v = 0; v < vcpus; v++ )
            sum += *(const volatile uint64_t *)(pages[i] + 136 + 128 * v);
    return sum;
}
"""


class Clock:
    """Best CPU time of each stage, in ms."""

    def __init__(self):
        self.best = {}

    def __call__(self, name, function):
        began = time.process_time_ns()
        found = function()
        self.best[name] = min(self.best.get(name, 1e9), (time.process_time_ns() - began) / 1e6)
        return found


def build(folder, name, text):
    """A shared object of a source, with the flags of setup.py."""
    source, target = os.path.join(folder, name + ".c"), os.path.join(folder, name + ".so")
    with open(source, "w") as file:
        file.write(text)
    return build_shared(source, target)


def touch(host, domids, vcpus, number, states):
    """The hypervisor writes: every entry of these domains has moved on."""
    for domid in domids:
        for vcpu in range(vcpus):
            host.write_entry(domid, vcpu, 2 * number + 2, *entry(number, domid * 1000 + vcpu, states))


def entry(number, more, states):
    """Counters of an entry at its n-th writing: a second of running later, and blocked now."""
    running = 10 ** 9 * number + more
    return (running, 1000, 10 ** 12, 0, 10 ** 12 + running + 1000, 2) if states else (running,)


def measure(domains, vcpus, pages, changed, fast, floor, states):
    """Stages in ms, hypercalls and questions for pages per reading."""
    with tempfile.TemporaryDirectory() as folder:
        # the pages never run ahead of what the list says, or a domain would be taken for another one
        host = Host(os.path.join(folder, "state"), [
            Domain(domid, [Vcpu(cpu_time=10 ** 15) for _ in range(vcpus)],
                   stats=encode([(2, *entry(0, 1, states))] * vcpus) if pages else None) for domid in range(1, domains + 1)])
        # xenstored's answers and events come from this process, too: its thread costs nothing while nothing happens
        with host, FakeXenstored(xenstore_of(1), os.path.join(folder, "socket")) as store:
            original, compiled.load = compiled.load, lambda path=None: fast
            try:
                return _measure(host, domains, vcpus, pages, changed, store.path, floor, states)
            finally:
                compiled.load = original


def _measure(host, domains, vcpus, pages, changed, store, floor, states):
    source = LiveVcpus(1, "auto" if pages else "hypercall", host.names, host.connect, host.map,
                       store=lambda: Xenstore(store))
    session = source._open()
    collector, protocol, clock = Collector(), LineProtocol([CATALOGUE]), Clock()
    counts = (10 ** 9, 0)
    for number in range(ROUNDS + 3):
        if number == 3:
            clock.best.clear()      # the first ones map the pages, make the labels, and take the watches' first events
        if pages and number:
            touch(host, range(1, domains + 1, changed), vcpus, 2 * number, states)
            mapped = session._readers._pages
            where = (ctypes.c_uint64 * domains)(*[page.mapping.address for page in mapped._order])
            with quiet_gc:
                clock("floor", lambda: floor(where, domains, vcpus))
                clock("pages", mapped.read if mapped._plan is None else mapped._plan.read)
            touch(host, range(1, domains + 1, changed), vcpus, 2 * number + 1, states)
        before = host.hypercalls, host.resource_calls
        with quiet_gc:
            sample = clock("reading", session.read)
        if number >= 3:     # the list is asked for every 30 s besides
            counts = min(counts, (host.hypercalls - before[0], host.resource_calls - before[1]))
        with quiet_gc:
            reading = clock("collect", lambda: collector.collect(sample))
            clock("lines", lambda: protocol.encode(reading))
    session.close()
    assert len(reading.tables["vcpu"]) == domains * vcpus
    return clock.best, counts


def rows(domains, vcpus):
    """Those of the table that belong to this process: with compiled parts or, where they are switched off, without."""
    with tempfile.TemporaryDirectory() as folder:
        fast = compiled.load()
        floor = ctypes.CDLL(build(folder, "floor", FLOOR)).touch
        floor.argtypes = (ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)
        for title, pages, changed, states in (
                ("pages, all changed", True, 1, False), ("pages, 1 in 10 changed", True, 10, False),
                ("with states, all changed", True, 1, True), ("with states, 1 in 10 changed", True, 10, True),
                ("getvcpuinfo", False, 1, False)):
            best, (hypercalls, questions) = measure(domains, vcpus, pages, changed, fast, floor, states)
            title += "" if fast else ", no C"
            print("%-38s" % title + "".join("%9.2f" % best[stage] if stage in best else "%9s" % "-" for stage in STAGES) +
                  "   %d" % (hypercalls + questions), flush=True)


def main():
    domains, vcpus = ([int(text) for text in sys.argv[1:3]] + [2500, 4][len(sys.argv) - 1:])[:2]
    if compiled.load() is not None:
        print("%d domains, %d vCPUs; CPU time in ms, the best of %d rounds" % (domains, domains * vcpus, ROUNDS))
        print("%-38s" % "" + "".join("%9s" % stage for stage in STAGES) + "   hypercalls", flush=True)
        subprocess.run([sys.executable, os.path.abspath(__file__), str(domains), str(vcpus)], check=True,
                       env=dict(os.environ, XENMETER_COMPILED="0"))
    rows(domains, vcpus)


if __name__ == "__main__":
    main()
