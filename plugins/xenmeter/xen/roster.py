"""The domains of this host as the hypervisor lists them, each with its name from xenstore and its UUID.

Who is there, and which UUID, the hypervisor says with one hypercall. Names cost two questions to xenstore per domain, so
they are asked again only when a domain has come or gone, and otherwise now and then: a name is a label, not an identity.
So it is where there is no xenstore, which may come up later than we do.
"""
import time
from typing import Any, Callable, Dict, Iterable, List, NamedTuple, Optional, Set, Tuple

from xenmeter.core.errors import SourceError
from xenmeter.xen import structs

__all__ = ("Member", "Roster", "NAMES_REST_S")

#: ``info`` is the hypervisor's record (structs.domaininfo), ``facts`` xenstore's (xen.domains.DomainFacts) or None.
#: ``uuid`` is None for a domain that was given none; ``shared``: another live domain bears the same name.
Member = NamedTuple("Member", [
    ("info", Any), ("domid", int), ("uuid", Optional[str]), ("name", str), ("shared", bool), ("facts", Any)])

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
        ``same_uuid`` (the younger of two domains with one UUID: a migration in flight).
    :ivar trouble: why names are missing or old, in one line; None where they are not.
    """

    def __init__(self, names, clock=time.monotonic):
        # type: (Any, Callable[[], float]) -> None
        self.errors = {}            # type: Dict[str, int]
        self.trouble = None         # type: Optional[str]
        self._names = names
        self._clock = clock
        self._facts = {}            # type: Dict[int, Any]
        self._known = {}            # type: Dict[Key, str]
        self._keys = set()          # type: Set[Key]
        self._waiting = {}          # type: Dict[Key, int]
        self._owner = {}            # type: Dict[bytes, int]  # handle -> domid of the last reading
        self._uuids = {}            # type: Dict[bytes, str]
        self._due = 0.0

    def members(self, infos):
        # type: (List[Any]) -> List[Member]
        """The domains that can be named now, each once, in the order of the hypervisor's list."""
        keys = {(info.domain, info.handle) for info in infos}
        if keys != self._keys or self._waiting or self._clock() >= self._due:
            self._ask(keys)
        found = []
        waiting = {}        # type: Dict[Key, int]
        uuids = self._uuids = {info.handle: self._uuids.get(info.handle) or structs.uuid_of(info.handle) for info in infos}
        facts = self._facts
        for info in self._without_twins(infos):
            key = (info.domain, info.handle)
            uuid = uuids[info.handle] if info.domain == 0 or info.handle != _NONE else None
            name = self._known.get(key)
            if name is None:
                waiting[key] = self._waiting.get(key, 0) + 1
                if uuid is None or waiting[key] < PATIENCE:
                    self._count("unnamed")
                    continue
                name = uuid
            found.append(_record(Member, (info, key[0], uuid, name, False, facts.get(key[0]))))
        self._waiting = waiting
        return _mark_shared(found)

    @property
    def settled(self):
        # type: () -> bool
        """Whether the same list would be answered as the last time, without a question to xenstore."""
        return bool(self._keys) and not self._waiting and self._clock() < self._due

    def again(self, infos, domids):
        # type: (List[Any], Iterable[int]) -> List[Member]
        """As :meth:`members`, with xenstore's facts of these domains read anew: a device was seen that they do not name."""
        self._ask({(info.domain, info.handle) for info in infos}, lambda: self._names.again(domids))
        return self.members(infos)

    def _ask(self, keys, snapshot_of=None):
        # type: (Set[Key], Optional[Callable[[], Any]]) -> None
        """Names from xenstore; the old ones stay where it does not answer, or no longer knows a domain that lives."""
        self._known = {key: name for key, name in self._known.items() if key in keys}
        self._keys = keys
        self.trouble = None
        try:
            snapshot = (snapshot_of or self._names.snapshot)()
        except SourceError as error:
            self._count("no_names")
            self.trouble = str(error)
            self._keys = set()      # ask again at the next reading
            return
        self._due = self._clock() + NAMES_REST_S
        self._facts = {} if snapshot is None else {facts.domid: facts for facts in snapshot.domains}
        for key in keys:
            facts = self._facts.get(key[0])
            if facts is not None:
                self._known[key] = facts.name.decode("utf-8", "backslashreplace")
            elif snapshot is None:
                self._known.setdefault(key, "Domain-0" if key[0] == 0 else structs.uuid_of(key[1]))

    def _without_twins(self, infos):
        # type: (List[Any]) -> List[Any]
        """Of two live domains with one UUID the older one: the one that was there before, or has the smaller domid."""
        # dom0's handle may be all zero and still is its own; another domain's is then none
        own = [info for info in infos if info.domain == 0 or info.handle != _NONE]
        owner = {info.handle: info.domain for info in own}
        if len(owner) == len(own):
            self._owner = owner
            return infos
        owner = {}      # type: Dict[bytes, int]
        for info in own:
            if info.handle in owner:
                self._count("same_uuid")
                if self._owner.get(info.handle) != info.domain:
                    continue
            owner[info.handle] = info.domain
        self._owner = owner
        return [info for info in infos if info.domain and info.handle == _NONE or owner[info.handle] == info.domain]

    def _count(self, kind):
        # type: (str) -> None
        self.errors[kind] = self.errors.get(kind, 0) + 1


def _mark_shared(members):
    # type: (List[Member]) -> List[Member]
    names = [member.name for member in members]
    if len(set(names)) == len(names):
        return members
    number = {}     # type: Dict[str, int]
    for name in names:
        number[name] = number.get(name, 0) + 1
    return [member._replace(shared=number[member.name] > 1) for member in members]
