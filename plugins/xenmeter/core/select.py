"""Which domains are published: globs or regular expressions on name or UUID."""
import fnmatch
import re
from typing import Any, Callable, List, Optional, Sequence

from xenmeter.core.errors import BadOption

__all__ = ("domain_filter",)


def _pattern(text, shown):
    # type: (str, str) -> Any
    """``web*`` is a glob on the whole name; ``/^web[0-9]/`` a regular expression searched in it. Case counts."""
    if len(text) > 1 and text.startswith("/") and text.endswith("/"):
        try:
            return re.compile(text[1:-1]).search
        except re.error as error:
            raise BadOption("%s: %r is no regular expression: %s" % (shown, text, error))
    return re.compile(fnmatch.translate(text)).match


def domain_filter(include, exclude, dom0):
    # type: (Sequence[str], Sequence[str], bool) -> Optional[Callable[[str, Optional[str], Optional[int]], bool]]
    """The function ``wanted(name, uuid, domid)``, or None where every domain is.

    :param include: patterns of which one must match; none: all domains.
    :param exclude: patterns of which none may match; stronger than include.
    :param dom0: whether dom0 is published (known by its domid 0, or by its name Domain-0 where there is no domid).
    """
    included = [_pattern(text, "include") for text in include]
    excluded = [_pattern(text, "exclude") for text in exclude]
    if not included and not excluded and dom0:
        return None

    def matches(patterns, name, uuid):
        # type: (List[Any], str, Optional[str]) -> bool
        return any(pattern(name) or (uuid is not None and pattern(uuid)) for pattern in patterns)

    def wanted(name, uuid, domid):
        # type: (str, Optional[str], Optional[int]) -> bool
        if not dom0 and (domid == 0 or (domid is None and name == "Domain-0")):
            return False
        if included and not matches(included, name, uuid):
            return False
        return not matches(excluded, name, uuid)

    return wanted
