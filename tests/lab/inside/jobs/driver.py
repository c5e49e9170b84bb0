"""A guest whose network and disk another guest serves: dom0's kernel counts neither, and nothing may be told as 0 for it."""
from lab.inside import dom0, guests, steps

DRIVER, SERVED = "driver", "served"
#: What `xl devd` would do in the driver domain, done from here: its guests have no toolstack.
HOTPLUG = """\
base=/local/domain/$1/backend
while :; do
  for kind in vif vbd; do
    for guest in $(xenstore-list $base/$kind 2>/dev/null); do
      for device in $(xenstore-list $base/$kind/$guest); do
        node=$base/$kind/$guest/$device
        [ "$(xenstore-read $node/hotplug-status 2>/dev/null)" = connected ] && continue
        [ $kind = vif ] || xenstore-write $node/physical-device 7:0
        xenstore-write $node/hotplug-status connected && echo "$node connected"
      done
    done
  done
  sleep 0.5
done
"""


def run():
    dom0.run("info", "xl", "info")
    domids = {DRIVER: guests.create(DRIVER, "driver", memory=160, more="driver_domain = 1\n")}
    guests.wait_up(DRIVER)
    dom0.mark("the driver domain is up")
    dom0.start("hotplug", "bash", "-c", HOTPLUG, "hotplug", domids[DRIVER])
    domids[SERVED] = guests.create(SERVED, "io", address="10.80.0.2", vif=f"backend={DRIVER}",
                                   more=f'disk = ["format=raw,vdev=xvda,access=rw,backendtype=phy,backend={DRIVER},'
                                        'target=/dev/loop0"]\n')
    dom0.note("guests", domids)
    guests.wait_up(SERVED)
    dom0.mark("the guest that it serves is up")
    dom0.run("xenstore", "xenstore-ls", "-f")
    steps.look("driver")
    for source in ("direct", "xentop"):
        dom0.run(f"driver-{source}-influx", *dom0.xenmeter("xentop", "--source", source, "--format", "influx", "--count", "2",
                                                           "--interval", "1"))
    dom0.run("served-log", "tail", "-n", "50", "/var/log/xen/guest-served.log")
