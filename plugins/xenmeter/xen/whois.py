"""Which domain is which: the one rule for all sources on names, UUIDs, and two domains that have one UUID.

A toolstack gives a virtual machine one UUID for good, but Xen may hold several domains of it: a migration within the host
has its two ends, a domain that is dying keeps its UUID for as long as anybody maps its memory, and a migration that failed
may leave its end behind, paused. Of these one is the machine (:func:`elect`). During a migration xenopsd (XCP-ng,
XenServer) gives its ends UUIDs that are nobody's (:func:`is_temporary`), and xl gives them names (:func:`real_name`).
"""
import re
from typing import Any, Dict, Hashable, Iterable, List, NamedTuple, Optional, Set, Tuple

from xenmeter.xen import structs

__all__ = ("Claim", "RUNS", "STANDS", "DYING", "rank_of_flags", "rank_of_letters", "elect", "leaving_out", "shared_names",
           "text_of", "real_name", "shown_name", "default_name", "is_temporary", "end_of")

#: How well a domain can be the machine of its UUID, the best first. One that stands is paused, or shut down and not yet
#: taken away; one that is blocked runs.
RUNS, STANDS, DYING = 0, 1, 2


class Claim(NamedTuple):
    """A domain that claims to be the machine of a UUID."""

    uuid: str
    domid: int
    rank: int


_STANDING = structs.SHUTDOWN | structs.PAUSED
#: What xl's migration appends to the name of its two ends (``tools/xl/xl_migrate.c``), whose stub domain is called so with
#: -dm. A machine whose own name ends so would have it twice meanwhile; so it goes as often as it is there.
_ENDS = re.compile(rb"(.+?)(?:--incoming|--migratedaway)+(-dm)?\Z", re.DOTALL)
#: How xenopsd's temporary UUIDs end (xen-api, ``xenops_server.ml``), and where it says whose they are: below /vm/UUID.
_TEMPORARY = {"000000000000": b"origin-uuid", "000000000001": b"final-uuid"}
_SAME = 24      # characters that they have of the real one


def rank_of_flags(flags: int) -> int:
    """By the hypervisor's flags (``XEN_DOMINF_*``)."""
    return DYING if flags & structs.DYING else STANDS if flags & _STANDING else RUNS


def rank_of_letters(state: bytes) -> int:
    """By xentop's six letters, ``d`` dying, ``s`` shut down, ``b``, ``c`` crashed, ``p`` paused, ``r``."""
    return DYING if b"d" in state else STANDS if b"s" in state or b"c" in state or b"p" in state else RUNS


def elect(claims: Iterable[Claim], before: Dict[str, int]) -> Tuple[Dict[str, Claim], List[Tuple[Claim, Claim]]]:
    """Which domain is the machine of each UUID: not one that is dying where another is not, not one that stands where
    another runs, else the older one, which is the one that was it before, or has the smaller domid.

    :param before: domid by UUID, of the last reading.
    :returns: the claims that stand, by UUID; and each of the others with the one that stands in its place.
    """
    chosen: Dict[str, Claim] = {}
    losers: List[Claim] = []
    for claim in claims:
        other = chosen.setdefault(claim.uuid, claim)
        if other is claim:
            continue
        known = before.get(claim.uuid)
        better, worse = sorted((other, claim), key=lambda one: (one.rank, one.domid != known, one.domid))
        chosen[claim.uuid] = better
        losers.append(worse)
    return chosen, [(loser, chosen[loser.uuid]) for loser in losers]


def leaving_out(loser: Claim, winner: Claim) -> str:
    """What the log says of a domain that is left out, in one line."""
    if loser.rank == winner.rank:
        why = "is left out: domain %d was there before it (a migration under way?)" % winner.domid
    elif loser.rank == DYING:
        why = "is dying, and left out: domain %d is there in its place" % winner.domid
    else:
        why = "stands still, and is left out: domain %d runs (a migration under way, or what one left?)" % winner.domid
    return "domain %d of UUID %s %s" % (loser.domid, loser.uuid, why)


def shared_names(named: Iterable[Tuple[Any, Hashable]]) -> Set[Any]:
    """Names that two domains have.

    :param named: each domain's name and its identity (its UUID; its domid where it has none).
    """
    first: Dict[Any, Hashable] = {}
    return {name for name, identity in named if first.setdefault(name, identity) != identity}


def text_of(name: bytes) -> str:
    """A name as text: UTF-8, and a visible ``\\xNN`` for each byte that is not (a name cut inside a character)."""
    return name.decode("utf-8", "backslashreplace")


def real_name(name: bytes) -> bytes:
    """The name that a domain has after its migration, and had before: without what xl appends meanwhile."""
    match = _ENDS.match(name) if b"--" in name else None
    return match.group(1) + (match.group(2) or b"") if match else name


def shown_name(name: bytes) -> str:
    """A domain's name as it is published, from what xenstore has."""
    return text_of(real_name(name))


def default_name(domid: int, uuid: Optional[str] = None) -> str:
    """The name of a domain that nothing on the host gives one."""
    return "Domain-0" if domid == 0 else uuid or "domid-%d" % domid


def end_of(uuid: str) -> Optional[bytes]:
    """The node below /vm/UUID that says whose UUID this is, if it is an end's of a migration; None where it cannot be."""
    return _TEMPORARY.get(uuid[_SAME:])


def is_temporary(uuid: str, other: str) -> bool:
    """Whether a UUID can be the one that ``other`` has during a migration."""
    return uuid != other and uuid[_SAME:] in _TEMPORARY and uuid[:_SAME] == other[:_SAME]
