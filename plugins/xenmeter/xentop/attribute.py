"""Which domain a row of xentop's text is: it prints names only, cut to ten bytes without -f, and sometimes twice.

With xenstore at hand a row is joined by name and gets UUID and domid; without it the name is all there is. Nothing is
guessed. Rows that xenstore does not know yet wait; so do rows that cannot be told apart now, where a UUID was published
before. Where nothing ever told them apart they are published under their name.
"""
import itertools
from typing import Any, Dict, Hashable, List, NamedTuple, Optional, Tuple

from xenmeter.core.identity import Lives
from xenmeter.xentop.records import Row
from xenmeter.xentop.twins import by_evidence, with_devices_first, without_copies

__all__ = ("Joined", "attribute", "text_of")

#: libxenstat asks for domains 256 at a time, and from the second time on gets some of them again (Xen 4.2 to 4.23).
CHUNK = 256

#: A row and whose it is. ``facts`` is xenstore's record (xen.domains.DomainFacts) or None.
Joined = NamedTuple("Joined", [
    ("row", Row), ("key", Hashable), ("name", str), ("uuid", Optional[str]), ("domid", Optional[int]),
    ("shared", bool), ("facts", Any)])

_KEY = Joined._fields.index("key")


def text_of(name):
    # type: (bytes) -> str
    """A name as text: UTF-8, and a visible ``\\xNN`` for each byte that is not (a name cut inside a character)."""
    return name.decode("utf-8", "backslashreplace")


def attribute(rows, domains, lives):
    # type: (List[Row], Optional[List[Any]], Lives) -> Tuple[List[Joined], Dict[str, int]]
    """Join rows with xenstore's domains.

    :param domains: list of DomainFacts, or None where the host has no xenstore to ask.
    :returns: what was joined, in the rows' order, and how many rows were left out, by reason: ``repeated`` (libxenstat's
        second copy), ``unjoined`` (xenstore does not know the name or its UUID now, or nothing tells whose row it is),
        ``same_uuid`` (a migration's twin).
    """
    groups = {}     # type: Dict[bytes, List[Row]]
    for row in rows:
        if row.name in groups:
            groups[row.name].append(row)
        else:
            groups[row.name] = [row]
    left_out = {}   # type: Dict[str, int]
    joined = []     # type: List[Joined]
    if domains is None:
        for name, group in groups.items():
            joined.extend(_by_name(name, group, len(rows) > CHUNK, groups, lives, left_out))
        return joined, left_out
    index, plain = _kept_index(domains, lives)
    for name, group in groups.items():
        if name in plain and len(group) == 1:
            joined.append(tuple.__new__(Joined, (group[0],) + plain[name]))
        else:
            joined.extend(_by_uuid(name, group, index.get(name, []), groups, lives, left_out))
    if len({item[_KEY] for item in joined}) < len(joined):
        joined = _older_of_twins(joined, lives, left_out)
    return joined, left_out


def _kept_index(domains, lives):
    # type: (List[Any], Lives) -> Tuple[Dict[bytes, List[Any]], Dict[bytes, Tuple[Any, ...]]]
    """The index, and what a lone row of a name becomes (all of Joined but the row); kept while the domains are the same."""
    if lives.kept is None or lives.kept[0] != domains:
        index = _index(domains)
        plain = {name: (found[0].uuid, text_of(found[0].name), found[0].uuid, found[0].domid, False, found[0])
                 for name, found in index.items() if len(found) == 1 and found[0].uuid is not None}
        lives.kept = (list(domains), index, plain)
    return lives.kept[1:]


def _count(left_out, reason, number):
    # type: (Dict[str, int], str, int) -> None
    if number > 0:
        left_out[reason] = left_out.get(reason, 0) + number


