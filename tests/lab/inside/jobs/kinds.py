"""Guests that are not paravirtual: a PVH kernel; and an HVM machine with SeaBIOS, QEMU's devices and a boot sector of ours."""
import pathlib

from lab.inside import dom0, guests, steps

PVH, HVM = "pvh-guest", "hvm-guest"
#: 16-bit code: "UP" to the serial port; then for ever 65536 rounds of a loop, and a rest until the timer's next tick, 18 times a
#: second: mov dx,0x3f8; mov al,'U'; out dx,al; mov al,'P'; out dx,al; mov al,10; out dx,al; sti; xor cx,cx; loop $; hlt; jmp.
BOOT_SECTOR = bytes.fromhex("baf803 b055ee b050ee b00aee fb 31c9 e2fe f4 ebfb").ljust(510, b"\0") + b"\x55\xaa"


def run():
    dom0.run("info", "xl", "info")
    domids = {PVH: guests.create(PVH, "net", kind="pvh", memory=192, address="10.77.0.2")}
    dom0.mark("the PVH guest is made")
    try:
        guests.wait_up(PVH, 300)
    except dom0.Failed:
        xenctx, = pathlib.Path("/usr/lib").glob("xen-4*/bin/xenctx")
        dom0.run("pvh-where", xenctx, "-a", domids[PVH])
        raise
    dom0.mark("the PVH guest is up")
    domids[HVM] = guests.create_hvm(HVM, BOOT_SECTOR)
    dom0.note("guests", domids)
    dom0.write_notes()
    dom0.wait_for(lambda: b"UP" in guests.SERIAL.read_bytes(), 300, "the boot sector's word on the serial line")
    dom0.mark("the HVM guest is up")
    dom0.run("links", "ip", "link")
    dom0.run("check", *dom0.xenmeter("check"))
    steps.look("kinds")
    dom0.mark("looked")
    steps.live_baker("kinds", 5)
    dom0.mark("live baker done")
    dom0.run("kinds-all", "xentrace", "-D", "-e", "all", "-T", "3", dom0.RESULTS / "kinds-all.bin")
    dom0.run("record", *dom0.xenmeter("record", dom0.RESULTS / "recording", "--seconds", "8", "--interval", "2"))
    steps.look("later")
    for name, domain in (("pvh", PVH), ("hvm", HVM)):
        dom0.run(f"profile-{name}", *dom0.xenmeter("profile", domain, "--seconds", 15, "--share", 60, "-o",
                                                   dom0.RESULTS / f"profile-{name}.folded"), timeout=300)
    dom0.mark("profiled")
    dom0.write_notes()
    for name, domain in (("pvh", PVH), ("hvm", HVM)):
        ends_meanwhile(name, domain)
    dom0.run("ended-list", "xl", "list")


def ends_meanwhile(name, domain):
    """It is destroyed while it is profiled, and has been looked at."""
    child = dom0.start(f"ended-{name}", *dom0.xenmeter("profile", domain, "--seconds", 600, "--share", 60, "-o",
                                                       f"/tmp/{name}.samples"))
    samples = pathlib.Path(f"/tmp/{name}.samples")
    dom0.wait_for(lambda: samples.exists() and samples.stat().st_size > 4096 or child.poll() is not None, 240, "its samples")
    dom0.fetch("xl", "destroy", domain)
    dom0.finish(child, 600)
    dom0.wait_for(lambda: domain not in dom0.fetch("xl", "list"), 240, "xl's end of the guest")
    dom0.mark(f"{domain} has ended")
