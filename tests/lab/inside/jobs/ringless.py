"""A machine on which Xen's trace rings are not read, as arm64's: everything else, what is said instead, and xentrace's traces."""
from lab.inside import daemons, dom0, steps


def run():
    dom0.run("info", "xl", "info")
    steps.make_guests("burner", "waker", "two vcpus", "io-guest")
    dom0.run("check", *dom0.xenmeter("check"))
    steps.look("ringless")
    dom0.mark("looked")
    dom0.run("ringless-baker", *dom0.xenmeter("baker"), timeout=60)
    steps.baker_behind_xentrace("ringless", 10)
    steps.baker_starts_xentrace("ringless")
    dom0.mark("bakers behind xentrace done")
    dom0.run("record", *dom0.xenmeter("record", dom0.RESULTS / "recording", "--seconds", "8", "--interval", "2"))
    for plugin in ("xentop", "vcpu"):
        dom0.run("replayed-" + plugin, *dom0.xenmeter(plugin, "--source", dom0.RESULTS / "recording", "--format", "json"))
    dom0.mark("recorded")
    baker = dom0.start("baker", *dom0.xenmeter("baker", "--source", "xentrace"))
    collectd = daemons.start_collectd()
    daemons.wait_collectd()
    dom0.mark("collectd has values")
    dom0.note("collectd_alive_at_the_end", collectd.poll() is None)
    dom0.stop(collectd)
    dom0.stop(baker)
