"""Runs of a web server at rising rates whose every cost is known: so much per request, and so much per execution."""
import json

from xenmeter.bench import runs
from xenmeter.bench.results import Figure, LESS, MORE, Result, Work
from xenmeter.bench.runner import Ran

SECOND, LENGTH = 10 ** 9, 10
#: CPU us of a request, and of each execution, of both domains.
BASE, PRICE = {"Domain-0": 210.0, "web": 485.0}, {"Domain-0": 28.0, "web": 20.0}
#: Label: executions of each domain per request at the lowest and at the highest rate.
LABELS = {"limit 1000/dom0 x 1": (12, 1), "limit 1000/dom0 x 10": (12, 2), "limit 0/dom0 x 1": (15, 5),
          "limit 0/dom0 x 10": (15, 12)}
RATES = (100, 200, 400)
GRANTS, PACKETS = 6, 20


def records(labels=LABELS):
    for label, (first, last) in labels.items():
        for place, rate in enumerate(RATES):
            yield record(label, rate, first + (last - first) * place / (len(RATES) - 1))


def record(label, rate, executions):
    """:param executions: of each domain per request."""
    requests = rate * LENGTH
    result = Result((Figure("reply_rate", float(rate), "reply/s", MORE), Figure("errors", 0.0, "1", LESS),
                     Figure("response_time", rate / 20, "ms", LESS), Figure("asked_rate", float(rate), "connection/s", "")),
                    Work(float(requests), "request"), ())
    found = runs.unwatched(runs.record_of(label, 1, ["httperf"], "httperf", Ran(0, 10 ** 18, LENGTH * SECOND, [], {}, ""),
                                          result, None))
    domains = []
    for name in BASE:
        times = int(executions * requests)
        cpu = int((BASE[name] * requests + PRICE[name] * times) * 1000)
        costs = {"cpu_ns": cpu, "running_ns": cpu, "waiting_ns": cpu // 4, "blocked_ns": LENGTH * SECOND - cpu - cpu // 4,
                 "executions": times}
        if name == "Domain-0":
            costs.update(grant_maps=GRANTS * requests // 2, grant_unmaps=GRANTS * requests // 2)
        else:
            costs.update(rx_packets=PACKETS * requests // 2, tx_packets=PACKETS * requests // 2)
        domains.append({"name": name, "uuid": None, "domid": len(domains), "costs": costs,
                        "above_idle": {"cpu_ns": cpu, "executions": times}})
    return dict(found, lengths_ns={"xentop": LENGTH * SECOND, "xentrace": LENGTH * SECOND}, domains=domains)


def write(path, those):
    path.write_text("".join(json.dumps(one) + "\n" for one in those))
    return path
