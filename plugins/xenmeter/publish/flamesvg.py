"""Stacks as a flame graph (Brendan Gregg's form) in one SVG: no script, no network; a browser shows what a box is on hovering.

Of two profiles there is a difference graph: the later one's boxes and below them the earlier one's, each coloured by how its
share of the whole changed: red for more, blue for less.
"""
from typing import Any, Dict, Iterable, List, Optional, Tuple
from xml.sax.saxutils import escape

from xenmeter.publish.text import plain

__all__ = ("encode", "picture", "difference", "whole_file")

_WIDTH, _ROW, _LETTER, _HEAD = 1200, 17, 7, 40
#: A box that is narrower, in pixels, is left out, and so are those on it.
_LEAST = 0.3
_DEEPEST = 128
#: A box is coloured the strongest where its share changed by so much of the whole.
_STRONG = 0.1


class _Node:
    """``shares``: its part of the earlier profile and of the later one; None where there is one alone."""

    __slots__ = ("ns", "more", "shares")

    def __init__(self) -> None:
        self.ns = 0
        self.more: Dict[str, Any] = {}
        self.shares: Optional[Tuple[float, float]] = None


def encode(stacks: Iterable[Any], title: str, unit: str = "ns") -> bytes:
    """A whole file."""
    return whole_file(picture(stacks, title, unit))


def whole_file(svg: str) -> bytes:
    """An element ``svg`` as a file of its own."""
    return b'<?xml version="1.0" encoding="UTF-8" standalone="no"?>\n' + svg.encode("utf-8", "replace")


def picture(stacks: Iterable[Any], title: str, unit: str = "ns") -> str:
    """The element ``svg``. :param stacks: (labels, frames from the outermost, samples, ns); the outermost boxes are the domains,
    then the processes. :param unit: of what is told instead of ns, where that is no time."""
    return _svg([(title, _tree(((labels["domain"], labels["process"]) + tuple(frames), ns) for labels, frames, _, ns in stacks))],
                unit)


def difference(before: Iterable[Tuple[Tuple[str, ...], int]], after: Iterable[Tuple[Tuple[str, ...], int]],
               titles: Tuple[str, str]) -> str:
    """The element ``svg`` of two profiles, each of (frames from the outermost, ns). :param titles: theirs."""
    old, new = _tree(before), _tree(after)
    _compare(old, new)
    return _svg([(titles[1], new), (titles[0], old)])


def _tree(stacks: Iterable[Tuple[Tuple[str, ...], int]]) -> _Node:
    root = _Node()
    for frames, ns in stacks:
        node = root
        root.ns += ns
        for frame in frames[:_DEEPEST]:
            node = node.more.setdefault(frame, _Node())
            node.ns += ns
    return root


def _compare(before: _Node, after: _Node) -> None:
    """The shares of each node in both trees."""
    wholes = max(before.ns, 1), max(after.ns, 1)
    left: List[Tuple[Optional[_Node], Optional[_Node]]] = [(before, after)]
    while left:
        pair = left.pop()
        shares = tuple([node.ns / whole if node is not None else 0.0 for node, whole in zip(pair, wholes)])
        for node in pair:
            if node is not None:
                node.shares = shares[0], shares[1]
        names = {name for node in pair if node is not None for name in node.more}
        left.extend([(pair[0].more.get(name) if pair[0] is not None else None,
                      pair[1].more.get(name) if pair[1] is not None else None) for name in names])


def _svg(graphs: List[Tuple[str, _Node]], unit: str = "ns") -> str:
    """Graphs above each other, each with its title."""
    parts: List[str] = []
    top = 0
    for title, root in graphs:
        boxes: List[str] = []
        height = _HEAD + (_boxes(root, boxes, unit) + 1) * _ROW + 10
        parts.append('<text x="%d" y="%d" text-anchor="middle" font-size="16">%s</text><g transform="translate(0,%d)">%s</g>' % (
            _WIDTH // 2, top + 24, escape(plain(title)[:120]), top + height - 10 - _ROW, "".join(boxes)))
        top += height
    return ('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" font-family="monospace" '
            'font-size="12"><rect width="100%%" height="100%%" fill="#fffdf8"/>%s</svg>\n' % (
                _WIDTH, top, _WIDTH, top, "".join(parts)))


def _boxes(root: _Node, boxes: List[str], unit: str) -> int:
    """The boxes from the ground up, each as wide as its time; how many rows there are."""
    deepest, left = 0, [(root, "all", 0.0, 0)]
    whole = max(root.ns, 1)
    while left:
        node, name, at, depth = left.pop()
        width = _WIDTH * node.ns / whole
        if width < _LEAST:
            continue
        deepest = max(deepest, depth)
        boxes.append(_box(name, node, whole, at, width, -depth * _ROW, unit))
        for inner in sorted(node.more):
            left.append((node.more[inner], inner, at, depth + 1))
            at += _WIDTH * node.more[inner].ns / whole
    return deepest


def _box(name: str, node: _Node, whole: int, x: float, width: float, y: int, unit: str) -> str:
    shown = plain(name)[:200]
    room = int((width - 6) / _LETTER)
    text = "" if room < 3 else shown if len(shown) <= room else shown[:room - 2] + ".."
    size = "%.3f s" % (node.ns / 1e9) if unit == "ns" else "%d %s" % (node.ns, escape(plain(unit)))
    told = "%s: %s, %.2f %%" % (escape(shown), size, 100.0 * node.ns / whole)
    if node.shares is not None:
        told += "; before %.2f %%, after %.2f %%" % (100.0 * node.shares[0], 100.0 * node.shares[1])
    return '<g><title>%s</title><rect x="%.1f" y="%d" width="%.1f" height="%d" fill="%s" rx="1"/>%s</g>' % (
        told, x, y, max(width - 0.4, 0.2), _ROW - 1,
        _colour(shown) if node.shares is None else _of_change(node.shares[1] - node.shares[0]),
        '<text x="%.1f" y="%d">%s</text>' % (x + 3, y + 12, escape(text)) if text else "")


def _of_change(change: float) -> str:
    if abs(change) < 0.0005:
        return "rgb(235,235,235)"
    pale = round(220 * (1 - min(abs(change) / _STRONG, 1.0)))
    return "rgb(255,%d,%d)" % (pale, pale) if change > 0 else "rgb(%d,%d,255)" % (pale, pale)


def _colour(name: str) -> str:
    """The same for a name in every picture."""
    mark = 0
    for char in name:
        mark = (mark * 33 + ord(char)) & 0xffff
    return "rgb(%d,%d,%d)" % (205 + mark % 50, 80 + mark // 50 % 130, mark // 7 % 55)
