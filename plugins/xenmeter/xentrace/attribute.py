"""Which domain a life of the trace is: a trace tells domids only, xenstore tells whose they are.

Where there is a directory, a life whose domid has no UUID in it now is withheld for the reading. Where there is none,
all that is known is the domid, and the name is made of it.
"""
from typing import Any, Dict, List, Optional, Tuple

from xenmeter.core.reading import Who
from xenmeter.xen import whois
from xenmeter.xen.domains import Unreadable

__all__ = ("LifeKey", "Attribution")

#: (domid, generation): one life of a domid in the trace.
LifeKey = Tuple[int, int]


_PAST = 1024


class Attribution:
    """Keeps one Who per life and name.

    :ivar left_out: how many lives were withheld in the last reading, by reason: ``unjoined`` (no UUID known now),
        ``same_uuid`` (a domain whose UUID another one has that stands for it, see ``xen.whois``).
    :ivar notices: which ones those were, one line each.
    """

    def __init__(self) -> None:
        self._known: Dict[LifeKey, Who] = {}     # present lives of the last reading
        self._past: Dict[LifeKey, Who] = {}     # ended ones, which older windows still hold
        self.left_out: Dict[str, int] = {}
        self.notices: List[str] = []
        self._ran: Dict[LifeKey, int] = {}     # of lives that share a UUID: running time of the last reading, ns

    def whose(self, lives: List[Dict[str, Any]], names: Any) -> Dict[LifeKey, Who]:
        """The names of those lives that are published now.

        :param lives: domains of the engine's figures: ``domid``, ``generation``, ``end_ns`` (None: it lives), and for those
            that live ``running_ns`` where it is known.
        :param names: a snapshot of xenstore (xen.domains.Snapshot), None where there is no xenstore, or Unreadable.
        """
        self.left_out, self.notices = {}, []
        present: Dict[LifeKey, Who] = {}
        ended: List[LifeKey] = []
        if names is None:
            for record in lives:
                life = record["domid"], record["generation"]
                if record["end_ns"] is None:
                    present[life] = self._who(life, whois.default_name(life[0]), None, False)
                else:
                    ended.append(life)
        elif not isinstance(names, Unreadable):
            self._join(lives, names.domains, present, ended)
        by_life = dict(present)
        taken = {who.uuid or who.name for who in present.values()}
        for life in ended:      # the last word on a life that ended since; not if another goes by its key already
            who = self._known.get(life) or self._past.get(life)
            if who is None and names is None:
                who = self._who(life, whois.default_name(life[0]), None, False)
            if who is not None and (who.uuid or who.name) not in taken:
                taken.add(who.uuid or who.name)
                by_life[life] = self._past[life] = who
        if len(self._past) > _PAST:
            self._past.clear()
        if not isinstance(names, Unreadable):
            self._known = present
        return by_life

    def _join(self, lives: List[Dict[str, Any]], domains: Any, present: Dict[LifeKey, Who], ended: List[LifeKey]) -> None:
        facts = {known.domid: known for known in domains}
        shared = whois.shared_names([(whois.real_name(known.name), known.uuid or known.domid) for known in domains])
        claimed: List[Tuple[str, LifeKey, Optional[int]]] = []
        for record in lives:
            life = record["domid"], record["generation"]
            if record["end_ns"] is not None:
                ended.append(life)
                continue
            uuid = facts[life[0]].uuid if life[0] in facts else None
            if uuid is None:
                self._leave_out("unjoined")
            else:
                claimed.append((uuid, life, record.get("running_ns")))
        for uuid, life in self._without_twins(claimed):
            name = whois.real_name(facts[life[0]].name)
            present[life] = self._who(life, whois.text_of(name), uuid, name in shared)

    def _without_twins(self, claimed: List[Tuple[str, LifeKey, Optional[int]]]) -> List[Tuple[str, LifeKey]]:
        """Of the lives with one UUID the one that is the machine (xen.whois). A trace tells of no pause: one that has not run
        since the last reading stands."""
        if len({uuid for uuid, _, _ in claimed}) == len(claimed):
            self._ran = {}
            return [(uuid, life) for uuid, life, _ in claimed]
        last, self._ran = self._ran, {}
        claims = []
        for uuid, life, running_ns in claimed:
            self._ran[life] = running_ns or 0
            claims.append(whois.Claim(uuid, life[0], whois.RUNS if self._ran[life] > last.get(life, 0) else whois.STANDS))
        chosen, left_out = whois.elect(claims, {who.uuid: who.domid for who in self._known.values()})   # type: ignore[misc]
        for loser, winner in left_out:
            self._leave_out("same_uuid")
            self.notices.append(whois.leaving_out(loser, winner))
        return [(uuid, life) for uuid, life, _ in claimed if chosen[uuid].domid == life[0]]

    def _leave_out(self, reason: str) -> None:
        self.left_out[reason] = self.left_out.get(reason, 0) + 1

    def _who(self, life: LifeKey, name: str, uuid: Optional[str], shared: bool) -> Who:
        who = self._known.get(life)
        if who is None or (who.name, who.uuid, who.shared) != (name, uuid, shared):
            who = Who(name, uuid, life[0], life[1], shared)
        return who
