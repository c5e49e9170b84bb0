"""What was tried where, and what came of it: the rows of packaging/INSTALLED.md."""
import subprocess
import time
import typing

from tools.debian import ProvisionError


class Row(typing.NamedTuple):
    """place: the system. what: was tried. seen: versions and figures, or why not. came: ok, FAILED, or not to be had."""

    place: str
    what: str
    seen: str
    came: str


HEAD = "| where | what | seen | came out | when, commit |\n|---|---|---|---|---|"


class Rows:
    """:ivar rows: what was tried so far, in order. :param say: takes a line of progress."""

    def __init__(self, say=print):
        self.rows, self.say = [], say

    def attempt(self, place, what, function, *args):
        """Calls the function, which returns what it saw and raises what failed: True where it went well."""
        began = time.monotonic()
        try:
            row = Row(place, what, function(*args), "ok")
        except ProvisionError as error:
            row = Row(place, what, _one_line(error), "not to be had")
        except (AssertionError, RuntimeError, OSError, ValueError, subprocess.SubprocessError) as error:
            row = Row(place, what, _one_line(error), "FAILED")
            self.say(str(error))
        self.rows.append(row)
        self.say("%s: %s: %s (%s; %.0f s)" % (place, what, row.came, row.seen, time.monotonic() - began))
        return row.came == "ok"

    @property
    def failed(self):
        return [row for row in self.rows if row.came == "FAILED"]

    def table(self, when, known=""):
        """Markdown. :param when: of these rows. :param known: an older table; its rows stay, but for those that are here."""
        lines = {line.split(" | ")[0] + " | " + line.split(" | ")[1]: line for line in known.splitlines()[2:]}
        for row in self.rows:
            cells = [cell.replace("|", "\\|") for cell in row]
            lines["| %s | %s" % (cells[0], cells[1])] = "| %s | %s |" % (" | ".join(cells), when)
        return "\n".join([HEAD, *lines.values()]) + "\n"


def _one_line(error):
    words = " ".join(str(error).split())
    return words if len(words) < 160 else words[:60] + " ... " + words[-95:]


def holds(text, *wanted):
    """The text, which must hold all of these; AssertionError with the text's end where it does not."""
    missing = [word for word in wanted if word not in text]
    if missing:
        raise AssertionError("no %r in: %s" % (missing[0], text[-2000:]))
    return text
