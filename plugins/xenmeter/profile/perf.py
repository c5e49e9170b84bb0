"""Profiles by the processor's counters, where Xen was booted with ``vpmu``: what perf recorded in dom0, as perf script tells it.

perf says nothing where it counts something else than it was asked for (without a PMU, cpu-clock), so what is told is the event of
the samples. Xen hands dom0 the addresses of other domains and of itself as those of "a guest" (Linux's arch/x86/xen/pmu.c); which
guest nobody says. Xen's own are in a range of their own (``asm-x86/config.h``: XEN_VIRT_START), and /proc/xen/xensyms names them.
"""
import re
import signal
import subprocess
import tempfile
import time
from typing import Any, Dict, Iterable, Iterator, List, NamedTuple, Optional, Sequence, Tuple

from xenmeter.core.errors import BadInput, SourceError, Unsupported, printable
from xenmeter.core.programs import find_program
from xenmeter.profile.kernel.kallsyms import Names
from xenmeter.profile.tally import Key, Tally

__all__ = ("MAGIC", "MODE", "Line", "record", "script", "parse", "fill", "must_have_vpmu", "xens_names")

#: How a file of ``perf record`` begins.
MAGIC = b"PERFILE2"
MODE = "/sys/hypervisor/pmu/pmu_mode"
XENSYMS = "/proc/xen/xensyms"
_FIELDS = "comm,pid,tid,cpu,time,period,event,misc,ip,sym,dso"
_HEAD = re.compile(r"^\s*(?P<comm>\S.*?)?\s+(?P<pid>-?\d+)/(?P<tid>-?\d+)(?:\s+\[(?P<cpu>\d+)\])?\s+(?P<misc>[A-Za-z*]+)\s+"
                   r"(?P<time>\d+\.\d+):\s+(?P<period>\d+)\s+(?P<event>[^\s:][^\s]*?)(?::(?P<how>[a-zA-Z]*))?:\s*(?P<rest>.*)$")
_FRAME = re.compile(r"^\s+(?P<ip>[0-9a-f]+)\s+(?P<sym>.*?)(?:\s+\((?P<dso>.*)\))?\s*$")
#: Where Xen itself lies on x86-64: text, data and what it allocates beside them.
_XEN = range(0xffff82d000000000, 0xffff830000000000)
_LONGEST = 4096


class Line(NamedTuple):
    """One sample. ``mode``: K, U of dom0, H of a hypervisor, G, g of a guest's kernel and user mode; frames the outermost first,
    as (address, function or None, file or None)."""

    process: str
    cpu: int
    mode: str
    period: int
    event: str
    frames: Tuple[Tuple[int, Optional[str], Optional[str]], ...]


def must_have_vpmu(path: str = "") -> str:
    """The mode in which Xen hands out counters' interrupts; Unsupported where it was not booted for it."""
    try:
        with open(path or MODE, encoding="ascii", errors="replace") as file:
            mode = file.read().strip()
    except OSError:
        mode = "off"
    if mode in ("off", ""):
        raise Unsupported("this Xen was not booted with vpmu, or dom0 is no PV domain, so the processor's counters cannot be had "
                          "(%s); without --pmu nothing of that is needed" % (path or MODE))
    return mode


def _perf() -> str:
    program = find_program("perf")
    if program is None:
        raise SourceError("--pmu is by perf, and there is no program perf here (Debian: linux-perf)")
    return program


