"""A host whose backends tell all that they can, at a steady pace: what is in no recording of xentop's text. Worked out by hand is
what its panels show."""
from helpers.dashboards import written
from helpers.dashboards.governed import STEP, STEPS
from xenmeter.core.reading import Reading, Who
from xenmeter.front import plugins

HOST = "served"
GUEST = "web"
UUID = "0c5e3a52-6b6e-4d0e-8f0d-000000000002"

#: Of disk xvda: reads that ended per second, and what each took, ns; the same of writes.
READS, READ_NS, WRITES, WRITE_NS = 40, 5 * 10 ** 6, 20, 25 * 10 ** 6
ERRORS, DROPPED_RX, DROPPED_TX = 2, 30, 10

#: Title of a panel -> what it shows, one value of each of its lines.
SHOWN = {
    "Latency of reads by disk": [0.005],
    "Latency of writes by disk": [0.025],
    "Disk requests that failed": [ERRORS],
    "Packets dropped": [DROPPED_RX, DROPPED_TX],
    "Disk requests under way": [3],
    "vCPUs that want to run, by pCPUs": [1.5],
    "Load": [1.5],
    "Free memory": [2 << 30],
    "dom0's memory": [300 << 20, 1000 << 20],
    "dom0's CPU for each domain": [0.05, 0.2],
    "dom0's CPU for $guest": [0.05, 0.2],
    "xenstored's CPU": [0.1],
    "Memory and its target": [96 << 20, 128 << 20, 192 << 20],
    "Weight, and pCPUs it may run on": [2, 512],
}


def tables(seconds):
    """What plugin xentop has counted after so many seconds: {entity: [(who, labels, {figure: value})]}"""
    who = Who(GUEST, UUID, 7)
    return {
        "domain": [(who, ("7", ""), {"vcpus": 1, "memory_bytes": 96 << 20, "memory_max_bytes": 192 << 20})],
        "domain_memory": [(who, (), {"target_bytes": 128 << 20})],
        "domain_sched": [(who, ("credit2", "0", "0-1"), {"weight": 512, "pcpus": 2})],
        "domain_dom0": [(who, ("netback",), {"cpu_time_ns": 50 * 10 ** 6 * seconds}),
                        (who, ("qemu",), {"cpu_time_ns": 200 * 10 ** 6 * seconds})],
        "host": [(None, ("direct",), {"load_ppm": 1500000, "memory_free_bytes": 2 << 30})],
        "dom0": [(None, (), {"memory_bytes": 1000 << 20, "memory_available_bytes": 300 << 20})],
        "dom0_service": [(None, ("xenstored",), {"cpu_time_ns": 10 ** 8 * seconds})],
        "vif": [(who, ("0",), {"rx_drops": DROPPED_RX * seconds, "tx_drops": DROPPED_TX * seconds})],
        "vbd": [(who, ("xvda", "Tapdisk3"), {
            "reads_completed": READS * seconds, "read_time_ns": READS * READ_NS * seconds,
            "writes_completed": WRITES * seconds, "write_time_ns": WRITES * WRITE_NS * seconds, "errors": ERRORS * seconds,
            "in_flight": 3})],
    }


def readings(start):
    """[(host, plugin, reading)], in order of time."""
    plugin = plugins.get("xentop")
    for step in range(STEPS):
        yield HOST, plugin, Reading((start + step * STEP) * 10 ** 9, {
            entity: written.rows(plugin, entity, rows) for entity, rows in tables(1000 + step * STEP).items()})
