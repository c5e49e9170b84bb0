"""What this host offers of the xentop plugin's sources: for ``xenmeter check``. See vcpu.offers for the form."""
import subprocess
from typing import Any, Callable, Tuple

from xenmeter.core.errors import Unsupported
from xenmeter.xen.domains import DomainDirectory
from xenmeter.xen.xenstore import Xenstore
from xenmeter.xentop.direct.live import LiveDirect
from xenmeter.xentop.text.live import find_xentop, reason

__all__ = ("PROBES", "xenstore", "xentop", "direct")

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
            "%d hypercalls: %s, 3 for the host, 1 per 1000 domains; /proc/net/dev, 5 files per disk" % (hypercalls, vcpus_price))


PROBES: Tuple[Tuple[str, Any], ...] = (("xenstore", xenstore), ("xentop", xentop), ("direct", direct))
