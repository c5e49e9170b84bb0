"""What a boot left behind, read on this machine: the texts of dom0, our JSON lines, traces baked here, xenalyze's word."""
import collections
import functools
import json
import re
import struct
import subprocess
import sys

from lab import packages
from lab.paths import LOGS, TOP
from lab.releases import MAIN, of_boot

__all__ = ("Boot", "STATES", "changes_of", "sums_of")

STATES = ("running", "runnable", "blocked", "offline")

_VCPU = re.compile(r"^(?P<name>.*?)\s+(?P<domid>\d+)\s+(?P<vcpu>\d+)\s+(?P<pcpu>\d+|-)\s+(?P<state>[-rbp]{3})\s+"
                   r"(?P<time>\d+\.\d)\s", re.MULTILINE)
_DOMAIN = re.compile(r"^(?P<name>.*?)\s+(?P<domid>\d+)\s+(?P<mem>\d+)\s+(?P<vcpus>\d+)\s+(?P<state>[-rbpscd]{6})\s+"
                     r"(?P<time>\d+\.\d)$", re.MULTILINE)
#: Xen 4.20's says this without an end of line before the line that it is about to print.
_UNENDED = re.compile(r"d\d+v\d+ RUNSTATE_RUNNING detected, leaving INIT")
#: The column of pCPUs has a blank for each that is not known yet, or any more.
_CHANGE = re.compile(r"^\s*(?:(\d+\.\d+))?[ \S]*? d\S+ runstate_change d(\d+)v(\d+) (\w+)->(\w+)", re.MULTILINE)
_TIME = re.compile(r"^\s*(\d+\.\d+) ", re.MULTILINE)


