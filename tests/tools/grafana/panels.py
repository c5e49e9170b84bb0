"""The panels of the long dashboard, row by row."""
import typing

from xenmeter.front import plugins

from .ask import Ask


class Panel(typing.NamedTuple):
    """unit is Grafana's name of it; kind: timeseries, stat or heatmap; width: of 24 columns; stacked: lines lie on each other."""

    title: str
    unit: str
    asks: tuple
    help: str = ""
    kind: str = "timeseries"
    width: int = 12
    stacked: bool = False


def dom0_too(figure, **more):
    return Ask(figure, scope="dom0", **more)


DISK = ("domain", "vbd")
LATENCY_HELP = ("Mean of the requests that ended: the time that they took, by how many there were. Of disks that tapdisk3 or "
                "QEMU serve, and of blkback's where the disk has its block device for itself. None ended: no point.")


def latency(what):
    return Ask("xentop/vbd/%s_time_ns" % what, "rate", by=DISK, per=("xentop/vbd/%ss_completed" % what,))


ONLINE = tuple("xentrace/domain/%s_ns" % state for state in ("running", "waiting", "blocked"))
"""Time of a domain's vCPUs while they are online: what is told per second of it is the mean of them."""
LIFE = ONLINE + ("xentrace/domain/offline_ns", "xentrace/domain/unknown_ns")
OBSERVED = ("xentrace/trace/observed_ns",)
PCPU = tuple("xentrace/pcpu/%s_ns" % state for state in ("busy", "idle", "unknown"))
VCPU = "vCPU {{vcpu}}"
CAUSED_HELP = ("Who had the pCPUs that they got, while they waited: the domain itself, others, idle: nobody. 100 % is one vCPU "
               "that waits all the time. Off unless the baker has its option --causes. Of observed time; InfluxDB cannot divide "
               "by that, and shows what there is in a second of the clock: less where the baker rests.")


def caused(scope):
    """Without what those have caused that have ended, which jumps."""
    return Ask("xentrace/cause/caused_ns", "rate", scope, ("by",), "{{by}}", without=(("by", "gone"),), per=OBSERVED)


