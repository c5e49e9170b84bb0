"""A host with one guest, whose one vCPU is always busy: whatever the window, it runs for 100 % of the time. Both names have
characters that mean something in a query."""
from helpers.dashboards import written
from helpers.dashboards.governed import STEP, STEPS
from xenmeter.core.reading import Reading, Who
from xenmeter.front import plugins

HOST = "[2001:db8::1]"
GUEST = "o'brien (a/b.c)"
MEMORY = 1 << 27


def readings(start):
    """[(host, plugin, reading)], in order of time."""
    who = Who(GUEST, "0c5e3a52-6b6e-4d0e-8f0d-000000000001", 1)
    for step in range(STEPS):
        ns = (1000 + step * STEP) * 10 ** 9
        vcpu = {"running_ns": ns, "runnable_ns": 0, "blocked_ns": 0}
        for name, tables in (("vcpu", {"vcpu": [(who, ("0", "resource"), vcpu)]}),
                             ("xentop", {"domain": [(who, ("1", ""), {"cpu_time_ns": ns, "vcpus": 1, "memory_bytes": MEMORY})]})):
            plugin = plugins.get(name)
            yield HOST, plugin, Reading((start + step * STEP) * 10 ** 9, {
                entity: written.rows(plugin, entity, rows) for entity, rows in tables.items()})
