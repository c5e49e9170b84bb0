"""The same guest on three networks of one dom0: a bridge of Linux, Open vSwitch, routes; and all of them without any bridge."""
import pathlib

from lab.inside import dom0, guests, steps

#: Guest: its address and what its vif is configured with.
GUESTS = {"bridged": ("10.77.0.2", ""), "switched": ("10.78.0.2", "bridge=ovsbr0"), "routed": ("10.79.0.2", "ip=10.79.0.2")}


def run():
    dom0.run("info", "xl", "info")
    open_vswitch()
    domids = {}
    for name, (address, vif) in GUESTS.items():
        domids[name] = guests.create(name, "net", address=address, vif=vif)
        dom0.mark(f"guest {domids[name]}: {name}")
    dom0.note("guests", domids)
    for name in GUESTS:
        guests.wait_up(name)
    dom0.run("links", "ip", "link")
    dom0.run("routes", "ip", "route")
    dom0.run("ovs", "ovs-vsctl", "list-ports", "ovsbr0")
    everyone_is_heard()
    steps.look("networks")
    dom0.run("networks-influx", *dom0.xenmeter("xentop", "--source", "xentop", "--format", "influx", "--count", "2",
                                               "--interval", "1"))
    dom0.mark("looked")
    dom0.fetch("ip", "link", "del", "xenbr0")
    steps.look("bridgeless")
    dom0.run("bridgeless-influx", *dom0.xenmeter("xentop", "--source", "xentop", "--format", "influx", "--count", "2",
                                                 "--interval", "1"))


def open_vswitch():
    """A switch in user space's hands, as its package starts it."""
    dom0.load("openvswitch")
    database = "/etc/openvswitch/conf.db"
    socket = pathlib.Path("/run/openvswitch/db.sock")
    socket.parent.mkdir()
    for folder in {library.parent for library in pathlib.Path("/usr/lib").glob("openvswitch-*/*.so.*")}:
        dom0.fetch("ldconfig", folder)      # of the one release whose package's script would link them
    dom0.fetch("ovsdb-tool", "create", database, "/usr/share/openvswitch/vswitch.ovsschema")
    dom0.start("ovsdb-server", "ovsdb-server", database, f"--remote=punix:{socket}", "--pidfile")
    dom0.wait_for(socket.exists, 240, "Open vSwitch's database")
    dom0.fetch("ovs-vsctl", "--timeout=120", "--no-wait", "init")
    # which a link of its package's script would stand for
    switch, = pathlib.Path("/usr/lib").glob("openvswitch-*/ovs-vswitchd")
    dom0.start("ovs-vswitchd", switch, "--pidfile")
    dom0.fetch("ovs-vsctl", "--timeout=120", "add-br", "ovsbr0")
    dom0.fetch("ip", "addr", "add", "10.78.0.1/24", "dev", "ovsbr0")
    dom0.fetch("ip", "link", "set", "ovsbr0", "up")
    dom0.mark("Open vSwitch is up")


def everyone_is_heard():
    """Each guest pings dom0, and bytes come and go on each vif."""
    def heard():
        lines = [line.replace(":", " ").split() for line in pathlib.Path("/proc/net/dev").read_text().splitlines()[2:]]
        vifs = [(int(line[1]), int(line[9])) for line in lines if line[0].startswith("vif")]
        return len(vifs) == len(GUESTS) and all(received > 5000 and sent > 5000 for received, sent in vifs)

    dom0.wait_for(heard, 240, "bytes both ways on each vif")
