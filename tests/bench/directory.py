"""What a look at xenstore costs us: ``PYTHONPATH=plugins python3 tests/bench/directory.py [domains ...]``.

A fake xenstored answers from another process, so the CPU time is the client's alone. First: the snapshot that asks for
everything, as at the start; then the one of every later reading.
"""
import os
import signal
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from helpers.fake_xenstored import FakeXenstored, host  # noqa: E402

from xenmeter.xen.domains import DomainDirectory  # noqa: E402
from xenmeter.xen.storedump import encode_dump, parse_dump  # noqa: E402
from xenmeter.xen.xenstore import Xenstore  # noqa: E402


def measure(domains, repeat=10):
    """CPU and wall-clock ms: {"first": (cpu, wall), "later": (cpu, wall), "dump": (cpu, wall)}."""
    nodes = host(domains)
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "socket")
        child = os.fork()
        if not child:
            with FakeXenstored(nodes, path):
                signal.pause()
            os._exit(0)
        try:
            while not os.path.exists(path):
                time.sleep(0.01)
            with Xenstore(path, timeout=30.0) as store:
                found = DomainDirectory(store, clock=lambda: 0.0)
                result = {"first": _time(found.snapshot, 1), "later": _time(found.snapshot, repeat)}
                assert len(found.snapshot().domains) == domains + 1
        finally:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
    text = encode_dump(nodes)
    result["dump"] = _time(lambda: parse_dump(text), 1)
    return result


def _time(work, repeat):
    cpu, wall = time.process_time(), time.monotonic()
    for _ in range(repeat):
        work()
    return (time.process_time() - cpu) * 1000 / repeat, (time.monotonic() - wall) * 1000 / repeat


def main(arguments):
    """Print a line per number of domains."""
    print("domains   first snapshot    every later one   dump parsed     (ms of CPU / wall clock)")
    for domains in [int(argument) for argument in arguments] or [10, 100, 1000, 5000]:
        result = measure(domains)
        print("%7d" % domains + "".join("  %7.2f /%7.2f" % result[part] for part in ("first", "later", "dump")))


if __name__ == "__main__":
    main(sys.argv[1:])
