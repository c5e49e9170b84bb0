"""The short look at everything from a dom0 that is itself a PVH domain: its memory is translated, its hypercalls are HVM's."""
from lab.inside import dom0, steps
from lab.inside.jobs import short


def run():
    dom0.run("guest-type", "cat", "/sys/hypervisor/guest_type")
    alone()
    dom0.mark("looked at a dom0 alone")
    short.run("pvhdom0")


def alone():
    """What makes such a dom0 another one, before there is any guest: an emulator may not carry it for longer."""
    dom0.run("alone-check", *dom0.xenmeter("check"))
    dom0.run("alone-vcpus-before", "xl", "vcpu-list")
    for plugin in ("xentop", "vcpu"):
        dom0.run(f"alone-{plugin}", *dom0.xenmeter(plugin, "--format", "json", "--interval", "1", "--count", "2"))
    dom0.run("alone-vcpus-after", "xl", "vcpu-list")
    baker = dom0.start("alone-baker", *dom0.xenmeter("baker", "--share", "0"))
    dom0.wait_for(lambda: steps.SHARED.exists() or baker.poll() is not None, 240, "the baker's file")
    dom0.run("alone-told", *dom0.xenmeter("xentrace", "--source", "baker", "--format", "json", "--interval", "1", "--count", "2"))
    dom0.stop(baker)
    dom0.write_notes()
