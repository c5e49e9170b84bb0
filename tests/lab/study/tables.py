#!/usr/bin/env python3
"""The study's figures as the tables of its page, from a file of runs.

    PYTHONPATH=plugins python3 tests/lab/study/tables.py fixtures/study/study.jsonl
"""
import pathlib
import re
import sys

if not __package__:
    sys.path[0] = str(pathlib.Path(__file__).resolve().parents[2])
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "plugins"))

from xenmeter.bench import runs
from xenmeter.bench.line import fit
from xenmeter.front.report.ratespage import costs_and_executions

__all__ = ("DOMAINS", "configurations", "figure", "costs", "share", "points", "repeats", "tables")

DOMAINS = ("Domain-0", "web")
#: Of the paper, at its highest rates: replies a second, CPU %, waiting %, executions a second, CPU us of each, I/O per execution.
#: Where its text or its figures do not tell one, there is a dash.
PAPER = (("2005, BVT, dom0 x 0.5", "1380", "-", "30 / 68", "web more", "dom0 more", "400", "1000 / 2000", "100", "0.3"),
         ("2005, BVT, dom0 x 1", "1200", "-", "-", "-", "dom0 more", "-", "-", "-", "-"),
         ("2005, BVT, dom0 x 2", "980", "-", "-", "-", "-", "10000 to 12000", "35 to 50", "-", "-"),
         ("2005, BVT, dom0 x 10", "700", "-", "45 / 55", "dom0 more", "2 / 40", "10000 to 12000", "35 to 50", "1.4", "15"))
_HEAD = ("dom0 / web", "replies/s", "ms", "CPU %", "blocked %", "waiting %", "executions/s", "\u00b5s each", "I/O per execution",
         "executions per request")


def configurations(path):
    """{(scheduler, limit in us, weight): its runs by rising rate}"""
    found = {}
    for record in runs.load(str(path)):
        scheduler, limit, weight = re.match(r"(\w+), rate limit (\d+) us/dom0 x (\S+)$", record["label"]).groups()
        found.setdefault((scheduler, int(limit), weight), []).append(record)
    return found


def figure(record, name):
    return next(one["value"] for one in record["figures"] if one["name"] == name)


def costs(record, name):
    return next(one["costs"] for one in record["domains"] if one["name"] == name)


def share(record, name, state):
    """Percent of the time that the trace has."""
    return 100 * costs(record, name)[state] / record["lengths_ns"]["xentrace"]


def points(records, name):
    """(executions, CPU us) per request of each run."""
    return [costs_and_executions(record, name) for record in records]


def repeats(groups, name):
    """The largest R2 that any curve over the executions could have, where runs of a group are the same run again."""
    costs_of = [[cost for _, cost in points(group, name)] for group in groups]
    everything = [cost for those in costs_of for cost in those]
    middle = sum(everything) / len(everything)
    within = sum((cost - sum(those) / len(those)) ** 2 for those in costs_of for cost in those)
    return 1 - within / sum((cost - middle) ** 2 for cost in everything)


def tables(path):
    """Lines of Markdown."""
    found = configurations(path)
    yield from _table(_HEAD, [*PAPER, *(_row("{}, {}, dom0 x {}".format(
        scheduler, _limit(limit), weight), those[-1]) for (scheduler, limit, weight), those in found.items())])
    yield ""
    yield from _table(("a request costs", "dom0", "R\u00b2", "web", "R\u00b2", "runs"), list(_lines(found)))


def _limit(limit):
    return "no limit" if not limit else f"{limit // 1000} ms"


def _row(name, record):
    both = [costs(record, one) for one in DOMAINS]
    seconds = record["lengths_ns"]["xentrace"] / 1e9
    operations = sum(each.get("grant_maps", 0) + each.get("grant_unmaps", 0) for each in both)
    each = sum(executions for one in DOMAINS for executions, _ in points([record], one))
    return (name, "%.1f" % figure(record, "reply_rate"), "%.0f" % figure(record, "response_time"),
            *(" / ".join("%.0f" % share(record, one, state) for one in DOMAINS)
              for state in ("running_ns", "blocked_ns", "waiting_ns")),
            " / ".join("%.0f" % (one["executions"] / seconds) for one in both),
            " / ".join("%.0f" % (one["running_ns"] / 1e3 / one["executions"]) for one in both),
            "%.1f" % (operations / both[0]["executions"]), "%.1f" % each)


def _lines(found):
    yield ("2005, BVT (two points of its figures)", "210 + 28 \u00b5s", "-", "485 + 20 \u00b5s", "-", "-")
    for scheduler in dict.fromkeys(scheduler for scheduler, _, _ in found):
        records = [record for (mine, _, _), those in found.items() if mine == scheduler for record in those]
        row = [scheduler]
        for name in DOMAINS:
            line = fit(points(records, name))
            row += ["%.0f + %.0f \u00b5s" % (line.base, line.price), "%.2f" % line.r2]
        yield (*row, str(len(records)))


def _table(head, rows):
    yield "| " + " | ".join(head) + " |"
    yield "|---" * len(head) + "|"
    for row in rows:
        yield "| " + " | ".join(row) + " |"


if __name__ == "__main__":
    sys.stdout.reconfigure(encoding="utf-8")
    print("\n".join(tables(sys.argv[1])))
