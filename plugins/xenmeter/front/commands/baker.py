"""``xenmeter baker``: the daemon that keeps the scheduling figures, in a shared file and on a socket."""
from typing import Any

from xenmeter.core.errors import NoPrivilege, NotXen
from xenmeter.front.daemons.baker import Baker, restore, status
from xenmeter.xentrace.baker import sources
from xenmeter.xentrace.plugin import SHARED

__all__ = ("add", "run")

#: Exit status where this is no dom0 (a guest's hypercalls are refused) or not root's process: a service manager that tries
#: again gains nothing.
NO_DOM0 = 3


def add(subparsers: Any, parent: Any) -> None:
    parser = subparsers.add_parser(
        "baker", parents=[parent], help="the daemon: a running trace into a shared file and a socket",
        description="Keeps the scheduling figures of this host for any number of readers, until a signal ends it.")
    parser.add_argument("--source", default="rings", metavar="SOURCE",
                        help="rings (the hypervisor's own), xentrace (a child process; Xen 4.18 and later), or a FIFO or "
                             "file as xentrace writes it, or - for stdin (default: rings)")
    parser.add_argument("--buffer-pages", type=int, default=32, metavar="N",
                        help="pages of 4 KiB per pCPU for Xen's rings, where there are none yet; they stay until the host "
                             "reboots (default: 32)")
    parser.add_argument("--share", type=float, default=2.0, metavar="PERCENT",
                        help="of one pCPU that the baker may take from the rings; where the events would cost more, it "
                             "rests between observations of whole windows; 0: no bound (default: 2)")
    parser.add_argument("--state", metavar="PATH", help="where the event mask that was found is kept, to be put back "
                                                        "(default: the shared file's name and .state)")
    parser.add_argument("--restore", action="store_true",
                        help="only undo what a killed baker left behind (for ExecStopPost), then end")
    parser.add_argument("--status", action="store_true", help="only show what the baker that runs is at, then end; exit "
                                                              "status 1 where none runs")
    parser.add_argument("--shared", default=SHARED, metavar="PATH", help="the shared file (default: %s)" % SHARED)
    parser.add_argument("--socket", metavar="PATH", help="the socket (default: the shared file's name and .sock)")
    parser.add_argument("--shared-group", metavar="GROUP", help="group that may read both (default: root's alone)")
    parser.add_argument("--window", action="append", metavar="S", help="lengths of the windows in seconds (default: 1,10)")
    parser.add_argument("--per-vcpu", action="store_true", help="figures of each vCPU too")
    parser.add_argument("--allocation", action="store_true",
                        help="trace the granted time slices too (event mask 0x%08x instead of 0x%08x)" % (
                            sources.MASK_ALLOCATION, sources.MASK))
    parser.add_argument("--causes", type=int, default=0, metavar="N",
                        help="keep who made whom wait, and tell N causes of each domain by name, like 8; 0: keep nothing "
                             "(default: 0)")
    parser.add_argument("--cpus", default="all", metavar="LIST",
                        help="pCPUs to trace, like 0-3,7; what happens on others is missing from all figures, so choose a "
                             "whole cpupool (default: all)")
    parser.add_argument("--cpu-khz", type=int, metavar="K", help="rate of the TSC in kHz (default: the hypervisor says it)")
    parser.add_argument("--stay", action="store_true", help="keep the figures readable when the source has ended")
    parser.add_argument("--until-stdin-ends", action="store_true", help="end when stdin does: for whoever starts it")
    parser.set_defaults(run=run, statuses={NotXen: NO_DOM0, NoPrivilege: NO_DOM0})


def run(arguments: Any) -> int:
    if arguments.restore:
        return restore(arguments)
    if arguments.status:
        return status(arguments)
    return Baker(arguments).run()
