"""What all readers share: whole lines, numbers, the program's own words for what went wrong."""
import json
import re
from typing import Any, Dict, Match, Pattern

from xenmeter.bench.results import Unusable

__all__ = ("whole", "last_line", "search", "document", "PREFIXES")

#: Powers of 1024, as wrk and bonnie++ abbreviate them.
PREFIXES: Dict[str, int] = {"": 1, "k": 1 << 10, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}

_BEGIN = re.compile(r"^\{", re.M)


def whole(text: str) -> str:
    """The text without a last line that has no end: what is cut is not read."""
    return text[:text.rfind("\n") + 1]


def last_line(*texts: str) -> str:
    """The last words of the first text that has any; empty where none has."""
    for text in texts:
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        if lines:
            return lines[-1]
    return ""


def search(pattern: Pattern[str], text: str, program: str, reason: str) -> Match[str]:
    """The first match, or Unusable with the program's reason."""
    found = pattern.search(text)
    if found is None:
        raise Unusable("%s: %s" % (program, reason or "no whole result"))
    return found


def document(text: str, program: str, reason: str = "") -> Dict[str, Any]:
    """The first whole JSON object that begins a line; Unusable where there is none. Other text may stand around it."""
    decoder = json.JSONDecoder()
    for found in _BEGIN.finditer(text):
        try:
            said, _ = decoder.raw_decode(text, found.start())
            return dict(said)
        except (ValueError, RecursionError):
            continue
    raise Unusable("%s: %s" % (program, reason or "no whole JSON document on its output; is it asked for one?"))
