"""A host whose baker always observes, and keeps who made whom wait. Worked out by hand is what its panels show."""
from helpers.dashboards import written
from helpers.dashboards.governed import STEP, STEPS
from xenmeter.core.reading import Reading, Who
from xenmeter.front import plugins

HOST = "contended"
GUEST = "web"
#: ms of each second that a domain's vCPUs were made to wait, by whom.
CAUSED = {"web": {"burner": 300, "web": 20, "idle": 5, "other": 40}, "db": {"burner": 100, "web": 50}}
#: What has ended in the middle had caused so much, s; a panel that takes it for a rate has a peak there.
GONE = 1000

#: Title of a panel -> what it shows, one value of each of its lines.
SHOWN = {
    "Noisy neighbours": [0.005, 0.04, 0.07, 0.4],
    "Noisy neighbours of $guest": [0.005, 0.02, 0.04, 0.3],
}


def readings(start):
    """[(host, plugin, reading)], in order of time."""
    plugin = plugins.get("xentrace")
    names = {name: Who(name, "0c5e3a52-6b6e-4d0e-8f0d-0000000001%02d" % number, number) for number, name in enumerate(CAUSED, 1)}
    for step in range(STEPS):
        seconds = 1000 + step * STEP
        causes = [(names[name], (by,), {"caused_ns": ms * 10 ** 6 * seconds})
                  for name, told in CAUSED.items() for by, ms in told.items()]
        causes.append((names[GUEST], ("gone",), {"caused_ns": GONE * 10 ** 9 * (step > STEPS // 2)}))
        yield HOST, plugin, Reading((start + step * STEP) * 10 ** 9, {
            "cause": written.rows(plugin, "cause", causes),
            "trace": written.rows(plugin, "trace", [(None, (), {"observed_ns": seconds * 10 ** 9})])})
