#!/usr/bin/env python3
"""Writes conf.d/grafana/*.json: two dashboards, one description of each, three backends. `make docs` runs it; a test compares.

    python3 tests/tools/dashboards.py [--check]

Grafana 9 to 11 read them: the data source, the host and the domains are variables, so nothing is to be edited by hand.
"""
import json
import pathlib
import sys
import typing

TOP = pathlib.Path(__file__).resolve().parents[2]
if not __package__:
    sys.path[0] = str(TOP / "tests")
    sys.path.insert(0, str(TOP / "plugins"))

from xenmeter.front import plugins   # noqa: E402

from tools.dashboard_queries import DOM0, Ask, collectd, influxql, owner_of, prometheus   # noqa: E402

FOLDER = TOP / "conf.d" / "grafana"
SCHEMA_VERSION = 37     # Grafana 9.3; later ones migrate it when they read it


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
LONGEST_GAP_MS = 15 * 60 * 1000
"""A baker that its governor makes rest has nothing for up to five minutes: the lines go on over that."""
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


class Backend(typing.NamedTuple):
    name: str
    title: str
    type: str
    ask: typing.Callable
    variables: tuple    # (name, label, query, multi)


DOMAINS_IN_INFLUX = 'SHOW TAG VALUES FROM "xen_domain" WITH KEY = "domain" WHERE "host" =~ /^${host:regex}$/'

BACKENDS = (
    Backend("influxdb", "xenmeter (Telegraf, InfluxDB)", "influxdb", influxql, (
        ("host", "Host", 'SHOW TAG VALUES FROM "xenmeter" WITH KEY = "host"', False),
        ("domain", "Domains", DOMAINS_IN_INFLUX, True),
        ("guest", "One domain", DOMAINS_IN_INFLUX, False))),
    Backend("prometheus", "xenmeter (Prometheus)", "prometheus", prometheus, (
        ("host", "Host", "label_values(xenmeter_up, instance)", False),
        ("domain", "Domains", 'label_values(xen_domain_vcpus{instance=~`${host:regex}(:[0-9]+)?`}, domain)', True),
        ("guest", "One domain", 'label_values(xen_domain_vcpus{instance=~`${host:regex}(:[0-9]+)?`}, domain)', False))),
    Backend("collectd", "xenmeter (collectd, write_prometheus)", "prometheus", collectd, (
        ("host", "Host", "label_values(collectd_xentop_count, instance)", False),
        ("domain", "Domains", 'label_values(collectd_xentop_virt_cpu_total_total{instance=~`${host:regex}`}, xentop)', True),
        ("guest", "One domain", 'label_values(collectd_xentop_virt_cpu_total_total{instance=~`${host:regex}`}, xentop)', False))),
)


def source(backend):
    return {"type": backend.type, "uid": "${datasource}"}


def targets(backend, panel):
    found, asks = [], list(panel.asks)
    if backend.type == "influxdb":      # InfluxQL has no "or"
        for ask in asks:
            asks += [ask.otherwise] * bool(ask.otherwise)
    for number, ask in enumerate(asks):
        query, legend = backend.ask(ask)
        target = {"refId": chr(ord("A") + number), "datasource": source(backend)}
        if backend.type == "influxdb":
            target.update(query=query, alias=legend, rawQuery=True, resultFormat="time_series")
        else:
            heat = panel.kind == "heatmap" and "_bucket" in query
            target.update(expr=query, legendFormat=legend, range=True, format="heatmap" if heat else "time_series")
        found.append(target)
    return found


