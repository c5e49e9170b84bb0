"""A host with vifs and disks on the fake hypervisor, and source direct on top of it."""
import threading

from helpers.fake_hypervisor import Domain, Vcpu
from helpers.sysfs import net_dev
from helpers.vcpu_host import Host
from xenmeter.xen.backends import Vifs
from xenmeter.xen.backing import Backings
from xenmeter.xen.blkback import Disks
from xenmeter.xen.dom0memory import read_memory
from xenmeter.xen.domains import DomainFacts, Snapshot
from xenmeter.xen.qdisks import Qdisks
from xenmeter.xen.servants import Servants
from xenmeter.xentop.direct.collector import DirectCollector
from xenmeter.xentop.direct.extras import Around
from xenmeter.xentop.direct.inside import INSIDE
from xenmeter.xentop.direct.live import EXTRAS, LiveDirect


class Xenstore:
    """Names and disks of the fake's domains; a disk is known when it was asked for again."""

    def __init__(self, xen):
        self.xen = xen
        self.vbds = {}
        self.qdisks = {}
        self.more = {}      # what else the facts of all guests say, those from 20 on left out
        self.asked_again = []
        self.plugged = lambda domid: self.vbds.update({domid: {51712: "xvda"}})

    def snapshot(self):
        return Snapshot([DomainFacts(domain.domid, b"guest-%d" % domain.domid, None, 1795192454580000000, (),
                                     dict(self.vbds.get(domain.domid, {})), qdisks=self.qdisks.get(domain.domid, ()))
                         ._replace(**self.more if 0 < domain.domid < 20 else {}) for domain in self.xen.domains], None)

    def again(self, domids):
        self.asked_again.append(sorted(domids))
        for domid in domids:
            self.plugged(domid)
        return self.snapshot()


def dom0(now):
    return Domain(0, [Vcpu(running=1, cpu_time=now // 4, times=(now // 4, 0, now - now // 4, 0))], flags=0x20,
                  max_pages=0xffffffff, tot_pages=1 << 18)


class Direct(Host):
    """A host with vifs and disks, a source, and its readings."""

    def __init__(self, path, sysfs, domains, **fields):
        super().__init__(path, domains, **fields)
        self.interfaces = ["lo"]
        self.sysfs = sysfs
        self.qdisks = Qdisks(str(sysfs.parent), 30.0)
        self.groups = INSIDE + EXTRAS
        self.dom0 = sysfs.parent        # block: /sys/dev/block; proc: /proc
        self.xenstore = Xenstore(self)
        self.collector = DirectCollector()

    def begin(self, disks=None):
        def report(error):
            raise error
        self.source = LiveDirect(0.001, self.xenstore, self.connect,
                                 Vifs(lambda: net_dev(*self.interfaces), lambda name: None),
                                 disks or Disks(str(self.sysfs)), self.qdisks, groups=self.groups, around=self.around())
        self.samples = self.source.samples(threading.Event(), report)

    def around(self):
        return Around(Backings(str(self.dom0 / "block"), str(self.dom0 / "proc" / "mountinfo")),
                      Servants(str(self.dom0 / "proc"), 10 ** 7), lambda: read_memory(str(self.dom0 / "proc" / "meminfo")))

    def reading(self):
        return self.collector.collect(next(self.samples))
