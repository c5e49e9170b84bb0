"""The releases of Xen that the lab boots: what differs between them, once, as data.

Each is as a release of Debian has it: that one's hypervisor, kernel, C library, Python, collectd and Xen tools. A boot is of a
job and a release: `credit2` is that of the main one, `credit2-4.20` of another. RESULTS.md says in words what differs.
"""
import dataclasses

from lab.arches import AMD64, ARM64, Arch
from lab.paths import BUILD

__all__ = ("MAIN", "OLD_EMULATORS", "RELEASES", "Release", "of_boot")


@dataclasses.dataclass(frozen=True)
class Release:
    """One release of Xen.

    :ivar xen: as its packages are called; behind it, where that is not x86's, the processor. :ivar suite: Debian's code name.
    :ivar python: of its dom0, and of its collectd. :ivar disks: the package with the QEMU that serves dom0's guests.
    :ivar emulator: the oldest major version of QEMU under which it was seen to boot.
    :ivar versions: of its sysctl and its domctl (public/sysctl.h, public/domctl.h), as `check` tells them.
    :ivar svm: numbers of the records of VM exits that SVM makes, of a 64-bit guest and of another (public/trace.h).
    :ivar exits: what its xenalyze must be told of them: until 4.18 SVM's have the numbers of VMX's.
    :ivar stdout: its xentrace writes to its standard output where no file is named (from 4.18).
    :ivar shadow: it is built with shadow paging, without which a PV guest cannot be migrated live.
    :ivar resumes: a PV guest goes on after `xl save -c`: 4.14's libxl forgets to have it told that it was not saved.
    :ivar sized: it tells how large a guest's grant table is (from 4.15; before, the number is what one call may map).
    :ivar arch: the processor.
    """

    xen: str
    suite: str
    python: str
    disks: str
    emulator: int
    versions: tuple
    svm: tuple
    exits: tuple
    stdout: bool
    sized: bool
    shadow: bool
    resumes: bool
    arch: Arch = AMD64

    @property
    def version(self):
        """Of its hypervisor, as it calls itself."""
        return self.xen.partition("-")[0]

    @property
    def here(self):
        """The release whose programs run on this machine: itself, or x86's of the same packages."""
        return RELEASES[self.version]

    @property
    def folder(self):
        """Where its trees and its image are."""
        return BUILD if self is MAIN else BUILD / self.xen

    @property
    def end(self):
        """What stands behind the job in the name of one of its boots."""
        return "" if self is MAIN else "-" + self.xen


OLD_EXITS, NEW_EXITS = ((0x81102, 0x81002), ("--svm-mode",)), ((0x81103, 0x81003), ())
RELEASES = {release.xen: release for release in (
    Release("4.14", "bullseye", "3.9", "qemu-system-x86", 10, (0x13, 0x12), *OLD_EXITS, False, False, True, False),
    Release("4.17", "bookworm", "3.11", "qemu-system-xen", 7, (0x15, 0x15), *OLD_EXITS, False, True, False, True),
    Release("4.20", "trixie", "3.13", "qemu-system-xen", 10, (0x15, 0x17), *NEW_EXITS, True, True, False, True),
    Release("4.20-arm64", "trixie", "3.13", "", 10, (0x15, 0x17), *NEW_EXITS, True, True, False, True, ARM64),
)}
MAIN = RELEASES["4.17"]
#: The major version of QEMU in Debian releases on which the lab may run and in which not all of these boot: there it is taken
#: from the backports.
OLD_EMULATORS = {"bookworm": 7}


def of_boot(name):
    """(job, release) of a boot's name; KeyError for a release that is not in the table."""
    job, dash, xen = name.partition("-")
    return job, RELEASES[xen] if dash else MAIN
