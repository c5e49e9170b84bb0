"""What happens to domains on a host that is in use, one after the other, while Prometheus and collectd look on."""
import pathlib
import subprocess
import time

from lab.inside import daemons, dom0, guests

MOVER, BURNER = "mover", "burner"
PORTS = {"xentop": 9781, "vcpu": 9782}
SAVED = "/tmp/saved"
#: Scrapes that each step leaves for what is then to be seen.
SEEN = 3

_steps, _failed = [], []


def run():
    dom0.run("info", "xl", "info")
    domids = {BURNER: guests.create(BURNER, "burn"), MOVER: guests.create(MOVER, "live", 2, on_reboot="restart")}
    dom0.note("guests", domids)
    for name in domids:
        guests.wait_up(name)
    dom0.mark("all guests are up")
    watchers = watch()
    collectd = daemons.start_collectd()
    dom0.wait_for(lambda: daemons.collectd_values("xenvcpu-"), 240, "collectd's values")
    for step in (vcpus, memory, rename, cap, pool, save, restore, migrate, reboot, suspend):
        took(step)
        dom0.note("steps", _steps)
        dom0.note("failed_steps", _failed)
        dom0.write_notes()
    dom0.note("collectd_alive_at_the_end", collectd.poll() is None)
    dom0.stop(collectd)
    for child in watchers:
        dom0.stop(child)


def watch():
    """The endpoint of each plugin, and what is scraped of it each second."""
    for plugin, port in PORTS.items():
        dom0.start(f"serve-{plugin}", *dom0.xenmeter("serve", plugin, "--interval", "1", "--listen", f"127.0.0.1:{port}"))
    scrapers = [dom0.start(f"scrapes-{plugin}", "python3", dom0.CODE / "lab" / "inside" / "scraper.py",
                           f"http://127.0.0.1:{port}/metrics", 1) for plugin, port in PORTS.items()]
    dom0.wait_more([child.lab_name for child in scrapers], SEEN)
    return scrapers


def took(step):
    """Do it, see what comes of it; its name, and when it began, was done, and had been seen, are noted."""
    began = time.time_ns()
    try:
        step()
    except (dom0.Failed, subprocess.TimeoutExpired) as error:
        dom0.mark(f"step {step.__name__}: {error}")
        _failed.append(f"{step.__name__}: {error}")
    done = time.time_ns()
    dom0.wait_more([f"scrapes-{plugin}" for plugin in PORTS], SEEN)
    _steps.append([step.__name__, began, done, time.time_ns()])
    dom0.mark(f"step done: {step.__name__}")


def states(name):
    """[state of each vCPU] by xl."""
    return [line.split()[4] for line in dom0.fetch("xl", "vcpu-list", name).splitlines()[1:]]


def vcpus():
    dom0.fetch("xl", "vcpu-set", MOVER, 1)
    dom0.wait_for(lambda: states(MOVER)[1].endswith("p"), 240, "the mover's vCPU 1 is offline")
    dom0.wait_more(["scrapes-vcpu"], SEEN)
    dom0.fetch("xl", "vcpu-set", MOVER, 2)
    dom0.wait_for(lambda: not states(MOVER)[1].endswith("p"), 240, "the mover's vCPU 1 is back")


def memory():
    def holds():
        return int(dom0.fetch("xl", "list", MOVER).splitlines()[1].split()[2])

    before = holds()
    dom0.fetch("xl", "mem-set", MOVER, f"{before - 8}m")
    dom0.wait_for(lambda: holds() <= before - 7, 240, "the mover gives memory back")
    dom0.wait_more(["scrapes-xentop"], SEEN)
    dom0.fetch("xl", "mem-set", MOVER, f"{before}m")
    dom0.wait_for(lambda: holds() > before - 7, 240, "the mover takes memory")


def rename():
    dom0.fetch("xl", "rename", MOVER, "moved")
    shown("moved")
    dom0.fetch("xl", "rename", "moved", MOVER)
    shown(MOVER)


def cap():
    dom0.fetch("xl", "sched-credit2", "-d", BURNER, "-c", 10)
    dom0.sleep(10)
    dom0.wait_more(["scrapes-xentop"], SEEN)
    dom0.run("capped", "xl", "sched-credit2", "-d", BURNER)
    dom0.fetch("xl", "sched-credit2", "-d", BURNER, "-c", 0)


def pool():
    dom0.fetch("xl", "cpupool-cpu-remove", "Pool-0", 1)
    dom0.fetch("xl", "cpupool-create", 'name="second"', 'cpus=["1"]', 'sched="credit2"')
    dom0.fetch("xl", "cpupool-migrate", BURNER, "second")
    dom0.run("pools", "xl", "cpupool-list")
    dom0.wait_more(["scrapes-xentop", "scrapes-vcpu"], SEEN)
    dom0.fetch("xl", "cpupool-migrate", BURNER, "Pool-0")
    dom0.fetch("xl", "cpupool-destroy", "second")
    dom0.fetch("xl", "cpupool-cpu-add", "Pool-0", 1)


def save():
    dom0.fetch("xl", "save", MOVER, SAVED)
    shown(MOVER, False)


def shown(name, there=True):
    """Until the endpoints have that name, or no longer have it; a new name of a domain that stays is seen within 30 s."""
    word = f'domain=\\"{name}\\"'.encode()
    dom0.wait_for(lambda: all((word in newest(plugin)) is there for plugin in PORTS), 240, f"{name} in the endpoints: {there}")


def newest(plugin):
    """The last whole line of a plugin's scrapes."""
    return (dom0.RESULTS / f"scrapes-{plugin}.out").read_bytes().rpartition(b"\n")[0].rpartition(b"\n")[2]


def restore():
    dom0.fetch("xl", "restore", SAVED)
    dom0.note("restored", guests.domid(MOVER))


def migrate():
    """To this host itself. A PV guest's pages are only followed by a Xen that is built with shadow paging."""
    try:
        dom0.fetch("xl", "migrate", "-s", "", MOVER, "xl migrate-receive")
        dom0.note("migrated", guests.domid(MOVER))
    except dom0.Failed as error:
        if "Failed to enable logdirty" not in str(error):
            raise
        dom0.note("migrated", None)


def reboot():
    before = guests.domid(MOVER)
    dom0.fetch("xl", "reboot", MOVER)

    def again():
        try:
            return guests.domid(MOVER) != before
        except dom0.Failed:     # between the two
            return False

    dom0.wait_for(again, 300, "the mover after its reboot")
    dom0.note("rebooted", guests.domid(MOVER))
    log = pathlib.Path("/var/log/xen", f"guest-{MOVER}.log")
    dom0.wait_for(lambda: log.read_bytes().count(b"GUEST up") == 2, 300, "the mover's program after its reboot")


def suspend():
    """It is suspended, its state is written, and it goes on as it was. Last, for not each release's guests live through it."""
    dom0.fetch("xl", "save", "-c", MOVER, SAVED)
