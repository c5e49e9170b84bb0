"""Benchmarks under watch, on a machine that does nothing else."""
from lab.inside import benchruns, dom0, steps


def run():
    dom0.run("info", "xl", "info")
    steps.make_guests("burner", "waker", "two vcpus", "io-guest")
    benchruns.measure()
