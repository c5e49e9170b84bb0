"""Which domain a row of xentop's text is: it prints names only, cut to ten bytes without -f, and sometimes twice.

With xenstore at hand a row is joined by name and gets UUID and domid; without it the name is all there is. Nothing is
guessed. Rows that xenstore does not know yet wait; so do rows that cannot be told apart now, where a UUID was published
before. Where nothing ever told them apart they are published under their name.
"""
import itertools
from typing import Any, Dict, Hashable, List, NamedTuple, Optional, Set, Tuple

from xenmeter.core.identity import Lives
from xenmeter.xen import whois
from xenmeter.xentop.text.records import DomainRow
from xenmeter.xentop.text.samename import by_evidence, with_devices_first, without_copies

__all__ = ("Joined", "attribute")

#: libxenstat asks for domains 256 at a time, and from the second time on gets some of them again (Xen 4.2 to 4.23).
CHUNK = 256


class Joined(NamedTuple):
    """A row and whose it is. ``facts`` is xenstore's record (xen.domains.DomainFacts) or None."""

    row: DomainRow
    key: Hashable
    name: str
    uuid: Optional[str]
    domid: Optional[int]
    shared: bool
    facts: Any


_KEY = Joined._fields.index("key")


def attribute(rows: List[DomainRow], domains: Optional[List[Any]], lives: Lives,
              notices: Optional[List[str]] = None) -> Tuple[List[Joined], Dict[str, int]]:
    """Join rows with xenstore's domains.

    :param domains: list of DomainFacts, or None where the host has no xenstore to ask.
    :param notices: takes one line for each domain that is left out for another of its UUID.
    :returns: what was joined, in the rows' order, and how many rows were left out, by reason: ``repeated`` (libxenstat's
        second copy), ``unjoined`` (xenstore does not know the name or its UUID now, or nothing tells whose row it is),
        ``same_uuid`` (another domain of the UUID stands for it, see ``xen.whois``).
    """
    groups: Dict[bytes, List[DomainRow]] = {}
    left_out: Dict[str, int] = {}
    if domains is None:
        rows = _without_ends(rows, left_out)
    for row in rows:
        if row.name in groups:
            groups[row.name].append(row)
        else:
            groups[row.name] = [row]
    joined: List[Joined] = []
    if domains is None:
        for name, group in groups.items():
            joined.extend(_by_name(name, group, len(rows) > CHUNK, groups, lives, left_out))
        return joined, left_out
    index, plain, shared = _kept_index(domains, lives)
    for name, group in groups.items():
        if name in plain and len(group) == 1:
            joined.append(tuple.__new__(Joined, (group[0],) + plain[name]))
        else:
            joined.extend(_by_uuid(name, group, index.get(name, []), groups, lives, left_out, shared))
    if len({item[_KEY] for item in joined}) < len(joined):
        joined = _without_twins(joined, lives, left_out, [] if notices is None else notices)
    return joined, left_out


def _kept_index(domains: List[Any], lives: Lives) -> Tuple[Dict[bytes, List[Any]], Dict[bytes, Tuple[Any, ...]], Set[str]]:
    """The index, what a lone row of a name becomes (all of Joined but the row), and the names that two domains share; kept
    while the domains are the same."""
    if lives.kept is None or lives.kept[0] != domains:
        index = _index(domains)
        shared = whois.shared_names([(whois.shown_name(facts.name), facts.uuid or facts.domid) for facts in domains])
        plain = {name: _whose(found[0], shared)
                 for name, found in index.items() if len(found) == 1 and found[0].uuid is not None}
        lives.kept = (list(domains), index, plain, shared)
    return lives.kept[1:]


def _whose(facts: Any, shared: Set[str]) -> Tuple[Any, ...]:
    """All of Joined but the row."""
    name = whois.shown_name(facts.name)
    return (facts.uuid, name, facts.uuid, facts.domid, name in shared, facts)


def _count(left_out: Dict[str, int], reason: str, number: int) -> None:
    if number > 0:
        left_out[reason] = left_out.get(reason, 0) + number


def _index(domains: List[Any]) -> Dict[bytes, List[Any]]:
    """Domains by the name that xentop prints for them: its leading blanks are padding, and without -f ten bytes."""
    index: Dict[bytes, List[Any]] = {}
    for facts in domains:
        index.setdefault(facts.name.lstrip(b" "), []).append(facts)
    for facts in domains:
        cut = facts.name[:10].lstrip(b" ")
        if cut != facts.name.lstrip(b" "):
            found = index.setdefault(cut, [])
            if all(len(other.name) > 10 for other in found):
                found.append(facts)
    return index


