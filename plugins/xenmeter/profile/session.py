"""Profiling guests of this host: which they are, their kernels, and the samples until the end."""
import platform
import threading
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Tuple

from xenmeter.core import profiling
from xenmeter.core.errors import BadOption, SourceError, Unsupported, printable
from xenmeter.profile.follow import Follower
from xenmeter.profile.guest.look import Guest
from xenmeter.profile.kernel import facts
from xenmeter.profile.sample import Sample
from xenmeter.profile.sampler import Sampler
from xenmeter.profile.stacks import Stacks
from xenmeter.profile.tally import Tally
from xenmeter.xen import structs
from xenmeter.xen.foreign import Frames, open_mapper
from xenmeter.xen.hypervisor import Hypervisor
from xenmeter.xen.names import LiveNames
from xenmeter.xen.xenstore import Xenstore

__all__ = ("Session", "Wanted", "must_be_x86")

_DOM0 = ("Domain-0 is not profiled from itself: nobody can pause the domain that asks. `perf record -e cpu-clock -a -g` does, in "
         "dom0")


class Wanted(NamedTuple):
    """A domain that is to be profiled."""

    domid: int
    name: str
    uuid: Optional[str]
    info: Any


def must_be_x86() -> None:
    if platform.machine() not in ("x86_64", "AMD64"):
        raise Unsupported("profiles are of x86-64 hosts: registers, page tables and unwind tables are others on %s"
                          % platform.machine())


def wanted(xen: Any, names: List[str]) -> List[Wanted]:
    """Domains by name, UUID or domid; BadOption for what is none, and for Domain-0."""
    infos = {info.domain: info for info in xen.domains()}
    snapshot = LiveNames().snapshot()
    facts_of = {one.domid: one for one in snapshot.domains} if snapshot is not None else {}
    found: List[Wanted] = []
    for name in names:
        domids = [domid for domid in infos if str(domid) == name or domid in facts_of and (
            facts_of[domid].name == name.encode("utf-8", "surrogateescape") or facts_of[domid].uuid == name.lower())]
        if len(domids) != 1:
            raise BadOption("%s is %s: `xl list` shows names and domids" % (
                printable(name), "no domain of this host" if not domids else "the name of several domains; give a domid"))
        if domids[0] == 0:
            raise BadOption(_DOM0)
        known = facts_of.get(domids[0])
        shown = printable(known.name.decode("utf-8", "replace")) if known is not None else "domain %d" % domids[0]
        found.append(Wanted(domids[0], shown, known.uuid if known is not None else None, infos[domids[0]]))
    return found


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


class Session:
    """One profile of some guests. Close it whatever happens.

    :param names: domains. :param kernel: a file, for those whose kernel is not found by itself. :param user: ``Names`` of a
        program.
    :param read_kernel: reads a file, maybe out of a cache.
    :ivar notes: what is to be said of it, a line each.
    """

    def __init__(self, names: List[str], kernel: Optional[str], user: Any, tally: Tally,
                 read_kernel: Callable[[str], Any] = facts.of_file, xen: Any = None,
                 mapper: Optional[Callable[[], Any]] = None) -> None:
        must_be_x86()
        self._xen = xen if xen is not None else Hypervisor()
        self._held: Any = None
        self.notes: List[str] = []
        self.guests: List[Guest] = []
        self.names: Dict[int, str] = {}
        self.kernels: Dict[int, Tuple[Optional[str], Any]] = {}
        self._followers: Dict[int, Follower] = {}
        self._with_modules: Dict[int, bool] = {}
        self.vcpus: Dict[Any, int] = {}
        self._user = user
        try:
            found = wanted(self._xen, names)
            self._held = profiling.begin()
            for one in found:
                path = kernel or kernel_in_xenstore(one.uuid)
                self._open(one, path, self._kernel(one, path, kernel is not None, read_kernel), mapper or open_mapper, tally)
        except BaseException:
            self.close()
            raise

    def _kernel(self, one: Wanted, path: Optional[str], given: bool, read_kernel: Callable[[str], Any]) -> Any:
        if path is None:
            self.notes.append("%s: its kernel is not in dom0 (no kernel= in its configuration); --kernel FILE, a copy of its "
                              "vmlinuz, gives names and stacks" % one.name)
            return None
        try:
            return read_kernel(path)
        except SourceError as error:
            if given:
                raise
            self.notes.append("%s: %s; --kernel FILE, a copy of its vmlinuz, gives names and stacks" % (one.name, error))
            return None

    def _open(self, one: Wanted, path: Optional[str], kernel: Any, mapper: Callable[[], Any], tally: Tally) -> None:
        guest = Guest(self._xen, one.info, Frames(one.domid, mapper()), kernel)
        self.guests.append(guest)
        self.names[one.domid] = one.name
        self.kernels[one.domid] = path, kernel
        vcpus = one.info.max_vcpu_id + 1 if one.info.max_vcpu_id != structs.NO_VCPU else 0
        self.vcpus[guest] = vcpus
        # nothing of the kernel's is believed before the guest's memory has shown that it is this one
        self._followers[one.domid] = Follower(one.name, Stacks(None, user=self._user), tally)
        for text in kernel.missing if kernel is not None else ():
            self.notes.append("%s: %s" % (one.name, text))

    def run(self, seconds: float, hz: float, share: float, stop: threading.Event, writer: Any = None) -> Any:
        """Samples into the tally, and to ``writer``; the ``Cost`` of it."""
        by_domid = {guest.domid: guest for guest in self.guests}

        def follow(sample: Sample, word: Any) -> None:
            self._know(by_domid[sample.domid])
            self._followers[sample.domid].follow(sample, word)

        def taken(sample: Sample) -> None:
            self._followers[sample.domid].count(sample)
            if writer is not None:
                writer.sample(sample)
        sampler = Sampler(self.guests, hz, share, follow)
        sampler.start(self.vcpus)
        sampler.run(seconds, stop, taken)
        if writer is not None:
            for guest in self.guests:
                if guest not in sampler.gone and guest.slide is not None:
                    writer.modules(guest.domid, guest.slide, guest.modules())
        for guest in sampler.gone:
            self.notes.append("%s has ended; the profile is of the time until then" % self.names[guest.domid])
        for guest in self.guests:
            if guest.refused:
                self.notes.append("%s: %s is not its kernel: %s" % (
                    self.names[guest.domid], self.kernels[guest.domid][0], guest.refused))
        return sampler.cost

    def _know(self, guest: Guest) -> None:
        """Once the kernel is known to be the guest's: names for what is to come, its modules' among them."""
        if guest.slide is not None and not self._with_modules.get(guest.domid):
            self._with_modules[guest.domid] = True
            self._followers[guest.domid].stacks = Stacks(guest.kernel, guest.slide, guest.modules(), self._user)

    def close(self) -> None:
        for guest in self.guests:
            guest.close()
        if self._held is not None:
            self._held.release()
        self._xen.close()
