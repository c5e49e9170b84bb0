"""A host of which Xen tells all that is asked beside xentop's figures, at a steady pace: what is in no recording of xentop's
text. Worked out by hand is what its panels show."""
from helpers.dashboards import written
from helpers.dashboards.governed import STEP, STEPS
from xenmeter.core.reading import Reading, Who
from xenmeter.front import plugins

HOST = "inside"
FREE, HERTZ, CELSIUS, FRAMES = 3 << 30, 2120 * 10 ** 6, 64, (26, 32)

#: Title of a panel -> what it shows, one value of each of its lines.
SHOWN = {
    "Grant tables": list(FRAMES),
    "Free memory by NUMA node": [FREE],
    "Clock of pCPUs": [HERTZ],
    "Temperature of pCPUs": [CELSIUS],
    "Time in C-states": [0.25, 0.75],
}


def readings(start):
    """[(host, plugin, reading)], in order of time."""
    who, plugin = Who("web", "0c5e3a52-6b6e-4d0e-8f0d-000000000003", 7), plugins.get("xentop")
    for step in range(STEPS):
        ns = (1000 + step * STEP) * 10 ** 9
        tables = {
            "domain": [(who, ("7", ""), {"vcpus": 1})],
            "domain_grants": [(who, (), {"frames": FRAMES[0], "frames_max": FRAMES[1]})],
            "node": [(None, ("0",), {"memory_bytes": 8 << 30, "memory_free_bytes": FREE})],
            "pcpu_power": [(None, ("0",), {"frequency_hertz": HERTZ, "temperature_celsius": CELSIUS})],
            "cstate": [(None, ("0", str(number)), {"residency_ns": ns // 4 * share, "entries": ns})
                       for number, share in enumerate((1, 3))]}
        yield HOST, plugin, Reading((start + step * STEP) * 10 ** 9, {
            entity: written.rows(plugin, entity, rows) for entity, rows in tables.items()})
