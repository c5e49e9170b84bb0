"""A block device's name by its number, as Xen's ``docs/man/xen-vbd-interface.7`` lays numbers out.

The name is that of the guest's PV driver, which calls ``hda`` (768) and ``xvda`` (51712) alike xvda (Linux
``drivers/block/xen-blkfront.c``). What it calls SCSI's numbers differs from one Linux to the next, so they have none here; nor
have partitions of IDE disks, which it does not tell apart.
"""
from typing import Any, Mapping, Optional

__all__ = ("guest_name", "series_name")

_EXTENDED = 1 << 28
_XVD, _IDE = 202, {3: 0, 22: 2}     # majors; the first disk of each IDE channel


def guest_name(dev: int) -> Optional[str]:
    """``xvda`` of 51712 and of 768, ``xvda1`` of 51713, ``xvdq`` of 268439552; None where the number does not say it."""
    major, minor = dev >> 8, dev & 0xff
    if _EXTENDED <= dev < 2 * _EXTENDED:
        disk, partition = divmod(dev - _EXTENDED, 256)
    elif major == _XVD:
        disk, partition = divmod(minor, 16)
    elif major in _IDE and minor % 64 == 0 and minor < 128:
        disk, partition = _IDE[major] + minor // 64, 0
    else:
        return None
    letters = ""
    while disk >= 0:
        disk, letter = divmod(disk, 26)
        letters = chr(ord("a") + letter) + letters
        disk -= 1
    return "xvd%s%s" % (letters, partition or "")


def series_name(dev: int, facts: Any, life: Any, by_number: bool) -> str:
    """What a disk is called in all of its life's series, chosen when it is first seen: xenstore's ``dev``, or else what the
    guest calls it where no other disk has that name, or else the number as text.

    :param facts: the domain's xen.domains.DomainFacts, or None; :param life: its core.identity.Life, which keeps the choice.
    :param by_number: the number where xenstore has no name.
    """
    name = life.notes.get(dev)
    if name is None:
        named: Mapping[int, str] = facts.vbds if facts is not None else {}
        name = named.get(dev, str(dev))
        if name == str(dev) and not by_number:
            guest = guest_name(dev)
            taken = set(named.values()).union([other for key, other in life.notes.items() if isinstance(key, int)])
            name = guest if guest is not None and guest not in taken else name
        life.notes[dev] = name
    return name
