"""Cost of each publisher: ms per reading of 10, 100, 1000 and 5000 domains (2 vCPUs, 1 vif, 1 vbd each).

    PYTHONPATH=plugins python3 tests/bench/publish.py [--domains 10,1000] [--all-known] [--changed PERCENT]

A domain lacks what xentop's text without a limit and without a start time lacks (two figures of 28), unless
--all-known asks for the fast path of every row. `first` is the first reading, in which the names are escaped;
`then` the best of the later ones. CPU time, one core. `size` is bytes, or collectd's value lists (made one by one, as
they are dispatched; the dispatch itself is collectd's). --changed: of how many domains the figures are others from reading to
reading; the rows of the rest are the same objects, as from a collector whose figures have not changed (100).
"""
import argparse
import gzip
import os
import time

import xenmeter
from xenmeter.core import catalogue
from xenmeter.core.reading import Reading, Who
from xenmeter.publish.collectdvalues import CollectdValues
from xenmeter.publish.influx import LineProtocol
from xenmeter.publish.openmetrics import Exposition

HOME = os.path.dirname(xenmeter.__file__)
ABSENT = ("start_time_ns", "memory_max_bytes")


def catalogues():
    return [catalogue.load("xentop", os.path.join(HOME, "xentop")), catalogue.load("core", os.path.join(HOME, "core"))]


def whos(count):
    return [Who("guest-%d" % place, "c0ffee00-0000-4000-8000-%012x" % place, place) for place in range(count)]


def reading(tables, domains, second, all_known, before=None, changed=100):
    def values(entity, salt):
        keys = tables[entity].keys()
        return tuple(None if key in ABSENT and not all_known else 1 if tables[entity].figures[place].unit == "bool"
                     else 408000 + second if key.endswith("ppm") else 123456789012 + salt + place + second
                     for place, key in enumerate(keys))
    rows = {"domain": [], "domain_vcpu": [], "vif": [], "vbd": []}
    for place, who in enumerate(domains):
        rows["domain"].append((who, (str(who.domid), ""), values("domain", place)))
        rows["domain_vcpu"].append((who, ("0",), values("domain_vcpu", place)))
        rows["domain_vcpu"].append((who, ("1",), values("domain_vcpu", place)))
        rows["vif"].append((who, ("0",), values("vif", place)))
        rows["vbd"].append((who, ("xvda", "vbd"), values("vbd", place)))
    if before is not None:
        for name, table in rows.items():
            first = len(table) * changed // 100
            table[first:] = before.tables[name][first:]
    return Reading(1700000000000000000 + second, rows)


def readings(tables, domains, all_known, changed):
    found = [reading(tables, domains, 0, all_known)]
    for second in range(1, 9):
        found.append(reading(tables, domains, second, all_known, found[-1], changed))
    return found


def formats(given):
    influx, exposition = LineProtocol(given), Exposition(given)
    packed = Exposition(given)
    collectd = CollectdValues(given, "xentop")
    return [("influx", influx.encode), ("openmetrics", lambda one: exposition.openmetrics([one])),
            ("openmetrics+gzip", lambda one: gzip.compress(packed.openmetrics([one]), 1)),
            ("text 0.0.4", lambda one: exposition.text([one])),
            ("collectd", lambda one: [0] * sum(1 for _ in collectd.values(one)))]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--domains", default="10,100,1000,5000")
    parser.add_argument("--all-known", action="store_true")
    parser.add_argument("--changed", type=int, default=100, metavar="PERCENT")
    options = parser.parse_args()
    given = catalogues()
    tables = {name: entity for one in given for name, entity in one.entities.items()}
    print("%-16s %8s %10s %10s %10s" % ("format", "domains", "first ms", "then ms", "size"))
    for count in map(int, options.domains.split(",")):
        domains = whos(count)
        series = readings(tables, domains, options.all_known, options.changed)
        for name, encode in formats(given):
            spent = []
            for one in series:
                start = time.process_time()
                made = encode(one)
                spent.append((time.process_time() - start) * 1000)
            print("%-16s %8d %10.2f %10.2f %10d" % (name, count, spent[0], min(spent[1:]), len(made)))


if __name__ == "__main__":
    main()