def _by_name(name: bytes, group: List[DomainRow], repeats: bool, groups: Dict[bytes, List[DomainRow]], lives: Lives,
             left_out: Dict[str, int]) -> List[Joined]:
    text = whois.text_of(name)
    if len(group) > 1 and repeats:
        _count(left_out, "repeated", len(group) - 1)
        group = with_devices_first(group)[:1]
    if len(group) == 1:
        return [Joined(group[0], text, text, None, None, False, None)]
    taken = {whois.text_of(other) for other in groups}    # another domain may really be called web~2
    numbered = ("%s~%d" % (text, number) for number in itertools.count(2))
    keys: List[Hashable] = [text]
    keys += itertools.islice((key for key in numbered if key not in taken), len(group) - 1)
    return [Joined(row, key, str(key), None, None, True, None) for row, key in _match(group, keys, lives)]


def _by_uuid(name: bytes, group: List[DomainRow], domains: List[Any], groups: Dict[bytes, List[DomainRow]], lives: Lives,
             left_out: Dict[str, int], shared: Set[str]) -> List[Joined]:
    surplus = len(group) - len(domains)
    if domains and surplus > 0:
        rows = without_copies(group, surplus)
        _count(left_out, "repeated", len(group) - len(rows))
        group = rows
    uuids = {facts.uuid for facts in domains}
    if len(group) == len(domains) == 1:
        pairs: Optional[List[Tuple[DomainRow, Any]]] = [(group[0], domains[0])]
    else:
        pairs = by_evidence(group, domains, lives)
        if len(uuids) == 1 and None not in uuids:
            pairs = pairs or _of_one_machine(group, domains)
        else:
            by_name = len(group) <= len(domains) and None not in uuids and not any(lives.get(uuid) for uuid in uuids)
            # once under the name, always under it
            if by_name and (pairs is None or lives.get(whois.text_of(name)) is not None):
                return _by_name(name, group, False, groups, lives, left_out)
    joined = [Joined(row, *_whose(facts, shared)) for row, facts in pairs or () if facts.uuid is not None]
    _count(left_out, "unjoined", len(group) - len(joined))
    for facts in domains:
        if pairs is None or facts.uuid is None:
            lives.hold(facts.uuid, facts.domid)
    return joined


def _of_one_machine(group: List[DomainRow], domains: List[Any]) -> Optional[List[Tuple[DomainRow, Any]]]:
    """Rows of one machine's domains, of which nothing tells which is which, where one row alone runs: that is taken for the
    youngest domain's. What else stands there under the machine's own name is what was left of an older one. Where a domain
    has no row yet, it is the youngest."""
    ordered = sorted(group, key=lambda row: whois.rank_of_letters(row.state))
    ranks = [whois.rank_of_letters(row.state) for row in ordered]
    if len(group) > 1 and ranks[0] == ranks[1]:
        return None
    return list(zip(ordered, sorted(domains, key=lambda facts: facts.domid, reverse=len(group) >= len(domains))))


def _match(group: List[DomainRow], keys: List[Hashable], lives: Lives) -> List[Tuple[DomainRow, Hashable]]:
    """Rows of one name to keys, so that each life goes on where it can: qsort leaves equal names in any order."""
    def continues(row: DomainRow, key: Hashable) -> bool:
        life = lives.get(key)
        return life is None or life.continues(None, row.columns.cpu_seconds, dict(row.vcpu_seconds or ()),
                                              row.columns.vcpus)

    if len(group) <= 5:
        for order in itertools.permutations(keys):
            if all(continues(row, key) for row, key in zip(group, order)):
                return list(zip(group, order))
    return list(zip(group, keys))


def _without_ends(rows: List[DomainRow], left_out: Dict[str, int]) -> List[DomainRow]:
    """Where names are all that is known: rows of both ends of a migration under their real name, of which one stands."""
    moving = {whois.real_name(row.name) for row in rows if whois.real_name(row.name) != row.name}
    if not moving:
        return rows
    best: Dict[bytes, DomainRow] = {}
    for row in sorted(rows, key=lambda row: (whois.rank_of_letters(row.state), row.name != whois.real_name(row.name))):
        best.setdefault(whois.real_name(row.name), row)
    kept = []
    for row in rows:
        name = whois.real_name(row.name)
        if name not in moving:
            kept.append(row)
        elif best[name] is row:
            kept.append(row.renamed(name))
        else:
            _count(left_out, "same_uuid", 1)
    return kept


def _without_twins(joined: List[Joined], lives: Lives, left_out: Dict[str, int], notices: List[str]) -> List[Joined]:
    """Of the domains with one UUID the one that is the machine (xen.whois)."""
    claims = [whois.Claim(item.uuid, item.domid, whois.rank_of_letters(item.row.state))     # type: ignore[arg-type]
              for item in joined if item.uuid is not None]
    before = {life.key: life.who.domid for life in lives if life.who.domid is not None}
    chosen, losers = whois.elect(claims, before)    # type: ignore[arg-type]
    for loser, winner in losers:
        _count(left_out, "same_uuid", 1)
        notices.append(whois.leaving_out(loser, winner))
    return [item for item in joined if item.uuid is None or chosen[item.uuid].domid == item.domid]
