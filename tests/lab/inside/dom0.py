"""What a job does in dom0: run programs with a deadline, keep what they said under /results, and note figures.

Every program's output is a file of its own, `NAME.out` and `NAME.err`, and `notes.json` says how it ended; so what a job
saw can be judged, and judged again, outside.
"""
import json
import os
import pathlib
import signal
import subprocess
import time

__all__ = ("CODE", "RESULTS", "ENVIRONMENT", "Failed", "children", "cpu_ns", "fetch", "finish", "kill", "lines", "load", "mark",
           "marked", "note", "run", "run_errors", "sleep", "start", "stop", "stop_everything", "wait_for", "wait_more",
           "write_notes", "xenmeter")

CODE, RESULTS = pathlib.Path("/code"), pathlib.Path("/results")
ENVIRONMENT = dict(os.environ, PYTHONPATH=f"{CODE}/plugins:{CODE}", PYTHONDONTWRITEBYTECODE="1", LC_ALL="C.UTF-8")

_notes = {}
_marked = [0.0]
_running = []


class Failed(Exception):
    """A step did not do what the next ones need."""


def mark(text):
    """A line on the console, which the machine outside shows."""
    _marked[0] = time.monotonic()
    with open("/dev/hvc0", "w") as console:
        console.write("LAB: {} {}\n".format(open("/proc/uptime").read().split()[0], text))


def marked():
    """When the last mark was made, by time.monotonic."""
    return _marked[0]


def note(key, value):
    """A figure for outside; one that JSON can tell."""
    _notes[key] = value


def write_notes():
    part = RESULTS / "notes.part"
    part.write_text(json.dumps(_notes, indent=1, sort_keys=True))
    part.replace(RESULTS / "notes.json")
    os.sync()


def run(name, *argv, timeout=300, stdin=None, env=None):
    """Run a program to its end; returns its standard output's bytes. How it ended is noted, never raised."""
    out, err = RESULTS / f"{name}.out", RESULTS / f"{name}.err"
    began = time.monotonic()
    with out.open("wb") as to, err.open("wb") as complaints:
        try:
            ran = subprocess.run([str(word) for word in argv], check=False, stdout=to, stderr=complaints, timeout=timeout,
                                 input=stdin, stdin=subprocess.DEVNULL if stdin is None else None,
                                 env=env or ENVIRONMENT)
            status = ran.returncode
        except subprocess.TimeoutExpired:
            status = "timeout"
        except OSError as error:
            status = str(error)
    note(f"{name}.status", status)
    note(f"{name}.seconds", round(time.monotonic() - began, 2))
    return out.read_bytes()


def run_errors(name):
    """What a program that has run said on its standard error."""
    return (RESULTS / f"{name}.err").read_text("utf-8", "replace")


def fetch(*argv, timeout=300):
    """The standard output's text of a program that must succeed."""
    ran = subprocess.run([str(word) for word in argv], check=False, capture_output=True, timeout=timeout,
                         stdin=subprocess.DEVNULL, env=ENVIRONMENT)
    if ran.returncode:
        raise Failed("{}: status {}: {}".format(" ".join(map(str, argv)), ran.returncode,
                                                ran.stderr.decode(errors="replace").strip()))
    return ran.stdout.decode("utf-8", "surrogateescape")


def load(*names):
    """Those kernel modules that no boot loads by itself, and all that stand before them, which they may need."""
    files = sorted(pathlib.Path("/lab/more").iterdir())
    last = max(place for place, file in enumerate(files) if file.name.partition("-")[2].partition(".")[0] in names)
    for module in files[:last + 1]:
        run("insmod-" + module.name, "busybox", "insmod", module)


def xenmeter(*argv):
    """The command line of our program."""
    return ["python3", "-m", "xenmeter", *argv]


def start(name, *argv, stdin=None, env=None):
    """A program that goes on; what it says is NAME.out and NAME.err, appended when it is started again."""
    with (RESULTS / f"{name}.out").open("ab") as out, (RESULTS / f"{name}.err").open("ab") as err:
        child = subprocess.Popen([str(word) for word in argv], stdin=stdin or subprocess.DEVNULL, stdout=out, stderr=err,
                                 env=env or ENVIRONMENT, start_new_session=True)
    child.lab_name = name
    _running.append(child)
    return child


def finish(child, timeout):
    """Wait for its end; its status is noted under its name."""
    try:
        child.wait(timeout)
        note(f"{child.lab_name}.status", child.returncode)
        _running.remove(child)
    except subprocess.TimeoutExpired:
        stop(child)
        note(f"{child.lab_name}.status", "timeout")


def kill(child):
    """kill -9, as a test: how it ended is nobody's fault, so it is not noted."""
    child.kill()
    child.wait()
    _running.remove(child)
    mark(f"kill -9 of {child.lab_name}")


def lines(name):
    """How many whole lines a program has said so far."""
    return (RESULTS / f"{name}.out").read_bytes().count(b"\n")


def wait_more(names, more, timeout=240):
    """Until each of these programs has said so many lines more; the first of them may have begun before."""
    wanted = {name: lines(name) + more for name in names}
    wait_for(lambda: all(lines(name) >= number for name, number in wanted.items()), timeout,
             "{} more lines of {}".format(more, ", ".join(names)))


def sleep(seconds):
    """Let the guests work; nothing is waited for that could be seen."""
    time.sleep(seconds)


def stop(child, number=signal.SIGTERM, timeout=300):
    """Send the signal, wait, insist; the status is noted under its name."""
    if child.poll() is None:
        child.send_signal(number)
        try:
            child.wait(timeout)
        except subprocess.TimeoutExpired:
            note(f"{child.lab_name}.insisted", True)
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
    note(f"{child.lab_name}.status", child.returncode)
    if child in _running:
        _running.remove(child)


def stop_everything():
    for child in list(_running):
        stop(child)


def wait_for(look, timeout, what):
    """Call look() until it gives something true; Failed when it does not in time."""
    end = time.monotonic() + timeout
    while True:
        seen = look()
        if seen:
            return seen
        if time.monotonic() > end:
            raise Failed(f"not within {timeout} s: {what}")
        time.sleep(0.1)


def cpu_ns(pid):
    """CPU time of a process and of all that it has started, in ns; of those that have ended Linux tells it to 10 ms, in which a
    fast machine does all that one of ours does in a minute."""
    words = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    ended = sum(int(word) for word in words[13:15]) * 10 ** 9 // os.sysconf("SC_CLK_TCK")
    # CPUCLOCK_SCHED of a process, as clock_getcpuclockid(3) makes it
    return time.clock_gettime_ns(~pid << 3 | 2) + ended + sum(cpu_ns(child) for child in children(pid))


def children(pid):
    """Process ids of what a process has started and not yet waited for."""
    tasks = pathlib.Path(f"/proc/{pid}/task").iterdir()
    return [int(child) for task in tasks for child in (task / "children").read_text().split()]
