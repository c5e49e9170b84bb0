"""A host for tests of the vcpu plugin: a fake hypervisor, names, and the source on top of both."""
import struct
import threading
import uuid

from helpers.fake_hypervisor import Domain, FakeHypervisor, Vcpu

from xenmeter.vcpu.live import LiveVcpus
from xenmeter.vcpu.page import encode
from xenmeter.xen.calls import LibraryCalls, load
from xenmeter.xen.domains import DomainFacts, Snapshot
from xenmeter.xen.hypervisor import Hypervisor
from xenmeter.xen.resource import LibraryMemory


def uuid_of(number):
    return str(uuid.UUID(int=number))


class Names:
    """Every domain is called guest-DOMID, unless it is told otherwise."""

    def __init__(self, xen):
        self.xen = xen
        self.given = {}

    def snapshot(self):
        names = {domain.domid: b"guest-%d" % domain.domid if domain.domid else b"Domain-0" for domain in self.xen.domains}
        names.update(self.given)
        return Snapshot([DomainFacts(domid, name, None, None, (), {}) for domid, name in sorted(names.items())], None)


class Host(FakeHypervisor):
    """The fake, with a source and its readings."""

    def __init__(self, path, domains, **fields):
        super().__init__(path, domains, **fields)
        self.names = Names(self)

    def connect(self):
        return Hypervisor(LibraryCalls(load(self.library)))

    def map(self):
        return LibraryMemory(load(self.library))

    def source(self, mode="auto", interval=0.001, **more):
        return LiveVcpus(interval, mode, self.names, self.connect, self.map, **more)

    def readings(self, mode="auto", **more):
        """A generator of samples, one per next(); errors are raised."""
        def report(error):
            raise error
        return self.source(mode, **more).samples(threading.Event(), report)

    def write_entry(self, domid, vcpu, seq, *counters, stride=128):
        struct.pack_into("<I4x%dQ" % len(counters), self.stats(domid), 128 + stride * vcpu, seq, *counters)


def guest(domid, *running, page=False, **more):
    """A domain whose vCPUs have run for so long; with ``page`` its statistics say the same."""
    vcpus = [Vcpu(cpu_time=time, cpu=number) for number, time in enumerate(running)]
    stats = encode([(2, time) for time in running]) if page else None
    return Domain(domid, vcpus, stats=stats, **more)


def dom0():
    return Domain(0, [Vcpu(running=1, cpu=1, cpu_time=500, times=(500, 60, 7, 1)),
                      Vcpu(blocked=1, cpu=0, cpu_time=40, times=(40, 5, 6, 0), state=2)])
