"""Other people's text made safe: guest names are written by less trusted people, and every publisher shows them.

Two forms. `plain` is for backends: what cannot be seen or would break a line becomes ``_``, everything else
stays. `for_terminal` is for people: what cannot be seen is shown as an escape, and the text is cut by the
columns that it takes on a screen.
"""
import re
import unicodedata
from typing import Optional

__all__ = ("NAME_LIMIT", "plain", "bounded", "telling", "digest", "for_terminal", "display_width")

#: Characters of a name that a backend is given. Xen's toolstacks bound a name far below this; xenstore does not.
NAME_LIMIT = 255

#: Control, format (bidi marks, zero-width), surrogate, line and paragraph separator. Unassigned and private
#: characters stay: which ones are assigned differs with the interpreter, and a name must not change with it.
_UNSEEN = frozenset(("Cc", "Cf", "Cs", "Zl", "Zp"))

_TOLD = re.compile(r"~[0-9a-f]{8}\Z")

#: Marks that may follow one character; the rest of a pile is shown as escapes, or it would draw over other lines.
_MARKS = 3


def plain(text: str) -> str:
    """The text with ``_`` for each control, format (bidi, zero-width) and separator character and lone surrogate."""
    if text.isprintable():
        return text
    return "".join("_" if unicodedata.category(char) in _UNSEEN else char for char in text)


def digest(text: str) -> str:
    """Eight hex digits that tell raw texts apart (SHA-256; MD5 is refused where FIPS mode is on)."""
    import hashlib      # with OpenSSL behind it the dearest import of all, and few names need it
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]


def bounded(text: str, limit: int = NAME_LIMIT) -> str:
    """`plain` text of at most ``limit`` characters; a cut one ends in ``~`` and the `digest` of the whole."""
    if len(text) <= limit:
        return plain(text)
    return plain(text[:limit - 9]) + "~" + digest(text)


def telling(text: str, shown: str) -> str:
    """``shown``, what a backend makes of ``text``, where it is all that tells a series: no two texts share one.

    Where it is not the text itself it ends in ``~`` and the `digest` of it; so does a text that looks as if it did.
    """
    if shown == text and not _TOLD.search(text):
        return text
    return shown[:NAME_LIMIT - 9] + "~" + digest(text)


def for_terminal(text: str, width: Optional[int] = None) -> str:
    r"""Text that a terminal may be sent, whatever it held: nothing in it moves the cursor or hides.

    Control characters, escape sequences, bidi marks, zero-width and unassigned characters and lone surrogates are
    shown as ``\x1b``, ``\u202e`` ...; a byte that was no UTF-8 (Python's surrogateescape) as ``\xff``.

    :param width: ``int`` columns; a longer text is cut and ends in ``~``. None: no cut.
    """
    if (width is None or len(text) <= width) and text.isprintable() and _ascii(text):
        return text
    out = []
    used = 0
    marks = _MARKS  # a mark at the start would be drawn on what stands before the text
    for char in text:
        columns = _columns(char)
        if columns == 0:
            marks += 1
        elif columns > 0:
            marks = 0
        if columns < 0 or marks > _MARKS:
            char = _escape(char)
            columns = len(char)
            marks = 0
        out.append((char, columns))
        used += columns
        if width is not None and used > width:
            return _cut(out, used, width)
    return "".join(char for char, _ in out)


def display_width(text: str) -> int:
    """``int`` columns that a text made by `for_terminal` takes on a screen."""
    if _ascii(text):
        return len(text)
    return sum(max(0, _columns(char)) for char in text)


def _ascii(text: str) -> bool:
    try:
        text.encode("ascii")  # str.isascii came with Python 3.7
    except UnicodeEncodeError:
        return False
    return True


def _columns(char: str) -> int:
    """Columns of one character: 0 for a mark, 2 for a wide one, -1 for one that must not be sent as it is."""
    if " " <= char <= "~":
        return 1
    if not char.isprintable():
        return -1
    if unicodedata.category(char) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(char) in ("W", "F") else 1


def _escape(char: str) -> str:
    code = ord(char)
    if 0xdc80 <= code <= 0xdcff:
        return "\\x%02x" % (code - 0xdc00)
    if code < 0x100:
        return "\\x%02x" % code
    return "\\u%04x" % code if code < 0x10000 else "\\U%08x" % code


def _cut(out: list, used: int, width: int) -> str:
    """Take characters off the end until the mark of the cut fits."""
    while out and used > max(width - 1, 0):
        used -= out.pop()[1]
    return "".join(char for char, _ in out) + ("~" if width > 0 else "")
