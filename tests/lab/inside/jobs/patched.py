"""The hypervisor with packaging/xen's patch: its pages beside getvcpuinfo, beside the trace, while guests come and go."""
import time

from lab.inside import dom0, guests

#: Enough readings for a figure per reading that the clock's ticks do not spoil.
READINGS = 300
#: A sleeping guest has next to no work, so many fit beside one that works.
SLEEPERS = 3
#: Guests that never start, for their vCPUs: both ways of reading do the same for a vCPU that is offline.
CROWDS, CROWD = 4, 128


def run():
    start_guests()
    dom0.run("xl-list", "xl", "list")
    dom0.run("check", *dom0.xenmeter("check"))
    for step in (agree, while_guests_come_and_go, agree_again, plugin_beside_the_trace, count_hypercalls, what_the_lock_suffers,
                 poll_many):
        dom0.mark(step.__name__.replace("_", " "))
        step()
    dom0.run("xl-vcpu-list", "xl", "vcpu-list")
    dom0.run("xl-list-after", "xl", "list")


def start_guests():
    domids = {"wide": guests.create("wide", "idle", 2, maxvcpus=40)}
    # It starts all its vCPUs before it puts most of them offline. Meanwhile xl took minutes for other guests, so it is alone.
    guests.wait_up("wide", 600)
    dom0.mark("the guest of many vCPUs is up")
    for name, role, vcpus in (("waker", "wake", 1), ("burner", "part", 1), ("pair", "part", 2), ("still", "idle", 2)):
        domids[name] = guests.create(name, role, vcpus, paused=name == "still")
    dom0.note("domids", domids)
    for number in range(SLEEPERS):
        guests.create(f"sleeper-{number}", "idle")


def pages(name, *words, timeout=300):
    return dom0.run(name, "python3", dom0.CODE / "lab" / "inside" / "pages.py", *words, timeout=timeout)


def agree():
    pages("agree", "agree", 100)


def agree_again():
    pages("agree-churned", "agree", 60)


def plugins(tag):
    """The plugin twice, by page and by hypercall, once a second; both have said something when this returns."""
    both = {source: dom0.start(f"{tag}-{source}", *dom0.xenmeter("vcpu", "--source", source, "--format", "json",
                                                                 "--interval", "1")) for source in ("resource", "hypercall")}
    for source in both:
        dom0.wait_for(lambda name=f"{tag}-{source}": dom0.lines(name) > 1, 240, "two readings")
    return both.values()


def meters(name):
    """Readings in line protocol: each ends with the plugin's line on itself."""
    return (dom0.RESULTS / f"{name}.out").read_bytes().count(b"\nxenmeter,")


def while_guests_come_and_go():
    """Readings go on while guests are destroyed and created; the mapping of a dead one must not keep it for ever."""
    running = plugins("churn")
    for number in range(SLEEPERS):
        guests.destroy(f"sleeper-{number}")
        dom0.note(f"newcomer-{number}", guests.create(f"newcomer-{number}", "wake"))
    seen = dom0.lines("churn-resource")
    dom0.wait_for(lambda: dom0.lines("churn-resource") > seen + 3, 240, "readings afterwards")
    dom0.wait_for(lambda: "(null)" not in dom0.fetch("xl", "list"), 240, "the memory of the destroyed guests is given back")
    dom0.run("xl-list-churned", "xl", "list")
    for child in running:
        dom0.stop(child)


def plugin_beside_the_trace():
    """The same seconds through the plugin, through the bare pages and through xentrace, while a guest goes and one comes."""
    both = plugins("traced")
    file = dom0.RESULTS / "sched.trace"
    trace = dom0.start("xentrace", "xentrace", "-D", "-e", "0x00161000", file)
    dom0.wait_for(lambda: file.exists() and file.stat().st_size, 240, "records of xentrace")
    dom0.note("trace_began", time.time_ns())
    bare = dom0.start("traced-pages", "python3", dom0.CODE / "lab" / "inside" / "pages.py", "agree", 8)
    dom0.finish(bare, 300)
    guests.destroy("newcomer-0")
    dom0.note("latecomer", guests.create("latecomer", "wake"))
    dom0.wait_more(["traced-resource"], 20)
    dom0.note("trace_ended", time.time_ns())
    dom0.stop(trace)
    for child in both:
        dom0.stop(child)


def count_hypercalls():
    """Xen's own counters before and after so many readings of either kind."""
    for source in ("page", "hypercall"):
        for part in ("before", "after"):
            if part == "after":
                pages(f"poll-{source}", "poll", source, READINGS)
            dom0.run(f"xenperf-{source}-{part}", "xenperf", "-f")
    for part in ("before", "after"):
        if part == "after":
            dom0.run("multicalls", "python3", dom0.CODE / "lab" / "inside" / "multicalls.py", 1, READINGS)
        dom0.run(f"xenperf-multicalls-{part}", "xenperf", "-f")
    # the plugin itself, which also has names and watches to look after
    plugin = dom0.start("polling", *dom0.xenmeter("vcpu", "--source", "resource", "--dom0", "false", "--format", "influx",
                                                  "--interval", "1"))
    dom0.wait_for(lambda: meters("polling") > 2, 240, "two readings of the plugin")
    dom0.run("xenperf-plugin-before", "xenperf", "-f")
    began = meters("polling")
    dom0.wait_for(lambda: meters("polling") > began + 15, 240, "fifteen more")
    dom0.note("polling_from", began)
    dom0.note("polling_to", meters("polling"))
    dom0.run("xenperf-plugin-after", "xenperf", "-f")
    dom0.stop(plugin)


def what_the_lock_suffers():
    """How long `xl list`, and a domctl by itself, take while nobody, the page or the hypercall is read without pause."""
    for source in (None, "page", "hypercall"):
        name = source or "nobody"
        reader = source and dom0.start(f"load-{source}", "python3", dom0.CODE / "lab" / "inside" / "pages.py", "poll", source,
                                       10 ** 9)
        if reader:
            time.sleep(3)       # for its start, which is no part of what is measured
        times = []
        for _ in range(12):
            began = time.monotonic()
            dom0.fetch("xl", "list")
            times.append(round(time.monotonic() - began, 4))
        dom0.note(f"xl_list_seconds_{name}", times)
        pages(f"domctl-{name}", "domctl", 5)
        if reader:
            dom0.stop(reader, number=9)


def poll_many():
    """One reading a second of ever more vCPUs, up to all that there are."""
    for number in range(CROWDS):
        guests.create(f"crowd-{number}", "idle", maxvcpus=CROWD, paused=True)
    for most in (10, 50, 200, 10 ** 9):
        for source in ("page", "hypercall"):
            pages(f"poll-{source}-{most}", "poll", source, 8, most)
