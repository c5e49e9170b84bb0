"""The domains of this host as the hypervisor lists them, each with its name from xenstore and its UUID.

Who is there, and which UUID, the hypervisor says with one hypercall. Names cost two questions to xenstore per domain, so
they are asked again only when a domain has come or gone, and otherwise now and then: a name is a label, not an identity.
So it is where there is no xenstore, which may come up later than we do.
"""
import time
from itertools import repeat
from typing import Any, Callable, Dict, Iterable, List, NamedTuple, Optional, Set, Tuple

from xenmeter.core.errors import SourceError
from xenmeter.xen import structs, whois

__all__ = ("Member", "Roster", "NAMES_REST_S")


class Member(NamedTuple):
    """``info`` is the hypervisor's record (structs.domaininfo), ``facts`` xenstore's (xen.domains.DomainFacts) or None.
    ``uuid`` is None for a domain that was given none; ``shared``: another live domain bears the same name.
    """

    info: Any
    domid: int
    uuid: Optional[str]
    name: str
    shared: bool
    facts: Any


#: Seconds for which names are good while the same domains live.
NAMES_REST_S = 30.0
#: Readings for which a new domain waits for its name; then its UUID is its name (dom0less guests may have none).
PATIENCE = 3

_NONE = bytes(16)
_record = tuple.__new__     # a named tuple's own constructor costs twice as much

Key = Tuple[int, bytes]     # domid and handle: one life, or as good as


