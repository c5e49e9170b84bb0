"""Hosts whose baker rests, of which every true share is known.

Of a rest no counter of the trace knows; xentop's go on.
"""
from helpers.dashboards.alerts_governed import observed_s
from helpers.dashboards.written import rows
from xenmeter.core.reading import Reading, Who
from xenmeter.front import plugins

#: Seconds observed of every so many, and whether xentop runs there.
HOSTS = {"resting": (10, 100, True), "resting-long": (10, 310, False)}
STEP = 10
STEPS = 180
#: vCPUs online and unplugged; what a second of an online one has.
DOMAINS = {
    "Domain-0": (16, 4, {"running": 0.2, "waiting_wake": 0.02, "waiting_preempt": 0.01, "waiting": 0.03, "blocked": 0.77,
                         "executions": 50, "migrations": 5}),
    "web": (2, 0, {"running": 0.5, "waiting_wake": 0.05, "waiting_preempt": 0.07, "waiting": 0.12, "blocked": 0.38,
                   "executions": 20, "migrations": 1}),
}
#: By whom a second of web's vCPUs was made wait, and for how long.
CAUSED = {"Domain-0": 0.15, "web": 0.06, "idle": 0.03}
PCPUS = 2
BUSY_BY_TRACE, BUSY_BY_XEN, LOST_PER_S = 0.45, 0.4, 3


def readings(start):
    """[(host, plugin, reading)], in order of time for each host."""
    for host in HOSTS:
        for plugin, reading in _readings(host, start):
            yield host, plugin, reading


def _readings(host, start):
    observation, cycle, xentop = HOSTS[host]
    names = {name: Who(name, "6f5902ac-237a-4de9-9b6b-%012x" % number, number) for number, name in enumerate(DOMAINS)}
    for step in range(STEPS):
        ns = (10 ** 4 + observed_s(step * STEP, observation, cycle)) * 10 ** 9      # the baker runs for long already
        domains = []
        for name, (online, unplugged, second) in DOMAINS.items():
            values = {key + "_ns": int(online * share * ns) for key, share in second.items() if share < 1}
            values.update({key: int(online * often * ns) // 10 ** 9 for key, often in second.items() if often >= 1})
            domains.append((names[name], (), dict(values, offline_ns=unplugged * ns, unknown_ns=0)))
        labels = [(str(pcpu),) for pcpu in range(PCPUS)]
        plugin = plugins.get("xentrace")
        tables = {entity: rows(plugin, entity, found) for entity, found in {
            "domain": domains, "cause": [(names["web"], (by,), {"caused_ns": int(share * ns)}) for by, share in CAUSED.items()],
            "trace": [(None, (), {"observed_ns": ns})],
            "pcpu": [(None, one, {"busy_ns": int(BUSY_BY_TRACE * ns), "idle_ns": ns - int(BUSY_BY_TRACE * ns), "unknown_ns": 0,
                                  "lost_records": LOST_PER_S * ns // 10 ** 9}) for one in labels]}.items()}
        yield plugin, Reading((start + step * STEP) * 10 ** 9, tables)
        if xentop:
            plugin = plugins.get("xentop")
            busy = {"busy_ns": int(BUSY_BY_XEN * (10 ** 5 + step * STEP) * 10 ** 9)}
            yield plugin, Reading((start + step * STEP) * 10 ** 9, {
                "pcpu": rows(plugin, "pcpu", [(None, one, busy) for one in labels])})


def expected(host, title, legend):
    """The figures that a line or the lines of a panel must show: a set; None where the panel is not asked about."""
    xentop = HOSTS[host][2]
    shares = {name: second for name, (_, _, second) in DOMAINS.items()}
    if title == "pCPUs busy":
        if "trace" in legend:       # InfluxQL asks for both
            return {BUSY_BY_TRACE}
        return {BUSY_BY_XEN} if xentop else {BUSY_BY_TRACE}
    if title == "Where its time goes":      # of web, which has no vCPU unplugged
        return {shares["web"].get(legend, 0)}
    if title.startswith("Noisy neighbours"):
        return set(CAUSED.values())
    return {"Records lost per second": {LOST_PER_S * PCPUS},
            "Ready: waiting for a pCPU": {one["waiting"] for one in shares.values()},
            "dom0 starved: its wait for a pCPU": {shares["Domain-0"]["waiting_" + (
                "wake" if "wake" in legend else "preempt")]},
            "Executions": {one["executions"] for one in shares.values()},
            "Migrations between pCPUs": {one["migrations"] for one in shares.values()}}.get(title)
