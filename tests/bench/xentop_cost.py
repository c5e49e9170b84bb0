"""CPU time of one xentop sample, stage by stage: bytes -> records -> reading -> line protocol and collectd values.

Beside each figure stands ``split()`` of the same bytes in the same run: what merely touching the words costs in Python.
Usage: xentop_cost.py [DOMAINS ...]
The peak of memory is the process's own so far, after bytes to line protocol: ask for one size to learn what it needs.
"""
import os
import random
import resource
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "plugins"))

from xenmeter.core.options import from_pairs    # noqa: E402
from xenmeter.core.pipeline import Pipeline     # noqa: E402
from xenmeter.core.quiet_gc import quiet_gc     # noqa: E402
from xenmeter.publish.collectdvalues import CollectdValues  # noqa: E402
from xenmeter.publish.influx import LineProtocol    # noqa: E402
from xenmeter.publish.openmetrics import Exposition     # noqa: E402
from xenmeter.xen.domains import DomainFacts, Snapshot   # noqa: E402
from xenmeter.xentop.figures import CATALOGUE   # noqa: E402
from xenmeter.xentop.samples import Sample   # noqa: E402
from xenmeter.xentop.text.encode import encode   # noqa: E402
from xenmeter.xentop.text.parse import Parser    # noqa: E402
from xenmeter.xentop.plugin import PLUGIN   # noqa: E402
from xenmeter.xentop.text.records import Columns, DomainRow, Iteration, Net, Vbd   # noqa: E402

ROUNDS = 7

STAGES = ("floor: split()", "parse", "collect", "line protocol", "collectd values", "openmetrics", "bytes to line protocol",
          "bytes to collectd values")
PEAK = "peak memory, MiB"


def iteration(domains, number):
    """Domains with 2 vCPUs, 1 vif and 1 vbd each, all of them busy: every counter differs from the round before."""
    rows = []
    for index in range(domains):
        chance = random.Random(index)
        base = chance.randrange(10 ** 6) + number
        rx, tx = base * 70001 + number * 4096, base * 3001 + number * 999
        reads, writes = base * 11 + number, base * 7 + number
        row = DomainRow(b"Domain-0" if not index else b"guest-%05d" % index, b"--b---" if index % 3 else b"-----r", Columns(
            base * 2, (base + number) % 2000, 4194304, 125, 4195328, 125, 2, 1, tx >> 10, rx >> 10, 1, 0, reads, writes,
            reads * 8, writes * 8, 0))
        row.vcpu_seconds = [(0, base), (1, base)]
        row.networks = [Net(0, rx, base, 0, 0, tx, base, 0, 1)]
        row.vbds = [Vbd("BlkBack", 51712, 0, reads, writes, reads * 8, writes * 8)]
        rows.append(row)
    return Iteration(rows)


def names(domains):
    return Snapshot([DomainFacts(index, b"Domain-0" if not index else b"guest-%05d" % index,
                                 "00000000-0000-0000-0000-%012x" % index, 1795192454580000000, (0,), {51712: "xvda"})
                     for index in range(domains)], {index: ["0"] for index in range(domains)})


def measure(domains):
    """Best CPU time in ms of each stage over some rounds, by stage."""
    snapshot = names(domains)
    options, _ = from_pairs(PLUGIN.options, [])
    pipeline, parser = Pipeline(PLUGIN, options), Parser("nxv")
    influx, exposition = LineProtocol([CATALOGUE]), Exposition([CATALOGUE])
    collectd = CollectdValues([CATALOGUE], "xentop")
    best = {}

    def stage(name, function):
        began = time.process_time()
        result = function()
        spent = (time.process_time() - began) * 1000
        if number:      # the first round fills caches: names are escaped once per domain, not once per sample
            best[name] = min(best.get(name, 1e9), spent)
        return result

    def sample():
        return Sample((number + 1) * 10 ** 10, (parser.feed(text) + parser.flush())[0], snapshot)

    def published(found):
        with quiet_gc:
            return influx.encode(pipeline.collect(found))

    # All at once first, as a front does it: what the collector of cycles does between the stages is in it too.
    for number in range(ROUNDS):
        text = encode(iteration(domains, number))
        lines = stage("bytes to line protocol", lambda: published(sample()))
        assert lines.count(b"\n") >= 4 * domains
    best[PEAK] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    for number in range(ROUNDS, 2 * ROUNDS):
        text = encode(iteration(domains, number))
        stage("bytes to collectd values", lambda: count(collectd.values(pipeline.collect(sample()))))
    for number in range(2 * ROUNDS, 3 * ROUNDS):
        text = encode(iteration(domains, number))
        stage("floor: split()", text.split)
        found = stage("parse", sample)
        reading = stage("collect", lambda: pipeline.collect(found))
        stage("line protocol", lambda: influx.encode(reading))
        stage("collectd values", lambda: count(collectd.values(reading)))
        stage("openmetrics", lambda: exposition.openmetrics([reading]))
    return best


def count(values):
    """Value lists are made one by one, as they are dispatched; the dispatch itself is collectd's."""
    return sum(1 for _ in values)


def main(sizes):
    results = [(size, measure(size)) for size in sizes]
    print("%-26s" % "CPU ms per sample" + "".join("%16s" % ("%d domains" % size) for size in sizes))
    for name in STAGES:
        print("%-26s" % name + "".join(
            "%9.2f %5.1fx" % (result[name], result[name] / result["floor: split()"]) for _, result in results))
    print("\n%-26s" % "CPU ms per 1000 domains" + "".join("%16s" % ("%d domains" % size) for size in sizes))
    for name in STAGES:
        print("%-26s" % name + "".join("%9.2f       " % (result[name] * 1000 / size) for size, result in results))
    print("\n%-26s" % PEAK + "".join("%9.0f       " % result[PEAK] for _, result in results))


if __name__ == "__main__":
    main([int(size) for size in sys.argv[1:]] or [10, 100, 1000, 5000])
