"""What one sample of 1000 domains costs, beside an older build, in one run: the best of some turns.

    python3 tests/bench/targets.py [--old FOLDER] [--turns N] [--domains N]

Each turn runs, one after the other, this tree with its compiled parts (built for that, in a copy), this tree in Python alone, and
the older build: xentop's text (xentop_cost.py, each build's own, all counters moving), the publishers (publish.py, this tree's, a
tenth of the domains changing, and all of them), and an execd with a xentop that prints so many domains, whose memory is looked
at. Then each figure beside its aim, and split() of the same bytes as the floor. FOLDER is a checkout of the older build; without
it, git makes one of bc15658, the last one before counters were judged each for itself.
"""
import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(TOP / "tests"), str(TOP / "tests" / "bench"), str(TOP / "plugins")]

from tools.compiler import build_shared     # noqa: E402
from xentop_cost import iteration   # noqa: E402
from xenmeter.xentop.text.encode import encode   # noqa: E402

OLD = "bc15658"
#: (what it is, where it stands in the scripts' output, the aim for 1000 domains in ms or MiB)
TARGETS = (
    ("xentop's text: floor, split()", "floor: split()", None),
    ("xentop's text: parse", "parse", 5),
    ("xentop's text: collect", "collect", None),
    ("xentop's text: bytes to line protocol", "bytes to line protocol", 12),
    ("line protocol, a tenth changed", "influx, 10 %", 3),
    ("line protocol, all changed", "influx, 100 %", None),
    ("OpenMetrics, all changed", "openmetrics, 100 %", 8),
    ("OpenMetrics and gzip, all changed", "openmetrics+gzip, 100 %", 15),
    ("collectd's values, a tenth changed", "collectd, 10 %", None),
    ("collectd's values, all changed", "collectd, 100 %", 12),
    ("execd's resident memory, MiB", "execd", 30),
)
SAMPLES = 8     # of execd, a second apart


class Build:
    def __init__(self, name, top, **environment):
        self.name, self.top = name, pathlib.Path(top)
        self.environment = dict(os.environ, PYTHONPATH=str(self.top / "plugins"), XENMETER_COUNTERS="", **environment)

    def said(self, script, *words):
        return subprocess.run([sys.executable, str(script), *words], env=self.environment, stdout=subprocess.PIPE, check=True,
                              universal_newlines=True).stdout


def compiled_copy(folder):
    """This tree's plugins and bench scripts with the compiled parts."""
    for part in ("plugins", "tests"):
        shutil.copytree(str(TOP / part), os.path.join(folder, part), ignore=shutil.ignore_patterns("__pycache__", "*.so"))
    for source in pathlib.Path(folder, "plugins").rglob("*.c"):
        build_shared(source, source.with_name("_%s.so" % source.stem))
    return folder


def stages(build, domains):
    """ms by stage, from the first table of xentop_cost.py."""
    table = build.said(build.top / "tests" / "bench" / "xentop_cost.py", str(domains)).split("\n\n")[0]
    return {name.strip(): float(ms) for name, ms in re.findall(r"^(\D.{25}) *([\d.]+) +[\d.]+x$", table, re.MULTILINE)}


def publishers(build, domains, percent):
    """ms by format, of the readings after the first."""
    table = build.said(TOP / "tests" / "bench" / "publish.py", "--domains", str(domains), "--changed", str(percent))
    return {"%s, %d %%" % (name.strip(), percent): float(ms)
            for name, ms in re.findall(r"^(.{16}) +\d+ +[\d.]+ +([\d.]+) +\d+$", table, re.MULTILINE)}


def memory(build, program, domains):
    """MiB of an execd that has told some samples of so many domains, with a xentop that prints them."""
    environment = dict(build.environment, PATH="%s:%s" % (program, os.environ["PATH"]))
    execd = subprocess.Popen([sys.executable, "-m", "xenmeter", "execd", "xentop", "--source", "xentop", "--interval", "1",
                              "--signal", "none"], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        lines = 0
        while lines < 5 * domains * SAMPLES:
            lines += os.read(execd.stdout.fileno(), 1 << 20).count(b"\n")
        time.sleep(0.3)
        status = pathlib.Path("/proc/%d/status" % execd.pid).read_text()
        return {"execd": int(re.search(r"VmRSS:\s+(\d+)", status).group(1)) / 1024}
    finally:
        execd.stdin.close()
        execd.stdout.close()
        execd.wait()


def xentop(folder, domains):
    """A directory with a xentop that prints so many domains, each second another iteration."""
    for number in range(SAMPLES + 2):
        with open(os.path.join(folder, "text%d" % number), "wb") as file:
            file.write(encode(iteration(domains, number)))
    program = os.path.join(folder, "xentop")
    with open(program, "w") as file:
        file.write("#!/bin/sh\nfor number in %s; do cat %s/text$number; sleep 1; done\nsleep 1000\n" % (
            " ".join(map(str, range(SAMPLES + 2))), folder))
    os.chmod(program, 0o755)
    return folder


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--old", metavar="FOLDER")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--domains", type=int, default=1000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as program, tempfile.TemporaryDirectory() as old:
        if not options.old:
            archive = subprocess.run(["git", "archive", OLD, "plugins", "tests/bench"], cwd=str(TOP), stdout=subprocess.PIPE,
                                     check=True).stdout
            subprocess.run(["tar", "-x", "-C", old], input=archive, check=True)
        builds = [Build("compiled", compiled_copy(folder)), Build("Python alone", TOP, XENMETER_COMPILED="0"),
                  Build("given" if options.old else OLD, options.old or old)]
        xentop(program, options.domains)
        best = {build.name: {} for build in builds}
        for _ in range(options.turns):
            for build in builds:
                found = dict(stages(build, options.domains), **memory(build, program, options.domains))
                for percent in (10, 100):
                    found.update(publishers(build, options.domains, percent))
                for name, value in found.items():
                    best[build.name][name] = min(value, best[build.name].get(name, value))
    show(best, options)


def show(best, options):
    print("%d domains, CPU ms per sample, the best of %d turns" % (options.domains, options.turns))
    print("%-40s" % "" + "".join("%14s" % name for name in best) + "%10s" % "aim")
    for text, key, aim in TARGETS:
        scaled = None if aim is None else aim if key == "execd" else aim * options.domains / 1000
        print("%-40s" % text + "".join("%14.2f" % found[key] if key in found else "%14s" % "-" for found in best.values())
              + ("%10g" % scaled if scaled is not None else ""))


if __name__ == "__main__":
    main()
