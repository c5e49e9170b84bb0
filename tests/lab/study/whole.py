#!/usr/bin/env python3
"""The whole study: a boot under each scheduler, all weightings and rates; then its figures as one page.

    python3 tests/lab/study/whole.py

Leaves build/lab/study/study.jsonl and report.html. Nothing else should run on this machine meanwhile.
"""
import pathlib
import subprocess
import sys

if not __package__:
    sys.path[0] = str(pathlib.Path(__file__).resolve().parents[2])

from lab import image, run
from lab.machine import Machine
from lab.paths import BUILD, TOP
from lab.study import drive
from lab.study.plan import WHOLE
from tools.debian import ProvisionError

PLACE = BUILD / "study"
#: Seconds for a boot beside its plan: Xen, dom0, the guest, the end.
MORE = 900


def main():
    """Exit status 0 all went well, 1 not."""
    PLACE.mkdir(parents=True, exist_ok=True)
    target = PLACE / "study.jsonl"
    target.unlink(missing_ok=True)
    try:
        made = image.build(run.say)
        good = [_boot(plan, made, target) for plan in WHOLE]
    except ProvisionError as error:
        run.say(str(error))
        return 1
    page = PLACE / "report.html"
    subprocess.run([sys.executable, "-m", "xenmeter", "report", str(target), "-o", str(page)], check=True,
                   cwd=str(TOP / "plugins"))
    return 0 if all(good) else 1


def _boot(plan, made, target):
    name = "study-" + plan.scheduler
    machine = Machine(made, PLACE / name, lambda text: run.say(f"{name}: {text}"), xen=f"sched={plan.scheduler}", pcpus=1,
                      reached=drive.REACHED, urgent=True)
    good = run.boot_machine(name, "study", int(plan.lasts() * 1.5) + MORE,
                            lambda ports, folder, say: drive.drive(plan, ports, folder, say), machine)
    drive.join(plan, machine.folder / "beside", machine.folder / "results", target)
    return good


if __name__ == "__main__":
    sys.exit(main())