def _index(domains):
    # type: (List[Any]) -> Dict[bytes, List[Any]]
    """Domains by the name that xentop prints for them: its leading blanks are padding, and without -f ten bytes."""
    index = {}      # type: Dict[bytes, List[Any]]
    for facts in domains:
        index.setdefault(facts.name.lstrip(b" "), []).append(facts)
    for facts in domains:
        cut = facts.name[:10].lstrip(b" ")
        if cut != facts.name.lstrip(b" "):
            found = index.setdefault(cut, [])
            if all(len(other.name) > 10 for other in found):
                found.append(facts)
    return index


def _by_name(name, group, repeats, groups, lives, left_out):
    # type: (bytes, List[Row], bool, Dict[bytes, List[Row]], Lives, Dict[str, int]) -> List[Joined]
    text = text_of(name)
    if len(group) > 1 and repeats:
        _count(left_out, "repeated", len(group) - 1)
        group = with_devices_first(group)[:1]
    if len(group) == 1:
        return [Joined(group[0], text, text, None, None, False, None)]
    taken = {text_of(other) for other in groups}    # another domain may really be called web~2
    numbered = ("%s~%d" % (text, number) for number in itertools.count(2))
    keys = [text]  # type: List[Hashable]
    keys += itertools.islice((key for key in numbered if key not in taken), len(group) - 1)
    return [Joined(row, key, str(key), None, None, True, None) for row, key in _match(group, keys, lives)]


def _by_uuid(name, group, domains, groups, lives, left_out):
    # type: (bytes, List[Row], List[Any], Dict[bytes, List[Row]], Lives, Dict[str, int]) -> List[Joined]
    surplus = len(group) - len(domains)
    if domains and surplus > 0:
        rows = without_copies(group, surplus)
        _count(left_out, "repeated", len(group) - len(rows))
        group = rows
    if len(group) == len(domains) == 1:
        pairs = [(group[0], domains[0])]    # type: Optional[List[Tuple[Row, Any]]]
    else:
        pairs = by_evidence(group, domains, lives)
        uuids = [facts.uuid for facts in domains]
        by_name = len(group) <= len(domains) and None not in uuids and not any(lives.get(uuid) for uuid in uuids)
        if by_name and (pairs is None or lives.get(text_of(name)) is not None):     # once under the name, always under it
            return _by_name(name, group, False, groups, lives, left_out)
    joined = [Joined(row, facts.uuid, text_of(facts.name), facts.uuid, facts.domid, len(domains) > 1, facts)
              for row, facts in pairs or () if facts.uuid is not None]
    _count(left_out, "unjoined", len(group) - len(joined))
    for facts in domains:
        if pairs is None or facts.uuid is None:
            lives.hold(facts.uuid, facts.domid)
    return joined


def _match(group, keys, lives):
    # type: (List[Row], List[Hashable], Lives) -> List[Tuple[Row, Hashable]]
    """Rows of one name to keys, so that each life goes on where it can: qsort leaves equal names in any order."""
    def continues(row, key):
        # type: (Row, Hashable) -> bool
        life = lives.get(key)
        return life is None or life.continues(None, row.columns.cpu_seconds, dict(row.vcpu_seconds or ()),
                                              row.columns.vcpus)

    if len(group) <= 5:
        for order in itertools.permutations(keys):
            if all(continues(row, key) for row, key in zip(group, order)):
                return list(zip(group, order))
    return list(zip(group, keys))


def _older_of_twins(joined, lives, left_out):
    # type: (List[Joined], Lives, Dict[str, int]) -> List[Joined]
    """Two live domids with one UUID are a migration in flight; the older one is the domain."""
    chosen = {}     # type: Dict[Hashable, Joined]
    for item in joined:
        other = chosen.get(item.key)
        if other is None:
            chosen[item.key] = item
            continue
        _count(left_out, "same_uuid", 1)
        life = lives.get(item.key)
        known = life.who.domid if life else None
        if item.domid == known or (other.domid != known and item.domid < other.domid):
            chosen[item.key] = item
    return list(chosen.values()) if len(chosen) < len(joined) else joined
