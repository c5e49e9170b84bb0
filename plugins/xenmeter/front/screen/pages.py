"""The screen without a terminal: one page after the other as plain text."""
import sys
from typing import Any, List, Optional

from xenmeter.core.feed import Feed
from xenmeter.core.log import Hourly
from xenmeter.front.screen.history import History
from xenmeter.front.screen.layout import Status, draw
from xenmeter.front.screen.live import Live
from xenmeter.front.screen.text import Glyphs, speaks_unicode
from xenmeter.front.screen.view import View
from xenmeter.xentrace.baker.shm import NothingYet

__all__ = ("print_pages",)

#: Samples of a recording that may wait to be taken in.
KEEP = 100000
#: Seconds for a baker to say whether it rests.
_PATIENCE = 2.0


def print_pages(source: Any, history: History, name: str, width: int, count: int = 0, live: Optional[Live] = None) -> int:
    """One page after the other on stdout, where nothing can be drawn; each as long as it needs.

    :param count: how many, 0: all until the source ends or a signal comes. :param live: its baker, None for a recording.
    """
    glyphs = Glyphs(speaks_unicode())
    feed = Feed(source.samples, KEEP)
    feed.start()
    printed = 0
    hourly = Hourly()
    try:
        while True:
            over = feed.ended       # looked at first: a last sample may come in between
            sample = feed.take(1.0)
            if sample is None:
                error = feed.error
                if error is not None and (over or not history.slices) and not isinstance(error, NothingYet):
                    raise error
                if over:
                    break
                continue
            page = None
            if history.add(sample) is not None:
                status = Status(name, "", "", 0, undated_ns=source.undated_ns)
                if live is not None:    # the first one may be of before a rest
                    status = status._replace(note=live.note, rest=None if printed else live.rest(_PATIENCE))
                page = _page_or_none(history, status, width, glyphs)
            if page is None:
                if history.unusable and hourly.may(history.unusable):
                    sys.stderr.write("xenmeter: %s\n" % history.unusable)
                continue
            sys.stdout.write(page)
            sys.stdout.flush()
            printed += 1
            if printed == count:
                break
    finally:
        feed.stop()
    return 0


def _page_or_none(history: History, status: Status, width: int, glyphs: Glyphs) -> Optional[str]:
    """None where what a baker wrote cannot be shown."""
    try:
        return _page(history, status, width, glyphs)
    except Exception as error:
        history.drop(error)
        return None


def _page(history: History, status: Status, width: int, glyphs: Glyphs) -> str:
    view = View()
    view.details = "both" if width >= 80 else "table"
    height = 20 + len(history.slices[-1].domains)
    lines = ["".join(text for text, _ in line).rstrip()
             for line in draw(history, view, status, max(width, 44), height, glyphs).lines[:-1]]
    kept: List[str] = []
    for line in lines:
        if line or (kept and kept[-1]):
            kept.append(line)
    return "\n".join(kept).rstrip("\n") + "\n\n"
