"""The vCPUs of one domain, from whichever source this hypervisor has for it.

=================  ==============================================================  ================================
source             what it tells per vCPU                                          its cost per reading
=================  ==============================================================  ================================
resource           running and what the page appends; online where all are         none, once mapped
own_runstate       all four states, online, pCPU; domain 0's vCPUs, if we are it   one hypercall, and getvcpuinfo's
getvcpuinfo        running up to now, online, pCPU                                 one hypercall per thousand vCPUs
runstate_domctl    as getvcpuinfo; six runstates, mean ready time of the domain    one more per thousand domains
vcpu_runstates     all four states, online, pCPU; of the domain as above, if told  one more per thousand vCPUs
=================  ==============================================================  ================================

Where Xen takes no multicall (xen.multicall), a thousand hypercalls are what one is here.
"""
from time import monotonic
from typing import Any, Callable, Dict, List, Optional, Tuple

from xenmeter.core.errors import DomainGone, NoPrivilege, SourceError, Unsupported
from xenmeter.core.retry import pause_after
from xenmeter.vcpu.hypercalls import HypercallReader
from xenmeter.vcpu.pages import Key, Page, Pages
from xenmeter.vcpu.records import DomainVcpus
from xenmeter.xen import structs
from xenmeter.xen.roster import Member
from xenmeter.xen.systemtime import SystemTime

__all__ = ("Readers", "MODES")

MODES = ("auto", "resource", "hypercall")

#: Domains without a page after which no other is asked for one, where none had one.
PATIENCE = 3


