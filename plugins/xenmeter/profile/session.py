"""Profiling guests of this host: which they are, their kernels, and the samples until the end."""
import platform
import threading
import time
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Tuple

from xenmeter.core import profiling
from xenmeter.core.errors import BadOption, Unsupported, printable
from xenmeter.profile.follow import Follower
from xenmeter.profile.guest.look import Guest
from xenmeter.profile.kernels import Kernels
from xenmeter.profile.sample import Sample
from xenmeter.profile.sampler import Sampler
from xenmeter.profile.stacks import Stacks
from xenmeter.profile.tally import Tally
from xenmeter.xen import structs
from xenmeter.xen.foreign import Frames, open_mapper
from xenmeter.xen.hypervisor import Hypervisor
from xenmeter.xen.names import LiveNames

__all__ = ("Session", "Wanted", "must_be_x86")

_DOM0 = ("Domain-0 is not profiled from itself: nobody can pause the domain that asks. `perf record -e cpu-clock -a -g` does, in "
         "dom0")
#: Seconds until a guest's modules are read again, at first.
_MODULES_S = 2.0


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


class Session:
    """One profile of some guests. Close it whatever happens.

    :param names: domains. :param kernel: a file, for those whose kernel is not found by itself. :param user: ``Names`` of a
        program.
    :param kernels: what finds each guest's kernel.
    :ivar notes: what is to be said of it, a line each.
    """

    def __init__(self, names: List[str], kernel: Optional[str], user: Any, tally: Tally, kernels: Optional[Kernels] = None,
                 xen: Any = None, mapper: Optional[Callable[[], Any]] = None) -> None:
        must_be_x86()
        self._xen = xen if xen is not None else Hypervisor()
        self._held: Any = None
        self._notes: List[str] = []
        self.guests: List[Guest] = []
        self.names: Dict[int, str] = {}
        self.kernels = kernels or Kernels(kernel)
        self._followers: Dict[int, Follower] = {}
        #: domid -> when its modules are to be read again, and how long after that, s; of guests whose kernel is known.
        self._modules: Dict[int, List[float]] = {}
        self.vcpus: Dict[Any, int] = {}
        self._user = user
        try:
            found = wanted(self._xen, names)
            self._held = profiling.begin()
            for one in found:
                self._open(one, self.kernels.of(one.domid, one.name, one.uuid), mapper or open_mapper, tally)
        except BaseException:
            self.close()
            raise

    def _open(self, one: Wanted, kernel: Any, mapper: Callable[[], Any], tally: Tally) -> None:
        guest = Guest(self._xen, one.info, Frames(one.domid, mapper()), kernel)
        self.guests.append(guest)
        self.names[one.domid] = one.name
        vcpus = one.info.max_vcpu_id + 1 if one.info.max_vcpu_id != structs.NO_VCPU else 0
        self.vcpus[guest] = vcpus
        # nothing of the kernel's is believed before the guest's memory has shown that it is this one
        self._followers[one.domid] = Follower(one.name, Stacks(None, user=self._user), tally)
        self.kernels.say_what_is_missing(kernel, one.name)

    @property
    def notes(self) -> List[str]:
        return self.kernels.remarks() + self._notes

    def run(self, seconds: float, hz: float, share: float, stop: threading.Event, writer: Any = None) -> Any:
        """Samples into the tally, and to ``writer``; the ``Cost`` of it."""
        by_domid = {guest.domid: guest for guest in self.guests}

        aside = [0, 0]

        def know(guest: Guest) -> bool:
            before = self._asked()
            try:
                return self._know(guest)
            finally:
                aside[:] = [one + now - then for one, now, then in zip(aside, self._asked(), before)]

        def follow(sample: Sample, word: Any) -> None:
            guest = by_domid[sample.domid]
            if self._is_new(guest) and sampler.aside(lambda: know(guest)):
                sampler.restart(guest)
            self._followers[sample.domid].follow(sample, word)

        def taken(sample: Sample) -> None:
            self._followers[sample.domid].count(sample)
            if writer is not None:
                writer.sample(sample)
        sampler = Sampler(self.guests, hz, share, follow, memory=writer is not None)
        sampler.start(self.vcpus)
        before = self._asked()
        sampler.run(seconds, stop, taken)
        sampler.cost.calls, sampler.cost.pages = [
            now - then - other for now, then, other in zip(self._asked(), before, aside)]
        if writer is not None:
            for guest in self.guests:
                if guest.slide is not None:
                    writer.modules(guest.domid, guest.slide, guest.modules(), guest.kernel.build_id)
        for guest in sampler.gone:
            self._notes.append("%s has ended; the profile is of the time until then" % self.names[guest.domid])
        for guest in self.guests:
            if guest.refused:
                self._notes.append("%s: %s is not its kernel: %s" % (
                    self.names[guest.domid], self.kernels.paths[guest.domid], guest.refused))
            if guest.unpaged:
                self._notes.append("%s ran without page tables of 64 bits (firmware, or a system of 16 or 32 bits): its "
                                   "addresses are all that can be told" % self.names[guest.domid])
        return sampler.cost

    def _asked(self) -> Tuple[int, int]:
        """(hypercalls and questions for pages, pages mapped) so far."""
        asked = [guest.asked for guest in self.guests]
        return self._xen.hypercalls + sum(one[0] for one in asked), sum(one[1] for one in asked)

    def _is_new(self, guest: Guest) -> bool:
        """Whether there may be something to read of its kernel."""
        due = self._modules.get(guest.domid)
        return due is None or bool(self._followers[guest.domid].stacks.unknown) and time.monotonic() >= due[0]

    def _know(self, guest: Guest) -> bool:
        """Once the kernel is known to be the guest's: names for what is to come, its modules' among them, and again where there
        is code that none of them has. Whether much was read, as it is the first time."""
        looked = self.kernels.look_in_memory(guest, self.names[guest.domid])
        if guest.slide is None:
            return looked
        follower, due = self._followers[guest.domid], self._modules.get(guest.domid)
        wait = _MODULES_S if due is None else 2 * due[1]
        follower.stacks = Stacks(guest.kernel, guest.slide, guest.modules(), self._user)
        self._modules[guest.domid] = [time.monotonic() + wait, wait]
        return due is None

    def close(self) -> None:
        for guest in self.guests:
            guest.close()
        if self._held is not None:
            self._held.release()
        self._xen.close()
