"""Two dashboards: all panels, and a first look."""
import typing

from xenmeter.front import plugins

from .ask import Ask
from .panels import ONLINE, ROWS, Panel


def mean_of_vcpus(state):
    every = ("running", "runnable", "blocked")
    return Ask("vcpu/vcpu/%s_ns" % state, "rate", per=tuple("vcpu/vcpu/%s_ns" % one for one in every))


READY = Ask("xentrace/domain/waiting_ns", "rate", per=ONLINE, otherwise=Ask(
    "vcpu/domain/runnable_ns", "rate", otherwise=mean_of_vcpus("runnable")))
"""Whichever a host has: the trace, XenServer's and XCP-ng's own mean, all states of its vCPUs."""

FIRST = (
    Panel("Domains", "none", (Ask("xentop/host/domains", scope="host", by=()),), kind="stat", width=6,
          help="Domains on the host; dom0 is one of them."),
    Panel("Free memory", "bytes", (Ask("xentop/host/memory_free_bytes", scope="host", by=()),), kind="stat", width=6,
          help="Memory of the host that no domain has."),
    Panel("Load", "percentunit", (Ask("xentop/host/load_ppm", scope="host", by=()),), kind="stat", width=6,
          help="vCPUs that want to run, by pCPUs, at the moment of the reading. Above 100 % some wait."),
    Panel("Sources that answer", "none", tuple(Ask("meter/meter/up", "last", "host", (), name, (("plugin", name),))
                                               for name in plugins.NAMES), kind="stat", width=6,
          help="1 while a plugin's source answers. One that does not run is not there."),
    next(panel for panel in ROWS[0][1] if panel.title == "pCPUs busy"),
    Panel("Ready: waiting for a pCPU", "percentunit", (READY,),
          help="Mean of the domain's vCPUs: by the trace where the baker runs, else as Xen tells it, where it does. Above 10 %, "
               "the host is too full."),
    Panel("CPU by domain", "percentunit", (Ask("xentop/domain/cpu_ppm"),), help="1 is one pCPU; several vCPUs may use more."),
    Panel("Memory by domain", "bytes", (Ask("xentop/domain/memory_bytes"),), help="What each domain has now."),
    Panel("Network", "Bps", (Ask("xentop/domain/rx_bytes", "rate", legend="{{domain}} received"),
                             Ask("xentop/domain/tx_bytes", "rate", legend="{{domain}} sent")),
          help="Of all vifs of a domain, as the guest sees it."),
    Panel("Disks", "Bps", (Ask("xentop/domain/read_bytes", "rate", legend="{{domain}} read"),
                           Ask("xentop/domain/write_bytes", "rate", legend="{{domain}} written")),
          help="Of all disks of a domain."),
)
"""One host, first look: what everybody asks first, without a row of its own."""


class Board(typing.NamedTuple):
    """A dashboard. file: what is between "xenmeter-" and the backend's name; rows: (title, panels); no title: no row is shown."""

    file: str
    title: str
    about: str
    rows: tuple


LONG = Board("", "%s", "A Xen host: its domains, one of them, scheduling, disks, dom0, and what measuring costs.", ROWS)
LOOK = Board("first-", "%s: one host, first look", "A Xen host at a glance. A line leads to that domain in the long dashboard.",
             (("", FIRST),))
BOARDS = (LONG, LOOK)
