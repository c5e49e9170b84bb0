"""Which kernel a guest runs: the file that dom0 boots it from, one that was given, one that was read before, or its memory."""
import json
import subprocess
from typing import Any, Dict, List, Optional, Set

from xenmeter.core.errors import SourceError
from xenmeter.core.programs import find_program
from xenmeter.profile.kernel.cache import Cache
from xenmeter.xen.xenstore import Xenstore

__all__ = ("Kernels", "kernel_in_xenstore", "kernel_by_xl")

_PATIENCE_S = 60


def kernel_in_xenstore(uuid: Optional[str], store: Any = None) -> Optional[str]:
    """The file that xl booted the guest from (``kernel=``), by /vm/UUID/image/kernel; None where there is none."""
    if uuid is None:
        return None
    client = store if store is not None else Xenstore()
    try:
        told = client.read(b"/vm/%s/image/kernel" % uuid.encode())
    except SourceError:
        return None
    finally:
        if store is None:
            client.close()
    return told.decode("utf-8", "surrogateescape") if told else None


def kernel_by_xl(domid: int) -> Optional[str]:
    """The same by ``xl list -l``, the configuration that xl keeps: of a PVH guest xenstore does not tell it. None where xl is not
    there, or does not say."""
    program = find_program("xl")
    if program is None:
        return None
    try:
        said = subprocess.run([program, "list", "-l", str(domid)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, timeout=_PATIENCE_S, check=False).stdout
        told = json.loads(said.decode("utf-8", "surrogateescape"))
        for one in told if isinstance(told, list) else [told]:
            path = one["config"]["b_info"].get("kernel") if one["domid"] == domid else None
            if isinstance(path, str) and path.startswith("/"):
                return path
    except (OSError, subprocess.SubprocessError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        pass
    return None


class Kernels:
    """:param given: a file that is the kernel of all guests, or None. :param cache: ``kernel.cache.Cache``, or what is as it.

    :ivar paths: domid -> the file, or None. :ivar notes: what is to be said, a line each.
    """

    def __init__(self, given: Optional[str], cache: Any = None) -> None:
        self.paths: Dict[int, Optional[str]] = {}
        self.notes: List[str] = []
        self._given = given
        self._cache = cache if cache is not None else Cache()
        self._read: Dict[str, Any] = {}
        self._tried: Set[int] = set()

    def of(self, domid: int, name: str, uuid: Optional[str]) -> Any:
        """By its file; None where there is none that can be read, and the guest's memory is to tell. SourceError where the one
        that was given cannot be."""
        path = self.paths[domid] = self._given or kernel_in_xenstore(uuid) or kernel_by_xl(domid)
        if path is None:
            return None
        try:
            if path not in self._read:
                self._read[path] = self._cache.of_file(path)
            return self._read[path]
        except SourceError as error:
            if self._given:
                raise
            self.notes.append("%s: %s" % (name, error))
            return None

    def look_in_memory(self, guest: Any, name: str) -> bool:
        """Where no file told the kernel, or dom0 has another build by now: once, when a vCPU of the guest has run. Whether it was
        looked for."""
        if guest.domid in self._tried or self._given or guest.kernel is not None and not guest.refused:
            return False
        self._tried.add(guest.domid)
        path, refused = self.paths.get(guest.domid), guest.refused
        why = "its kernel is not in dom0 (no kernel= in its configuration)" if path is None else (
            "%s is not its kernel any more" % path if refused else "%s cannot be read" % path)
        how = guest.read_kernel(self._cache.all())
        if how is None:
            guest.refused = refused
            self.notes.append("%s: %s, and none was found in its memory; --kernel FILE, a copy of its vmlinuz, gives names and "
                              "stacks" % (name, why))
            return True
        self._cache.keep(guest.kernel)
        self.notes.append("%s: %s; it %s: %s" % (name, why, how, guest.kernel.release))
        self.say_what_is_missing(guest.kernel, name)
        return True

    def say_what_is_missing(self, kernel: Any, name: str) -> None:
        self.notes += ["%s: %s" % (name, text) for text in kernel.missing] if kernel is not None else []

    def remarks(self) -> List[str]:
        return self.notes + list(self._cache.remarks)