class Roster:
    """Keeps names between readings.

    :param names: an object with ``snapshot()`` and ``again(domids)`` (``xen.names.LiveNames``): DomainFacts, None where
        the host has no xenstore, SourceError where it does not answer.
    :param clock: ``float`` seconds that never run backwards.
    :ivar errors: how often, by kind: ``no_names`` (xenstore did not answer), ``unnamed`` (a domain waited for its name),
        ``same_uuid`` (a domain whose UUID another one has that stands for it, see ``xen.whois``).
    :ivar trouble: why names are missing or old, in one line; None where they are not.
    :ivar notices: which domains the last reading left out for another of their UUID, one line each.
    :ivar asked: how often the names, and with them all facts, were asked for.
    """

    def __init__(self, names: Any, clock: Callable[[], float] = time.monotonic) -> None:
        self.errors: Dict[str, int] = {}
        self.trouble: Optional[str] = None
        self.notices: List[str] = []
        self._names = names
        self._clock = clock
        self._facts: Dict[int, Any] = {}
        self._known: Dict[Key, str] = {}
        self._keys: Set[Key] = set()
        self._waiting: Dict[Key, int] = {}
        self._members: List[Member] = []  # of the last reading
        self._owner: Dict[str, int] = {}  # UUID -> domid of the last reading
        self._uuids: Dict[bytes, str] = {}
        self._temporary: Dict[Key, Optional[str]] = {}  # ends of migrations, and whose UUID is really theirs
        self._due = 0.0
        self._listed: List[Key] = []    # of the last reading, in its order, where each of them is a member
        self._columns: Tuple[List[Any], ...] = ()   # and what goes with the members' records
        self.asked = 0

    def members(self, infos: List[Any]) -> List[Member]:
        """The domains that can be named now, each once, in the order of the hypervisor's list."""
        listed = [(info.domain, info.handle) for info in infos]
        if listed == self._listed and listed and self._clock() < self._due:     # mostly so: their records alone are others
            self._members = list(map(_record, repeat(Member), zip(infos, *self._columns)))
            return self._members
        keys = set(listed)
        if keys != self._keys or self._waiting or self._clock() >= self._due:
            self._ask(keys)
        members = []
        waiting: Dict[Key, int] = {}
        facts = self._facts
        for info, uuid in self._without_twins(self._identities(infos)):
            key = (info.domain, info.handle)
            name = self._known.get(key)
            if name is None:
                waiting[key] = self._waiting.get(key, 0) + 1
                name = self._last_name(uuid)
                if name is None and (uuid is None or waiting[key] < PATIENCE):
                    self._count("unnamed")
                    continue
                name = name or uuid
            members.append(_record(Member, (info, key[0], uuid, name, False, facts.get(key[0]))))
        self._waiting = waiting
        self._members = _mark_shared(members)
        plain = len(members) == len(infos) and self._keys and not (waiting or self._temporary or self.notices)
        self._listed = listed if plain else []
        self._columns = tuple(map(list, zip(*[member[1:] for member in self._members]))) if plain else ()
        return self._members

    @property
    def settled(self) -> bool:
        """Whether the same list would be answered as the last time, without a question to xenstore."""
        return bool(self._keys) and not self._waiting and not self.notices and self._clock() < self._due

    def again(self, infos: List[Any], domids: Iterable[int]) -> List[Member]:
        """As :meth:`members`, with xenstore's facts of these domains read anew: a device was seen that they do not name."""
        self._ask({(info.domain, info.handle) for info in infos}, lambda: self._names.again(domids))
        return self.members(infos)

    def _last_name(self, uuid: Optional[str]) -> Optional[str]:
        """The name that a machine's last domain had."""
        return next((member.name for member in self._members if member.uuid == uuid), None) if uuid is not None else None

    def _ask(self, keys: Set[Key], snapshot_of: Optional[Callable[[], Any]] = None) -> None:
        """Names from xenstore; the old ones stay where it does not answer, or no longer knows a domain that lives."""
        self.asked += 1
        self._listed = []
        self._known = {key: name for key, name in self._known.items() if key in keys}
        self._keys = keys
        self.trouble = None
        try:
            snapshot = (snapshot_of or self._names.snapshot)()
        except SourceError as error:
            self._count("no_names")
            self.trouble = str(error)
            self._keys = set()      # ask again at the next reading
            self._see_migrations(keys)
            return
        self._due = self._clock() + NAMES_REST_S
        self._facts = {} if snapshot is None else {facts.domid: facts for facts in snapshot.domains}
        for key in keys:
            facts = self._facts.get(key[0])
            if facts is not None:
                self._known[key] = whois.shown_name(facts.name)
            elif snapshot is None:
                self._known.setdefault(key, whois.default_name(key[0], structs.uuid_of(key[1])))
        self._see_migrations(keys)

    def _see_migrations(self, keys: Set[Key]) -> None:
        """Which handles are those of a migration's end, and of which machine; once known, that stays."""
        before, self._temporary = self._temporary, {}
        for key in keys:
            uuid = structs.uuid_of(key[1])
            if key[1] == _NONE or whois.end_of(uuid) is None:
                continue
            facts = self._facts.get(key[0])
            if facts is not None and facts.uuid and whois.is_temporary(uuid, facts.uuid):
                self._temporary[key] = facts.uuid
            elif key in before or facts is None and self._facts:    # what a migration leaves has no name any more
                self._temporary[key] = before.get(key)

    def _identities(self, infos: List[Any]) -> List[Tuple[Any, Optional[str]]]:
        """Each domain's record and its UUID, None where it has none; those whose UUID is only known not to be it are left out."""
        uuids = self._uuids = {info.handle: self._uuids.get(info.handle) or structs.uuid_of(info.handle) for info in infos}
        # dom0's handle may be all zero and still is its own; another domain's is then none
        identities = [(info, uuids[info.handle] if info.domain == 0 or info.handle != _NONE else None) for info in infos]
        if not self._temporary:
            return identities
        kept: List[Tuple[Any, Optional[str]]] = []
        for info, uuid in identities:
            uuid = self._temporary.get((info.domain, info.handle), uuid)
            if uuid is None and info.handle != _NONE:
                self._count("unnamed")
            else:
                kept.append((info, uuid))
        return kept

    def _without_twins(self, identities: List[Tuple[Any, Optional[str]]]) -> List[Tuple[Any, Optional[str]]]:
        """Of the domains with one UUID the one that is the machine (xen.whois)."""
        own = [(uuid, info.domain) for info, uuid in identities if uuid is not None]
        owner = dict(own)
        self.notices = []
        if len(owner) < len(own):
            claims = [whois.Claim(uuid, info.domain, whois.rank_of_flags(info.flags))
                      for info, uuid in identities if uuid is not None]
            chosen, left_out = whois.elect(claims, self._owner)
            for loser, winner in left_out:
                self._count("same_uuid")
                self.notices.append(whois.leaving_out(loser, winner))
            owner = {uuid: claim.domid for uuid, claim in chosen.items()}
            identities = [(info, uuid) for info, uuid in identities if uuid is None or owner[uuid] == info.domain]
        self._owner = owner
        return identities

    def _count(self, kind: str) -> None:
        self.errors[kind] = self.errors.get(kind, 0) + 1


def _mark_shared(members: List[Member]) -> List[Member]:
    shared = whois.shared_names([(member.name, member.domid) for member in members])
    return [member._replace(shared=member.name in shared) for member in members] if shared else members
