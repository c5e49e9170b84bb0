"""The statistics pages of the patched hypervisor beside getvcpuinfo, in one process of dom0; prints JSON.

    pages.py agree ROUNDS           each vCPU by page, by hypercall, by page again
    pages.py poll SOURCE N [M]      N readings of all vCPUs of all guests by page or by hypercall, as fast as they go;
                                    with M: of M vCPUs, one reading a second
    pages.py domctl SECONDS         how long a domctl takes that has nothing to do with any of this
"""
import json
import struct
import sys
import time

from xenmeter.xen.hypervisor import Hypervisor
from xenmeter.xen.resource import STATS_TABLE, open_memory

HEADER = struct.Struct("<4I")
ENTRY = struct.Struct("<I4x6Q")
KEYS = ("seq", "running", "runnable", "blocked", "offline", "entered", "state")


class Guests:
    """All guests' pages, mapped, with no code of the plugin between them and us."""

    def __init__(self):
        self.xen = Hypervisor()
        self.memory = open_memory()
        self.mappings = []
        self.vcpus = []         # (domid, vcpu, view of its entry)
        for info in self.xen.domains():
            if info.domain and info.max_vcpu_id != 0xffffffff:
                self._map(info)

    def _map(self, info):
        frames = self.memory.frames(info.domain, STATS_TABLE)
        mapping = self.memory.map(info.domain, STATS_TABLE, frames=frames)
        magic, offset, size, stride = HEADER.unpack_from(mapping.view)
        assert (magic, size) == (0xaabbccdd, ENTRY.size), (hex(magic), offset, size, stride)
        self.mappings.append((info.domain, frames, offset, stride, mapping))
        for vcpu in range(info.max_vcpu_id + 1):
            at = offset + vcpu * stride
            self.vcpus.append((info.domain, vcpu, mapping.view[at:at + size]))

    def hypercalls(self):
        return self.xen.hypercalls + self.memory.count


def entry_of(view):
    """A consistent reading of an entry, as a dictionary."""
    while True:
        before, data, after = view[:4].tobytes(), view.tobytes(), view[:4].tobytes()
        if before == after and not before[0] & 1:
            return dict(zip(KEYS, ENTRY.unpack(data)))


def agree(rounds):
    guests = Guests()
    found = []
    for _ in range(rounds):
        for domid, vcpu, view in guests.vcpus:
            began = time.monotonic_ns()
            first = entry_of(view)
            told = guests.xen.vcpu(domid, vcpu)
            second = entry_of(view)
            found.append({"domid": domid, "vcpu": vcpu, "first": first, "told": told.cpu_time, "second": second,
                          "took": time.monotonic_ns() - began})
        time.sleep(0.05)
    tables = [{"domid": domid, "frames": frames, "offset": offset, "stride": stride}
              for domid, frames, offset, stride, _ in guests.mappings]
    json.dump({"tables": tables, "readings": found}, sys.stdout)


def poll(source, number, most=None):
    guests = Guests()
    vcpus = guests.vcpus[:most]
    before, cpu, took = guests.hypercalls(), time.process_time(), []
    for _ in range(number):
        began = time.monotonic_ns()
        if source == "page":
            for _, _, view in vcpus:
                entry_of(view)
        else:
            for domid, vcpu, _ in vcpus:
                guests.xen.vcpu(domid, vcpu)
        took.append(time.monotonic_ns() - began)
        if most is not None:
            time.sleep(max(0, 1 - took[-1] / 1e9))
    json.dump({"source": source, "readings": number, "vcpus": len(vcpus), "cpu_s": time.process_time() - cpu,
               "took_ns": took, "hypercalls": guests.hypercalls() - before}, sys.stdout)


def domctl(seconds):
    """dom0's first vCPU is asked about: no page, no guest, but the lock that Xen 4.17 takes for each domctl."""
    xen, took = Hypervisor(), []
    end = time.monotonic_ns() + seconds * 10 ** 9
    while time.monotonic_ns() < end:
        began = time.monotonic_ns()
        xen.vcpu(0, 0)
        took.append(time.monotonic_ns() - began)
    json.dump(took, sys.stdout)


if __name__ == "__main__":
    {"agree": lambda rounds: agree(int(rounds)), "domctl": lambda seconds: domctl(int(seconds)),
     "poll": lambda source, *numbers: poll(source, *map(int, numbers))}[sys.argv[1]](*sys.argv[2:])