def record(event: str, hz: float, path: str, stop: Any, seconds: float) -> None:
    """perf records all of dom0's CPUs into a file, for so long or until ``stop``; SourceError where it cannot."""
    child = subprocess.Popen([_perf(), "record", "-q", "-a", "-g", "-e", event, "-F", "%d" % max(1, round(hz)), "-o", path],
                             stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    end = time.monotonic() + seconds
    while child.poll() is None and not stop.is_set() and time.monotonic() < end:
        stop.wait(min(0.2, max(0.0, end - time.monotonic())))
    told = child.poll() is None
    if told:
        child.send_signal(signal.SIGINT)        # it writes what it has, and ends by it
    said = child.communicate()[1]
    if not told and child.returncode:
        raise SourceError("perf record: %s" % _last(said, child.returncode))


def script(path: str) -> Iterator[Line]:
    """The samples in a file of perf's; SourceError where perf cannot read it."""
    with tempfile.TemporaryFile() as out:
        for fields in (_FIELDS, _FIELDS.replace("cpu,", "")):       # of one process alone, perf keeps no CPU
            ran = subprocess.run([_perf(), "script", "--force", "-F", fields, "-i", path], stdin=subprocess.DEVNULL, stdout=out,
                                 stderr=subprocess.PIPE, check=False)
            if b"'cpu' field" not in ran.stderr:
                break
        if ran.returncode:
            raise SourceError("%s: perf script: %s" % (path, _last(ran.stderr, ran.returncode)))
        out.seek(0)
        yield from parse(line.decode("utf-8", "replace") for line in iter(lambda: out.readline(_LONGEST), b""))


def _last(said: bytes, status: int) -> str:
    """What a program complained of: perf's usage follows its error."""
    lines = [line.strip() for line in said.decode("utf-8", "replace").splitlines() if line.strip()]
    errors = [line for line in lines if "error" in line.lower()]
    return printable((errors or lines[-1:] or ["it ends with status %d" % status])[0])


def parse(lines: Iterable[str]) -> Iterator[Line]:
    """The samples that perf script has told; BadInput for a line that is none of its."""
    head: Any = None
    frames: List[Tuple[int, Optional[str], Optional[str]]] = []
    offset = 0
    for line in lines:
        # a frame begins with a tab, and the file in it may be called anything: thousands of blanks would be taken apart in vain
        found = _HEAD.match(line) if line.strip() and not line.startswith("\t") else None
        if found is not None or not line.strip():
            if head is not None:
                yield _line(head, frames)
            head, frames = found, []
            text = found.group("rest") if found is not None else ""
            if text:
                frames.append(_frame(" " + text, offset))
        elif head is None:
            raise BadInput("this is no output of perf script", offset)
        else:
            frames.append(_frame(line.rstrip("\n"), offset))
        offset += len(line)
    if head is not None:
        yield _line(head, frames)


def _line(head: Any, frames: Sequence[Any]) -> Line:
    return Line(printable(head.group("comm") or "?"), int(head.group("cpu") or 0), head.group("misc")[0],
                int(head.group("period")), printable(head.group("event")), tuple(reversed(frames)))


def _frame(line: str, offset: int) -> Tuple[int, Optional[str], Optional[str]]:
    found = _FRAME.match(line)
    if found is None:
        raise BadInput("this is no frame of perf script", offset)
    name, file = found.group("sym"), found.group("dso")
    return (int(found.group("ip"), 16), None if name in ("", "[unknown]") else printable(name),
            None if file in (None, "[unknown]") else printable(file.rpartition("/")[2]))


def xens_names(path: str = "") -> Optional[Names]:
    """Xen's own functions, as dom0 may ask for them (CONFIG_XEN_SYMS, root); None where it may not."""
    rows: List[Tuple[int, str]] = []
    try:
        with open(path or XENSYMS, encoding="ascii", errors="replace") as file:
            for line in file:
                words = line.split()
                if len(words) == 3 and words[1] in "tTwW":
                    rows.append((int(words[0], 16), printable(words[2])))
    except (OSError, ValueError):
        return None
    rows.sort()
    return Names([row[0] for row in rows], [row[1] for row in rows], {}) if rows else None


def fill(tally: Tally, lines: Iterable[Line], xen: Optional[Names]) -> List[str]:
    """Samples into a tally; the events that were counted, of most samples first. :param xen: names of its functions."""
    events: Dict[str, int] = {}
    for line in lines:
        events[line.event] = events.get(line.event, 0) + 1
        leaf = line.frames[-1][0] if line.frames else 0
        inside = leaf in _XEN and line.mode not in "KU"
        domain = "Domain-0" if line.mode in "KU" else "Xen" if inside else "a guest or Xen"
        frames = tuple([_name(frame, xen) for frame in line.frames]) or ("?",)
        process = line.process if line.mode in "KU" else "[user mode]" if line.mode == "g" else "[kernel]"
        tally.add(Key(domain, line.cpu, process, frames), line.period)
    return sorted(events, key=lambda event: (-events[event], event))


def _name(frame: Tuple[int, Optional[str], Optional[str]], xen: Optional[Names]) -> str:
    address, name, file = frame
    if address in _XEN and xen is not None:
        return xen.of(address) or "0x%x" % address
    return name or ("0x%x [%s]" % (address, file) if file else "0x%x" % address)