def options(panel, heat):
    """(options, field defaults, custom) of a panel's kind."""
    if panel.kind == "stat":
        return {"reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False}, "colorMode": "none"}, {}
    if panel.kind == "heatmap":
        return {"calculate": not heat, "color": {"mode": "scheme", "scheme": "Oranges"}, "yAxis": {"unit": panel.unit},
                "cellGap": 0, "tooltip": {"show": True, "mode": "single"}}, {}
    custom = {"fillOpacity": 8, "lineWidth": 1, "showPoints": "never"}
    if panel.stacked:
        custom.update(fillOpacity=60, stacking={"mode": "normal", "group": "A"})
    if any(ask.figure.startswith("xentrace/") for ask in panel.asks):
        custom["spanNulls"] = LONGEST_GAP_MS
    return ({"legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
             "tooltip": {"mode": "multi", "sort": "desc"}}, custom)


def about(panel):
    """What it shows: Grafana has it behind the panel's (i)."""
    return panel.help or panel.asks[0].found()[2].help


DRILLED = "/d/%s?${datasource:queryparam}&${host:queryparam}&${__url_time_range}&var-guest=${__field.labels.%s:percentencode}"


def drilled(backend, panel):
    """From a domain's line to that domain in the long dashboard, with host, data source and time as they are."""
    if "domain" not in panel.asks[0].by:
        return []
    label = owner_of(panel.asks[0]) if backend.name == "collectd" else "domain"
    return [{"title": "All of this domain", "targetBlank": False, "url": DRILLED % (uid(backend, LONG), label)}]


def uid(backend, board):
    return "xenmeter-%s%s" % (board.file, backend.name)


def dashboard(backend, board=LONG):
    """The dashboard as Grafana's JSON model."""
    panels, top, number = [], 0, 0
    for title, row in board.rows:
        if title:
            number += 1
            panels.append({"id": number, "type": "row", "title": title, "collapsed": False, "panels": [],
                           "gridPos": {"x": 0, "y": top, "w": 24, "h": 1}})
            top += 1
        left = 0
        for panel in row:
            if left + panel.width > 24:
                left, top = 0, top + 8
            number += 1
            asked = targets(backend, panel)
            shown, custom = options(panel, any(target.get("format") == "heatmap" for target in asked))
            panels.append({
                "id": number, "type": panel.kind, "title": panel.title, "description": about(panel),
                "datasource": source(backend), "gridPos": {"x": left, "y": top, "w": panel.width, "h": 8}, "targets": asked,
                "options": shown,
                "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0, "custom": custom, "links": drilled(
                    backend, panel) if board is LOOK else []}, "overrides": []}})
            left += panel.width
        top += 8
    return {
        "title": board.title % backend.title, "uid": uid(backend, board), "description": board.about, "tags": ["xen", "xenmeter"],
        "schemaVersion": SCHEMA_VERSION, "version": 1, "editable": True, "timezone": "browser", "refresh": "30s",
        "time": {"from": "now-1h", "to": "now"}, "annotations": {"list": annotations(backend)}, "links": links(),
        "panels": panels, "templating": {"list": variables(backend, json.dumps(panels))}}


def links():
    """To the other dashboards of ours, with the variables and the time as they are."""
    return [{"type": "dashboards", "title": "xenmeter", "tags": ["xenmeter"], "asDropdown": True, "includeVars": True,
             "keepTime": True, "targetBlank": False, "icon": "external link", "tooltip": "the other dashboards", "url": ""}]


#: By backend: how Grafana asks for the runs of `xenmeter bench`, each a mark at its beginning.
ANNOTATIONS = {
    "influxdb": {"query": 'SELECT "length_ns", "label", "reader" FROM "xen_bench" WHERE $timeFilter AND '
                          '"host" =~ /^${host:regex}$/', "tagsColumn": "label,reader", "textColumn": "reader",
                 "fromAnnotations": True},
    "prometheus": {"expr": "xen_bench_start_time_seconds{instance=~`${host:regex}(:[0-9]+)?`} * 1000", "step": "60s",
                   "useValueForTime": True, "titleFormat": "{{label}}", "tagKeys": "label,reader", "textFormat": "{{reader}}"},
    "collectd": {"expr": "collectd_xenbench_gauge{instance=~`${host:regex}`,type=~\".+_start_time\"} * 1000", "step": "60s",
                 "useValueForTime": True, "titleFormat": "{{type}}", "tagKeys": "type", "textFormat": "{{type}}"},
}


def annotations(backend):
    return [{"name": "Benchmark runs", "datasource": source(backend), "enable": True, "iconColor": "purple",
             **ANNOTATIONS[backend.name]}]


def variables(backend, panels):
    """Those that the panels use."""
    found = [{"name": "datasource", "label": "Data source", "type": "datasource", "query": backend.type, "hide": 0,
              "includeAll": False, "multi": False, "options": [], "refresh": 1, "regex": ""}]
    for name, label, query, multi in [one for one in backend.variables if "${%s:" % one[0] in panels]:
        found.append({
            "name": name, "label": label, "type": "query", "datasource": source(backend), "hide": 0, "query": query,
            "definition": query, "refresh": 2, "sort": 1, "multi": multi, "includeAll": multi, "options": [],
            "allValue": ".*" if multi else None,
            # one host has several ports, one per plugin
            "regex": r"/^(.*?)(?::\d+)?$/" if (backend.name, name) == ("prometheus", "host") else ""})
    return found


def text(backend, board=LONG):
    return json.dumps(dashboard(backend, board), indent=1, ensure_ascii=False) + "\n"


def path(backend, board=LONG):
    return FOLDER / (uid(backend, board) + ".json")


def main(arguments):
    """Exit status 1 where --check finds a file that is not what would be written."""
    stale = [(backend, board) for backend in BACKENDS for board in BOARDS
             if not path(backend, board).exists() or path(backend, board).read_text(encoding="utf-8") != text(backend, board)]
    for one in stale:
        if arguments != ["--check"]:
            path(*one).write_text(text(*one), encoding="utf-8")
        print("%s: %s" % (path(*one).relative_to(TOP), "is not up to date" if arguments == ["--check"] else "written anew"))
    return 1 if stale and arguments == ["--check"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

__all__ = ["BACKENDS", "BOARDS", "DOM0", "FIRST", "LONG", "LOOK", "ROWS", "dashboard", "path", "text"]
