#!/usr/bin/env python3
"""What it costs to start: CPU time of `xenmeter execd PLUGIN`, from the process's beginning to the end of stdin, beside an older
build and an interpreter that does nothing, in one run: start.py [--old FOLDER] [--pyz FILE] [--times N]

Each is started in turn, and the least of all times counts: what is above it is other work on the machine. FOLDER is a checkout of
the older build; without it, git makes one of bc15658, before which a start imported everything, in a temporary place. FILE is an
xenmeter.pyz, of which each start compiles what it imports.
"""
import argparse
import os
import pathlib
import resource
import subprocess
import sys
import tempfile

TOP = pathlib.Path(__file__).resolve().parents[2]
OLD = "bc15658"
#: Plugin -> its source of a dom0, which need not be one here: it is opened, and says what it lacks.
SOURCES = {"xentop": "direct", "vcpu": "resource", "xentrace": "baker"}


def cpu_ms(words, path):
    """CPU time of a process that finds stdin at its end, ms."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-S"] + words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True,
                   env={"PYTHONPATH": str(path), "PATH": os.defpath, "XENMETER_COUNTERS": ""}, stderr=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return 1000 * (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def measure(old, pyz, times):
    """{(plugin or "", "old", "new", "pyz" or "bare"): ms}"""
    least = {}
    builds = [("old", ["-m", "xenmeter"], pathlib.Path(old) / "plugins"), ("new", ["-m", "xenmeter"], TOP / "plugins")]
    builds += [("pyz", [pyz], "")] if pyz else []
    for _ in range(times):
        for plugin, source in SOURCES.items():
            for name, program, path in builds:
                spent = cpu_ms([*program, "execd", plugin, "--source", source], path)
                least[plugin, name] = min(spent, least.get((plugin, name), spent))
        spent = cpu_ms(["-c", "pass"], "")
        least["", "bare"] = min(spent, least.get(("", "bare"), spent))
    return least


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--old", metavar="FOLDER")
    parser.add_argument("--pyz", metavar="FILE")
    parser.add_argument("--times", type=int, default=15)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        old = given.old or folder
        if not given.old:
            archive = subprocess.run(["git", "archive", OLD, "plugins"], cwd=str(TOP), stdout=subprocess.PIPE, check=True).stdout
            subprocess.run(["tar", "-x", "-C", folder], input=archive, check=True)
        least = measure(old, given.pyz, given.times)
    print("CPU time of a start of execd, ms: the least of %d; an interpreter alone: %.1f" % (given.times, least["", "bare"]))
    for plugin in SOURCES:
        before, now = least[plugin, "old"], least[plugin, "new"]
        print("%-9s %s %.1f, this tree %.1f: %.2f of it" % (plugin, "given" if given.old else OLD, before, now, now / before))
        if given.pyz:
            print("%-9s the one file %.1f: %.1f of this tree" % ("", least[plugin, "pyz"], least[plugin, "pyz"] / now))


if __name__ == "__main__":
    main()
