"""The study of 2005: a web server in a guest, asked from outside. What is to be done comes from there, over the network card.

A request is a line of JSON to port 7000, its answer one, each on a connection of its own; `lab/study/control.py` asks.
"""
import json
import pathlib
import shutil
import signal
import socket
import subprocess
import time

from lab.inside import dom0, guests

#: The network that QEMU makes for the card, this domain's and the guest's place in it, and the port at which it is asked.
OWN, GUEST, PORT = "10.0.2.15", "10.0.2.16", 7000
#: Seconds without a word from outside after which nobody is there.
SILENCE = 300

_recording = []


def run():
    dom0.run("info", "xl", "info")
    dom0.load("e1000")
    dom0.wait_for(pathlib.Path("/sys/class/net/eth0").exists, 60, "a network card")
    for words in (["link", "set", "eth0", "up"], ["link", "set", "eth0", "master", "xenbr0"],
                  ["addr", "add", OWN + "/24", "dev", "xenbr0"]):
        dom0.fetch("ip", *words)
    dom0.note("guests", {"web": guests.create("web", "web", address=GUEST)})
    guests.wait_up("web")
    dom0.wait_for(answers, 120, "the guest's web server answers")
    with socket.create_server((OWN, PORT)) as server:
        server.settimeout(SILENCE)
        dom0.mark("study ready")
        while serve(server):
            pass


def answers():
    return subprocess.run(["busybox", "wget", "-q", "-O", "/dev/null", f"http://{GUEST}/10k"], check=False).returncode == 0


def serve(server):
    """One request; False when it was the last."""
    client, _ = server.accept()
    with client, client.makefile("rwb") as stream:
        asked = json.loads(stream.readline().decode() or "{}")
        if asked:       # else somebody only looked whether we are there
            told = globals()["do_" + asked.pop("do")](**asked)
            stream.write(json.dumps(told).encode() + b"\n")
            stream.flush()
            return told is not None
    return True


def do_clock():
    return time.time_ns()


def do_shift(by_ns):
    """The clocks of both machines must agree to what a run's ends are worth."""
    time.clock_settime_ns(time.CLOCK_REALTIME, time.time_ns() + by_ns)
    return True


def do_run(name, argv):
    """A program that is part of the study: what it says is kept, and told."""
    dom0.mark(" ".join(argv))
    out = dom0.run(name, *argv)
    return {"out": out.decode(errors="replace"), "err": dom0.run_errors(name)}


def do_record(name):
    """A recording with a trace; it goes on when the answer comes."""
    folder = pathlib.Path("/tmp", name)
    child = dom0.start(f"record-{name}", *dom0.xenmeter("record", folder, "--trace", "--only", "direct", "--interval", "1",
                                                          "--seconds", "36000"))
    dom0.wait_for(lambda: _begun(folder) or child.poll() is not None, 120, f"the recording {name}")
    _recording.append((folder, child))
    return child.poll() is None


def _begun(folder):
    return all(file.exists() and file.stat().st_size for file in (folder / "trace.bin", folder / "direct.jsonl"))


def do_stop():
    """The end of the recording, which comes into the results."""
    folder, child = _recording.pop()
    dom0.stop(child, signal.SIGINT)
    shutil.move(str(folder), str(dom0.RESULTS / folder.name))
    return True


def do_off():
    return None