class Boot:
    """One boot's folder under build/lab/logs. FileNotFoundError where it never was: then the lab did not run.

    :ivar name: with its release, where that is not the main one. :ivar job: with which the names of most results begin.
    """

    def __init__(self, name):
        self.name = name
        self.job, self.release = of_boot(name)
        self.folder = LOGS / name
        self.results = self.folder / "results"

    @property
    def outcome(self):
        return json.loads((self.folder / "outcome.json").read_text())

    @functools.cached_property
    def notes(self):
        return json.loads((self.results / "notes.json").read_text())

    def text(self, name, end=".out"):
        return (self.results / (name + end)).read_text("utf-8", "surrogateescape")

    def samples(self, name):
        """The JSON lines of one of our processes; the last may be cut where it was stopped."""
        lines = self.text(name).split("\n")
        return [json.loads(line) for line in lines[:-1]]

    def vcpus(self, name):
        """{(domid, vcpu): (seconds of running, pCPU or None, online)} of `xl vcpu-list`."""
        return {(int(m["domid"]), int(m["vcpu"])): (float(m["time"]), None if m["pcpu"] == "-" else int(m["pcpu"]),
                                                    "p" not in m["state"]) for m in _VCPU.finditer(self.text(name))}

    def domains(self, name):
        """{domid: (name, MiB, vCPUs, state, seconds)} of `xl list`."""
        return {int(m["domid"]): (m["name"].rstrip(" "), int(m["mem"]), int(m["vcpus"]), m["state"], float(m["time"]))
                for m in _DOMAIN.finditer(self.text(name))}

    def net_dev(self, name):
        """{interface: (received, sent) bytes} by dom0's kernel."""
        lines = [line.split() for line in (self.results / name / "net_dev").read_text().replace(":", " ").splitlines()[2:]]
        return {line[0]: (int(line[1]), int(line[9])) for line in lines}

    def disk(self, name, device):
        lines = (self.results / name / device).read_text().splitlines()
        return {key: int(value) for key, value in (line.split() for line in lines)}

    @functools.cached_property
    def khz(self):
        """The TSC's rate as the baker learnt it from the hypervisor."""
        for file in sorted(self.results.glob("*baker.err")):
            found = re.search(r"TSC of (\d+) kHz", file.read_text())
            if found:
                return int(found.group(1))
        # Xen's own word at its start, for a boot without a baker
        found = re.search(r"Detected (\d+)\.(\d{3}) MHz processor", self.text("hypervisor", ".log"))
        assert found, f"neither a baker of boot {self.name} nor Xen has said the TSC's rate"
        return int(found.group(1) + found.group(2))

    @functools.cache      # noqa: B019
    def bake(self, name, *more):
        """`xenmeter bake` of a trace, on this machine; ``more``: of its options."""
        ran = subprocess.run([sys.executable, "-m", "xenmeter", "bake", str(self.results / name), "--cpu-khz", str(self.khz),
                              "--format", "json", *more], check=True, stdout=subprocess.PIPE, cwd=str(TOP / "plugins"))
        return json.loads(ran.stdout)

    @functools.cache      # noqa: B019
    def xenalyze(self, name):
        """xenalyze's records of a trace: ({(domid, vcpu): [(ns, old, new)]}, largest ns)."""
        # xenalyze reckons with cycles per ns in 1/1024, cut to an integer: its times are turned back into cycles
        megahertz, lines = changes_of(self.results / name, self.khz, self.release)
        cut = megahertz * 10 ** 6 * 1024 // 10 ** 9

        def nanoseconds(text):
            whole, _, fraction = text.partition(".")
            return (int(whole) * 10 ** 9 + int(fraction)) * cut * 10 ** 6 // (1024 * self.khz)

        records = collections.defaultdict(list)
        for time, who, old, new in (line.split() for line in lines[:-1]):
            records[tuple(int(part) for part in who[1:].split("v"))].append((nanoseconds(time), old, new))
        return records, nanoseconds(lines[-1])

    def lost_in(self, name):
        """Records that the hypervisor says it lost: LOST_RECORDS is 0x0001f001, with a stamp, and its first word is how many."""
        return sum(struct.unpack_from("<I", data, at + 12)[0] for data, at, event in self._walk(name) if event == 0x0001f001)

    def events(self, name):
        """How many records of each event a trace has."""
        return collections.Counter(event for _, _, event in self._walk(name))

    def pcpus(self, name):
        """How many records of each pCPU a trace has; CPU_CHANGE is 0x0001f003, and its first word is the pCPU of what follows."""
        found, pcpu = collections.Counter(), None
        for data, at, event in self._walk(name):
            if event == 0x0001f003:
                pcpu, = struct.unpack_from("<I", data, at + 4)
            else:
                found[pcpu] += 1
        return found

    def _walk(self, name):
        """(bytes, place, event) of each record of a trace (public/trace.h: struct t_rec)."""
        data = (self.results / name).read_bytes()
        at = 0
        while at + 4 <= len(data):
            header, = struct.unpack_from("<I", data, at)
            yield data, at, header & 0x0fffffff
            at += 4 + (8 if header >> 31 else 0) + 4 * (header >> 28 & 7)


def changes_of(path, khz, release=MAIN):
    """(the MHz it was told, lines "TIME dDvV OLD NEW" of xenalyze's runstate changes, and as the last its largest time), by
    the xenalyze of that release."""
    megahertz = khz // 1000
    xenalyze = packages.tree(release.here, "dom0").command("usr/bin/xenalyze")
    ran = subprocess.run([*xenalyze, "--cpu-hz", f"{megahertz}M", *release.exits, "--dump-all", str(path)], check=True,
                         stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    text = _UNENDED.sub("", ran.stdout.decode("utf-8", "replace"))
    lines = ["{} d{}v{} {} {}".format(time or "0.000000000", *rest) for time, *rest in _CHANGE.findall(text)]
    return megahertz, [*lines, max(_TIME.findall(text), key=float)]


def sums_of(records, end):
    """State times of one vCPU in the plainest way: time between two records is of the state that both name."""
    told = sorted(records, key=lambda one: one[0])
    edges = [(0, None, told[0][1]), *told]
    sums = collections.Counter()
    for (since, _, state), (until, old, _) in zip(edges, told):
        sums[state if state == old else None] += until - since
    sums[told[-1][2]] += end - told[-1][0]
    return sums


