"""What a unit's sandbox forbids by seccomp, for tests: read from its lines as systemd does, loaded by the library that it uses.

    python3 sandbox.py FILTERS PROGRAM ARGUMENT...      FILTERS: a file that Sandbox has written

Capabilities and groups are setpriv's; mounts and devices are not tried here.
"""
import ctypes
import errno
import json
import mmap
import os
import re
import socket
import sys

ALLOW, KILL, ERRNO = 0x7fff0000, 0x80000000, 0x00050000
EQUAL, MASKED_EQUAL = 4, 7
SHM_EXEC = 0o100000
#: Beyond every address family that Linux has.
FAMILIES = 64


class Comparison(ctypes.Structure):
    """``struct scmp_arg_cmp`` of ``seccomp.h``."""

    _fields_ = [("arg", ctypes.c_uint), ("op", ctypes.c_int), ("a", ctypes.c_uint64), ("b", ctypes.c_uint64)]


class Sandbox:
    """One unit's. :param text: the unit. :param sets: what `systemd-analyze syscall-filter` says, as ``sets_of`` reads it."""

    def __init__(self, folder, text, sets, library):
        self.text = text
        self.path = folder / "filters.json"
        found = {"library": str(library), "allowed": self._allowed(sets), "action": self._action(),
                 "executable": not self._says("MemoryDenyWriteExecute", "yes"), "families": self._families()}
        self.path.write_text(json.dumps(found))

    def values(self, name):
        """What the lines of a setting say, in their order."""
        return re.findall(r"^%s=(.*)$" % name, self.text, re.MULTILINE)

    def _says(self, name, value):
        return self.values(name) == [value]

    def _allowed(self, sets):
        """The list of what is allowed: later lines add to it and, with ~, take from it."""
        lines = self.values("SystemCallFilter")
        assert lines and not lines[0].startswith("~"), "this reads lists of what is allowed"
        allowed = set(members("@default", sets))
        for line in lines:
            change = allowed.difference_update if line.startswith("~") else allowed.update
            for word in line.lstrip("~").split():
                change(members(word, sets))
        return sorted(allowed)

    def _action(self):
        """What the kernel does with the others. systemd without a word of the unit: it kills."""
        numbers = self.values("SystemCallErrorNumber")
        return ERRNO | getattr(errno, numbers[-1]) if numbers else KILL

    def _families(self):
        return [int(getattr(socket, word)) for line in self.values("RestrictAddressFamilies") for word in line.split()]

    def command(self, *words):
        """What runs ``words`` inside."""
        return [sys.executable, os.path.abspath(__file__), str(self.path)] + list(words)


def sets_of(told):
    """Set -> names of calls and of other sets, by the output of `systemd-analyze syscall-filter`."""
    sets = {}
    for line in told.splitlines():
        if line.startswith("@"):
            members_ = sets[line.strip()] = []
        elif line.startswith("#"):
            break       # what follows is in no set
        elif line.strip() and not line.lstrip().startswith("#"):
            members_.append(line.strip())
    return sets


def members(word, sets):
    """Names of the calls of a set, or the one name."""
    if not word.startswith("@"):
        return {word}
    return set().union(*[members(one, sets) for one in sets[word]])


class Filter:
    """A seccomp filter of libseccomp."""

    def __init__(self, library, default):
        self.seccomp = ctypes.CDLL(library)
        self.seccomp.seccomp_init.restype = ctypes.c_void_p
        self.context = ctypes.c_void_p(self.seccomp.seccomp_init(ctypes.c_uint32(default)))

    def add(self, action, name, *comparison):
        """:param comparison: number of the argument, operator, two values; none: whatever the arguments are. False where
        this machine has no such call.
        """
        number = self.seccomp.seccomp_syscall_resolve_name(name.encode())
        if number < 0:
            return False
        one = (Comparison * 1)(Comparison(*comparison))
        failed = self.seccomp.seccomp_rule_add_array(self.context, ctypes.c_uint32(action), number, len(comparison) and 1, one)
        if failed:
            raise OSError(-failed, "seccomp: %s" % name)
        return True

    def load(self):
        """For this process and all that it starts, for ever."""
        failed = self.seccomp.seccomp_load(self.context)
        if failed:
            raise OSError(-failed, "seccomp_load")


def enter(found):
    """The filters, the list of what is allowed last: it need not allow to load filters."""
    finer = Filter(found["library"], ALLOW)
    refused = ERRNO | errno.EPERM
    if not found["executable"]:
        both = mmap.PROT_WRITE | mmap.PROT_EXEC
        finer.add(refused, "mmap", 2, MASKED_EQUAL, both, both)
        finer.add(refused, "mprotect", 2, MASKED_EQUAL, mmap.PROT_EXEC, mmap.PROT_EXEC)
        finer.add(refused, "pkey_mprotect", 2, MASKED_EQUAL, mmap.PROT_EXEC, mmap.PROT_EXEC)
        finer.add(refused, "shmat", 2, MASKED_EQUAL, SHM_EXEC, SHM_EXEC)
    for family in set(range(FAMILIES)) - set(found["families"]) if found["families"] else ():
        finer.add(ERRNO | errno.EAFNOSUPPORT, "socket", 0, EQUAL, family, 0)
    finer.load()
    calls = Filter(found["library"], found["action"])
    known = [name for name in found["allowed"] if calls.add(ALLOW, name)]
    assert len(known) > 100, known
    calls.load()


if __name__ == "__main__":
    with open(sys.argv[1]) as file:
        enter(json.load(file))
    os.execvp(sys.argv[2], sys.argv[2:])
