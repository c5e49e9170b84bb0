"""Interface versions of the two hypercalls whose structs change between releases, and what changes with them.

Each sysctl and domctl carries the version that its caller was built for (``XEN_SYSCTL_INTERFACE_VERSION`` in
``xen/include/public/sysctl.h``, ``XEN_DOMCTL_INTERFACE_VERSION`` in ``domctl.h``); Xen answers EACCES to any other. So
the version is found by asking, newest first, and never by what the hypervisor calls itself: distributions patch both.
"""
from typing import NamedTuple, Optional, Tuple

__all__ = ("Release", "RELEASES", "SYSCTL_VERSIONS", "DOMCTL_VERSIONS", "domaininfo_size", "physinfo_is_long",
           "releases_of", "traces_to_stdout")


class Release(NamedTuple):
    name: str
    sysctl: int
    domctl: int


#: Newest first. 4.23 is as its development tree was in August 2026.
RELEASES = (
    Release("4.23", 0x16, 0x18), Release("4.22", 0x16, 0x18), Release("4.21", 0x16, 0x17), Release("4.20", 0x15, 0x17),
    Release("4.19", 0x15, 0x17), Release("4.18", 0x15, 0x16), Release("4.17", 0x15, 0x15), Release("4.16", 0x14, 0x14),
    Release("4.15", 0x13, 0x13), Release("4.14", 0x13, 0x12), Release("4.13", 0x12, 0x12), Release("4.12", 0x12, 0x11),
    Release("4.11", 0x11, 0x10),
)

SYSCTL_VERSIONS: Tuple[int, ...] = tuple(sorted({release.sysctl for release in RELEASES}, reverse=True))
DOMCTL_VERSIONS: Tuple[int, ...] = tuple(sorted({release.domctl for release in RELEASES}, reverse=True))


def domaininfo_size(sysctl: int) -> int:
    """``sizeof(xen_domctl_getdomaininfo)``: the stride of getdomaininfolist's array.

    Xen 4.16 put gpaddr_bits before arch_config, which made it 112 bytes; the first 96 did not change. That is x86's; arm64
    has 8 more in arch_config. What Xen writes is measured, so this serves where there is nothing to measure.
    """
    return 112 if sysctl >= 0x14 else 104


def physinfo_is_long(sysctl: int) -> bool:
    """Whether physinfo has arch_capabilities before its page counts (since Xen 4.17)."""
    return sysctl >= 0x15


def traces_to_stdout(sysctl: int, domctl: int) -> bool:
    """Whether the xentrace of this release writes to stdout where no file is named. By its behaviour 4.20's does and 4.14's
    answers with its usage; 4.18 is where xentrace.c changed. Of a release that is not known: the newest do."""
    return (sysctl, domctl) >= (0x15, 0x16)


def releases_of(sysctl: int, domctl: Optional[int] = None) -> str:
    """The releases with these versions, as text: ``4.19 to 4.20``; of both, each narrows what the other leaves."""
    names = [release.name for release in reversed(RELEASES) if release.sysctl == sysctl]
    names = [release.name for release in reversed(RELEASES) if release.sysctl == sysctl and release.domctl == domctl] or names
    return "an unknown release" if not names else names[0] if len(names) == 1 else "%s to %s" % (names[0], names[-1])
