"""The errors that leave a module: one clear line that says what, where and what to do.

Every error a person may see is an ``XenmeterError``; its text is that line. Anything else that escapes
is a fault of ours, and is shown as one.
"""

__all__ = ("XenmeterError", "BadInput", "BadOption", "SourceError", "NotXen", "NoPrivilege", "Unsupported",
           "DomainGone", "VersionMismatch")


class XenmeterError(Exception):
    """Base of all errors that are told to people; ``str()`` is one line."""


class BadInput(XenmeterError):
    """Bytes that are not what their format says.

    :param what: what is wrong, without the place.
    :param offset: ``int`` byte offset in the input, counted from its start.
    """

    def __init__(self, what, offset):
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
