"""Asks the job `study` in dom0 over the machine's network card: a line of JSON there, a line back."""
import json
import socket
import time

from tools.debian import ProvisionError

__all__ = ("ask", "agree", "wait_ready")


def ask(port, do, timeout=180, **more):
    """What dom0 answers; ProvisionError where it does not. None where it ends."""
    with socket.create_connection(("127.0.0.1", port), timeout=timeout) as client, client.makefile("rwb") as stream:
        stream.write(json.dumps(dict(more, do=do)).encode() + b"\n")
        stream.flush()
        line = stream.readline()
    if not line:
        raise ProvisionError(f"dom0 did not answer {do} {more}")
    return json.loads(line)


def wait_ready(port, seconds):
    """Until the job listens: QEMU takes connections from its own start on, and ends them where nobody does."""
    end = time.monotonic() + seconds
    while True:
        try:
            return ask(port, "clock", timeout=10)
        except (OSError, ProvisionError):
            if time.monotonic() > end:
                raise
            time.sleep(1)


def offset(port, tries=8):
    """(ns by which dom0's clock is ahead, ns within which that is known): of several answers the quickest."""
    best = None
    for _ in range(tries):
        asked = time.time_ns()
        there = ask(port, "clock")
        answered = time.time_ns()
        if best is None or answered - asked < best[1]:
            best = there - (asked + answered) // 2, answered - asked
    return best[0], best[1] // 2


def agree(port):
    """Set dom0's clock by this machine's; gives what is left, as `offset` does."""
    ahead, _ = offset(port)
    ask(port, "shift", by_ns=-ahead)
    return offset(port)
