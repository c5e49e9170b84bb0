"""Drives a boot of the study from this machine, where the load generator is: it takes no CPU of the machine that is measured.

`xenmeter bench --source none` runs httperf here while dom0 records itself; `xenmeter bench --source RECORDING --runs-of` says
afterwards what each domain paid.
"""
import contextlib
import json
import os
import pathlib
import subprocess
import sys
import time

from lab.inside.jobs import study as inside
from lab.machine import URGENT
from lab.paths import BUILD, TOP
from lab.study import control
from lab.study.plan import PAGE
from tools import provision
from tools.debian import ProvisionError

__all__ = ("REACHED", "drive", "join")

#: What of the machine is reached from here: dom0's job, the guest's web server.
REACHED = ((inside.OWN, inside.PORT), (inside.GUEST, 80))
#: Seconds that the machine may take until it is ready.
BOOT = 600
#: Between two readings of the trace, seconds: a run's ends are known to that.
APART = "0.1"


def drive(plan, ports, folder, say):
    """All of a plan, while the machine runs; leaves FOLDER/NAME.jsonl of each configuration and clocks.json."""
    with contextlib.suppress(PermissionError):      # of this thread and of what it starts; the emulator is as urgent
        os.setpriority(os.PRIO_PROCESS, 0, URGENT)
    folder.mkdir(parents=True, exist_ok=True)
    generator = _generator()
    own, web = ports
    control.wait_ready(own, BOOT)
    clocks = {}
    for name, label, commands in plan.configurations():
        for number, argv in enumerate(commands):
            told = control.ask(own, "run", name=f"{name}-{number}", argv=argv)
            if told["err"]:
                raise ProvisionError("{}: {}".format(" ".join(argv), told["err"].strip()))
        clocks[name] = control.agree(own)
        if not control.ask(own, "record", name=name):
            raise ProvisionError(f"dom0 records nothing: record-{name}.err")
        time.sleep(plan.idle)
        for rate in plan.rates:
            say("{}: {} a second".format(label, rate))
            _load(generator, label, web, rate, plan.seconds, folder / f"{name}.jsonl")
            time.sleep(plan.rest)
        control.ask(own, "stop")
        clocks[name] = [*clocks[name], control.offset(own)[0]]
    (folder / "clocks.json").write_text(json.dumps(clocks))
    control.ask(own, "off")


def _generator():
    """An environment in which `httperf` is the real one with its libraries, and nothing else differs from this one."""
    real, env = provision.program("httperf", "usr/bin/httperf"), provision.environment("httperf")
    place = BUILD / "study-bin"
    place.mkdir(parents=True, exist_ok=True)
    script = place / "httperf"
    script.write_text('#!/bin/sh\nLD_LIBRARY_PATH="{}" exec "{}" "$@"\n'.format(env.get("LD_LIBRARY_PATH", ""), real))
    script.chmod(0o755)
    return dict(os.environ, PATH="{}:{}".format(place, os.environ["PATH"]), PYTHONPATH=str(TOP / "plugins"))


def _load(environment, label, port, rate, seconds, file):
    """One run of httperf. It does not wait asleep, so it is nicer than the emulator's own thread for the network."""
    ran = subprocess.run([sys.executable, "-m", "xenmeter", "bench", "--source", "none", "--label", label, "-o", str(file), "--",
                          "nice", "-n", "5", "httperf", "--server", "127.0.0.1", "--port", str(port), "--uri", PAGE,
                          "--rate", str(rate), "--num-conns", str(rate * seconds), "--timeout", "5"],
                         check=False, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                         stderr=subprocess.PIPE, text=True)
    if ran.returncode not in (0, 1):    # 1: the run does not count, and says so
        raise ProvisionError(f"xenmeter bench: {ran.stderr.strip()}")


def join(plan, folder, results, target):
    """FOLDER's runs with what dom0's recordings in ``results`` say that they cost, appended to ``target``."""
    for name, _, _ in plan.configurations():
        command = [sys.executable, "-m", "xenmeter", "bench", "--source", str(pathlib.Path(results, name)), "--runs-of",
                   str(folder / f"{name}.jsonl"), "--interval", APART, "--idle", str(plan.idle - 1), "--format", "json", "-o",
                   str(target)]
        ran = subprocess.run(command, check=False, env=dict(os.environ, PYTHONPATH=str(TOP / "plugins")),
                             stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        if ran.returncode:
            raise ProvisionError(f"xenmeter bench --source {name}: {ran.stderr.strip()}")
