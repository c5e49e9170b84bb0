"""Samples of vCPUs to readings: identity, and counters that never fall within a domain's life."""
import os
from typing import Any, Dict, List, Optional, Tuple

from xenmeter.core import catalogue, source
from xenmeter.core.compiled import in_turns
from xenmeter.core.identity import Life, Lives
from xenmeter.core.reading import Reading, Row, Who
from xenmeter.core.select import Wanted
from xenmeter.vcpu.compiled import rows_made
from xenmeter.vcpu.records import MEANS, DomainVcpus, Sample, Vcpu
from xenmeter.vcpu.times import Times

__all__ = ("CATALOGUE", "Collector")

CATALOGUE = catalogue.load("vcpu", os.path.dirname(os.path.abspath(__file__)))
CATALOGUE.expect("vcpu", ("running_ns", "runnable_ns", "blocked_ns", "offline_ns", "online", "pcpu",
                          "state_entry_time_ns"))
CATALOGUE.expect("domain", ("info", "vcpus", "full_run_ns", "full_contention_ns", "concurrency_hazard_ns",
                            "full_blocked_ns", "partial_run_ns", "partial_contention_ns", "runnable_ns", "running_ns",
                            "nonaffine_ns", "missed_changes"))

_NO_MEANS: Tuple[Optional[int], ...] = (None,) * MEANS
_NO_RUNSTATES: Tuple[Optional[int], ...] = (None,) * (6 + MEANS + 1)


class _Rest:
    """What was told of a domain's vCPUs, which is told again while they say the same.

    :ivar at: the time of the last reading in which they did, ns; 0: there was none yet.
    """

    __slots__ = ("who", "interface", "figures", "rows", "at")

    def __init__(self, who: Who, interface: str, figures: List[Vcpu], rows: List[Row]) -> None:
        self.who = who
        self.interface = interface
        self.figures = figures
        self.rows = rows
        self.at = 0


class Collector(source.Collector):
    """Keeps what lasts between readings.

    :param wanted: ``wanted(name, uuid, domid)`` says whether a domain is published.
    :ivar errors: kind -> how often: ``no_names``, ``unnamed``, ``same_uuid``, ``no_page``, ``bad_page``,
        ``beyond_page`` (vCPUs that a page has no room for), ``bad_stamp`` (of vCPUs, times that cannot be), ``torn``
        (vCPUs whose entry in the page changed at each try), ``counter_damaged`` (vCPUs, or domains, of which a time fell or rose
        by more than has passed)
    """

    def __init__(self, wanted: Optional[Wanted] = None) -> None:
        super().__init__()
        self._wanted = wanted
        self._lives = Lives()
        self._labels: Dict[Tuple[int, str], Tuple[str, str]] = {}
        self._rows = rows_made()

    def collect(self, sample: Sample) -> Reading:
        for kind, number in sample.left_out.items():
            self.errors[kind] = self.errors.get(kind, 0) + number
        self.trouble, self.notices = sample.trouble, list(sample.notices)
        tables: Dict[str, List[Row]] = {"domain": [], "vcpu": []}
        self._lives.begin()
        for domain in sample.domains:
            # without a UUID a domid stands for one life: domids go upward
            key: Any = domain.uuid if domain.uuid is not None else (domain.domid, domain.name)
            life = self._lives.see(key, domain.name, domain.uuid, domain.domid, domain.shared, domain.cpu_time, {},
                                   domain.vcpus)
            if self._wanted is None or self._wanted(domain.name, domain.uuid, domain.domid):
                self._domain(life, domain, tables, sample.time_ns)
        # a domain that could not be read this time goes on
        self._lives.end(complete=not {"bad_page", "no_names"} & set(sample.left_out))
        return Reading(sample.time_ns, tables)

    def _domain(self, life: Life, domain: DomainVcpus, tables: Dict[str, List[Row]], now_ns: int) -> None:
        who, interface = life.who, domain.source
        runstates = _NO_RUNSTATES
        if domain.runstates is not None:
            runstates = life.notes.setdefault("runstates", Times()).update(
                domain.runstates + (domain.means or _NO_MEANS), interface, now_ns, self.errors) + (_missed(life, domain.missed),)
        tables["domain"].append((who, (interface,), (1, domain.vcpus) + runstates))
        known: Dict[int, Times] = life.notes.setdefault("times", {})
        table = tables["vcpu"]
        rest: Optional[_Rest] = life.notes.get("rest")
        if rest is not None and rest.who is who and rest.interface == interface and rest.figures == domain.figures:
            rest.at = now_ns
            table.extend(rest.rows)
            return
        if rest is not None and rest.at:
            for one in known.values():
                one.rested(rest.at)
        began = len(table)
        in_turns(self._rows, domain.figures, (known, self._labels, who, interface, now_ns, table),
                 lambda vcpu: self._vcpu(vcpu, known, who, interface, now_ns, table))
        same, life.notes["figures"] = life.notes.get("figures") == domain.figures, domain.figures
        is_sure = same and len(known) == len(domain.figures) and not any([one.is_doubted for one in known.values()])
        life.notes["rest"] = _Rest(who, interface, domain.figures, table[began:]) if is_sure else None

    def _vcpu(self, vcpu: Vcpu, known: Dict[int, Times], who: Who, interface: str, now_ns: int, table: List[Row]) -> None:
        number = vcpu[0]
        counters = known.get(number)
        if counters is None:
            counters = known[number] = Times()
        times = counters.update(vcpu[1:5], interface, now_ns, self.errors)
        labels = self._labels.get((number, interface))
        if labels is None:
            labels = self._labels[number, interface] = (str(number), interface)
        table.append((who, labels, times + vcpu[5:]))


def _missed(life: Life, missed: Optional[int]) -> Optional[int]:
    """As a counter that never falls."""
    if missed is None:
        return None
    known = life.notes["missed"] = max(missed, life.notes.get("missed", 0))
    return known
