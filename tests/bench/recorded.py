"""A recording of a host on which a web server was asked, and the runs of the client that asked it: every cost is known."""
import json
import random

from tests_paths import PLUGINS
from xenmeter.bench import runs
from xenmeter.bench.results import Figure, LESS, MORE, Result, Work
from xenmeter.bench.runner import Ran

EXAMPLE = PLUGINS / "xenmeter" / "example" / "direct.jsonl"
SECOND, BEGAN = 10 ** 9, 1795910000 * 10 ** 9
#: CPU time while nobody asks, ns each second; requests of a run, and its seconds.
IDLE = {"Domain-0": 20000000, "web1": 5000000}
REQUESTS, LENGTH, BYTES = 4000, 20, 10240
#: CPU us of a request under each kernel.
COSTS = {"6.1": {"Domain-0": 180, "web1": 300}, "6.12": {"Domain-0": 126, "web1": 300}}


def write(folder, count=7, apart=30):
    """(recording, file of runs): ``count`` runs under each kernel, each after ``apart`` seconds of a run's beginning."""
    chance = random.Random(3)
    spans = []
    for number, kernel in enumerate([name for name in COSTS for _ in range(count)]):
        began = BEGAN + (20 + number * apart) * SECOND + SECOND // 2
        noise = {name: chance.gauss(1, 0.02) for name in IDLE}
        spans.append((kernel, began, {name: COSTS[kernel][name] * REQUESTS * 1000 * noise[name] for name in IDLE}))
    (folder / "host").mkdir()
    _recording(folder / "host", spans, 40 + count * len(COSTS) * apart)
    with (folder / "web1.jsonl").open("w") as file:
        for number, (kernel, began, _) in enumerate(spans):
            figures = (Figure("reply_rate", REQUESTS / LENGTH * chance.gauss(1, 0.002), "reply/s", MORE),
                       Figure("response_time", 12.0, "ms", LESS))
            record = runs.unwatched(runs.record_of(
                kernel, number % count + 1, ["httperf", "--server", "web1"], "httperf",
                Ran(0, began, LENGTH * SECOND, [], {}, ""), Result(figures, Work(float(REQUESTS), "request"), ()), None))
            file.write(json.dumps(dict(record, kernel=kernel)) + "\n")
    return folder / "host", folder / "web1.jsonl"


def _recording(folder, spans, seconds):
    """A reading each second."""
    first = json.loads(EXAMPLE.read_text().splitlines()[0])
    dom0, guest = first["domains"][0], next(one for one in first["domains"] if one["vifs"])
    guest = json.loads(json.dumps(guest).replace('"io-guest"', '"web1"'))
    with (folder / "direct.jsonl").open("w") as file:
        for second in range(seconds):
            now = BEGAN + second * SECOND
            for domain in (dom0, guest):
                paid = second * IDLE[domain["name"]] + sum(
                    _share(began, now) * cost[domain["name"]] for _, began, cost in spans)
                domain["vcpu_ns"] = [[0, 10 ** 12 + int(paid)]]
                domain["info"]["cpu_time"] = 10 ** 12 + int(paid)
            sent = int(sum(_share(began, now) for _, began, _ in spans) * REQUESTS)
            guest["vifs"] = [[0, False, [sent * 100, sent, 0, 0, sent * BYTES, sent, 0, 1]]]
            file.write(json.dumps(dict(first, time_ns=now, xen_ns=first["xen_ns"] + second * SECOND,
                                       idle_ns=[second * SECOND * 9 // 10] * 2, domains=[dom0, guest])) + "\n")
    (folder / "manifest.json").write_text(json.dumps({
        "format": "xenmeter-recording", "version": 1, "made_by": "tests", "host": {}, "start_ns": BEGAN,
        "sources": {"direct": {"file": "direct.jsonl", "interval_s": 1}}}))


def _share(began, now):
    """How much of a run is over."""
    return min(1.0, max(0.0, (now - began) / (LENGTH * SECOND)))
