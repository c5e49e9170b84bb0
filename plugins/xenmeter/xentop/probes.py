"""What this host offers of the xentop plugin's sources: for ``xenmeter check``. See vcpu.offers for the form."""
import subprocess
from typing import Any, Callable, Tuple

from xenmeter.core.errors import Unsupported
from xenmeter.xen.domains import DomainDirectory
from xenmeter.xen.grants import GrantFrames
from xenmeter.xen.hypervisor import Hypervisor
from xenmeter.xen.multicall import MOST
from xenmeter.xen.power import Power
from xenmeter.xen.topology import nodes, places
from xenmeter.xen.xenstore import Xenstore
from xenmeter.xentop.direct.live import LiveDirect
from xenmeter.xentop.text.live import find_xentop, reason

__all__ = ("PROBES", "xenstore", "xentop", "direct", "beside", "grants", "numa", "power")

_TIMEOUT = 20.0


def xenstore(store: Callable[[], Any] = Xenstore) -> Tuple[str, str]:
    with store() as opened:
        domains = len(DomainDirectory(opened).snapshot().domains)
    return ("names, UUIDs, start times and devices' names of %d domains" % domains,
            "no hypercall; 2 questions per domain, the rest rarely")


def xentop(command: Any = None) -> Tuple[str, str]:
    """One iteration of the program is tried."""
    words = command or [find_xentop()]
    try:
        tried = subprocess.run(words + ["-b", "-i", "1"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, timeout=_TIMEOUT)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unsupported("%s does not run: %s" % (words[0], error))
    rows = tried.stdout.splitlines()
    if not rows or not rows[0].split()[:2] == [b"NAME", b"STATE"]:
        raise reason(tried.stderr.decode("utf-8", "replace").strip().replace("\n", "; "), False)
    return ("CPU in whole seconds, memory, disks of %d domains; vifs where dom0 has a Linux bridge" % (len(rows) - 1),
            "one child, %s, that stays; in it 1 hypercall per vCPU and 1 per 256 domains, 5 files per disk" % words[0])


def direct(source: Any = None) -> Tuple[str, str]:
    """One reading is tried, and its hypercalls are counted."""
    trial = source or LiveDirect(1)
    sample, hypercalls, vcpus_price = trial.once()
    vcpus = sum([len(domain.vcpu_ns) for domain in sample.domains])
    disks = sum([len(domain.disks or ()) for domain in sample.domains])
    lacking = [what for what, there in (("vifs", "no_vifs"), ("disks", "no_disks")) if there in sample.left_out]
    return ("CPU in ns of %d domains and %d online vCPUs, memory, vifs, %d disks, pCPUs%s" % (
        len(sample.domains), vcpus, disks, "; not %s: %s" % (" and ".join(lacking), sample.trouble) if lacking else ""),
            "%d hypercalls: %s, 4 for the host, 2 per 1000 domains; /proc/net/dev, 5 files per disk" % (hypercalls, vcpus_price))


def beside(source: Any = None) -> Tuple[str, str]:
    """What source direct reads beside xentop's figures."""
    trial = source or LiveDirect(1)
    sample = trial.once()[0]
    disks = [(domain, disk) for domain in sample.domains for disk in domain.disks or ()]
    timed = sum([disk.served is not None or disk.dev in domain.backing for domain, disk in disks])
    return ("times of requests of %d of %d disks, terms of scheduling of %d domains, dom0's CPU for %d" % (
        timed, len(disks), sum([domain.terms is not None for domain in sample.domains]),
        sum([bool(domain.spent) for domain in sample.domains])),
            "1 file per disk, the list of dom0's processes and 1 file of each that serves a domain; every 30 s 1 hypercall per "
            "1000 domains and per 1000 vCPUs")


def grants(connect: Callable[[], Any] = Hypervisor) -> Tuple[str, str]:
    def ask(xen: Any) -> Tuple[str, str]:
        asked = GrantFrames(xen)
        told = asked.ask([info.domain for info in xen.domains()])
        if not told:
            raise Unsupported("Xen tells of no grant table: %s" % (asked.refused or "no domain has one"))
        fullest = max(told, key=lambda domid: told[domid][0] / told[domid][1])
        return ("how full the grant table of %d domains, the fullest domain %d's with %d of %d frames" % (
            (len(told), fullest) + told[fullest]), "group grants, in direct's: hypercalls: 1 per %d domains" % (
                1 if xen.multicall.refused else MOST))
    return _with(connect, ask)


def numa(connect: Callable[[], Any] = Hypervisor) -> Tuple[str, str]:
    def ask(xen: Any) -> Tuple[str, str]:
        there = [node for node in nodes(xen) if node is not None]
        known = [place for place in places(xen, xen.host().max_cpu_id + 1) if place is not None and place.node is not None]
        return ("free memory of %d nodes, and on which each of %d pCPUs is" % (len(there), len(known)),
                "group numa, in direct's: 1 hypercall")
    return _with(connect, ask)


def power(connect: Callable[[], Any] = Hypervisor) -> Tuple[str, str]:
    """What any pCPU has. The group is not published unless it is named."""
    def ask(xen: Any) -> Tuple[str, str]:
        asked = Power(xen)
        try:
            pcpus = xen.host().max_cpu_id + 1
            told = asked.ask(pcpus)
        finally:
            asked.close()
        gives = [name for name, there in zip(("P-states and clock", "C-states", "temperature", "temperature of packages"), [
            any([value is not None for value in column]) for column in zip(*told)]) if there]
        why = "; ".join(["%s: %s" % (_POWER.get(what, what), asked.refused[what]) for what in sorted(asked.refused)])
        if not gives:
            raise Unsupported("Xen tells of no pCPU's power: " + why)
        return ("%s of %d pCPUs%s; group power, which is off unless it is named" % (
            ", ".join(gives), pcpus, why and "; not " + why),
                "hypercalls: %d per %d pCPUs%s" % (3 - len(asked.refused), 1 if xen.multicall.refused else MOST,
                                                   "" if "temperature" in asked.refused else
                                                   "; each pCPU is interrupted for its temperature"))
    return _with(connect, ask)


_POWER = {"pstates": "P-states", "cstates": "C-states"}


def _with(connect: Callable[[], Any], ask: Callable[[Any], Tuple[str, str]]) -> Tuple[str, str]:
    xen = connect()
    try:
        return ask(xen)
    finally:
        xen.close()


PROBES: Tuple[Tuple[str, Any], ...] = (("xenstore", xenstore), ("xentop", xentop), ("direct", direct),
          ("direct_more", beside), ("grants", grants), ("numa", numa), ("power", power))
