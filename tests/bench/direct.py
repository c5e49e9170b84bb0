"""CPU time of one sample by source: Xen and dom0 themselves (direct) beside xentop's text, at 10, 100 and 1000 domains.

Usage: direct.py [DOMAINS ...]

Domains with 2 vCPUs, 1 vif and 1 disk each, all busy. direct reads the fake hypervisor, a file in place of /proc/net/dev, and
a disk's five files in place of sysfs. The text is what xentop would print of the same host; its cost is ours alone: what the
program itself needs (a hypercall per vCPU and the same files) comes on top, in its own process. A hypercall of the fake costs
a function call; a real one, some 0.2 to 2 us more each.
"""
import os
import pathlib
import sys
import tempfile
import time

TESTS = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS), str(TESTS / "xen"), str(TESTS / "vcpu"), str(TESTS / "bench"), str(TESTS.parent / "plugins")]

from fake_hypervisor import Domain, Vcpu    # noqa: E402
from vcpu_host import Host  # noqa: E402
from xentop_cost import iteration, names    # noqa: E402
from xenmeter.core.quiet_gc import quiet_gc     # noqa: E402
from xenmeter.publish.influx import LineProtocol    # noqa: E402
from xenmeter.xen.backends import Vifs  # noqa: E402
from xenmeter.xen.blkback import Disks   # noqa: E402
from xenmeter.xentop.direct.collector import DirectCollector  # noqa: E402
from xenmeter.xentop.direct.live import LiveDirect  # noqa: E402
from xenmeter.xentop.figures import CATALOGUE  # noqa: E402
from xenmeter.xentop.samples import Sample  # noqa: E402
from xenmeter.xentop.text.collector import Collector  # noqa: E402
from xenmeter.xentop.text.encode import encode   # noqa: E402
from xenmeter.xentop.text.parse import Parser    # noqa: E402

ROUNDS = 3
STAGES = ("read", "collect", "lines", "all")
HEAD = ("Inter-|   Receive                                                |  Transmit\n"
        " face |bytes    packets errs drop fifo frame compressed multicast|"
        "bytes    packets errs drop fifo colls carrier compressed\n")


class Machine:
    """A faked host of so many domains, all of whose counters move."""

    def __init__(self, folder, domains):
        self.folder, self.number = folder, domains
        self.host = Host(os.path.join(folder, "state"), self.at(1))
        self.sysfs = os.path.join(folder, "sysfs")
        self.net_dev = os.path.join(folder, "net_dev")
        for domid in range(1, domains):
            os.makedirs("%s/vbd-%d-51712/statistics" % (self.sysfs, domid))
        self.move(1)

    def at(self, step):
        return [Domain(domid, [Vcpu(running=1, cpu_time=10 ** 9 * step + domid, times=(10 ** 9 * step, 0, 0, 0)) for _ in "ab"],
                       tot_pages=1 << 15, max_pages=1 << 15) for domid in range(self.number)]

    def move(self, step):
        self.host.show(self.at(step))
        with open(self.net_dev, "w") as file:
            file.write(HEAD + "".join("vif%d.0: %s\n" % (domid, " ".join([str(step * 1000 + domid)] * 16))
                                      for domid in range(1, self.number)))
        for domid in range(1, self.number):
            for name in ("oo_req", "rd_req", "wr_req", "rd_sect", "wr_sect"):
                with open("%s/vbd-%d-51712/statistics/%s" % (self.sysfs, domid, name), "w") as file:
                    file.write("%d\n" % (step * 100))

    def read_net_dev(self):
        with open(self.net_dev, "rb") as file:
            return file.read()

    def source(self):
        facts = names(self.number)

        class Names:
            def snapshot(self):
                return facts

            def again(self, domids):
                return facts
        return LiveDirect(1, Names(), self.host.connect, Vifs(self.read_net_dev, lambda name: None),
                          Disks(self.sysfs))


def timed(best, name, function):
    began = time.process_time_ns()
    with quiet_gc:
        found = function()
    spent = (time.process_time_ns() - began) / 1e6
    best[name] = min(best.get(name, 1e9), spent)
    return found


def direct(domains):
    """Stages in ms, and hypercalls per sample."""
    best, calls = {}, 0
    with tempfile.TemporaryDirectory() as folder:
        machine = Machine(folder, domains)
        with machine.host:
            session = machine.source()._session()
            collector, protocol = DirectCollector(), LineProtocol([CATALOGUE])
            for step in range(2, ROUNDS + 4):
                machine.move(step)
                before = machine.host.hypercalls
                sample = timed(best, "read", session.read)
                calls = machine.host.hypercalls - before
                reading = timed(best, "collect", lambda: collector.collect(sample))
                lines = timed(best, "lines", lambda: protocol.encode(reading))
                if step == 3:
                    best.clear()    # the first ones learn names and labels
            session.close()
            assert lines.count(b"\n") >= 5 * (domains - 1)
    best["all"] = sum(best[name] for name in STAGES[:3])
    return best, calls


def text(domains):
    """Stages in ms."""
    best, snapshot = {}, names(domains)
    parser, collector, protocol = Parser("nxv"), Collector(), LineProtocol([CATALOGUE])
    for step in range(ROUNDS + 2):
        data = encode(iteration(domains, step))
        parsed = timed(best, "read", lambda: (parser.feed(data) + parser.flush())[0])
        reading = timed(best, "collect", lambda: collector.collect(Sample((step + 1) * 10 ** 10, parsed, snapshot)))
        timed(best, "lines", lambda: protocol.encode(reading))
        if step == 1:
            best.clear()
    best["all"] = sum(best[name] for name in STAGES[:3])
    return best


def main(sizes):
    print("%-28s" % "CPU ms per sample" + "".join("%10s" % stage for stage in STAGES) + "   hypercalls   files")
    for domains in sizes:
        best, calls = direct(domains)
        print("%-28s" % ("%d domains, direct" % domains) + "".join("%10.2f" % best[stage] for stage in STAGES) +
              "%13d%8d" % (calls, 1 + 5 * (domains - 1)))
        best = text(domains)
        print("%-28s" % ("%d domains, xentop's text" % domains) + "".join("%10.2f" % best[stage] for stage in STAGES))


if __name__ == "__main__":
    main([int(size) for size in sys.argv[1:]] or [10, 100, 1000])
