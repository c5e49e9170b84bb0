"""Stacks as a flame graph (Brendan Gregg's form) in one SVG: no script, no network; a browser shows what a box is on hovering."""
from typing import Any, Dict, Iterable, List
from xml.sax.saxutils import escape

from xenmeter.publish.text import plain

__all__ = ("encode", "picture")

_WIDTH, _ROW, _LETTER, _HEAD = 1200, 17, 7, 40
#: A box that is narrower, in pixels, is left out, and so are those on it.
_LEAST = 0.3
_DEEPEST = 128


class _Node:
    __slots__ = ("ns", "more")

    def __init__(self) -> None:
        self.ns = 0
        self.more: Dict[str, Any] = {}


def encode(stacks: Iterable[Any], title: str) -> bytes:
    """A whole file."""
    return b'<?xml version="1.0" encoding="UTF-8" standalone="no"?>\n' + picture(stacks, title).encode("utf-8", "replace")


def picture(stacks: Iterable[Any], title: str) -> str:
    """The element ``svg``. :param stacks: (labels, frames from the outermost, samples, ns); the outermost boxes are the domains,
    then the processes."""
    root = _Node()
    for labels, frames, _, ns in stacks:
        node = root
        root.ns += ns
        for frame in ([labels["domain"], labels["process"]] + list(frames))[:_DEEPEST]:
            node = node.more.setdefault(frame, _Node())
            node.ns += ns
    boxes: List[str] = []
    depth = _boxes(root, boxes)
    height = _HEAD + (depth + 1) * _ROW + 10
    return ('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" font-family="monospace" '
            'font-size="12"><rect width="100%%" height="100%%" fill="#fffdf8"/><text x="%d" y="24" text-anchor="middle" '
            'font-size="16">%s</text><g transform="translate(0,%d)">%s</g></svg>\n' % (
                _WIDTH, height, _WIDTH, height, _WIDTH // 2, escape(plain(title)[:120]), height - 10 - _ROW, "".join(boxes)))


def _boxes(root: _Node, boxes: List[str]) -> int:
    """The boxes from the ground up, each as wide as its time; how many rows there are."""
    deepest, left = 0, [(root, "all", 0.0, 0)]
    whole = max(root.ns, 1)
    while left:
        node, name, at, depth = left.pop()
        width = _WIDTH * node.ns / whole
        if width < _LEAST:
            continue
        deepest = max(deepest, depth)
        boxes.append(_box(name, node.ns, whole, at, width, -depth * _ROW))
        for inner in sorted(node.more):
            left.append((node.more[inner], inner, at, depth + 1))
            at += _WIDTH * node.more[inner].ns / whole
    return deepest


def _box(name: str, ns: int, whole: int, x: float, width: float, y: int) -> str:
    shown = plain(name)[:200]
    room = int((width - 6) / _LETTER)
    text = "" if room < 3 else shown if len(shown) <= room else shown[:room - 2] + ".."
    return '<g><title>%s: %.3f s, %.2f %%</title><rect x="%.1f" y="%d" width="%.1f" height="%d" fill="%s" rx="1"/>%s</g>' % (
        escape(shown), ns / 1e9, 100.0 * ns / whole, x, y, max(width - 0.4, 0.2), _ROW - 1, _colour(shown),
        '<text x="%.1f" y="%d">%s</text>' % (x + 3, y + 12, escape(text)) if text else "")


def _colour(name: str) -> str:
    """The same for a name in every picture."""
    mark = 0
    for char in name:
        mark = (mark * 33 + ord(char)) & 0xffff
    return "rgb(%d,%d,%d)" % (205 + mark % 50, 80 + mark // 50 % 130, mark // 7 % 55)
