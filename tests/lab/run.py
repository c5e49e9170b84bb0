#!/usr/bin/env python3
"""Boot the lab's machines, one after the other, and keep what their dom0s saw under build/lab/logs.

    python3 tests/lab/run.py [BOOT ...]
    python3 tests/lab/run.py all

A boot is of a job and of a release: credit2 is that of the main one, credit2-4.20 of another. What the figures must be is
judged afterwards, by tests/lab/checks_*.py. Ends whatever hangs: each boot has a deadline of its own, and this program has
them all and a quarter of an hour.
"""
import argparse
import functools
import json
import pathlib
import shutil
import signal
import stat
import sys
import time

if not __package__:
    sys.path[0] = str(pathlib.Path(__file__).resolve().parents[1])

from lab import cross, hypervisor, image, initramfs
from lab.arches import AMD64
from lab.machine import Machine
from lab.paths import BUILD, LOGS, TOP
from lab.releases import MAIN, RELEASES, of_boot
from lab.study import drive
from lab.study.plan import SMALL
from tools.debian import ProvisionError

#: Name of the job: its deadline in seconds, and what its machine is. They are there for what hangs: a machine with other work
#: takes three times as long as one without.
JOBS = {
    "credit2": (2400, {}),
    "credit": (1500, {"xen": "sched=credit"}),
    "lossy": (1200, {"xen": "tbuf_size=1"}),
    "short": (1500, {}),
    "lives": (1800, {}),
    "networks": (1500, {}),
    # with QEMU's virtual GIF or VMSAVE a guest under its SVM ends in a triple fault sooner or later (seen with 10.0.2)
    "kinds": (2400, {"cpu": ",-vgif,-v-vmsave-vmload"}),
    # QEMU does not tell Xen how long RDTSCP is, so dom0 is told that there is none; see guests.py. Its IOMMU translates nothing
    # with pt, which is on by default (10.0.2): a PVH dom0's disks then read and write other memory than they were told to. With
    # two pCPUs such a dom0 ended in a triple fault before its job had begun
    "pvhdom0": (2400, {"xen": "dom0=pvh dom0-cpuid=no-rdtscp dom0_max_vcpus=1", "cpu": ",-vgif,-v-vmsave-vmload",
                       "devices": ("amd-iommu,intremap=on,pt=off",), "pcpus": 1}),
    "ringless": (1800, {}),
    "driver": (1500, {}),
    "hotplug": (900, {}),
    "neighbours": (900, {}),
    "captures": (900, {}),
    "bench": (3000, {}),
    "patched": (2400, {}),
    "profile": (1800, {}),
    "study": (1200, {"pcpus": 1, "reached": drive.REACHED, "urgent": True}),
}
#: What works on this machine while the job does in dom0; it gets the machine's ports, a folder and `say`.
BESIDE = {"study": lambda ports, folder, tell: drive.drive(SMALL, ports, folder, tell)}
#: What needs the main release: fewer seconds than others, or a hypervisor built here.
ONCE = ("bench", "patched", "study")
BOOTS = {job + release.end: limit for job, limit in JOBS.items() for release in RELEASES.values()
         if job not in ONCE or release is MAIN}
BY_DEFAULT = ("credit2", "credit", "lossy", "short-4.20")
#: What `make lab-all` boots of each release of x86; then what is of one release. What `short` looks at, `credit2` does too.
EACH = ("credit2", "credit", "lossy", "lives", "networks", "driver", "hotplug", "neighbours", "kinds", "profile")
#: Not booted, as the emulator does not carry pvhdom0 either: RESULTS.md has what was seen.
FALLS_SHORT = ("kinds-4.14",)
ALL = (*(job + release.end for release in RELEASES.values() if release.arch is AMD64 for job in EACH
         if job + release.end not in FALLS_SHORT),
       "study", "ringless-4.20-arm64")


def say(text):
    print(f"lab: {time.monotonic() - BEGAN:7.1f} {text}", flush=True)


BEGAN = time.monotonic()
#: Seconds for all but the boots: downloads, the images, the hypervisor.
MADE = 900


