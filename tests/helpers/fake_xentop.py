#!/usr/bin/env python3
"""A stand-in for the xentop program: plays a capture of ``xentop -b``, an iteration at each wake-up, with faults.

It imitates what a program sees that starts ``xentop -b -f -n -x -v -d N`` and reads its pipes:

- stdout is a pipe that C's stdio fills 4096 bytes at a time, flushed once after each iteration; there is no end mark;
- the loop is: print, sleep(delay), again; -d is whole seconds (atoi), 3 without it; -i N stops after N iterations;
- SIGTERM and SIGINT set a flag, the sleep is cut short, and it ends with 0; SIGPIPE kills;
- an unknown option: getopt's message on stderr, the usage on stdout, and exit status 0;
- a failure: perror lines of the libraries, then xentop's own line last, and exit status 1.

Environment: XENTOP_CAPTURE, the file to play (the last iteration repeats for ever); XENTOP_SPEEDUP divides -d;
XENTOP_CONTROL, a directory: each start adds "PID ARGUMENTS" to ``starts``; ``fault`` names one of FAULTS, looked at
before each iteration.
"""
import getopt
import os
import re
import select
import signal
import sys

HANDLE = b"xencall: error: Could not obtain handle on privileged command interface: %s\n"
LIBRARY = b"Failed to initialize xenstat library\n"
ABSENT, DENIED = b"No such file or directory", b"Permission denied"

#: What xentop says on stderr before it ends with 1. The last line is xentop's, the others are its libraries'.
ERRORS = {
    "no-xen": HANDLE % ABSENT + b"xc_interface_open: " + ABSENT + b"\n" + LIBRARY,
    "no-rights": HANDLE % DENIED + b"xc_interface_open: " + DENIED + b"\n" + LIBRARY,
    "no-xenstore": b"unable to open xenstore: " + ABSENT + b"\n" + LIBRARY,
    "xenstore-denied": b"unable to open xenstore: " + DENIED + b"\n" + LIBRARY,
    "no-statistics": b"/proc/net/dev: No such file or directory\nFailed to retrieve statistics from libxenstat\n",
    "no-memory": b"Failed to allocate memory\n",
    "no-handler": b"Failed to install cleanup handler.\n",
    "no-pcpus": b"PCPU error: getcpuinfo (Operation not permitted)\nError getting PCPU stats\n",
}
#: ``hang`` says nothing more but ends on SIGTERM; ``stuck`` waits for a xenstored that does not answer: the handler
#: only sets its flag, and the process stays until SIGKILL; ``die`` ends in mid-line; ``garbage`` prints nonsense before
#: the last domain; ``end`` ends without a word.
FAULTS = tuple(ERRORS) + ("hang", "stuck", "die", "garbage", "end")

USAGE = b"""\
Usage: xentop [OPTION]
Displays ongoing information about xen vm resources

-h, --help           display this help and exit
-V, --version        output version information and exit
-d, --delay=SECONDS  seconds between updates (default 3)
-n, --networks       output vif network data
-x, --vbds           output vbd block device data
-r, --repeat-header  repeat table header before each domain
-v, --vcpus          output vcpu data
-b, --batch          output in batch mode, no user input accepted
-i, --iterations     number of iterations before exiting
-f, --full-name      output the full domain name (not truncated)
"""
_ROW = re.compile(rb"^.* [d-][s-][b-][c-][p-][r-] +\d+ +\d+\.\d ", re.MULTILINE)
_HEADER = re.compile(rb"^ *NAME  STATE ", re.MULTILINE)


def fault():
    try:
        with open(os.path.join(os.environ["XENTOP_CONTROL"], "fault")) as file:
            return file.read().strip()
    except OSError:
        return ""


def write(data):
    for start in range(0, len(data), 4096):
        part = data[start:start + 4096]
        while part:
            part = part[os.write(1, part):]


def iterations():
    with open(os.environ["XENTOP_CAPTURE"], "rb") as file:
        text = file.read()
    starts = [match.start() for match in _HEADER.finditer(text)] + [len(text)]
    return [text[start:end] for start, end in zip(starts, starts[1:])]


class Xentop:
    def __init__(self, delay, count):
        self._delay = delay / float(os.environ.get("XENTOP_SPEEDUP", "1"))
        self._left = count
        self._wake, write_end = os.pipe()
        os.set_blocking(write_end, False)
        signal.set_wakeup_fd(write_end)
        self._interrupted = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)

    def _on_signal(self, number, frame):
        self._interrupted = True

    def run(self):
        played = iterations()
        place = 0
        while not self._interrupted:
            text = played[min(place, len(played) - 1)]
            if not self._print(text, fault()):
                return 1
            place += 1
            self._left -= 1
            if not self._left:
                break
            select.select([self._wake], [], [], self._delay)
        return 0

    def _print(self, text, now):
        """One iteration, or what a fault makes of it; False where that ends the program with 1."""
        if now in ERRORS:
            os.write(2, ERRORS[now])
            return False
        if now == "hang":
            select.select([self._wake], [], [])
        elif now == "stuck":
            while True:
                signal.pause()
        elif now == "die":
            write(text[:len(text) * 2 // 3])
            os.kill(os.getpid(), signal.SIGKILL)
        elif now == "garbage":
            last = list(_ROW.finditer(text))[-1].start()
            write(text[:last] + b"\x00\xff\x1b[2J garbage \xf0\x9f\n" + text[50:170] + b"\n" + text[last:])
        elif now == "end":
            self._interrupted = True
        else:
            write(text)
        return True


def main():
    if "XENTOP_CONTROL" in os.environ:
        with open(os.path.join(os.environ["XENTOP_CONTROL"], "starts"), "a") as file:
            file.write("%d %s\n" % (os.getpid(), " ".join(sys.argv[1:])))
    try:
        options = dict(getopt.gnu_getopt(sys.argv[1:], "hVnxrvd:bi:f", [
            "help", "version", "networks", "vbds", "repeat-header", "vcpus", "delay=", "batch", "iterations=",
            "full-name"])[0])
    except getopt.GetoptError as error:
        os.write(2, b"xentop: " + str(error).encode() + b"\n")
        write(USAGE)
        return 0
    if "-h" in options:
        write(USAGE)
        return 0
    if not {"-b", "-f", "-n", "-x", "-v"} <= set(options):
        os.write(2, b"this stand-in plays captures of -b -f -n -x -v only\n")
        return 2
    return Xentop(int(options.get("-d", "3")), int(options.get("-i", "0"))).run()


if __name__ == "__main__":
    sys.exit(main())
