"""Which domain a life of the trace is: a trace tells domids only, xenstore tells whose they are.

Where there is a directory, a life whose domid has no UUID in it now is withheld for the reading. Where there is none,
all that is known is the domid, and the name is made of it.
"""
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

from xenmeter.core.reading import Who

__all__ = ("Unreadable", "Attribution")

#: In the place of a snapshot: xenstore is there, but did not answer this time; ``reason`` says why.
Unreadable = NamedTuple("Unreadable", [("reason", str)])

_PAST = 1024
#: (domid, generation): one life of the trace.
Life = Tuple[int, int]


class Attribution:
    """Keeps one Who per life and name.

    :ivar left_out: how many lives were withheld in the last reading, by reason: ``unjoined`` (no UUID known now),
        ``same_uuid`` (the younger twin of a migration).
    """

    def __init__(self):
        # type: () -> None
        self._known = {}        # type: Dict[Life, Who]     # present lives of the last reading
        self._past = {}         # type: Dict[Life, Who]     # ended ones, which older windows still hold
        self.left_out = {}      # type: Dict[str, int]

    def whose(self, lives, names):
        # type: (List[Dict[str, Any]], Any) -> Dict[Life, Who]
        """The names of those lives that are published now.

        :param lives: domains of the engine's figures: ``domid``, ``generation``, ``end_ns`` (None: it lives).
        :param names: a snapshot of xenstore (xen.domains.Snapshot), None where there is no xenstore, or Unreadable.
        """
        self.left_out = {}
        present = {}    # type: Dict[Life, Who]
        ended = []      # type: List[Life]
        if names is None:
            for one in lives:
                life = one["domid"], one["generation"]
                if one["end_ns"] is None:
                    present[life] = self._who(life, "Domain-0" if life[0] == 0 else "domid-%d" % life[0], None, False)
                else:
                    ended.append(life)
        elif not isinstance(names, Unreadable):
            self._join(lives, names.domains, present, ended)
        found = dict(present)
        taken = {who.uuid or who.name for who in present.values()}
        for life in ended:      # the last word on a life that ended since; not if another goes by its key already
            who = self._known.get(life) or self._past.get(life)
            if who is None and names is None:
                who = self._who(life, "domid-%d" % life[0], None, False)
            if who is not None and (who.uuid or who.name) not in taken:
                taken.add(who.uuid or who.name)
                found[life] = self._past[life] = who
        if len(self._past) > _PAST:
            self._past.clear()
        if not isinstance(names, Unreadable):
            self._known = present
        return found

    def _join(self, lives, domains, present, ended):
        # type: (List[Dict[str, Any]], Any, Dict[Life, Who], List[Life]) -> None
        facts = {one.domid: one for one in domains}
        names = [one.name for one in domains]
        chosen = {}     # type: Dict[str, Life]
        for one in lives:
            life = one["domid"], one["generation"]
            if one["end_ns"] is not None:
                ended.append(life)
                continue
            uuid = facts[life[0]].uuid if life[0] in facts else None
            if uuid is None:
                self._leave_out("unjoined")
            elif uuid not in chosen:
                chosen[uuid] = life
            else:
                self._leave_out("same_uuid")
                chosen[uuid] = self._older(chosen[uuid], life, uuid)
        for uuid, life in chosen.items():
            name = facts[life[0]].name
            present[life] = self._who(life, name.decode("utf-8", "backslashreplace"), uuid, names.count(name) > 1)

    def _older(self, one, other, uuid):
        # type: (Life, Life, str) -> Life
        """Two live domids with one UUID are a migration in flight; who was there first is the domain."""
        for life in (one, other):
            who = self._known.get(life)
            if who is not None and who.uuid == uuid:
                return life
        return min(one, other)

    def _leave_out(self, reason):
        # type: (str) -> None
        self.left_out[reason] = self.left_out.get(reason, 0) + 1

    def _who(self, life, name, uuid, shared):
        # type: (Life, str, Optional[str], bool) -> Who
        who = self._known.get(life)
        if who is None or (who.name, who.uuid, who.shared) != (name, uuid, shared):
            who = Who(name, uuid, life[0], life[1], shared)
        return who
