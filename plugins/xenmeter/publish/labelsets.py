"""The label text of an exposition's rows: made once per domain, unique within a reading."""
import re
from typing import Any, Dict, List, Optional, Sequence, Tuple

from xenmeter.core.catalogue import Entity
from xenmeter.core.reading import Row, Who
from xenmeter.publish.compiled import forget
from xenmeter.publish.text import NAME_LIMIT, bounded, telling
from xenmeter.publish.writer import Cells, Texts

__all__ = ("LabelSet", "constant_labels", "label_value")

_SIMPLE = re.compile(r"[A-Za-z0-9_.:+@/~ -]{0,%d}\Z" % NAME_LIMIT)  # most values, told in one test


def label_value(text: str) -> str:
    r"""A label value between its quotes: ``\``, ``"`` and LF escaped (LF is gone before: it is no plain text)."""
    if _SIMPLE.match(text):
        return text
    return _escaped(bounded(text))


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def constant_labels(pairs: Tuple[Tuple[str, str], ...]) -> str:
    return ",".join('%s="%s"' % (key, label_value(value)) for key, value in pairs)


class LabelSet:
    """The rows of one entity as the families see them that have the same labels of their own.

    :param names: the families' own labels; raises ValueError where the entity has no such label.
    :ivar entity: ``str``, its name; :ivar names: as given.
    :ivar cells: the rows as compiled code takes them, or None where it is not there or two rows have the same labels.
    """

    def __init__(self, entity: Entity, names: Tuple[str, ...]) -> None:
        if {"domain", "uuid"} & set(names):
            raise ValueError("entity %s: labels domain and uuid are implied" % entity.name)
        self.entity = entity.name
        self.names = names
        self.cells: Optional[Cells] = None
        self.encoded = Texts(self._text)    # of the cells
        self._places = [(name, entity.labels.index(name)) for name in names]
        self._kept: Dict[Tuple[Optional[Who], Tuple[str, ...]], str] = {}
        self._rows: Sequence[Row] = ()
        self._made = True       # the texts and values of the rows
        self._texts: List[str] = []
        self._values: List[Tuple[Any, ...]] = []

    def take(self, rows: Sequence[Row], cells: Optional[Cells] = None) -> int:
        """Take a reading's rows; of rows with the same labels the first stays. Returns how many were left out.

        :param cells: the same rows, for compiled code.
        """
        self._rows, self._made = rows, False
        self.cells = cells if cells is not None and self.encoded.of(cells).distinct else None
        return 0 if self.cells is not None else len(rows) - len(self.values)

    def release(self) -> None:
        """Let go of the reading."""
        self._rows, self._texts, self._values, self.cells = (), [], [], None
        self._made = True

    @property
    def values(self) -> List[Tuple[Any, ...]]:
        """The values of the rows taken, one per text."""
        self._make()
        return self._values

    def _make(self) -> None:
        if self._made:
            return
        self._made = True
        kept, rows = self._kept, self._rows
        texts = []
        for who, labels, _ in rows:
            try:
                texts.append(kept[who, labels])
            except KeyError:
                texts.append(kept.setdefault((who, labels), self._text(who, labels)))
        forget(kept, rows)
        self._texts = texts
        if len(set(texts)) == len(texts):
            self._values = [row[2] for row in rows]
        else:
            first: Dict[str, Tuple[Any, ...]] = {}
            for text, row in zip(texts, rows):
                first.setdefault(text, row[2])
            self._texts = list(first)
            self._values = list(first.values())

    def texts(self, constant: Tuple[Tuple[str, str], ...]) -> List[str]:
        """``{domain="web1",...}`` of each row with these constant labels at the end; empty where there is no label."""
        self._make()
        if not constant:
            return ["{%s}" % text if text else "" for text in self._texts]
        tail = constant_labels(constant)
        return ["{%s,%s}" % (text, tail) if text else "{%s}" % tail for text in self._texts]

    def _text(self, who: Optional[Who], labels: Tuple[str, ...]) -> str:
        pairs: List[Tuple[str, str]] = []
        if who is not None and who.uuid:
            pairs = [("domain", label_value(who.name)), ("uuid", label_value(who.uuid))]
        elif who is not None:
            pairs = [("domain", _escaped(telling(who.name, bounded(who.name))))]
        pairs += [(name, label_value(labels[place])) for name, place in self._places]
        return ",".join('%s="%s"' % pair for pair in pairs if pair[1])
