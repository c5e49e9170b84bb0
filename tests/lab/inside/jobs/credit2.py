"""The main boot: Xen's default scheduler, every plugin in every form, guests that come and go, kill -9, the cost."""
from lab.inside import daemons, dom0, guests, resources, steps


def run():
    dom0.run("info", "xl", "info")
    steps.make_guests(*steps.GUESTS)
    dom0.run("check", *dom0.xenmeter("check"))
    steps.look("credit2")
    steps.host_facts()
    dom0.mark("looked")
    steps.look_beside("burner")
    dom0.mark("looked beside")
    steps.live_baker("credit2", 5)
    dom0.mark("live baker done")
    steps.baker_behind_xentrace("credit2", 10)
    steps.baker_starts_xentrace("credit2")
    dom0.mark("baker behind xentrace done")
    resources.probe(guests.domid("io-guest"))
    baker = daemons.start_baker()
    collectd = daemons.start_collectd()
    dom0.note("collectd_pid", collectd.pid)
    daemons.wait_collectd()
    dom0.mark("collectd has values of all three plugins")
    churn()
    dom0.mark("guests came and went")
    dom0.note("collectd_alive_before_kills", collectd.poll() is None)
    collectd, baker = daemons.kill_and_restart(collectd, baker)
    dom0.mark("kills done")
    dom0.note("collectd_alive_at_the_end", collectd.poll() is None)
    dom0.stop(collectd)
    daemons.costs(baker, 60)
    dom0.stop(baker)
    dom0.run("final-list", "xl", "list")


def churn():
    """A guest is made, renamed and destroyed, another is paused, while two of our processes watch every second."""
    forms = {"vcpu": ("vcpu",), "xentop-direct": ("xentop", "--source", "direct"),
             "xentop-xentop": ("xentop", "--source", "xentop")}
    watchers = [dom0.start("churn-" + name, *dom0.xenmeter(*arguments, "--format", "json", "--interval", "1"))
                for name, arguments in forms.items()]

    def seen():
        """Each form has samples of what is now."""
        dom0.wait_more([child.lab_name for child in watchers], 3)

    seen()
    domid = guests.create("short-lived", "idle")
    dom0.note("churn_domid", domid)
    seen()
    dom0.run("rename", "xl", "rename", "short-lived", "renamed")
    dom0.run("pause", "xl", "pause", "burner")
    seen()
    dom0.run("unpause", "xl", "unpause", "burner")
    guests.destroy(domid)
    seen()
    for child in watchers:
        dom0.stop(child)
