#!/usr/bin/env python3
"""`xenmeter baker` on the live rings, with all that it took from them kept beside: FILE BAKER-ARGUMENT ...

FILE.bin gets each pass in xentrace's own form, so that `xenmeter bake` and xenalyze can be asked about the very same
records; FILE.times what the hypervisor said each vCPU has run, before and after each of the trace's beginning and its end,
however long those took, and by what the rings were had; FILE.json the baker's last document, and FILE.causes.json who made
whom wait by it. Nothing of the baker is replaced: its source is listened to.
"""
import json
import pathlib
import struct
import sys

from xenmeter.front import cli
from xenmeter.xen.hypervisor import Hypervisor
from xenmeter.xentrace.baker.bakery import Bakery
from xenmeter.xentrace.baker.rings import Rings

CPU_CHANGE = 0x2001F003


def vcpu_times(hypervisor):
    """{"DOMID.VCPU": ns of running} by getvcpuinfo."""
    found = {}
    for info in hypervisor.domains():
        for number in range(info.max_vcpu_id + 1):
            vcpu = hypervisor.vcpu(info.domain, number)
            if vcpu is not None:
                found["%d.%d" % (info.domain, number)] = vcpu.cpu_time
    return found


def listen(file):
    """Wrap the trace's beginning, the source's passes and the bakery's end."""
    hypervisor, told = Hypervisor(), {}
    begin, passes, run = Rings._begin, Rings.passes, Bakery.run

    def begin_and_look(self):
        told["way"] = [type(self._frames).__name__, type(self._events).__name__]
        told["before_begin"] = vcpu_times(hypervisor)
        begin(self)
        told["after_begin"] = vcpu_times(hypervisor)

    def kept(self, stop):
        with open(str(file) + ".bin", "wb") as out:
            for found in passes(self, stop):
                if stop.is_set() and "before_end" not in told:      # the pass before the last: it still traces
                    told["before_end"] = vcpu_times(hypervisor)
                for pcpu, data in found:
                    out.write(struct.pack("<3I", CPU_CHANGE, pcpu, len(data)) + data)
                yield found
        told["after_end"] = vcpu_times(hypervisor)
        pathlib.Path(str(file) + ".times").write_text(json.dumps(told))

    def run_and_tell(self, stop):
        run(self, stop)
        pathlib.Path(str(file) + ".json").write_bytes(self.figures())
        pathlib.Path(str(file) + ".causes.json").write_text(json.dumps(self._told[0]["causes"] if self._told else []))

    Rings._begin, Rings.passes, Bakery.run = begin_and_look, kept, run_and_tell


if __name__ == "__main__":
    listen(pathlib.Path(sys.argv[1]))
    sys.exit(cli.main(["baker", *sys.argv[2:]]))
