"""The statistics pages of all domains: mapped once per life of a domain, read together, unmapped when it goes."""
from itertools import count, repeat
from typing import Any, Dict, List, Optional, Set, Tuple

from xenmeter.core.errors import BadInput, Unsupported
from xenmeter.vcpu import compiled
from xenmeter.vcpu.page import COUNTERS, Counters, PageReader, completed
from xenmeter.vcpu.records import DomainVcpus, Vcpu
from xenmeter.xen.privcmd import PAGE_SIZE
from xenmeter.xen.resource import STATS_TABLE
from xenmeter.xen.roster import Member

__all__ = ("Key", "Page", "Pages", "MAX_FRAMES")

#: More pages than any domain's table can fill (8192 vCPUs in cache lines of 256 bytes need 513).
MAX_FRAMES = 1024

Key = Tuple[int, bytes]         # domid and handle

_NONE = repeat(None)
_record = tuple.__new__         # a named tuple's own constructor costs twice as much


class Page:
    """A domain's page while the domain lives.

    :ivar said: the counters of each vCPU in the last reading; None where the page can no longer be read.
    :ivar doubted: of how many vCPUs that reading has a time stamp that cannot be.
    :ivar cpu_time: ns, of all its vCPUs, as much as is known of it.
    :ivar vcpus: how many the domain had when it was mapped.
    :ivar place: the caller's own.
    """

    __slots__ = ("key", "mapping", "reader", "cpu_time", "vcpus", "said", "raw", "doubted", "place", "unique_id")

    def __init__(self, key: Key, mapping: Any, reader: PageReader, cpu_time: int, vcpus: int) -> None:
        self.key = key
        self.mapping = mapping
        self.reader = reader
        self.cpu_time = cpu_time
        self.vcpus = vcpus
        self.said: Optional[List[Counters]] = []
        self.raw: Optional[List[Counters]] = []  # the same before anything was doubted
        self.doubted = 0
        self.place = 0
        self.unique_id: Optional[int] = None

    @property
    def tells_states(self) -> bool:
        """Whether it says which state each vCPU is in, so that what goes on can be told, too."""
        return self.reader.layout.counters == len(COUNTERS)

    @property
    def has_stamps(self) -> bool:
        """Whether it says since when each vCPU is in its state."""
        return self.reader.layout.counters > 4

    def stamps(self) -> List[int]:
        """Xen's system time at which its vCPUs entered their states, ns, as far as it says so."""
        return [known[4] for known in self.said or () if len(known) > 4 and known[4] is not None]

    def distrust(self, latest: int) -> None:
        """Take each stamp after ``latest``, Xen's system time in ns, for unknown: it cannot be."""
        said = [known[:4] + (None,) + known[5:] if len(known) > 4 and known[4] is not None and known[4] > latest else known
                for known in self.said or ()]
        self.doubted = sum([new is not old for new, old in zip(said, self.said or ())])
        self.said = said

    def as_domain(self, member: Member, vcpus: int, now: Optional[int] = None) -> DomainVcpus:
        """The record of the last reading.

        :param vcpus: how many the domain has; if some of them are offline, it is not known which.
        :param now: Xen's system time, ns, up to which to tell what goes on; None: not.
        """
        info, said = member.info, self.said or []
        # the list of domains may be older than the page
        self.cpu_time = max(self.cpu_time, info.cpu_time, sum([known[0] or 0 for known in said if known]))
        if now is not None and self.tells_states:
            said = [completed(known, now) for known in said]
        online = repeat(1) if info.nr_online_vcpus == vcpus else _NONE
        columns: Tuple[Any, ...] = tuple(zip(*said)) if () not in said else ()
        if columns:     # all known: the usual case, at the speed of C
            columns += (_NONE,) * (5 - len(columns))
            figures = list(map(_record, repeat(Vcpu), zip(count(), *(columns[:4] + (online, _NONE, columns[4])))))
        else:
            figures = [Vcpu(number, *(known + (None,) * (4 - len(known)))[:4] + (next(online), None) +
                            (known[4:5] or (None,))) for number, known in enumerate(said) if known]
        return _record(DomainVcpus, (member.domid, member.uuid, member.name, member.shared, "resource", vcpus, self.cpu_time,
                                     None, figures, None, None))

    def close(self) -> None:
        self.reader.close()
        self.mapping.close()


