"""CPU time of one sample by source: Xen and dom0 themselves (direct) beside xentop's text, at 10, 100 and 1000 domains.

Usage: direct.py [DOMAINS ...]

Domains with 2 vCPUs, 1 vif and 1 disk each, all busy. direct reads the fake hypervisor, a file in place of /proc/net/dev, and
a disk's five files in place of sysfs; once with the compiled part, once by Python alone, and once with a tenth of the domains
busy. The floor is what it must ask in any case: the same hypercalls, and the same files read into one array. The text is what
xentop would print of the same host; its cost is ours alone: what the program itself needs (a hypercall per vCPU and the same
files, opened anew) comes on top, in its own process. A hypercall of the fake costs a function call; a real one, some 0.2 to 2 us
more each.
"""
import os
import pathlib
import resource
import subprocess
import sys
import tempfile
import time

TESTS = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS), str(TESTS / "bench"), str(TESTS.parent / "plugins")]

from staged import stage    # noqa: E402

STAGED = tempfile.TemporaryDirectory()
stage(STAGED.name)

from helpers.fake_hypervisor import Domain, Vcpu    # noqa: E402
from helpers.vcpu_host import Host  # noqa: E402
from xentop_cost import iteration, names    # noqa: E402
from xenmeter.core.descriptors import ask_for_many  # noqa: E402
from xenmeter.core.quiet_gc import quiet_gc     # noqa: E402
from xenmeter.publish.influx import LineProtocol    # noqa: E402
from xenmeter.xen import compiled, structs  # noqa: E402
from xenmeter.xen.backends import Vifs  # noqa: E402
from xenmeter.xen.blkback import Disks   # noqa: E402
from xenmeter.xentop.figures import CATALOGUE  # noqa: E402
from xenmeter.xentop.direct.collector import DirectCollector  # noqa: E402
from xenmeter.xentop.direct.live import LiveDirect  # noqa: E402
from xenmeter.xentop.samples import Sample  # noqa: E402
from xenmeter.xentop.text.collector import Collector  # noqa: E402
from xenmeter.xentop.text.encode import encode   # noqa: E402
from xenmeter.xentop.text.parse import Parser    # noqa: E402

ROUNDS = 7
STAGES = ("read", "collect", "lines", "all")
HEAD = ("Inter-|   Receive                                                |  Transmit\n"
        " face |bytes    packets errs drop fifo frame compressed multicast|"
        "bytes    packets errs drop fifo colls carrier compressed\n")


class Machine:
    """A faked host of so many domains, of which each ``busy``-th one's counters move."""

    def __init__(self, folder, domains, busy=1):
        self.folder, self.number, self.busy = folder, domains, busy
        self.host = Host(os.path.join(folder, "state"), self.at(1))
        self.sysfs = os.path.join(folder, "sysfs")
        self.net_dev = os.path.join(folder, "net_dev")
        for domid in range(1, domains):
            os.makedirs("%s/vbd-%d-51712/statistics" % (self.sysfs, domid))
            self._disk(domid, 1)
        self.move(1)

    def _step(self, domid, step):
        return step if domid % self.busy == 0 else 1

    def at(self, step):
        found = []
        for domid in range(self.number):
            ran = 10 ** 9 * self._step(domid, step)
            found.append(Domain(domid, [Vcpu(running=1, cpu_time=ran + domid, times=(ran, 0, 0, 0)) for _ in "ab"],
                                tot_pages=1 << 15, max_pages=1 << 15))
        return found

    def _disk(self, domid, step):
        for name in ("oo_req", "rd_req", "wr_req", "rd_sect", "wr_sect"):
            with open("%s/vbd-%d-51712/statistics/%s" % (self.sysfs, domid, name), "w") as file:
                file.write("%d\n" % (step * 100))

    def move(self, step):
        self.host.show(self.at(step))
        with open(self.net_dev, "w") as file:
            file.write(HEAD + "".join("vif%d.0: %s\n" % (domid, " ".join([str(self._step(domid, step) * 1000 + domid)] * 16))
                                      for domid in range(1, self.number)))
        for domid in range(self.busy, self.number, self.busy):
            self._disk(domid, step)

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


def floor(machine, session):
    """What a reading must ask in any case, and nothing made of it."""
    xen, vcpus, size = session._xen, session._vcpus, structs.GETVCPUINFO.size
    host = xen.host()
    xen.idle_ns(host)
    xen.own_runstate(0)
    xen._list(0, 1024, xen._array)
    for at in range(0, len(vcpus._image), 1024 * size):
        xen.multicall.ask(structs.HYPERCALL_DOMCTL, size, vcpus._image[at:at + 1024 * size])
    machine.read_net_dev()
    os.listdir(machine.sysfs)
    COUNTS.files(session._disks._files)


def direct(domains, busy=1):
    """Stages in ms, and hypercalls per sample."""
    best, calls = {}, 0
    with tempfile.TemporaryDirectory() as folder:
        machine = Machine(folder, domains, busy)
        with machine.host:
            session = machine.source()._session()
            collector, protocol = DirectCollector(), LineProtocol([CATALOGUE])
            for step in range(2, ROUNDS + 4):
                machine.move(step)
                if step > 2 and COUNTS is not None:
                    timed(best, "floor", lambda: floor(machine, session))
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


def tell(title, best, calls=None):
    columns = "".join("%10.2f" % best[stage] for stage in STAGES)
    floors = "%10.2f" % best["floor"] if "floor" in best else ""
    print("%-38s%s%s%s" % (title, columns, "" if calls is None else "%13d" % calls, floors), flush=True)


#: What the floor is measured with; None where the compiled parts are switched off.
COUNTS = compiled.load()


def main(sizes):
    ask_for_many()
    if COUNTS is None:
        for domains in sizes:
            tell("%d domains, direct, no C" % domains, *direct(domains))
        return
    print("%-38s" % "CPU ms per sample" + "".join("%10s" % stage for stage in STAGES) + "   hypercalls     floor", flush=True)
    for domains in sizes:
        tell("%d domains, direct" % domains, *direct(domains))
        tell("%d domains, direct, 1 in 10 busy" % domains, *direct(domains, 10))
        tell("%d domains, xentop's text" % domains, text(domains))
    subprocess.run([sys.executable, os.path.abspath(__file__), *map(str, sizes)], env=dict(os.environ, XENMETER_COMPILED="0"),
                   check=True)
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2
    if 5 * (max(sizes) - 1) > most:
        print("of the disks' files %d were kept open, the others were opened each time" % (most // 5 * 5))


if __name__ == "__main__":
    main([int(size) for size in sys.argv[1:]] or [10, 100, 1000])
