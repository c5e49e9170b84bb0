"""What this host offers of the vCPU sources: for ``xenmeter check``.

Each probe opens the hypervisor for itself and closes it again; it returns what the source can measure and what a reading
of it costs, or raises an XenmeterError that says why the source cannot be used here.
"""
from typing import Any, Callable, Tuple

from xenmeter.core.errors import Unsupported
from xenmeter.vcpu.page import COUNTERS
from xenmeter.vcpu.pages import Pages
from xenmeter.xen import structs
from xenmeter.xen.hypervisor import Hypervisor
from xenmeter.xen.multicall import MOST
from xenmeter.xen.resource import open_memory
from xenmeter.xen.roster import NAMES_REST_S
from xenmeter.xen.runstates import VcpuRunstates
from xenmeter.xen.vcpus import Vcpus, price
from xenmeter.xen.versions import releases_of

__all__ = ("PROBES", "hypervisor", "own_runstate", "getvcpuinfo", "runstate_domctl", "vcpu_runstates", "resource")

#: Guests that are asked for a page: each of the first ones may just be ending.
_TRIES = 3


def _with(connect: Callable[[], Any], ask: Callable[[Any], Tuple[str, str]]) -> Tuple[str, str]:
    xen = connect()
    try:
        return ask(xen)
    finally:
        xen.close()


def hypervisor(connect: Callable[[], Any] = Hypervisor) -> Tuple[str, str]:
    def ask(xen: Any) -> Tuple[str, str]:
        sysctl, domctl = xen.interface_versions()
        return ("Xen %d.%d by %s: %d domains; interface versions 0x%x and 0x%x, those of %s" % (
            xen.version() + (xen.way, len(xen.domains()), sysctl, domctl, releases_of(sysctl, domctl))),
                "1 hypercall per 1000 domains: the list of them, for all sources below")
    return _with(connect, ask)


def own_runstate(connect: Callable[[], Any] = Hypervisor) -> Tuple[str, str]:
    def ask(xen: Any) -> Tuple[str, str]:
        if xen.own_runstate(0) is None:
            raise Unsupported("Xen tells nothing of this domain's vCPU 0; is this dom0? (arm64's Xen does not tell it either)")
        Vcpus(xen).own_runstates(1)
        return ("dom0's own vCPUs: time running, runnable, blocked, offline; online, pCPU",
                "hypercalls: %s of dom0, and those of getvcpuinfo" % price(xen))
    return _with(connect, ask)


def getvcpuinfo(connect: Callable[[], Any] = Hypervisor) -> Tuple[str, str]:
    def ask(xen: Any) -> Tuple[str, str]:
        wanted = [(info.domain, 0 if info.max_vcpu_id == structs.NO_VCPU else info.max_vcpu_id + 1) for info in xen.domains()]
        if xen.vcpu(0, 0) is None:
            raise Unsupported("Xen knows no vCPU 0 of dom0")
        vcpus, before = Vcpus(xen), xen.hypercalls
        vcpus.ask(wanted)
        return ("each vCPU: time running, online, pCPU",
                "%d hypercalls for %d vCPUs: %s" % (xen.hypercalls - before, sum([number for _, number in wanted]), price(xen)))
    return _with(connect, ask)


def runstate_domctl(connect: Callable[[], Any] = Hypervisor) -> Tuple[str, str]:
    def ask(xen: Any) -> Tuple[str, str]:
        for info in xen.domains():
            told = info.max_vcpu_id != structs.NO_VCPU and info.cpu_time and xen.domain_runstate(info.domain)
            if told:
                return ("each domain as a whole: time in six runstates%s; its vCPUs as getvcpuinfo" % (
                    ", and its vCPUs' mean time ready, running and off their soft affinity" if told.running else
                    " (the mean time ready is told since XCP-ng's Xen 4.17.5-18)"),
                        "hypercalls: 1 per %d domains, and those of getvcpuinfo" % (1 if xen.multicall.refused else MOST))
        raise Unsupported("no domain has run yet, or Xen does not tell of those that have")
    return _with(connect, ask)


def vcpu_runstates(connect: Callable[[], Any] = Hypervisor) -> Tuple[str, str]:
    def ask(xen: Any) -> Tuple[str, str]:
        runstates = VcpuRunstates(xen)
        runstates.ask([(info.domain, 1) for info in xen.domains() if info.max_vcpu_id != structs.NO_VCPU and info.cpu_time])
        if not runstates.is_there:
            raise Unsupported("this Xen tells dom0 no runstates of other domains' vCPUs: %s; xentop-ng proposes it" % (
                runstates.refused or "no domain has run yet"))
        return ("each vCPU: time running, runnable, blocked, offline; online, pCPU",
                "hypercalls: %s, and those of getvcpuinfo" % price(xen))
    return _with(connect, ask)


def resource(connect: Callable[[], Any] = Hypervisor, memory: Callable[[], Any] = open_memory) -> Tuple[str, str]:
    def ask(xen: Any) -> Tuple[str, str]:
        guests = [info for info in xen.domains()
                  if info.domain and info.max_vcpu_id != structs.NO_VCPU and not info.flags & structs.DYING]
        if not guests:
            raise Unsupported("there is no guest, and Xen gives dom0 no page of its own; try again when one runs")
        pages = Pages(memory())
        try:
            reason = None
            for info in guests[:_TRIES]:
                try:
                    layout = pages.of(info, info.max_vcpu_id + 1).reader.layout
                    what = ", ".join([name.replace("_", " ") for name in COUNTERS[:layout.counters]])
                    return ("each vCPU, from its domain's page: %s; read by %s" % (
                        what, "compiled code" if pages.is_compiled else "Python"),
                            "no hypercall; the list of domains when one comes or goes, and every %.0f s" % NAMES_REST_S)
                except Unsupported as error:
                    reason = error
            raise Unsupported("%s; no release of Xen has pages of statistics" % reason)
        finally:
            pages.close()
    return _with(connect, ask)


PROBES: Tuple[Tuple[str, Any], ...] = (("hypervisor", hypervisor), ("own_runstate", own_runstate), ("getvcpuinfo", getvcpuinfo),
          ("runstate_domctl", runstate_domctl), ("vcpu_runstates", vcpu_runstates), ("resource", resource))