class Pages:
    """The pages of all domains.

    :param memory: ``xen.resource.LibraryMemory`` or ``DeviceMemory``.
    :param compiled_read: what ``compiled.load`` gives; False: look for it.
    """

    def __init__(self, memory: Any, compiled_read: Any = False) -> None:
        self.memory = memory
        self._read = compiled.load() if compiled_read is False else compiled_read
        self._mapped: Dict[Key, Page] = {}
        self._order: Optional[List[Page]] = None  # None: the plan is to be made anew
        self._plan: Any = None
        self.torn = 0           # entries that the last reading gave up since they changed at each try

    @property
    def is_compiled(self) -> bool:
        return self._read is not None

    def of(self, info: Any, vcpus: int, unique_id: Optional[int] = None) -> Page:
        """The page of a domain, mapped now if it was not; Unsupported, NoPrivilege, DomainGone or SourceError.

        A domain that is being built gets its vCPUs one after the other: with each that came it is mapped anew, since
        its table may have become longer, too.

        :param info: the domain's record (structs.domaininfo), as fresh as can be.
        :param unique_id: what Xen calls this life of the domain; None where it does not say, then CPU times must do.
        """
        key = (info.domain, info.handle)
        page = self._mapped.get(key)
        if page is not None and (vcpus > page.vcpus or info.cpu_time < page.cpu_time or
                                 None not in (unique_id, page.unique_id) and unique_id != page.unique_id):
            self._forget(key)   # or domid and UUID came back with another domain: this page is a dead one's
            page = None
        if page is None:
            page = self._mapped[key] = self._map(key, info, vcpus)
            self._order = None
        page.unique_id = page.unique_id or unique_id
        page.cpu_time = max(page.cpu_time, info.cpu_time)
        return page

    def read(self) -> List[Page]:
        """Read all pages; gives those that say something else than in the last reading. One whose header is no longer the
        same is among them, says None, and is unmapped.
        """
        if self._order is None:
            self._order = list(self._mapped.values())
            self._plan = None if self._read is None else compiled.Plan(self._read, self._order)
        different = []
        order, plan = self._order, self._plan
        self.torn = 0
        if plan is None:
            for page in order:
                before = page.reader.torn
                try:
                    said = page.reader.read()
                except BadInput:
                    said = None
                self.torn += page.reader.torn - before
                if said is not page.raw:
                    page.said = page.raw = said
                    page.doubted = 0
                    different.append(page)
        else:
            changed = plan.read()
            self.torn = plan.torn()
            for number in changed:
                page = order[number]
                page.said = None if plan.is_bad(number) else plan.said(number)
                page.doubted = 0
                different.append(page)
        for page in different:
            if page.said is None:
                self._forget(page.key)
        return different

    def sweep(self, alive: Set[Key]) -> None:
        """Unmap the pages of domains that are gone: a mapping holds their memory."""
        for key in [key for key in self._mapped if key not in alive]:
            self._forget(key)

    def close(self) -> None:
        self.sweep(set())
        self.memory.close()

    def _forget(self, key: Key) -> None:
        self._mapped.pop(key).close()
        self._order = self._plan = None

    def _map(self, key: Key, info: Any, vcpus: int) -> Page:
        domid = info.domain
        frames = self.memory.frames(domid, STATS_TABLE)
        if frames is not None and not 0 < frames <= MAX_FRAMES:
            raise Unsupported("domain %d: a table of statistics of %d pages cannot be" % (domid, frames))
        page = self._map_frames(key, frames or 1, info, vcpus)
        needed = (page.reader.layout.needed(vcpus) + PAGE_SIZE - 1) // PAGE_SIZE
        if frames is None and 1 < needed <= MAX_FRAMES:     # the size could not be asked, but the header tells it
            try:
                larger = self._map_frames(key, needed, info, vcpus)
            except Unsupported:
                return page
            page.close()
            return larger
        return page

    def _map_frames(self, key: Key, frames: int, info: Any, vcpus: int) -> Page:
        mapping = self.memory.map(info.domain, STATS_TABLE, frames=frames)
        try:
            return Page(key, mapping, PageReader(mapping.view, vcpus), info.cpu_time, vcpus)
        except BadInput as error:
            mapping.close()
            raise Unsupported("domain %d: resource %d is not what we know: %s" % (info.domain, STATS_TABLE, error))
