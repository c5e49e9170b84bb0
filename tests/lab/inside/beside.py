"""Source direct's readings between two looks of our own at dom0's kernel, in one process of dom0; prints JSON.

    beside.py ROUNDS        {"tick_ns", "rounds": [{"before", "sample", "after"}]}; looks: stat of all block devices that xenstore
                            names, ticks of all processes by number with their names and whether they are the kernel's, meminfo
"""
import json
import os
import pathlib
import re
import subprocess
import sys
import threading

from xenmeter.xentop.direct.lines import to_line
from xenmeter.xentop.direct.live import LiveDirect


def blocks():
    """{"8:48": its stat} of the devices that xenstore has for blkback."""
    listed = subprocess.check_output(["xenstore-ls", "-f", "/local/domain/0/backend/vbd"]).decode()
    numbers = {"%d:%d" % (int(major, 16), int(minor, 16))
               for major, minor in re.findall(r'/physical-device = "([0-9a-f]+):([0-9a-f]+)"', listed)}
    return sorted(number for number in numbers if pathlib.Path("/sys/dev/block", number, "stat").exists())


def processes():
    """{pid: [name, whether there is no command line, ticks]}"""
    found = {}
    for folder in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            name = (folder / "comm").read_text().rstrip("\n")
            fields = (folder / "stat").read_text().rpartition(") ")[2].split()
            found[folder.name] = [name, not (folder / "cmdline").read_bytes(), int(fields[11]) + int(fields[12])]
        except OSError:
            pass        # it has ended
    return found


def look(numbers):
    stats = {number: pathlib.Path("/sys/dev/block", number, "stat").read_text().split() for number in numbers}
    return {"stat": {number: list(map(int, fields)) for number, fields in stats.items()}, "processes": processes(),
            "meminfo": pathlib.Path("/proc/meminfo").read_text()}


def main(rounds):
    def report(error):
        raise error
    numbers = blocks()
    samples = LiveDirect(1).samples(threading.Event(), report)
    next(samples)
    found = []
    for _ in range(rounds):
        before = look(numbers)
        sample = next(samples)
        found.append({"before": before, "sample": json.loads(to_line(sample).decode()), "after": look(numbers)})
    samples.close()
    json.dump({"tick_ns": 10 ** 9 // os.sysconf("SC_CLK_TCK"), "rounds": found}, sys.stdout)


if __name__ == "__main__":
    main(int(sys.argv[1]))
