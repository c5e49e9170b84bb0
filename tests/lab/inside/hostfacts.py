"""What Xen says of its grant tables, pCPUs, their power states and nodes, by each way to ask, in one process; prints JSON.

Grant tables are asked for at once and one by one, for a thousand calls in one trap must say what each says by itself.
"""
import json
import sys

from xenmeter.core.errors import SourceError
from xenmeter.xen.calls import DeviceCalls, LibraryCalls, load, LIBRARY
from xenmeter.xen.grants import GrantFrames
from xenmeter.xen.hypervisor import Hypervisor
from xenmeter.xen.power import Power
from xenmeter.xen.topology import nodes, places


def told(make):
    xen = Hypervisor(make())
    infos = xen.domains()
    pcpus = xen.host().max_cpu_id + 1
    grants, power = GrantFrames(xen), Power(xen)
    before = xen.hypercalls
    at_once = grants.ask([info.domain for info in infos] + [0x7000])      # and one that is not there
    asked = xen.hypercalls - before
    found = {"way": xen.way, "multicall": xen.multicall.refused, "domains": [info.domain for info in infos], "hypercalls": asked,
             "at_once": at_once, "nodes": nodes(xen), "places": places(xen, pcpus)}
    first, second = power.ask(pcpus), power.ask(pcpus)
    found.update(power=[first, second], power_refused=power.refused, pcpus=pcpus)
    power.close()
    xen.multicall.refused = "to ask for each by itself"
    found.update(alone=GrantFrames(xen).ask(found["domains"]), grants_refused=grants.refused)
    xen.close()
    return found


def main():
    found, library = [], load(LIBRARY)
    for make in (lambda: LibraryCalls(library), DeviceCalls):
        try:
            found.append(told(make))
        except SourceError as error:
            found.append({"error": str(error)})
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
