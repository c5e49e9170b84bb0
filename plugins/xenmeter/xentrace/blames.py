"""Who made whom wait, as readings have it: causes by the names of their domains."""
from typing import Any, Dict, List, Set, Tuple

from xenmeter.core.reading import Row, Who
from xenmeter.xentrace.attribute import LifeKey
from xenmeter.xentrace.engine.columns import BY_GONE, BY_IDLE, BY_LASTING, BY_OTHER, BY_UNKNOWN
from xenmeter.xentrace.engine.figures import NOBODY

__all__ = ("Blames", "WORDS")

#: What is no domain's name here: a domain that is called so has its UUID in its label too.
WORDS = dict(zip((BY_IDLE, BY_UNKNOWN, BY_OTHER, BY_GONE), NOBODY))
_TAKEN = frozenset(WORDS.values())


class Blames:
    """Makes the rows of ``cause`` and ``lasting``."""

    def __init__(self) -> None:
        self._labels: Dict[Who, str] = {}

    def tell(self, rows: List[Tuple[int, ...]], whose: Dict[LifeKey, Who], named: Dict[LifeKey, Who],
             tables: Dict[str, List[Row]]) -> None:
        """:param rows: of a picture; :param whose: lives that are published; :param named: all whose name is known now. What a
        life has caused whose name is not, is in no row until it is."""
        if not rows:
            return
        self._labels = {who: self._labels.get(who) or _label(who) for who in named.values()}
        causes, lasting = tables["cause"], {}
        told: Set[Any] = set()
        for domid, generation, by, by_generation, length in rows:
            who = whose.get((domid, generation))
            cause = named.get((by, by_generation))
            if who is None or (by >= 0 and cause is None):
                continue
            if by == BY_LASTING:
                lasting[who] = length
                continue
            lasting.setdefault(who, 0)
            label = WORDS[by] if cause is None else self._labels[cause]
            if (who, label) not in told:
                told.add((who, label))
                causes.append((who, (label,), (length,)))
        tables["lasting"] += [(who, (), (length,)) for who, length in lasting.items()]


def _label(who: Who) -> str:
    """A domain's name, with its UUID where another has the name too, or it is no domain's."""
    if not who.shared and who.name not in _TAKEN:
        return who.name
    return "%s %s" % (who.name, who.uuid) if who.uuid else "domain %s" % who.name
