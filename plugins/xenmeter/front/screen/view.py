"""What the person in front of the screen has chosen, and what each key does to it."""
from typing import Any, Callable, List, Optional

__all__ = ("View", "SORTS", "DETAILS")

#: What domains can be sorted by, in the order of the key ``s``.
SORTS = ("cpu", "wait", "blocked", "executions", "I/O", "p99", "name", "domid")
#: Whether the table is shown, and the figures of one domain below it, or XenMon's figures of all domains.
DETAILS = ("both", "table", "xenmon")


class View:
    """:ivar pcpu: the pCPU that is looked at, None: all of them.

    :ivar typing: the filter while it is typed, None while it is not.
    :ivar quit: the person has had enough.
    """

    def __init__(self) -> None:
        self.details = "both"
        self.vcpus = False
        self.who = False        # who took a domain's CPU, in the place of its figures
        self.pcpu: Optional[int] = None
        self.sort = "cpu"
        self.backwards = False
        self.filter = ""
        self.typing: Optional[str] = None
        self.paused = False
        self.help = False
        self.help_top = 0       # the line of the help that stands first, where not all have room
        self.place = 0          # of the chosen line among those there are
        self.lines = 0          # how many there were, and how many of them were shown
        self.page = 10
        self.quit = False

    def wanted(self, name: str) -> bool:
        """Whether the filter lets a domain through."""
        text = self.filter if self.typing is None else self.typing
        return text.lower() in name.lower()

    def key(self, key: str, pcpus: List[int]) -> None:
        """One key: a character, or ``up``, ``down``, ``pageup``, ``pagedown``, ``home``, ``end``, ``enter``, ``escape``,
        ``backspace``. :param pcpus: the numbers that there are."""
        if self.typing is not None:
            self._type(key)
        elif self.help and key != "q":
            self._read_on(key)
        elif key in _KEYS:
            _KEYS[key](self)
        elif key in ("c", "n", "p"):
            self._turn(pcpus, -1 if key == "p" else 1)

    def _read_on(self, key: str) -> None:
        """A key while the help is shown: those that move scroll it, any other one ends it."""
        page = self.page if self.page < self.lines else 0       # 0: all of it is shown
        steps = {"up": -1, "k": -1, "down": 1, "j": 1, "pageup": -page, "pagedown": page, "home": -self.lines, "end": self.lines}
        self.help = page > 0 and key in steps
        self.help_top = min(max(0, self.help_top + steps.get(key, 0)), self.lines - page) if self.help else 0

    def _turn(self, pcpus: List[int], step: int) -> None:
        """As in XenMon: the next pCPU, and after the last one all of them."""
        there: List[Optional[int]] = [None] + list(pcpus)
        now = there.index(self.pcpu) if self.pcpu in there else 0
        self.pcpu = there[(now + step) % len(there)]
        self.place = 0

    def _type(self, key: str) -> None:
        text = self.typing or ""
        if key == "enter":
            self.filter, self.typing = text, None
        elif key == "escape":
            self.typing = None
        elif key == "backspace":
            self.typing = text[:-1]
        elif len(key) == 1 and key.isprintable() and len(text) < 64:
            self.typing = text + key
        self.place = 0

    def move(self, lines: int) -> None:
        self.place = min(max(0, self.place + lines), max(0, self.lines - 1))

    def settle(self, lines: int, page: int) -> None:
        """What was drawn: the chosen line is one of those, unless it was the help."""
        self.lines, self.page = lines, max(1, page)
        if not self.help:
            self.move(0)


def _set(name: str, change: Callable[[Any], Any]) -> Callable[[View], None]:
    return lambda view: setattr(view, name, change(getattr(view, name)))


def _next(values: Any, step: int = 1) -> Callable[[Any], Any]:
    return lambda value: values[(values.index(value) + step) % len(values)]


def _forget(view: View) -> None:
    view.filter = ""


_KEYS = {
    "q": _set("quit", lambda _: True), "h": _set("help", lambda on: not on), "?": _set("help", lambda on: not on),
    " ": _set("paused", lambda on: not on), "v": _set("vcpus", lambda on: not on),
    "b": _set("who", lambda on: not on),
    "d": _set("details", _next(DETAILS)), "s": _set("sort", _next(SORTS)), "S": _set("sort", _next(SORTS, -1)),
    "r": _set("backwards", lambda on: not on), "/": _set("typing", lambda _: ""), "f": _set("typing", lambda _: ""),
    "escape": _forget, "up": lambda view: view.move(-1), "down": lambda view: view.move(1),
    "k": lambda view: view.move(-1), "j": lambda view: view.move(1),
    "pageup": lambda view: view.move(-view.page), "pagedown": lambda view: view.move(view.page),
    "home": lambda view: view.move(-1 << 30), "end": lambda view: view.move(1 << 30),
}
