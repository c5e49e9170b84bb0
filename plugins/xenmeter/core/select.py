"""Which domains are published: globs or regular expressions on name or UUID."""
import fnmatch
import functools
import re
from typing import Any, Callable, List, Optional, Sequence

from xenmeter.core.errors import BadOption

__all__ = ("Wanted", "domain_filter", "unfit")

#: ``wanted(name, uuid, domid)``: whether a domain is published.
Wanted = Callable[[str, Optional[str], Optional[int]], bool]

#: Of a name, what is matched: guests may have names of any length, and no pattern of a person needs more.
_LONGEST = 255
#: Domains whose answer is kept: a regular expression may go back and forth over a hostile name for a second, but once.
_KEPT = 4096


def _pattern(text: str, shown: str) -> Any:
    """``web*`` is a glob on the whole name; ``/^web[0-9]/`` a regular expression searched in it. Case counts."""
    if len(text) > 1 and text.startswith("/") and text.endswith("/"):
        try:
            return re.compile(text[1:-1]).search
        except re.error as error:
            raise BadOption("%s: %r is no regular expression: %s" % (shown, text, error))
    return re.compile(_linear(text)).match


def _linear(glob: str) -> str:
    """A glob as a regular expression that never goes back over what a star has passed: Python's own does so since 3.9 only, and
    before that a name of many hyphens takes seconds.

    What stands between two stars is found at its first place; that is right because the next star takes any rest.
    """
    parts = _between_stars(glob)
    if len(parts) == 1:
        return fnmatch.translate(glob)
    inner = "".join("(?=(?P<g%d>.*?%s))(?P=g%d)" % (number, part, number) for number, part in enumerate(parts[1:-1]) if part)
    return "(?s:%s%s.*%s)\\Z" % (parts[0], inner, parts[-1])


def _between_stars(glob: str) -> List[str]:
    """Regular expressions of the parts of a glob; a star in brackets is none."""
    parts, at = [""], 0
    while at < len(glob):
        end = at + 1
        if glob[at] == "[":
            close = glob.find("]", at + (3 if glob[at + 1:at + 2] == "!" else 2))
            end = close + 1 if close > 0 else end
        if glob[at] == "*":
            parts.append("")
        else:
            parts[-1] += fnmatch.translate(glob[at:end])[4:-3]      # without (?s: and )\Z
        at = end
    return parts


def unfit(options: Any) -> Optional[str]:
    """What to say where the filters leave no domain: a slip in a pattern looks like a host without any. None without patterns."""
    patterns = ["%s %s" % (name, pattern) for name in ("include", "exclude") for pattern in getattr(options, name, ())]
    return "no domain fits the filters (%s); a pattern is a glob on the whole name or UUID, or /a regular expression/, and " \
           "case counts" % ", ".join(patterns)[:500] if patterns else None


def domain_filter(include: Sequence[str], exclude: Sequence[str], dom0: bool) -> Optional[Wanted]:
    """The function ``wanted(name, uuid, domid)``, or None where every domain is.

    :param include: patterns of which one must match; none: all domains.
    :param exclude: patterns of which none may match; stronger than include.
    :param dom0: whether dom0 is published (known by its domid 0, or by its name Domain-0 where there is no domid).
    """
    included = [_pattern(text, "include") for text in include]
    excluded = [_pattern(text, "exclude") for text in exclude]
    if not included and not excluded and dom0:
        return None

    def matches(patterns: List[Any], name: str, uuid: Optional[str]) -> bool:
        return any(pattern(name) or (uuid is not None and pattern(uuid)) for pattern in patterns)

    @functools.lru_cache(maxsize=_KEPT)
    def chosen(name: str, uuid: Optional[str]) -> bool:
        return (not included or matches(included, name, uuid)) and not matches(excluded, name, uuid)

    def wanted(name: str, uuid: Optional[str], domid: Optional[int]) -> bool:
        if not dom0 and (domid == 0 or (domid is None and name == "Domain-0")):
            return False
        return chosen(name[:_LONGEST], uuid)

    return wanted
