"""What xenmeter.xen finds, as JSON: run in a process of its own, with the fake hypervisor preloaded or not.

    hypervisor_report.py libxencall.so.1 libxenforeignmemory.so.1
"""
import json
import sys

from xenmeter.core.errors import XenmeterError
from xenmeter.xen.calls import open_calls
from xenmeter.xen.hypervisor import Hypervisor


def report(library):
    xen = Hypervisor(open_calls(library))
    domains = xen.domains()
    found = {
        "way": xen.way, "version": xen.version(), "interfaces": xen.interface_versions(), "scheduler": xen.scheduler(),
        "host": [xen.host().cpu_khz, xen.host().total_pages, xen.host().free_pages], "idle": xen.idle_ns(),
        "domains": [[info.domain, info.cpu_time, info.max_vcpu_id, info.handle.hex()] for info in domains],
        "vcpus": [list(xen.vcpu(info.domain, 0)[3:]) for info in domains], "own": list(xen.own_runstate(0)),
    }
    calls = xen.hypercalls
    xen.close()
    return dict(found, hypercalls=calls)


try:
    print(json.dumps(report(sys.argv[1])))
except XenmeterError as error:
    print(json.dumps({"error": type(error).__name__, "text": str(error)}))