def stage_code(folder, python, arch=AMD64):
    """What dom0 gets on a disk of its own, so that the root disk depends on packages alone.

    :param python: the tree whose Python makes its byte code. :param arch: its processor.
    """
    shutil.rmtree(str(folder), ignore_errors=True)
    ignored = shutil.ignore_patterns("__pycache__", "*.pyc", "*.so")
    shutil.copytree(str(TOP / "plugins"), str(folder / "plugins"), ignore=ignored)
    shutil.copytree(str(TOP / "conf.d"), str(folder / "conf.d"))
    (folder / "lab").mkdir()
    (folder / "lab" / "__init__.py").touch()
    shutil.copytree(str(TOP / "tests" / "lab" / "inside"), str(folder / "lab" / "inside"), ignore=ignored)
    for source in (folder / "plugins").rglob("*.c"):
        # hot.c becomes _hot.so, as setup.py makes it
        cross.compiled(arch, source, source.with_name(f"_{source.stem}.so"), "-std=gnu99", "-fPIC", "-shared")
    cross.compiled(arch, TOP / "tests" / "lab" / "programs" / "split.c", folder / "lab" / "split", "-static")
    guest = TOP / "tests" / "lab" / "guest"
    for name, program in (("split", [("bin/split", folder / "lab" / "split")]), ("disk", [])):
        initramfs.write_archive(folder / "lab" / f"{name}.gz", [
            (inside, file.read_bytes(), stat.S_IFREG | 0o755) for inside, file in [("init", guest / f"init-{name}"), *program]])
    image.compile_python(python, folder)
    return folder


def boot(name, machine_image, xen):
    """One machine from its start to its end; True when it went well."""
    deadline, options = BOOTS[name]
    job = of_boot(name)[0]
    return boot_machine(name, job, deadline, BESIDE.get(job), Machine(
        machine_image, LOGS / name, lambda text: say(f"{name}: {text}"), xen, **options))


def boot_machine(name, job, deadline, beside, machine):
    """The same of a machine that is made already.

    :param beside: called with the machine's ports, a folder for what it keeps, and how it says something; or None.
    """
    say(f"{name}: boots, at most {deadline} s")
    work = beside and functools.partial(beside, machine.ports, machine.folder / "beside", machine.say)
    outcome = machine.run(stage_code(BUILD / "code", machine.image.python, machine.image.arch), job, deadline, work)
    finished = (machine.folder / "results" / "finished").exists()
    complaint = outcome.complaint or (None if finished else f"the job failed: {machine.folder}/results/job.log")
    (machine.folder / "outcome.json").write_text(json.dumps(
        {"seconds": round(outcome.seconds, 1), "peak_mb": outcome.peak_mb, "complaint": complaint}))
    say(f"{name}: {complaint or 'done'} after {outcome.seconds:.0f} s, QEMU took {outcome.peak_mb} MB at most")
    return complaint is None


def main(argv=None):
    """Exit status 0 all booted and ended by themselves, 1 not, 2 wrong usage."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hypervisor", type=pathlib.Path, help="boot this Xen instead of Debian's")
    parser.add_argument("boots", nargs="*", metavar="BOOT", help="some of: {}; all: {}; (default: {})".format(
        ", ".join(BOOTS), ", ".join(ALL), ", ".join(BY_DEFAULT)))
    options = parser.parse_args(argv)
    names = ALL if options.boots == ["all"] else options.boots or BY_DEFAULT
    unknown = [name for name in names if name not in BOOTS]
    if unknown:
        parser.error(f"no such boot: {unknown[0]}")
    for name in names:      # what stands there from before must not be judged again
        shutil.rmtree(str(LOGS / name), ignore_errors=True)
    signal.signal(signal.SIGALRM, _too_long)
    signal.alarm(MADE + sum(BOOTS[name][0] for name in names))
    try:
        images = {release: image.build(say, release) for release in dict.fromkeys(of_boot(name)[1] for name in names)}
        say("images ready")
        good = [boot(name, images[of_boot(name)[1]],
                     options.hypervisor or (hypervisor.build(say) if name == "patched" else None)) for name in names]
    except ProvisionError as error:
        say(str(error))
        return 1
    finally:
        signal.alarm(0)
    return 0 if all(good) else 1


def _too_long(*_):
    """Out of whatever waits; what was started ends with it."""
    raise ProvisionError("not done within the time for all of it, so it ends here")


if __name__ == "__main__":
    sys.exit(main())
