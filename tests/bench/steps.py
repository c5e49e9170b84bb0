#!/usr/bin/env python3
"""How many steps of Python one reading of a small host takes, by function: what a dom0 without compiled parts pays for.

    XENMETER_COMPILED=0 python3 tests/bench/steps.py [--domains N] [--top N] [--only text,direct,vcpu]

A step is an instruction of Python's own (sys.settrace), so the figure is the same on a busy machine; what a function of the
library or a system call costs is not in it. The reading is one of a host in steady state of which every counter has moved: of
xentop's text its bytes to line protocol, of direct (direct.py's machine) and of vcpu by hypercalls the questions, too. Steps
differ between releases of Python: compare those of one. Direct looks at this machine's own processes; where some come or go, it
takes more.
"""
import argparse
import collections
import os
import pathlib
import sys
import tempfile

TESTS = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS), str(TESTS / "bench"), str(TESTS.parent / "plugins")]

from direct import Machine  # noqa: E402
from helpers.fake_hypervisor import Domain, Vcpu    # noqa: E402
from helpers.fake_xenstored import FakeXenstored, host as xenstore_of   # noqa: E402
from helpers.vcpu_host import Host  # noqa: E402
from xentop_cost import iteration, names    # noqa: E402
from xenmeter.core.options import from_pairs    # noqa: E402
from xenmeter.core.pipeline import Pipeline     # noqa: E402
from xenmeter.front.output import make_format   # noqa: E402
from xenmeter.vcpu import plugin as vcpu_plugin     # noqa: E402
from xenmeter.vcpu.live import LiveVcpus    # noqa: E402
from xenmeter.xen.xenstore import Xenstore  # noqa: E402
from xenmeter.xentop import plugin as xentop_plugin     # noqa: E402
from xenmeter.xentop.samples import Sample  # noqa: E402
from xenmeter.xentop.text.encode import encode  # noqa: E402
from xenmeter.xentop.text.parse import Parser   # noqa: E402

BEFORE = 6      # readings that learn names and labels


def form(plugin):
    return make_format("influx", Pipeline(plugin.PLUGIN, from_pairs(plugin.PLUGIN.options, [])[0]))


def steps_of(function):
    """{function: its steps}, with ``file:name``."""
    steps = collections.Counter()

    def trace(frame, event, _):
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        if event == "opcode":
            code = frame.f_code
            steps["%s:%s" % (code.co_filename.rpartition("xenmeter/")[2], code.co_name)] += 1
        return trace
    sys.settrace(trace)
    try:
        function()
    finally:
        sys.settrace(None)
    return steps


def text(domains):
    facts, parser, told = names(domains), Parser("nxv"), form(xentop_plugin)
    for number in range(BEFORE + 1):
        data = encode(iteration(domains, number))

        def reading():
            told.sample(Sample((number + 1) * 10 ** 10, (parser.feed(data) + parser.flush())[0], facts))  # noqa: B023 - called here
        steps = steps_of(reading) if number == BEFORE else reading()
    return steps


def direct(domains):
    told = form(xentop_plugin)
    with tempfile.TemporaryDirectory() as folder:
        machine = Machine(folder, domains)
        with machine.host:
            session = machine.source()._session()
            for number in range(BEFORE):
                machine.move(number + 2)
                told.sample(session.read())
            machine.move(BEFORE + 2)
            steps = steps_of(lambda: told.sample(session.read()))
            session.close()
    return steps


def vcpu(domains):
    def at(step):
        return [Domain(domid, [Vcpu(running=1, cpu_time=10 ** 9 * step + domid)] * 2) for domid in range(1, domains + 1)]
    told = form(vcpu_plugin)
    with tempfile.TemporaryDirectory() as folder:
        host = Host(os.path.join(folder, "state"), at(1))
        with host, FakeXenstored(xenstore_of(1), os.path.join(folder, "socket")) as store:
            session = LiveVcpus(1, "hypercall", host.names, host.connect, host.map, store=lambda: Xenstore(store.path))._open()
            for number in range(BEFORE):
                host.show(at(number + 2))
                told.sample(session.read())
            host.show(at(BEFORE + 2))
            steps = steps_of(lambda: told.sample(session.read()))
            session.close()
    return steps


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--domains", type=int, default=7)
    parser.add_argument("--top", type=int, default=0, metavar="N", help="the functions with the most steps (default: none)")
    parser.add_argument("--only", type=lambda words: words.split(","), default=["text", "direct", "vcpu"])
    options = parser.parse_args()
    for name in options.only:
        steps = {"text": text, "direct": direct, "vcpu": vcpu}[name](options.domains)
        print("%-8s %d domains, Python %s: %d steps" % (name, options.domains, sys.version.split()[0], sum(steps.values())))
        for function, number in steps.most_common(options.top):
            print("%10d  %s" % (number, function))


if __name__ == "__main__":
    main()
