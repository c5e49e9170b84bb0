r"""CSV by RFC 4180: comma, double quotes where a text needs them, one header line.

Lines end in LF, not in RFC 4180's CRLF: awk, cut and ``rrdtool update`` would take the CR for part of the last
column. ``line_end="\r\n"`` gives the letter of it. Unknown is an empty field, an empty text is ``""``.

Texts are other people's: control characters, bidi marks and the like become ``_``, 255 characters are the most,
and a text that a spreadsheet would take for a formula (it begins with ``=``, ``+``, ``-`` or ``@``) gets a leading
``'``, which spreadsheets understand as "text". Columns of our own making are exempt, see ``trusted``. A name that is all
that tells its domain, because the column ``uuid`` beside it is empty, gets ``~`` and eight digits where it was altered.

Python: ``csv.DictReader(open(path, newline=""))``. R: ``read.csv(path, na.strings = "")``; without that option R
takes a domain called NA for a missing value.
"""
import re
import time
from typing import Any, Collection, Iterable, List, Optional, Sequence, Tuple

from xenmeter.publish.text import bounded, telling

__all__ = ("CsvWriter", "iso_time", "epoch_time", "TIMES")

_QUOTED = re.compile(r'[",\r\n;]|\A\s|\s\Z|\A\Z')
_FORMULA = re.compile(r"\s*[=+\-@\uff1d\uff0b\uff0d\uff20]")  # the wide forms too: some spreadsheets fold them


class CsvWriter:
    """Rows to CSV.

    :param columns: their names, in order.
    :param trusted: columns whose texts we make ourselves (xentop's state ``--b---``); they may begin with a sign.
    :param line_end: ``"\\n"`` or ``"\\r\\n"``.
    """

    def __init__(self, columns: Sequence[str], trusted: Collection[str] = (), line_end: str = "\n") -> None:
        self.columns = tuple(columns)
        self._cells = [_own_text if column in trusted else _text for column in self.columns]
        self._identity: Optional[Tuple[int, int]] = None  # where name and UUID stand
        for name in {"name", "domain"}.intersection(self.columns if "uuid" in self.columns else ()):
            self._identity = self.columns.index(name), self.columns.index("uuid")
        self._end = line_end

    def header(self) -> bytes:
        """The first line."""
        return (",".join(_own_text(column) for column in self.columns) + self._end).encode("utf-8")

    def rows(self, rows: Iterable[Sequence[Any]]) -> bytes:
        """A line per row of None, bool (1 or 0), int, float and str. NaN and infinity are unknown.

        Raises ValueError where a row has not as many cells as there are columns.
        """
        lines: List[str] = []
        for row in rows:
            if len(row) != len(self._cells):
                raise ValueError("a row of %d cells for %d columns" % (len(row), len(self._cells)))
            cells = [text(cell) if isinstance(cell, str) else _number(cell) for text, cell in zip(self._cells, row)]
            if self._identity is not None:
                name, uuid = self._identity
                if not row[uuid] and isinstance(row[name], str):
                    cells[name] = _quoted(telling(row[name], bounded(_no_formula(row[name]))))
            lines.append(",".join(cells))
        return "".join(line + self._end for line in lines).encode("utf-8")


def iso_time(time_ns: int) -> str:
    """Nanoseconds since the epoch as ISO 8601 in UTC, ``2026-10-31T12:00:00.250Z``; digits below 1 ms are cut."""
    seconds, rest = divmod(time_ns, 1000000000)
    return "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ" % (time.gmtime(seconds)[:6] + (rest // 1000000,))


def epoch_time(time_ns: int) -> str:
    """Nanoseconds since the epoch as seconds with milliseconds, ``1793448000.250``; digits below 1 ms are cut.

    Times before the epoch have a sign, and are cut towards the past, as `iso_time` does.
    """
    millis = time_ns // 1000000
    return "%s%d.%03d" % (("-" if millis < 0 else "",) + divmod(abs(millis), 1000))


#: The time column, as the option ``csv_time`` names it.
TIMES = {"iso": iso_time, "epoch": epoch_time}


def _no_formula(text: str) -> str:
    return "'" + text if _FORMULA.match(text) else text


def _text(text: str) -> str:
    return _own_text(_no_formula(text))


def _own_text(text: str) -> str:
    return _quoted(bounded(text))


def _quoted(text: str) -> str:
    return '"%s"' % text.replace('"', '""') if _QUOTED.search(text) else text


def _number(cell: Any) -> str:
    if cell is None or cell - cell != 0:  # infinity and NaN are not 0 away from themselves
        return ""
    return repr(cell) if isinstance(cell, float) else "%d" % cell
