"""A look at everything on a release that is not tried whole each time: what depends on the hypervisor and on dom0's programs."""
from lab.inside import daemons, dom0, guests, resources, steps


def run(tag="short"):
    """:param tag: with which the names of what it keeps begin: the name of the job."""
    dom0.run("info", "xl", "info")
    steps.make_guests("burner", "waker", "two vcpus", "io-guest")
    dom0.run("check", *dom0.xenmeter("check"))
    steps.look(tag)
    dom0.mark("looked")
    steps.live_baker(tag, 5)
    dom0.mark("live baker done")
    steps.live_baker("devices", 5, begin=steps.WITHOUT_LIBRARIES)
    dom0.mark("live baker without Xen's libraries done")
    steps.baker_behind_xentrace(tag, 10)
    dom0.mark("baker behind xentrace done")
    steps.baker_starts_xentrace(tag)
    resources.probe(guests.domid("io-guest"))
    baker = daemons.start_baker()
    collectd = daemons.start_collectd()
    daemons.wait_collectd()
    dom0.mark("collectd has values of all three plugins")
    dom0.note("collectd_alive_at_the_end", collectd.poll() is None)
    dom0.stop(collectd)
    dom0.stop(baker)
