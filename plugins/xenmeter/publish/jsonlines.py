r"""JSON Lines: one compact object per line, valid UTF-8 and safe to show, whatever the names hold.

Names come back exactly as they were: what a terminal or a line reader could trip over (control characters, bidi
marks, zero-width, U+2028) is written as JSON's own escape. Only a lone surrogate (a byte that was no UTF-8) becomes
U+FFFD, for an escape of one is no text to strict readers.
"""
import json
import re
import unicodedata
from typing import Any

__all__ = ("encode",)

_NOT_ASCII = re.compile("[^\x00-\x7e]")


def encode(value: Any) -> bytes:
    """The value as one line, LF at the end. Raises ValueError for NaN and infinity, which JSON has not; give None."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    # Outside of strings JSON is plain ASCII, so an escape can only land inside of one.
    return (_NOT_ASCII.sub(_safe, text) + "\n").encode("utf-8")


def _safe(match: Any) -> str:
    char = match.group()
    category = unicodedata.category(char)
    if category == "Cs":
        return "\ufffd"
    if category not in ("Cc", "Cf", "Zl", "Zp"):
        return char
    code = ord(char)
    if code < 0x10000:
        return "\\u%04x" % code
    code -= 0x10000
    return "\\u%04x\\u%04x" % (0xd800 + (code >> 10), 0xdc00 + (code & 0x3ff))
