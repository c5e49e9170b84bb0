#!/usr/bin/env python3
"""New captures for fixtures/, each with its provenance: a boot of each release. They are left under build/lab/captures.

    python3 tests/lab/captures.py [RELEASE ...]

What is worth keeping is copied to fixtures/ by hand; the expected output comes from `make golden`, and is read first.
"""
import json
import lzma
import pathlib
import re
import shutil
import sys

if not __package__:
    sys.path[:1] = [str(pathlib.Path(__file__).resolve().parents[1])]

from lab import packages, run
from lab.arches import AMD64
from lab.paths import BUILD
from lab.reading import Boot, changes_of
from lab.releases import RELEASES

OUT = BUILD / "captures"


def main(argv):
    """:param argv: releases of Xen, as 4.20; all of x86 unless told."""
    boots = ["captures" + RELEASES[xen].end for xen in argv or RELEASES if argv or RELEASES[xen].arch is AMD64]
    status = run.main(boots)
    if status:
        return status
    shutil.rmtree(str(OUT), ignore_errors=True)
    for name in boots:
        cases_of(Boot(name))
    print(f"captures: {OUT}")
    return 0


def cases_of(boot):
    """What one boot kept, as cases whose names end with its release where that is not the main one."""
    info = dict(re.findall(r"^(\w+) +: (.*)$", boot.text("info"), re.MULTILINE))
    host = "Xen {} ({}), scheduler {}, {} pCPUs, dom0 Linux {}, PV guests, QEMU TCG".format(
        info["xen_version"], packages.version_of("xen-hypervisor-4", boot.release), info["xen_scheduler"], info["nr_cpus"],
        info["release"])
    for file in sorted(boot.results.glob("xentop *.out")):
        _xentop_case(boot, file, host, info)
    for name, mask in boot.notes["xentrace_masks"].items():
        _xentrace_case(boot, name, mask, host, round(float(info["cpu_mhz"]) * 1000))
    store = OUT / "xenstore" / f"lab-{info['xen_scheduler']}{boot.release.end}"
    store.mkdir(parents=True)
    shutil.copy(str(boot.results / "xenstore-ls.out"), str(store / "xenstore-ls.txt"))
    shutil.copy(str(boot.results / "xl-list-l.out"), str(store / "xl-list-l.json"))


def _xentop_case(boot, file, host, info):
    command = file.stem
    delay = re.search(r"-d(\d+)", command).group(1)
    name = "lab-{}-{}pcpu-{}{}".format(info["xen_scheduler"], info["nr_cpus"],
                                       re.sub(r"[ -]+", "-", command[7:]).strip("-"), boot.release.end)
    case = OUT / "xentop" / name
    case.mkdir(parents=True)
    shutil.copy(str(file), str(case / "input.txt"))
    (case / "case.json").write_text(json.dumps(
        {"command": command, "host": host, "interval_s": int(delay) or 1, "what": "unedited output, captured on a booted host"},
        indent=1) + "\n")


def _xentrace_case(boot, name, mask, host, khz):
    case = OUT / "xentrace" / f"lab-{name}{boot.release.end}"
    case.mkdir(parents=True)
    (case / "trace.bin.xz").write_bytes(lzma.compress((boot.results / f"{name}.bin").read_bytes()))
    megahertz, lines = changes_of(boot.results / f"{name}.bin", khz, boot.release)
    (case / "xenalyze.txt.xz").write_bytes(lzma.compress("".join(line + "\n" for line in lines).encode()))
    program = packages.version_of("xen-utils-common", boot.release)
    command = " ".join(["xenalyze", "--cpu-hz", f"{megahertz}M", *boot.release.exits, "--dump-all"])
    (case / "PROVENANCE.md").write_text(
        f"Real {host}; `make captures`. cpu_khz {khz}.\n\n"
        f"* `trace.bin.xz`: as written by `xentrace -D -e {mask} -T 5 trace.bin`; unedited.\n"
        f"* `xenalyze.txt.xz`: of `{command}` ({program}) on it, per\n  "
        "runstate_change line: time in seconds, vCPU, old state, new state; last line: the largest time of any line.\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
