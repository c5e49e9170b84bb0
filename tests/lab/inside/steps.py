"""What several jobs do: guests of known work, one look at everything, the live baker, the baker behind xentrace."""
import json
import os
import pathlib
import shutil

from lab.inside import dom0, guests

__all__ = ("GUESTS", "look", "look_beside", "make_guests", "live_baker", "governed_baker", "host_facts",
           "baker_behind_xentrace",
           "baker_starts_xentrace", "ODD", "PAUSED", "SHARED", "WITHOUT_LIBRARIES")

ODD, PAUSED = "gäst 7;\"'ü", "paused.guest_1"
#: What a trace must hold that is compared with another reader's, and bytes of the largest record.
RECORDS, LARGEST = 1000, 40
SHARED = pathlib.Path("/run/xenmeter/baker")

#: Of one guest's grant table; the others have Xen's default.
MOST_FRAMES = 24
#: Name: what guests.create takes.
GUESTS = {
    "burner": dict(role="burn"),
    "waker": dict(role="wake"),
    "two vcpus": dict(role="two", vcpus=2),
    "io-guest": dict(role="io", address="10.77.0.2", disk=(16, "phy"), more=f"max_grant_frames = {MOST_FRAMES}\n"),
    ODD: dict(role="idle"),
    PAUSED: dict(role="idle", paused=True),
}


def make_guests(*names):
    """Create them; notes {name: domid}, and says how long each took."""
    domids = {}
    for name in names:
        domids[name] = guests.create(name, **GUESTS[name])
        dom0.mark(f"guest {domids[name]}: {name}")
    dom0.note("guests", domids)
    for name in names:
        if name != PAUSED:
            guests.wait_up(name)
    dom0.mark("all guests are up")
    return domids


def _counters(name):
    """What dom0's kernel counts of vifs and disks, as files."""
    folder = dom0.RESULTS / name
    folder.mkdir()
    shutil.copy("/proc/net/dev", str(folder / "net_dev"))
    for disk in pathlib.Path("/sys/bus/xen-backend/devices").glob("vbd-*"):
        lines = [f"{file.name} {file.read_text().strip()}" for file in sorted((disk / "statistics").iterdir())]
        (folder / disk.name).write_text("\n".join(lines) + "\n")


def look(tag):
    """All sources at about the same time, between two looks with Xen's own tools. Several samples: xenstore does not always
    answer in time where all is slow, and then a sample has no names."""
    dom0.run(f"{tag}-vcpus-before", "xl", "vcpu-list")
    _counters(f"{tag}-before")
    children = [
        dom0.start(f"{tag}-xentop-raw", "xentop", "-b", "-f", "-n", "-x", "-v", "-d1", "-i1"),
        dom0.start(f"{tag}-xentop", *dom0.xenmeter("xentop", "--source", "xentop", "--format", "json", "--interval", "1",
                                                   "--count", "6")),
        dom0.start(f"{tag}-direct", *dom0.xenmeter("xentop", "--source", "direct", "--format", "json", "--interval", "1",
                                                   "--count", "6")),
        dom0.start(f"{tag}-vcpu", *dom0.xenmeter("vcpu", "--format", "json", "--interval", "1", "--count", "6")),
    ]
    for child in children:
        dom0.finish(child, 600)
    dom0.run(f"{tag}-vcpus-after", "xl", "vcpu-list")
    _counters(f"{tag}-after")
    dom0.run(f"{tag}-list", "xl", "list")
    dom0.run(f"{tag}-list-l", "xl", "list", "-l")
    dom0.run(f"{tag}-xenstore", "xenstore-ls", "-f")
    dom0.run(f"{tag}-multicalls", "python3", dom0.CODE / "lab" / "inside" / "multicalls.py", 20)


def host_facts():
    """What Xen says of grant tables, pCPUs and nodes, to us and between to its own tools."""
    domids = [line.split()[-5] for line in dom0.fetch("xl", "list").splitlines()[1:]]
    for when in ("before", "after"):
        for domid in domids:
            dom0.run(f"grants-{when}-{domid}", "xen-diag", "gnttab_query_size", domid)
        if when == "before":
            dom0.run("hostfacts", "python3", dom0.CODE / "lab" / "inside" / "hostfacts.py")
    dom0.note("grants_domids", list(map(int, domids)))
    dom0.run("hostfacts-xl", "xl", "info", "-n")
    dom0.run("hostfacts-cstates", "xenpm", "get-cpuidle-states")
    dom0.run("hostfacts-pstates", "xenpm", "get-cpufreq-states")


def look_beside(name):
    """What source direct tells beside xentop's figures; then one guest has a weight, a cap and a pCPU of its own for a moment."""
    beside = dom0.CODE / "lab" / "inside" / "beside.py"
    dom0.run("beside", "python3", beside, 8, timeout=600)
    dom0.run("terms-set", "xl", "sched-credit2", "-d", name, "-w", "77", "-c", "50")
    dom0.run("terms-pin", "xl", "vcpu-pin", name, "all", "1")
    dom0.run("terms-sched", "xl", "sched-credit2")
    dom0.run("terms-vcpus", "xl", "vcpu-list")
    dom0.run("beside-terms", "python3", beside, 1, timeout=600)
    dom0.run("terms-unset", "xl", "sched-credit2", "-d", name, "-w", str(guests.WEIGHT), "-c", "0")
    dom0.run("terms-unpin", "xl", "vcpu-pin", name, "all", "all")


