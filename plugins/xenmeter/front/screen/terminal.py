"""A terminal: lines of styled text on it, keys from it, and the shell's screen back whatever happens."""
import curses
import os
import sys
from typing import Any, Dict, List, Tuple

from xenmeter.front.screen.layout import Frame
from xenmeter.publish.text import display_width

__all__ = ("Terminal", "can_draw")

_NAMES: Dict[Any, str] = {
    curses.KEY_UP: "up", curses.KEY_DOWN: "down", curses.KEY_PPAGE: "pageup", curses.KEY_NPAGE: "pagedown",
    curses.KEY_HOME: "home", curses.KEY_END: "end", curses.KEY_ENTER: "enter", curses.KEY_BACKSPACE: "backspace",
    "\n": "enter", "\r": "enter", "\x1b": "escape", "\x7f": "backspace", "\b": "backspace", "\x0c": "redraw",
}
#: Milliseconds after which an Esc that nothing follows is the key.
_ESCAPE = "25"
_STDOUT = 1
#: So often may input be announced that holds no key, before the terminal is taken for gone.
_EMPTY = 50


def can_draw() -> bool:
    """Whether stdin and stdout are a terminal whose cursor can be moved."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return False
    try:
        curses.setupterm()
        return bool(curses.tigetstr("cup"))
    except curses.error:
        return False        # no TERM, or nothing is known of it


class Terminal:
    """A context manager: curses within it, and the shell's own screen and settings after it."""

    def __init__(self) -> None:
        self._window: Any = None
        self._styles: Dict[str, int] = {}
        self._empty = 0
        self.gone = False

    def __enter__(self) -> "Terminal":
        os.environ.setdefault("ESCDELAY", _ESCAPE)
        self._window = curses.initscr()
        try:
            curses.noecho()
            curses.cbreak()
            self._window.keypad(True)
            self._window.nodelay(True)
            self._styles = _styles()
            try:
                curses.curs_set(0)
            except curses.error:
                pass        # a terminal whose cursor is always seen
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: Any) -> None:
        try:
            if not curses.tigetstr("rmcup"):    # one screen for all: the shell goes on where nothing of ours is in its way
                self._window.erase()
                self._window.refresh()
            self._window.keypad(False)
            curses.nocbreak()
            curses.echo()
            curses.endwin()
        except curses.error:
            pass            # it has gone

    def resize(self) -> None:
        """The window has another size: take it over."""
        try:
            size = os.get_terminal_size(_STDOUT)
            curses.resizeterm(size.lines, size.columns)
        except (OSError, curses.error):
            pass
        self._window.clear()

    def size(self) -> Tuple[int, int]:
        """(columns, lines)"""
        height, width = self._window.getmaxyx()
        return width, height

    def draw(self, frame: Frame) -> None:
        self._window.erase()
        for y, line in enumerate(frame.lines):
            x = 0
            for text, style in line:
                self._put(y, x, text, self._styles.get(style, 0))
                x += display_width(text)
        self._window.refresh()

    def _put(self, y: int, x: int, text: str, style: int) -> None:
        try:
            self._window.addstr(y, x, text, style)
        except curses.error:
            pass            # behind the last character of the last line there is no place for the cursor
        except UnicodeEncodeError:
            self._put(y, x, text.encode("ascii", "replace").decode("ascii"), style)

    def keys(self) -> List[str]:
        """The keys that wait, as ``View.key`` names them. To be called when input was announced."""
        keys: List[str] = []
        while True:
            try:
                key = self._window.get_wch()
            except curses.error:
                break
            key = _NAMES.get(key, key)
            if key == "redraw":
                self._window.clear()
            elif isinstance(key, str):
                keys.append(key)
        self._empty = 0 if keys else self._empty + 1
        self.gone = self._empty > _EMPTY
        return keys


def _styles() -> Dict[str, int]:
    """Attributes for the styles of ``text.STYLES``; by weight and reversal alone where there is no colour."""
    styles = {"title": curses.A_REVERSE, "head": curses.A_BOLD, "dim": curses.A_NORMAL, "good": curses.A_NORMAL,
              "warn": curses.A_BOLD, "bad": curses.A_BOLD, "lost": curses.A_REVERSE | curses.A_BOLD,
              "chosen": curses.A_REVERSE, "key": curses.A_BOLD}
    if os.environ.get("NO_COLOR"):
        return styles
    try:
        curses.start_color()
        if not curses.has_colors():
            return styles
        background = -1
        try:
            curses.use_default_colors()
        except curses.error:
            background = curses.COLOR_BLACK
        pairs = (("good", curses.COLOR_GREEN, background, 0), ("warn", curses.COLOR_YELLOW, background, 0),
                 ("bad", curses.COLOR_RED, background, curses.A_BOLD), ("key", curses.COLOR_CYAN, background, curses.A_BOLD),
                 ("lost", curses.COLOR_WHITE, curses.COLOR_BLUE, curses.A_BOLD))
        for number, (style, front, back, more) in enumerate(pairs, 1):
            curses.init_pair(number, front, back)
            styles[style] = curses.color_pair(number) | more
    except curses.error:
        pass
    return styles
