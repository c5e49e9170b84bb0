"""What one sample costs, beside its aim, an older build and what it cannot go below, in one run: a table ready to be pasted.

    python3 tests/bench/targets.py [--old FOLDER] [--turns N] [--domains N] [--only text,direct,vcpu,publish,memory]

Each turn runs, one after the other, this tree with its compiled parts (built for that, in a copy), this tree in Python alone, and
the older build; each figure is the best of the turns. The parts: xentop's text (xentop_cost.py, each build's own, every counter
moving), source direct (direct.py, its own again) and vcpu (vcpu.py) on a faked hypervisor, the publishers (publish.py, this
tree's, a tenth of the domains changing, and all of them), and an execd with a xentop that prints so many domains, whose memory is
looked at. Floors are what must be done in any case: split() of the same text; the same hypercalls and files read into an array;
one look at each entry of the same pages. FOLDER is a checkout of the older build; without it, git makes one of bc15658, the last
one before counters were judged each for itself. What the program xentop costs is measured in the lab, where there is one.
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

from builds import BASE as OLD, rows_of     # noqa: E402
from tools.compiler import build_shared     # noqa: E402
from xentop_cost import iteration   # noqa: E402
from xenmeter.xentop.text.encode import encode   # noqa: E402

VCPUS = 10      # for each of the domains: so many are asked for
#: What it is, where it stands among what a build's scripts say, the floor's place, the aim for 1000 domains and 10 vCPUs each.
TARGETS = {
    "text": (
        ("xentop's text: parse", "parse", "floor: split()", 5),
        ("xentop's text: collect (identity, counters)", "collect", None, None),
        ("xentop's text: bytes to line protocol", "bytes to line protocol", "floor: split()", 12),
    ),
    "direct": (
        ("direct: read", "direct read", "direct floor", None),
        ("direct: collect", "direct collect", None, None),
        ("direct: all, to line protocol", "direct all", "direct floor", 14),
        ("direct: all, one domain in ten busy", "direct, 1 in 10 busy all", "direct, 1 in 10 busy floor", None),
        ("direct: hypercalls", "direct hypercalls", None, 10),
    ),
    "vcpu": (
        ("vcpu: pages into an array, all changed", "with states, all changed pages", "with states, all changed floor", 2),
        ("vcpu: pages with states, all changed, to line protocol", "with states, all changed all",
         "with states, all changed floor", 10),
        ("vcpu: pages of running time, all changed, to line protocol", "pages, all changed all", "pages, all changed floor", 10),
        ("vcpu: pages with states, a tenth changed, to line protocol", "with states, 1 in 10 changed all",
         "with states, 1 in 10 changed floor", None),
        ("vcpu by hypercall: reading", "getvcpuinfo reading", None, 10),
        ("vcpu by hypercall: hypercalls", "getvcpuinfo hypercalls", None, 20),
    ),
    "publish": (
        ("line protocol, a tenth changed", "influx, 10 %", None, 3),
        ("line protocol, all changed", "influx, 100 %", None, None),
        ("OpenMetrics, all changed", "openmetrics, 100 %", None, 8),
        ("OpenMetrics and gzip, all changed", "openmetrics+gzip, 100 %", None, 15),
        ("collectd's values, a tenth changed", "collectd, 10 %", None, None),
        ("collectd's values, all changed, without collectd's own dispatch", "collectd, 100 %", None, 12),
    ),
    "memory": (("execd's resident memory, MiB", "execd", None, 30),),
}
SAMPLES = 8     # of execd, a second apart
#: Aims that do not grow with the number of domains.
_FIXED = ("execd", "getvcpuinfo hypercalls")


class Build:
    """:param domains: of which the scripts are to tell."""

    def __init__(self, name, top, domains, **environment):
        self.name, self.top, self.domains = name, pathlib.Path(top), domains
        self.environment = dict(os.environ, PYTHONPATH=str(self.top / "plugins"), XENMETER_COUNTERS="", **environment)

    def said(self, script, *words):
        return subprocess.run([sys.executable, str(script), *map(str, words)], env=self.environment, stdout=subprocess.PIPE,
                              check=True, universal_newlines=True).stdout

    def own(self, script, *words):
        return self.said(self.top / "tests" / "bench" / script, *words)

    def text(self, _program):
        """ms by stage, from the first table of xentop_cost.py."""
        table = self.own("xentop_cost.py", self.domains).split("\n\n")[0]
        return {name.strip(): float(ms) for name, ms in re.findall(r"^(\D.{25}) *([\d.]+) +[\d.]+x$", table, re.MULTILINE)}

    def direct(self, _program):
        title = "%d domains, " % self.domains
        return by_columns({name[len(title):]: row for name, row in rows_of(self.own("direct.py", self.domains)).items()
                           if name.startswith(title)})

    def vcpu(self, _program):
        rows = rows_of(self.own("vcpu.py", self.domains, VCPUS))
        for row in rows.values():
            stages = [row.get(stage) for stage in ("reading", "collect", "lines")]
            if None not in stages:
                row["all"] = sum(stages)
        return by_columns(rows)

    def publish(self, _program):
        """ms by format, of the readings after the first."""
        found = {}
        for percent in (10, 100):
            table = self.said(TOP / "tests" / "bench" / "publish.py", "--domains", self.domains, "--changed", percent)
            found.update({"%s, %d %%" % (name.strip(), percent): float(ms)
                          for name, ms in re.findall(r"^(.{16}) +\d+ +[\d.]+ +([\d.]+) +\d+$", table, re.MULTILINE)})
        return found

    def memory(self, program):
        """MiB of an execd that has told some samples of so many domains, with a xentop that prints them."""
        environment = dict(self.environment, PATH="%s:%s" % (program, os.environ["PATH"]))
        execd = subprocess.Popen([sys.executable, "-m", "xenmeter", "execd", "xentop", "--source", "xentop", "--interval", "1",
                                  "--signal", "none"], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        try:
            lines = 0
            while lines < 5 * self.domains * SAMPLES:
                lines += os.read(execd.stdout.fileno(), 1 << 20).count(b"\n")
            time.sleep(0.3)
            status = pathlib.Path("/proc/%d/status" % execd.pid).read_text()
            return {"execd": int(re.search(r"VmRSS:\s+(\d+)", status).group(1)) / 1024}
        finally:
            execd.stdin.close()
            execd.stdout.close()
            execd.wait()


def by_columns(rows):
    """Each figure of a table by its row and column."""
    return {"%s %s" % (title, column): figure for title, row in rows.items() for column, figure in row.items()}


def compiled_copy(folder):
    """This tree's plugins and bench scripts with the compiled parts."""
    for part in ("plugins", "tests"):
        shutil.copytree(str(TOP / part), os.path.join(folder, part), ignore=shutil.ignore_patterns("__pycache__", "*.so"))
    for source in pathlib.Path(folder, "plugins").rglob("*.c"):
        build_shared(source, source.with_name("_%s.so" % source.stem))
    return folder


