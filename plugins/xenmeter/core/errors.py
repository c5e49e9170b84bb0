"""The errors that leave a module: one clear line that says what, where and what to do.

Every error a person may see is an ``XenmeterError``; its text is that line. Anything else that escapes
is a fault of ours, and is shown as one.
"""

import os

__all__ = ("XenmeterError", "BadInput", "BadOption", "SourceError", "NotXen", "NoPrivilege", "Unsupported",
           "DomainGone", "VersionMismatch", "EXAMPLE", "EXAMPLE_PATH", "told", "printable")

#: The recording that comes with us: its name as a source, and where it lies.
EXAMPLE = "example"
EXAMPLE_PATH = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), EXAMPLE)


class XenmeterError(Exception):
    """Base of all errors that are told to people; ``str()`` is one line."""


class BadInput(XenmeterError):
    """Bytes that are not what their format says.

    :param what: what is wrong, without the place.
    :param offset: ``int`` byte offset in the input, counted from its start.
    """

    def __init__(self, what: str, offset: int) -> None:
        super().__init__("%s at byte %d" % (what, offset))
        self.offset = offset


class BadOption(XenmeterError):
    """An option whose value cannot be used: names the option, the value and what it takes."""


class SourceError(XenmeterError):
    """A source cannot be opened, run or read on."""


class NotXen(SourceError):
    """This machine is no Xen dom0, or Xen's tools or devices are missing."""


class NoPrivilege(SourceError):
    """Xen is there, but this process may not talk to it."""


class Unsupported(SourceError):
    """The hypervisor, the kernel or a library lacks the call; another source may do."""


class DomainGone(SourceError):
    """The domain ended between two calls. Not an accident: domains come and go."""


class VersionMismatch(SourceError):
    """The hypervisor speaks no interface version that we know."""


def printable(text: str) -> str:
    """The text with ``?`` for each character that cannot be seen: what goes into a log holds other people's words."""
    return text if text.isprintable() else "".join(char if char.isprintable() else "?" for char in text)


def told(error: BaseException) -> str:
    """The line for people; where there is no Xen it also says what can be done here."""
    if not isinstance(error, NotXen):
        return str(error)
    return "%s; a recording plays anywhere: `xenmeter xentop --source %s` shows one, which is in %s" % (
        error, EXAMPLE, EXAMPLE_PATH)
