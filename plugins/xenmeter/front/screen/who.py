"""Who took a domain's CPU: who had the pCPUs that its vCPUs got, while they waited, in the last ten seconds."""
from typing import Any, Dict, List, NamedTuple, Tuple

from xenmeter.front.screen.text import Glyphs, Line, brief, cell, percent
from xenmeter.xentrace.attribute import LifeKey
from xenmeter.xentrace.blames import WORDS
from xenmeter.xentrace.engine.columns import BY_GONE, BY_LASTING

__all__ = ("Neighbours", "who")

_SPAN = 10 ** 10
_Caused = Dict[LifeKey, Dict[LifeKey, int]]


class Neighbours(NamedTuple):
    """What the samples of the last ten seconds say, oldest first: (ns of their time line, life -> cause -> ns)."""

    told: Tuple[Tuple[int, _Caused], ...] = ()

    def after(self, span_ns: int, records: Any) -> "Neighbours":
        """With one sample more. :param records: ``causes`` of a picture; None or empty where nobody keeps them."""
        caused: _Caused = {}
        for one in records or ():
            if one["by"] not in (BY_LASTING, BY_GONE):      # the one is no counter, the other jumps
                caused.setdefault((one["domid"], one["generation"]), {})[one["by"], one["by_generation"]] = one["caused_ns"]
        if not caused:
            return Neighbours()
        kept = tuple(one for one in self.told if span_ns - _SPAN <= one[0] < span_ns)
        return Neighbours(kept + ((span_ns, caused),))

    def of(self, life: LifeKey) -> Tuple[int, List[Tuple[LifeKey, int]]]:
        """(ns that this is of, what each has caused meanwhile, the heaviest first)"""
        if not self.told:
            return 0, []
        (first, before), (last, now) = self.told[0], self.told[-1]
        old = before.get(life, {}) if len(self.told) > 1 else {}
        grown = [(by, length - old.get(by, 0)) for by, length in now.get(life, {}).items()]
        return last - first if len(self.told) > 1 else last, sorted(
            [one for one in grown if one[1] > 0], key=lambda one: (-one[1], one[0]))


def who(history: Any, row: Any, width: int, glyphs: Glyphs) -> List[Line]:
    """A title, and a line for each, with its share of the waiting."""
    life = row.key if row.kind == "domains" else row.key[0]
    span, causes = history.neighbours.of(life)
    name = glyphs.safe(history.who[life].name, max(8, width - 40)) if life in history.who else ""
    lines: List[Line] = [[("Who took the CPU of %s" % name, "head")]]
    if not history.neighbours.told:
        return lines + [[(" not known: the baker keeps it with its option --causes", "warn")]]
    if not causes:
        return lines + [[(" nobody: no wait has ended in the last %s" % brief(span), "dim")]]
    whole = sum(length for _, length in causes)
    for by, length in causes:
        label = WORDS[by[0]] if by[0] < 0 else history.who[by].name if by in history.who else "domid %d" % by[0]
        share = 1000000 * length // whole
        style = "warn" if by[0] >= 0 and share >= 500000 else ""
        lines.append([(cell(glyphs.safe(label, 24), 24, left=True), ""), (cell(percent(share) + " %", 9), style),
                      ("  %s in %s" % (brief(length), brief(span)), "dim")])
    return lines