def older(folder):
    archive = subprocess.run(["git", "archive", OLD, "plugins", "tests"], cwd=str(TOP), stdout=subprocess.PIPE, check=True).stdout
    subprocess.run(["tar", "-x", "-C", folder], input=archive, check=True)
    return folder


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


def best_of(builds, parts, program, turns):
    """{build: {figure: the best}}. Of source direct and vcpu this tree's scripts tell both of its builds at once."""
    best = {build.name: {} for build in builds}
    with_it, alone = builds[:2]
    for _ in range(turns):
        for part in parts:
            for build in builds:
                at_once = part in ("direct", "vcpu")
                found = {} if at_once and build is alone else getattr(build, part)(program)
                for name, value in found.items():
                    kept = best[alone.name if at_once and build is with_it and ", no C " in name else build.name]
                    name = name.replace(", no C ", " ") if build is with_it else name
                    kept[name] = min(value, kept.get(name, value))
    return best


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--old", metavar="FOLDER")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--domains", type=int, default=1000)
    parser.add_argument("--only", type=lambda text: text.split(","), default=list(TARGETS))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as program, tempfile.TemporaryDirectory() as old:
        compiled_copy(folder)
        builds = [Build("compiled", folder, options.domains),
                  Build("Python alone", folder, options.domains, XENMETER_COMPILED="0"),
                  Build("given" if options.old else OLD, options.old or older(old), options.domains)]
        for place in {folder, options.old or old}:
            if not os.path.exists(os.path.join(place, "build")):
                os.symlink(str(TOP / "build"), os.path.join(place, "build"))    # what is provisioned there
        best = best_of(builds, options.only, xentop(program, options.domains), options.turns)
    show(best, options)


def show(best, options):
    names = list(best)
    print("%d domains with 2 vCPUs (the vcpu plugin's: %d), 1 vif, 1 vbd; CPU ms per sample, the best of %d turns; Python %s, "
          "load %.1f\n" % (options.domains, VCPUS, options.turns, sys.version.split()[0], os.getloadavg()[0]))
    print("| | floor | %s | %s / %s | aim |\n|---%s|" % (" | ".join(names), names[0], names[-1], "|---" * (len(names) + 3)))
    for part in options.only:
        for text, key, floor, aim in TARGETS[part]:
            if key not in best[names[0]]:
                continue
            ours, before = best[names[0]][key], best[names[-1]].get(key)
            told = [best[names[0]].get(floor)] + [best[name].get(key) for name in names]
            if aim is not None and key not in _FIXED:
                aim = aim * options.domains / 1000
            print("| %s | %s | %s | %s |" % (text, " | ".join("" if one is None else "%.1f" % one for one in told),
                                            "" if not before else "%.2f" % (ours / before), "" if aim is None else "%g" % aim))


if __name__ == "__main__":
    main()
