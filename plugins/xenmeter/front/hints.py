"""What to write instead of words of a command line that a command does not know."""
import re
from typing import Container, Iterable, List, Optional, Tuple

__all__ = ("hint", "split_hint")

#: Brought along from xentop (xentop(1): -d, --delay=SECONDS, -i, --iterations=ITERATIONS) and from top: what is ours, and what
#: stands for its value where none was given.
_HABITS = {"-i": ("--count", "N"), "--iterations": ("--count", "N"), "--once": ("--count", "1"), "-1": ("--count", "1"),
           "-d": ("--interval", "SECONDS"), "--delay": ("--interval", "SECONDS")}
#: xentop's options for what is shown, all of which is always read here. With a number, -n is top's for how often.
_SHOWN = re.compile(r"-[bfnrvx]+\Z|--(batch|full-name|networks|repeat-header|vcpus|vbds)\Z")
_NUMBER = re.compile(r"\d+(\.\d+)?\Z")
_VALUE = re.compile(r"(--[a-z]+)=(.+)|(-[a-z])(\d.*)", re.DOTALL)


def hint(words: List[str], options: Iterable[str], xentop: bool = False) -> Optional[str]:
    """:param words: what was left over; :param options: those of the command, as they are written.

    :param xentop: whether the command is about what xentop shows.
    """
    known = list(options)
    glued = [advice for advice in [split_hint(word, known) for word in words] if advice]
    if glued:
        return glued[0]
    instead, needless = _habits(words)
    advice = []
    if instead and all([written.partition(" ")[0] in known for written in instead]):
        advice.append("write " + " ".join(instead))
    if needless and xentop:
        advice.append("leave out %s: what xentop shows with it is always read" % " ".join(needless))
    if advice:
        return ", and ".join(advice)
    named = [word.partition("=")[0] for word in words if word.startswith("--")]
    import difflib      # where nothing is wrong it is not needed
    near = difflib.get_close_matches(named[0], known, 1) if named else []
    return "did you mean %s?" % near[0] if near else None


def split_hint(word: str, known: Container[str]) -> Optional[str]:
    """Where a word is a known one with what should be words of their own behind it, as an item of a list in a configuration."""
    parts = word.split()
    if len(parts) < 2 or parts[0] not in known:
        return None
    return "%r is one word; split it, each an item of its own in a list: %s" % (
        word, ", ".join('"%s"' % part for part in parts))


def _habits(words: List[str]) -> Tuple[List[str], List[str]]:
    """Ours for the options of xentop and top among the words; and those for which nothing needs to be written."""
    instead, needless = [], []
    for word, after in zip(words, words[1:] + [""]):
        match = _VALUE.match(word)
        name, value = (match.group(1) or match.group(3), match.group(2) or match.group(4)) if match else (word, after)
        number = value if _NUMBER.match(value) else ""
        ours = _HABITS.get("-i" if name == "-n" and number else name)
        if ours is not None:
            instead.append("%s %s" % (ours[0], ours[1] if ours[1].isdigit() else number or ours[1]))
        elif _SHOWN.match(name):
            needless.append(name)
    return instead, needless
