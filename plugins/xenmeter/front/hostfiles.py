"""A host's files as far as they tell what is installed and switched on there, and the commands that fit how xenmeter came here.

Debian's packages, RPMs, the bundle below /opt, Alpine's, or pip and the one file, which bring no services.
"""
import glob
import os
import sys
from typing import Callable, List, NamedTuple, Optional, Pattern, Tuple

import xenmeter
from xenmeter.core.programs import find_program
from xenmeter.front import plugins

__all__ = ("Host", "Step", "library")


class Step(NamedTuple):
    """What is missing, and the lines of a shell that bring it; none where only a person can tell."""

    missing: str
    commands: Tuple[str, ...]


class Host:
    """A host's files. :param root: the folder in which they lie (tests).

    :ivar form: how xenmeter came here: deb, rpm, opt, apk, or other.
    """

    def __init__(self, root: str = "", which: Callable[[str], Optional[str]] = find_program) -> None:
        self.root = root
        self.which = which
        self.form = self._form()
        self.openrc = self.exists("/sbin/openrc-run") and not self.exists("/run/systemd/system")

    def exists(self, path: str) -> bool:
        return os.path.exists(self.root + path)

    def found(self, *patterns: str) -> List[str]:
        """Paths, as the host has them, that fit any of the patterns."""
        return sorted(path[len(self.root):] for pattern in patterns for path in glob.glob(self.root + pattern))

    def text(self, path: str) -> str:
        """A file's text; empty where it cannot be read."""
        try:
            with open(self.root + path, encoding="utf-8", errors="replace") as file:
                return file.read()
        except OSError:
            return ""

    def says(self, wanted: Pattern[str], *patterns: str) -> Optional[str]:
        """The first of these files that has it."""
        return next((path for path in self.found(*patterns) if wanted.search(self.text(path))), None)

    def is_dom0(self) -> bool:
        """By what the services' conditions look at; xenfs is mounted on /proc/xen."""
        return "control_d" in self.text("/proc/xen/capabilities")

    def _form(self) -> str:
        for form, path in (("opt", "/opt/xenmeter/install.sh"), ("deb", "/var/lib/dpkg/info/xenmeter.list"),
                           ("apk", "/etc/init.d/xenmeter-serve"), ("rpm", "/usr/lib/systemd/system/xenmeter-baker.service")):
            if self.exists(path):
                return form
        return "other"

    def installs(self, debian: str, rpm: str, alpine: str) -> Tuple[str, ...]:
        """The command that installs a distribution's package; none where we do not know the distribution's."""
        for program, command, name in (("apt-get", "apt-get install ", debian), ("dnf", "dnf install ", rpm),
                                       ("yum", "yum install ", rpm), ("apk", "apk add ", alpine)):
            if name and self.which(program):
                return (command + name,)
        return ()

    def copied(self, daemon: str, target: str, written: Callable[[str], str]) -> Tuple[str, ...]:
        """What puts conf.d's files for a daemon into its folder, or, where none came along, writes the least that will do.

        :param written: a plugin's name -> that, in the form of printf.
        """
        folders = self.found("/opt/xenmeter/share/" + daemon, "/usr/share/doc/xenmeter/examples/" + daemon,
                             "/usr/share/doc/xenmeter*/conf.d/" + daemon)
        tree = os.path.join(os.path.dirname(library()), "conf.d", daemon)
        folders += [tree] if os.path.isdir(tree) else []
        return tuple(["%s %s/xenmeter-%s.conf" % ("cp %s/%s.conf" % (folders[0], name) if folders else
                                                  "printf '%s' >" % written(name), target, name) for name in plugins.NAMES])

    def command(self) -> Optional[str]:
        """The path by which xenmeter is called."""
        called = os.path.abspath(sys.argv[0])
        return self.which("xenmeter") or (called if os.access(called, os.X_OK) and os.path.isfile(called) else None)

    def begins(self, service: str) -> Optional[str]:
        """The first of such services (a pattern) that is switched on, without its folder."""
        here = self.found("/etc/systemd/system/*.wants/%s.service" % service, "/etc/runlevels/*/" + service.replace("@", "*"))
        return os.path.basename(here[0]) if here else None

    def switch_on(self, service: str) -> Step:
        """How a service is begun, now and at boot; ``xenmeter-serve@all``."""
        what = "%s is not switched on" % service
        if self.openrc:
            name, _, instance = service.partition("@")
            link = instance not in ("", "all") and (name, instance) != ("xenmeter-textfile", "xentop")
            linked = "%s.%s" % (name, instance) if link else name
            commands = ("ln -s %s /etc/init.d/%s" % (name, linked),) if link else ()
            return Step(what, commands + ("rc-update add %s default" % linked, "rc-service %s start" % linked))
        return Step(what, ("systemctl enable --now " + service,))

    def services(self) -> bool:
        """Whether there are any of ours."""
        return self.form != "other"


def library() -> str:
    """Where Python finds us: a folder, or the one file."""
    return os.path.dirname(os.path.dirname(os.path.abspath(xenmeter.__file__)))