ROWS = (
    ("Host", (
        Panel("Domains", "none", (Ask("xentop/host/domains", scope="host", by=()),), kind="stat", width=4,
              help="Domains on the host; dom0 is one of them."),
        Panel("Records lost per second", "none", (Ask("xentrace/pcpu/lost_records", "rate", "host", (), per=OBSERVED),),
              kind="stat", width=4,
              help="Of observed time, all pCPUs. Other than 0: the scheduling figures have holes. Give the baker "
                   "more --buffer-pages; rings that exist keep their size, so it takes effect when the host has booted the next "
                   "time."),
        Panel("Time observed", "percentunit", (Ask("xentrace/trace/observed_ppm", scope="host", by=()),), kind="stat", width=4,
              help="Share of time that the scheduling figures cover; less than 1 where the baker's governor makes it rest."),
        Panel("pCPUs busy", "percentunit", (
            Ask("xentop/pcpu/busy_ns", "rate", "host", ("pcpu",), "pCPU {{pcpu}}", otherwise=Ask(
                "xentrace/pcpu/busy_ns", "rate", "host", ("pcpu",), "pCPU {{pcpu}}, by the trace", per=PCPU)),),
            help="Share of time in which a pCPU ran a domain: as Xen counts it (plugin xentop); where that is missing, of the "
                 "time that the trace observed."),
        Panel("CPU of all domains", "percentunit", (Ask("xentop/domain/cpu_ppm", scope="domains"),),
              help="1 is one pCPU; several vCPUs may use more."),
        Panel("Memory of all domains", "bytes", (Ask("xentop/domain/memory_bytes", scope="domains"),)),
    )),
    ("Domains", (
        Panel("Network, received by the guest", "Bps", (Ask("xentop/domain/rx_bytes", "rate"),)),
        Panel("Network, sent by the guest", "Bps", (Ask("xentop/domain/tx_bytes", "rate"),)),
        Panel("Disk, read", "Bps", (Ask("xentop/domain/read_bytes", "rate"),)),
        Panel("Disk, written", "Bps", (Ask("xentop/domain/write_bytes", "rate"),)),
        Panel("Disk requests", "iops", (Ask("xentop/domain/read_requests", "rate", legend="{{domain}} read"),
                                       Ask("xentop/domain/write_requests", "rate", legend="{{domain}} write"))),
        Panel("Disk backend out of requests", "cps", (Ask("xentop/domain/out_of_requests", "rate"),),
              help="Times per second that a block backend had no free request: its queue is full."),
    )),
    ("One domain: $guest", (
        Panel("vCPUs running", "percentunit", (Ask("vcpu/vcpu/running_ns", "rate", "guest", ("vcpu",), VCPU),)),
        Panel("vCPUs ready and waiting for a pCPU", "percentunit", (
            Ask("vcpu/vcpu/runnable_ns", "rate", "guest", ("vcpu",), VCPU),),
            help="Steal time, as the guest would call it."),
        Panel("vCPUs blocked", "percentunit", (Ask("vcpu/vcpu/blocked_ns", "rate", "guest", ("vcpu",), VCPU),)),
        Panel("pCPU that each vCPU is on", "none", (Ask("vcpu/vcpu/pcpu", "last", "guest", ("vcpu",), VCPU),)),
        Panel("Network by interface", "Bps", (Ask("xentop/vif/rx_bytes", "rate", "guest", ("vif",), "{{vif}} received"),
                                              Ask("xentop/vif/tx_bytes", "rate", "guest", ("vif",), "{{vif}} sent"))),
        Panel("Packets dropped by interface", "pps", (Ask("xentop/vif/rx_drops", "rate", "guest", ("vif",), "{{vif}} received"),
                                                      Ask("xentop/vif/tx_drops", "rate", "guest", ("vif",), "{{vif}} sent"))),
        Panel("Disk by device", "Bps", (Ask("xentop/vbd/read_bytes", "rate", "guest", ("vbd",), "{{vbd}} read"),
                                        Ask("xentop/vbd/write_bytes", "rate", "guest", ("vbd",), "{{vbd}} written"))),
        Panel("Where its time goes", "percentunit", (
            *(Ask("xentrace/domain/%s_ns" % state, "rate", "guest", (), state, per=LIFE)
              for state in ("running", "waiting", "blocked", "offline", "unknown")),),
            help="Of its vCPUs' observed time, all of them together: the five make 100 %. Offline is also what its cap takes."),
    )),
    ("Scheduling", (
        Panel("Ready: waiting for a pCPU", "percentunit", (Ask("xentrace/domain/waiting_ns", "rate", per=ONLINE),),
              help="Time runnable but not running: mean of the domain's vCPUs, of their observed time online. Above 10 %, the "
                   "host is too full."),
        Panel("Wait until running, 99th percentile", "s", (Ask("xentrace/domain/wait_wake", "p99"),),
              help="Of all waits, after a wake-up or a preemption."),
        Panel("Waits until running", "s", (Ask("xentrace/domain/wait_wake", "buckets", per=OBSERVED),), kind="heatmap",
              width=24, help="Prometheus: how many waits per observed second were how long. Elsewhere: the 99th percentiles of "
                             "the domains."),
        Panel("dom0 starved: its wait for a pCPU", "percentunit", (
            dom0_too("xentrace/domain/waiting_wake_ns", how="rate", by=(), legend="after a wake-up", per=ONLINE),
            dom0_too("xentrace/domain/waiting_preempt_ns", how="rate", by=(), legend="after a preemption", per=ONLINE)),
            help="Mean of its vCPUs, of their observed time online. All guests' disks and networks go through dom0: while it "
                 "waits, they wait."),
        Panel("dom0: wait until running, 99th percentile", "s", (dom0_too("xentrace/domain/wait_wake", how="p99"),)),
        Panel("Executions", "cps", (Ask("xentrace/domain/executions", "rate", per=ONLINE),),
              help="Entries into running per second of a vCPU's observed time online: mean of the domain's vCPUs."),
        Panel("Migrations between pCPUs", "cps", (Ask("xentrace/domain/migrations", "rate", per=ONLINE),),
              help="Per second of a vCPU's observed time online: mean of the domain's vCPUs."),
    )),
    ("Disk latency", (
        Panel("Latency of reads by disk", "s", (latency("read"),), help=LATENCY_HELP),
        Panel("Latency of writes by disk", "s", (latency("write"),), help=LATENCY_HELP),
        Panel("Disk requests under way", "none", (Ask("xentop/vbd/in_flight", by=DISK),),
              help="In the block device of a blkback disk that has it for itself."),
        Panel("Disk requests that failed", "cps", (Ask("xentop/vbd/errors", "rate", by=DISK),),
              help="Per second, as tapdisk3 and QEMU count them. Other than 0: the storage is ill, or a guest asks "
                   "for what is not there."),
        Panel("Packets dropped", "pps", (
            Ask("xentop/vif/rx_drops", "rate", by=("domain", "vif"), legend="{{domain}} {{vif}} received"),
            Ask("xentop/vif/tx_drops", "rate", by=("domain", "vif"), legend="{{domain}} {{vif}} sent")),
              help="By vif. Received: the guest does not take its packets as fast as they come."),
    )),
    ("dom0", (
        Panel("dom0's memory", "bytes", (Ask("xentop/dom0/memory_available_bytes", scope="host", by=(), legend="available"),
                                         Ask("xentop/dom0/memory_bytes", scope="host", by=(), legend="all")),
              help="What its kernel has, and what of it can be had without swapping. With little of it backends fail, and guests "
                   "with them."),
        Panel("dom0's CPU for each domain", "percentunit", (
            Ask("xentop/domain_dom0/cpu_time_ns", "rate", by=("domain", "by")),),
              help="By who spends it: threads of the kernel's backends, tapdisk, QEMU; 1 is one CPU. Interrupts are not in it."),
        Panel("dom0's CPU for $guest", "percentunit", (
            Ask("xentop/domain_dom0/cpu_time_ns", "rate", "guest", ("by",), "{{by}}"),), help="By who spends it."),
        Panel("xenstored's CPU", "percentunit", (
            Ask("xentop/dom0_service/cpu_time_ns", "rate", "host", ("by",), "{{by}}"),),
            help="It has one thread: near 100 % no domain starts, stops or changes any more."),
    )),
    ("Load, and what is set for $guest", (
        Panel("vCPUs that want to run, by pCPUs", "percentunit", (
            Ask("xentop/host/load_ppm", scope="host", by=(), legend="load"),),
            help="Online and not blocked, of all domains, at the moment of the reading. Above 100 % some wait."),
        Panel("Memory and its target", "bytes", (Ask("xentop/domain/memory_bytes", "last", "guest", (), "memory"),
                                                 Ask("xentop/domain_memory/target_bytes", "last", "guest", (), "target"),
                                                 Ask("xentop/domain/memory_max_bytes", "last", "guest", (), "limit")),
              help="What the domain holds, and what its balloon is asked to make of that."),
        Panel("Weight, and pCPUs it may run on", "none", (
            Ask("xentop/domain_sched/weight", "last", "guest", (), "weight"),
            Ask("xentop/domain_sched/pcpus", "last", "guest", (), "pCPUs")),
            help="What the toolstack has set: its share where pCPUs are short, and hard affinity."),
    )),
    ("What Xen itself counts: ready time, grant tables, NUMA, power", (
        Panel("Ready by Xen's own count: waiting for a pCPU", "percentunit", (Ask("vcpu/domain/runnable_ns", "rate"),),
              help="XenServer and XCP-ng 8.3 since September 2025, without a trace: mean of the domain's vCPUs, the offline ones "
                   "among them."),
        Panel("Noisy neighbours", "percentunit", (caused("domains"),), stacked=True,
              help="By whom vCPUs of the chosen domains were made wait. " + CAUSED_HELP),
        Panel("Noisy neighbours of $guest", "percentunit", (caused("guest"),), stacked=True,
              help="By whom its vCPUs were made wait. " + CAUSED_HELP),
        Panel("Running off its NUMA nodes", "percentunit", (
            Ask("vcpu/domain/nonaffine_ns", "rate", per=("vcpu/domain/running_ns",)),),
            help="Share of the domain's running time outside its soft affinity, which is where its memory is if the toolstack "
                 "placed it. XenServer and XCP-ng 8.3 since September 2025."),
        Panel("Grant tables", "none", (Ask("xentop/domain_grants/frames", legend="{{domain}} has"),
                                       Ask("xentop/domain_grants/frames_max", legend="{{domain}} may have")),
              help="Frames of 4 KiB. A guest that has as many as it may have can share no more pages: its disks and networks "
                   "freeze."),
        Panel("Free memory by NUMA node", "bytes", (
            Ask("xentop/node/memory_free_bytes", "last", "host", ("node",), "node {{node}}"),)),
        Panel("Clock of pCPUs", "hertz", (
            Ask("xentop/pcpu_power/frequency_hertz", "last", "host", ("pcpu",), "pCPU {{pcpu}}"),),
              help="Mean by the time in each P-state, without turbo. Group power of plugin xentop, off unless it is named."),
        Panel("Temperature of pCPUs", "celsius", (
            Ask("xentop/pcpu_power/temperature_celsius", "last", "host", ("pcpu",), "pCPU {{pcpu}}"),),
              help="Intel's digital thermometers, where Xen lets them be read (4.22, XCP-ng). Group power of plugin xentop."),
        Panel("Time in C-states", "percentunit", (
            Ask("xentop/cstate/residency_ns", "rate", "host", ("pcpu", "cstate"), "pCPU {{pcpu}}, C{{cstate}}"),),
              help="Where dom0 has told Xen of them. Group power of plugin xentop."),
    )),
    ("The meter's own cost", (
        Panel("Up", "none", tuple(Ask("meter/meter/up", "last", "host", (), name, (("plugin", name),))
                                  for name in plugins.NAMES), kind="stat", width=8,
              help="1 while a plugin's source answers."),
        Panel("CPU", "percentunit", tuple(Ask("meter/meter/cpu_time_ns", "rate", "host", (), name, (("plugin", name),))
                                          for name in plugins.NAMES), width=8,
              help="Of one CPU, for readings; with the child that the plugin keeps."),
        Panel("Time of a reading", "s", tuple(Ask("meter/meter/collect_ns", "last", "host", (), name, (("plugin", name),))
                                              for name in plugins.NAMES), width=8),
    )),
)
