"""The short look at everything from a dom0 that is itself a PVH domain: its memory is translated, its hypercalls are HVM's."""
from lab.inside import dom0
from lab.inside.jobs import short


def run():
    dom0.run("guest-type", "cat", "/sys/hypervisor/guest_type")
    short.run("pvhdom0")