#: Starts a program that finds none of Xen's libraries, as on NixOS: the kernel's devices are left.
WITHOUT_LIBRARIES = ("unshare", "--mount", "sh", "-euc",
                     'for file in /usr/lib/*/libxen*.so.*; do mount --bind /dev/null "$file"; done; exec "$@"', "sh")


def live_baker(tag, seconds, meanwhile=lambda child: None, more=(), begin=()):
    """The baker on the rings for about so many seconds, all it read kept beside; `meanwhile` gets the process; ``more``: of its
    options; ``begin``: what starts it."""
    child = dom0.start(f"{tag}-baker", *begin, "python3", "-m", "lab.inside.teed_baker", dom0.RESULTS / f"{tag}-rings",
                       "--per-vcpu", "--share", "0", *more)
    dom0.wait_for(lambda: SHARED.exists() or child.poll() is not None, 240, "the baker's file")
    dom0.run(f"{tag}-told", *dom0.xenmeter("xentrace", "--source", "baker", "--per-vcpu", "true", "--format", "json",
                                           "--interval", "5", "--count", "4"), timeout=600)
    dom0.run(f"{tag}-status", *dom0.xenmeter("baker", "--status"))
    meanwhile(child)
    dom0.sleep(seconds)
    dom0.stop(child)


def governed_baker(tag):
    """The baker with a bound far below what it costs here, on a fast machine, too: until it has observed, rested, and observed
    again."""
    child = dom0.start(f"{tag}-governed", *dom0.xenmeter("baker", "--share", "0.2", "--window", "1"))
    dom0.wait_for(lambda: SHARED.exists() or child.poll() is not None, 240, "the baker's file")
    told = dom0.start(f"{tag}-governed-told", *dom0.xenmeter("xentrace", "--source", "baker", "--format", "json",
                                                             "--interval", "2"))

    said = dom0.RESULTS / f"{tag}-governed.err"
    dom0.wait_for(lambda: b"it rests, " in said.read_bytes(), 240, "the first rest")
    # a reader tells only what is new: the picture before the rest, if it has not yet, and then those after it. No rest is longer
    # than 300 s
    dom0.wait_more([told.lab_name], 3, 480)
    dom0.run(f"{tag}-governed-status", *dom0.xenmeter("baker", "--status"))
    dom0.stop(told)
    dom0.stop(child)


def baker_behind_xentrace(tag, seconds):
    """xentrace writes a file, which goes into a FIFO as it grows, and the baker reads that; for so many seconds, and until there
    are some hundred records.

    Not straight into the FIFO: xentrace gives up when a signal interrupts a write that has to wait.
    """
    fifo, kept = pathlib.Path("/run/baker.fifo"), dom0.RESULTS / f"{tag}-xentrace.bin"
    os.mkfifo(str(fifo))
    child = dom0.start(f"{tag}-fifo-baker", *dom0.xenmeter("baker", "--source", fifo, "--per-vcpu", "--stay"))
    xentrace = dom0.start(f"{tag}-xentrace", "xentrace", "-D", "-e", "0x00161000", kept)
    dom0.wait_for(kept.exists, 240, "xentrace's file")
    tail = dom0.start(f"{tag}-tail", "sh", "-c", f"tail -c +1 -f --pid={xentrace.pid} {kept} >{fifo}")
    dom0.sleep(seconds)
    dom0.wait_for(lambda: kept.stat().st_size > RECORDS * LARGEST, 240, "records of xentrace")
    dom0.stop(xentrace)
    dom0.finish(tail, 300)
    dom0.wait_for(lambda: b"true" in _line(dom0.run(f"{tag}-fifo-status", *dom0.xenmeter("baker", "--status")),
                                           b"source_ended"), 240, "the end of the stream in the baker")
    dom0.run(f"{tag}-fifo-told", *dom0.xenmeter("xentrace", "--source", "baker", "--per-vcpu", "true", "--format", "json",
                                                "--count", "1"))
    dom0.stop(child)


def baker_starts_xentrace(tag):
    """`--source xentrace`: where this xentrace writes to its standard output there are figures, elsewhere a line why not."""
    child = dom0.start(f"{tag}-own-xentrace", *dom0.xenmeter("baker", "--source", "xentrace"))
    dom0.wait_for(lambda: SHARED.exists() or child.poll() is not None, 240, "the file of the baker that starts xentrace")
    if child.poll() is None:
        told = dom0.start(f"{tag}-own-xentrace-told", *dom0.xenmeter("xentrace", "--source", "baker", "--format", "json",
                                                                     "--interval", "2"))

        def enough():
            last = _newest(told)
            return last and last["trace"]["records"] > RECORDS and {"Domain-0", "burner"} <= {
                one["domain"] for one in last["domains"]}

        dom0.wait_for(lambda: enough() or child.poll() is not None or told.poll() is not None, 240,
                      "figures of the baker that starts xentrace")
        dom0.stop(told)
    dom0.note(f"{tag}-own-xentrace.ended", child.poll())
    dom0.stop(child)


def _newest(child):
    """What the last whole line of a program's JSON says; None before there is one."""
    line = (dom0.RESULTS / f"{child.lab_name}.out").read_bytes().rpartition(b"\n")[0].rpartition(b"\n")[2]
    return json.loads(line) if line else None


def _line(text, word):
    return next((line for line in text.splitlines() if word in line), b"")
