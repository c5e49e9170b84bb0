"""Many vCPUs in one trap beside each by itself, through the library and through the device alone, in one process of dom0; prints
JSON.

    multicalls.py ROUNDS [N]        of each way: every vCPU alone, all at once, alone again, ROUNDS times; with N: then all at
                                    once N times more, of each the time
"""
import json
import sys
import time

from xenmeter.core.errors import SourceError
from xenmeter.xen.calls import DeviceCalls, LibraryCalls, load, LIBRARY
from xenmeter.xen.hypervisor import Hypervisor
from xenmeter.xen.vcpus import Vcpus


def alone(xen, domid, vcpu):
    info = xen.vcpu(domid, vcpu)
    return None if info is None else [info.cpu_time, info.online, info.cpu]


def compare(calls, rounds, more):
    xen = Hypervisor(calls)
    asking = Vcpus(xen)
    wanted = [(info.domain, info.max_vcpu_id + 1) for info in xen.domains() if info.max_vcpu_id != 0xffffffff]
    each = [(domid, vcpu) for domid, number in wanted for vcpu in range(number)]
    asking.ask(wanted)      # finds out about the interface
    found, traps = [], []
    for _ in range(rounds):
        first, own_first = [alone(xen, *one) for one in each], xen.own_runstate(0)
        before = xen.hypercalls
        told, own = asking.ask(wanted), asking.own_runstates(1)[0]
        traps.append(xen.hypercalls - before)
        found.append({"first": first, "told": list(zip(told.cpu_time, told.online, told.cpu)), "gone": sorted(told.gone),
                      "second": [alone(xen, *one) for one in each], "own": [own_first, own, xen.own_runstate(0)]})
    took, before = [], xen.hypercalls
    for _ in range(more):
        began = time.monotonic_ns()
        asking.ask(wanted)
        took.append(time.monotonic_ns() - began)
    result = {"way": xen.way, "refused": xen.multicall.refused, "vcpus": each, "rounds": found, "traps": traps, "took_ns": took,
              "hypercalls": xen.hypercalls - before}
    xen.close()
    return result


def main(rounds, more=0):
    found, library = [], load(LIBRARY)
    for make in (lambda: LibraryCalls(library), DeviceCalls):
        try:
            found.append(compare(make(), rounds, more))
        except SourceError as error:
            found.append({"error": str(error)})
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