class Readers:
    """Chooses a source for each domain and keeps to it while it works.

    :param xen: ``xen.hypervisor.Hypervisor``.
    :param pages: :class:`vcpu.pages.Pages`, or None where nothing shall be mapped.
    :param mode: one of MODES; ``resource`` leaves domains out that have no page.
    :param own: whether dom0 shall be read, whose vCPUs cost hypercalls whatever the others do.
    :param time: Xen's clock, as the stamps in the pages tell it (tests).
    :param clock: ``float`` seconds that never run backwards.
    :ivar lasting: whether the last reading needed nothing of the list of domains but who is there: each guest has its page.
    :ivar left_out: of the present reading: domains or vCPUs without figures, by reason.
    """

    def __init__(self, xen: Any, pages: Optional[Pages], mode: str = "auto", own: bool = True, time: Optional[SystemTime] = None,
                 clock: Callable[[], float] = monotonic) -> None:
        self.lasting = False
        self.left_out: Dict[str, int] = {}
        self._xen = xen
        self._asked = HypercallReader(xen)
        self._pages = pages
        self._mode = mode
        self._own_too = own
        self._clock = clock
        self._with_page = False         # a page was read: this hypervisor has them
        self._refused: Dict[Key, SourceError] = {}  # domains without one
        self._resting: Dict[Key, Tuple[int, float]] = {}  # pages that failed: how often in a row, until
        self._members: Optional[List[Member]] = None  # those that the ways are of
        self._ways: List[Tuple[Member, int]] = []  # each with the number of its vCPUs
        self._by_hypercalls: List[int] = []  # places of those without a page
        self._found: List[Optional[DomainVcpus]] = []  # what the pages said, by place
        self._missing: Dict[str, int] = {}  # left out for as long as the domains are the same
        self._stamped: List[Page] = []  # of the domains, those that say since when
        self._time = time if time is not None else SystemTime()

    def read(self, members: List[Member]) -> List[DomainVcpus]:
        """All domains that still live and that can be read. The same list as before, the same object, asks for no page."""
        if members is not self._members:
            self._arrange(members)
        self.left_out = dict(self._missing)
        changed = self._pages.read() if self._pages is not None else []
        if self._pages is not None and self._pages.torn:
            self._leave_out("torn", self._pages.torn)
        now = self._now(changed)
        for page in changed:
            if page.said is None:
                self._leave_out("bad_page")
                self._members, self.lasting = None, False       # it is mapped anew
                self._found[page.place] = None
            elif now is None or not page.tells_states:
                self._found[page.place] = page.as_domain(*self._ways[page.place])
        for page in self._stamped:
            if page.doubted:
                self._leave_out("bad_stamp", page.doubted)
            if page.said is not None and page.tells_states and now is not None:
                self._found[page.place] = page.as_domain(*self._ways[page.place], now=now)
        domains = list(self._found)
        for place, domain in zip(self._by_hypercalls, self._asked.read([self._ways[place] for place in self._by_hypercalls])):
            domains[place] = domain
        return [domain for domain in domains if domain is not None]

    @property
    def notices(self) -> Tuple[str, ...]:
        """What to say of the sources in the log, one line each."""
        return self._asked.notices

    def close(self) -> None:
        if self._pages is not None:
            self._pages.close()

    def _now(self, changed: List[Page]) -> Optional[int]:
        """Xen's system time, ns, by the stamps in the pages; None where there are none. Those that cannot be are forgotten."""
        newest = 0
        latest = self._time.latest()
        for page in changed:
            stamps = page.stamps() if page.has_stamps else []
            if stamps and max(stamps) > latest:
                page.distrust(latest)
                stamps = page.stamps()
            newest = max([newest] + stamps)
        if newest:
            self._time.saw(newest)
        return self._time.now()

    def _arrange(self, members: List[Member]) -> None:
        """Where each domain's figures are to come from."""
        self._missing, self._ways, self._found, self._by_hypercalls, self._members = {}, [], [], [], members
        self._stamped = []
        self.lasting = True
        keys = {(member.domid, member.info.handle): member.info.flags & structs.DYING for member in members}
        self._refused = {key: error for key, error in self._refused.items() if key in keys}
        self._resting = {key: rest for key, rest in self._resting.items() if key in keys}
        if self._pages is not None:
            # a mapping holds its domain's memory, and so a dying domain
            self._pages.sweep({key for key, dying in keys.items() if not dying})
        for member in members:
            self._choose(member)
        self.lasting = self.lasting and self._with_page
        if self._mode == "resource" and not self._with_page:
            for error in self._refused.values():
                raise Unsupported("%s; no release of Xen has pages of statistics, source auto takes what there is" % error)

    def _choose(self, member: Member) -> None:
        """Where one domain's figures are to come from."""
        info = member.info
        vcpus = 0 if info.max_vcpu_id == structs.NO_VCPU else info.max_vcpu_id + 1
        if not member.domid:        # Xen gives no domain a page of its own, but dom0 may ask for its own runstates
            if self._own_too:
                self._add(member, vcpus, None)
            return
        if not vcpus:               # it is being built: nothing to tell yet, but soon
            self.lasting = False
            return
        page = None
        dying = info.flags & structs.DYING
        if dying and (self._with_page or self._mode == "resource"):
            return
        if self._pages is not None and not dying:       # one that is dying cannot say whether this Xen has pages
            try:
                page = self._page_of(info, vcpus)
            except DomainGone:
                return
            if page is None and self._mode == "resource":
                self._miss("no_page" if (info.domain, info.handle) in self._refused else "bad_page")
                self.lasting = False
                return
        self.lasting = self.lasting and page is not None
        self._add(member, vcpus, page)

    def _add(self, member: Member, vcpus: int, page: Optional[Page]) -> None:
        place = len(self._ways)
        self._ways.append((member, vcpus))
        if page is None:
            self._found.append(None)
            self._by_hypercalls.append(place)
        else:
            page.place = place
            if page.has_stamps:
                self._stamped.append(page)
            self._found.append(page.as_domain(member, vcpus))   # until it says something else

    def _page_of(self, info: Any, vcpus: int) -> Optional[Page]:
        """None where the domain has no page, which is then not asked for again, or where it cannot be mapped just now."""
        key = (info.domain, info.handle)
        failures, until = self._resting.get(key, (0, 0.0))
        if key in self._refused or until > self._clock():
            return None
        try:
            # asked only where there are pages, and only when the list was asked for: a page outlives its domain
            unique_id = self._xen.unique_id(info.domain) if self._with_page else None
            page = self._pages.of(info, vcpus, unique_id)   # type: ignore[union-attr]
        except (Unsupported, NoPrivilege) as error:
            self._refused[key] = error
            if not self._with_page and self._mode == "auto" and len(self._refused) >= PATIENCE:
                self._give_up_pages()
            return None
        except DomainGone:
            raise
        except SourceError:
            self._resting[key] = (failures + 1, self._clock() + pause_after(failures))
            if self._mode == "auto":
                self._miss("bad_page")
            return None
        self._resting.pop(key, None)
        self._with_page = True
        if page.reader.entries < vcpus:
            self._miss("beyond_page", vcpus - page.reader.entries)
        return page

    def _give_up_pages(self) -> None:
        """The first domains that were asked for have none, so no domain has: one question less for each of them."""
        self._pages.close()     # type: ignore[union-attr]
        self._pages = None

    def _leave_out(self, reason: str, number: int = 1) -> None:
        self.left_out[reason] = self.left_out.get(reason, 0) + number

    def _miss(self, reason: str, number: int = 1) -> None:
        self._missing[reason] = self._missing.get(reason, 0) + number
