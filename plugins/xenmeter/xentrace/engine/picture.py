"""The accounts at a border as rows of integers: what the baker's shared file holds, and what every source hands over.

A picture is a table of sections; all is little endian, and each section begins at a multiple of 8 bytes:

    u32 number of sections, u32 0, then for each u32 kind, u32 bytes of a row, u64 offset, u64 rows, i64 length, i64 start

Offsets count from the picture's first byte; length and start (ns) are a window's, else 0. A row is int64 in the columns
below, -1 where something is not known; a later release may add columns behind them. Histograms of domains and vCPUs stand in
cells (cells.py), of which their columns have the numbers, 0: empty; a domain's are -1 where each of its vCPUs has its own. What
was measured in a window has a row of HISTOGRAMS each (sum, maximum, first bucket, number of buckets), and the buckets that hold
something stand in COUNTS (int64) and PLACES (uint16, places of ``core.histogram``): those of each WINDOW in the three sections
that follow it. The column ``histogram`` is the number of the first of five rows, in the order of MEASURES.
"""
import struct
from array import array
from typing import Any, Dict, Iterable, List, Optional, Sequence, Tuple

from xenmeter.core.errors import SourceError
from xenmeter.xentrace.engine.cells import CELL, Cells, distribution
from xenmeter.xentrace.engine.columns import (AFTER_SUMMARIES, ANOMALIES, CAUSE, DOMAIN_CELLS, KIND_CAUSES, KIND_COUNTS,
                                              KIND_DOMAINS, KIND_HISTOGRAMS, KIND_MUTE, KIND_PCPUS, KIND_PLACES, KIND_TEXT,
                                              KIND_TRACE, KIND_VCPUS, KIND_WINDOW, OBSERVED, TRACE, VCPU_CELLS, WIDTHS,
                                              domain_record, known, life_of_domain, life_of_vcpu, pcpu_record, vcpu_record,
                                              window_record)
from xenmeter.xentrace.engine.distribution import EMPTY, Distribution
from xenmeter.xentrace.engine.figures import MEASURES
from xenmeter.xentrace.engine.sections import Section, column, rows_of

__all__ = ("Picture", "Shelf", "named")

_HEAD = struct.Struct("<II")
_ENTRY = struct.Struct("<IIQQqq")
_NUMBER = struct.Struct("<q")
#: More sections than any picture has: six, and four for each length of windows.
_MOST = 64


class Picture(Dict[str, Any]):
    """The figures as ``Engine.snapshot`` has them: ``trace``, ``domains``, ``vcpus``, ``pcpus``, ``windows``, ``observed``,
    each made of the rows when somebody asks for it.

    :ivar sections: as they stand in the file; :ivar cells: a Cells, or the bytes of one.
    """

    __slots__ = ("sections", "cells", "_theirs")

    def __init__(self, sections: Sequence[Section], cells: Any = b"") -> None:
        super().__init__()
        self.sections = list(sections)
        self.cells = cells
        self._theirs: Optional[Dict[Tuple[int, int], List[Tuple[int, ...]]]] = None     # cells of each life's vCPUs

    @classmethod
    def parse(cls, data: bytes, cells: bytes = b"") -> "Picture":
        """Of a shared file's; SourceError where it is damaged."""
        try:
            number, _ = _HEAD.unpack_from(data)
            if number > _MOST:
                raise ValueError("%d sections" % number)
            view = memoryview(data)
            found = []
            for place in range(number):
                kind, width, offset, rows, length, start = _ENTRY.unpack_from(data, _HEAD.size + place * _ENTRY.size)
                least = WIDTHS.get(kind)
                if least is None:
                    continue        # of a later release
                if width < least or (width != least and (width | least) % 8) or rows * width + offset > len(data):
                    raise ValueError("section %d has %d rows of %d bytes at %d" % (kind, rows, width, offset))
                found.append(Section(kind, width, rows, view[offset:offset + rows * width], length, start))
            made = cls(found, cells)
            if not found or found[0].kind != KIND_TRACE or not found[0].rows:
                raise ValueError("no trace")
            return made
        except (ValueError, struct.error) as error:
            raise SourceError("the baker's figures are damaged: %.200s" % error)

    def parts(self) -> List[Any]:
        """The bytes of the file, in pieces."""
        offset = _HEAD.size + _ENTRY.size * len(self.sections)
        head = [_HEAD.pack(len(self.sections), 0)]
        told: List[Any] = []
        for kind, width, rows, data, length, start in self.sections:
            size = rows * width
            head.append(_ENTRY.pack(kind, width, offset, rows, length, start))
            if size:
                told.append(memoryview(data).cast("B")[:size])
                offset += size
            if size & 7:
                told.append(bytes(-size & 7))
                offset += -size & 7
        return [b"".join(head)] + told

    def frozen(self) -> "Picture":
        """The same, whatever becomes of the buffers that it was told in."""
        return Picture([one._replace(data=bytes(memoryview(one.data).cast("B")[:one.rows * one.width])) for one in self.sections],
                       bytes(self._memory()))

    def _memory(self) -> Any:
        return memoryview(self.cells.memory)[:self.cells.used * CELL] if isinstance(self.cells, Cells) else self.cells

    @property
    def span_ns(self) -> int:
        return self._first("span_ns")

    @property
    def lost_records(self) -> int:
        return self._first("lost_records")

    def _first(self, name: str) -> int:
        return int(_NUMBER.unpack_from(self.sections[0].data, 8 * TRACE.index(name))[0])

    def observe(self, elapsed_ns: int) -> None:
        """Note that so much time has passed since the baker began; it has not observed all of it."""
        observed = self.span_ns
        self.sections[0].data[OBSERVED] = array("q", (observed, max(observed, elapsed_ns)))

    # -- rows ----------------------------------------------------------------------------------------------------------
    def rows(self, kind: int) -> List[Tuple[int, ...]]:
        """Of the first section of a kind, the columns that are known here."""
        return next((rows_of(one) for one in self.sections if one.kind == kind), [])

    def domain_rows(self) -> List[Tuple[int, ...]]:
        """Columns DOMAIN."""
        return self.rows(KIND_DOMAINS)

    @property
    def has_causes(self) -> bool:
        """Whether somebody keeps who made whom wait."""
        return any(one.kind == KIND_CAUSES for one in self.sections)

    def window_rows(self) -> List[Tuple[int, int, List[Tuple[int, ...]]]]:
        """(length, start, rows of WINDOW) of each window, the shortest first."""
        return [(one.length_ns, one.start_ns, rows_of(one)) for one in self.sections if one.kind == KIND_WINDOW]

    def histograms(self, life: Tuple[int, int], numbers: Sequence[int]) -> List[Distribution]:
        """Those of MEASURES, whose cells a row has; of a life's vCPUs together where each has its own. ValueError, struct.error:
        they are damaged."""
        if numbers[0] >= 0:
            return [distribution(self._memory(), number) for number in numbers]
        if self._theirs is None:
            self._theirs = {}
            for row in self.rows(KIND_VCPUS):
                self._theirs.setdefault(life_of_vcpu(row), []).append(row[VCPU_CELLS])
        each = [[distribution(self._memory(), number) for number in cells] for cells in self._theirs.get(life, ())]
        return [EMPTY.plus(parts) for parts in zip(*each)] if each else [EMPTY] * len(MEASURES)

    @property
    def text(self) -> bytes:
        """JSON of who wrote it: names, a remark; empty where there is none."""
        return next((bytes(one.data) for one in self.sections if one.kind == KIND_TEXT), b"")

    # -- records -------------------------------------------------------------------------------------------------------
    def get(self, name: str, default: Any = None) -> Any:
        """As ``[name]``: dict's own would not make them."""
        try:
            return self[name]
        except KeyError:
            return default

    def __missing__(self, name: str) -> Any:
        made = {"trace": self._trace, "pcpus": self._pcpus, "domains": self._domains, "vcpus": self._vcpus,
                "windows": self._windows, "observed": self._observed, "causes": self._causes}.get(name)
        if made is None:
            raise KeyError(name)
        self[name] = told = made()
        return told

    def _trace(self) -> Dict[str, Any]:
        told: Dict[str, Any] = dict(zip(TRACE, self.rows(KIND_TRACE)[0]))
        told["anomaly_kinds"] = {name: told.pop(name) for name in ANOMALIES}
        del told["observed_ns"], told["elapsed_ns"]
        for name in ("left_out_from", "damaged_from"):
            told[name] = known(told[name])
        told["mute"] = [pcpu for pcpu, in self.rows(KIND_MUTE)]
        return told

    def _observed(self) -> Optional[List[int]]:
        observed, elapsed = self.rows(KIND_TRACE)[0][OBSERVED]
        return [observed, elapsed] if elapsed >= 0 else None

    def _causes(self) -> List[Dict[str, Any]]:
        return [dict(zip(CAUSE, row)) for row in self.rows(KIND_CAUSES)]

    def _pcpus(self) -> List[Dict[str, Any]]:
        return list(map(pcpu_record, self.rows(KIND_PCPUS)))

    def _domains(self) -> List[Dict[str, Any]]:
        return [dict(domain_record(row), histograms=named(self.histograms(life_of_domain(row), row[DOMAIN_CELLS])))
                for row in self.domain_rows()]

    def _vcpus(self) -> List[Dict[str, Any]]:
        told = []
        for row in self.rows(KIND_VCPUS):
            one = vcpu_record(row)
            if row[VCPU_CELLS.start] >= 0:
                one["histograms"] = named(self.histograms((0, 0), row[VCPU_CELLS]))
            told.append(one)
        return told

    def _windows(self) -> List[Dict[str, Any]]:
        told = []
        for number, section in enumerate(self.sections):
            if section.kind == KIND_WINDOW:
                shelf = Shelf(self.sections[number:])
                told.append({"start_ns": section.start_ns, "length_ns": section.length_ns,
                             "domains": [dict(window_record(row[AFTER_SUMMARIES]), latency=shelf.named(row[-1]))
                                         for row in rows_of(section)]})
        return told


def named(measures: Sequence[Distribution]) -> Dict[str, Distribution]:
    """By their names, and all waits."""
    told = dict(zip(MEASURES, measures))
    told["wait"] = told["wait_other"].plus([told["wait_wake"], told["wait_preempt"]])
    return told


class Shelf:
    """The histograms behind a section; their buckets are not copied."""

    def __init__(self, sections: Iterable[Section]) -> None:
        found = {one.kind: one for one in reversed(list(sections)) if one.kind in (KIND_HISTOGRAMS, KIND_COUNTS, KIND_PLACES)}
        if len(found) < 3:
            found = {kind: Section(kind, WIDTHS[kind], 0, b"") for kind in (KIND_HISTOGRAMS, KIND_COUNTS, KIND_PLACES)}
        self._heads = rows_of(found[KIND_HISTOGRAMS])
        self._counts = column(found[KIND_COUNTS], "q")
        self._places = column(found[KIND_PLACES], "H")

    def one(self, number: int) -> Distribution:
        """IndexError, or ValueError, where there is none."""
        total, most, first, buckets = self._heads[number]
        if not buckets:
            return EMPTY
        if number < 0 or first < 0 or not 0 < buckets <= min(len(self._counts), len(self._places)) - first:
            raise ValueError("a histogram is damaged")
        return Distribution(total, most, self._places[first:first + buckets], self._counts[first:first + buckets])

    def named(self, number: int) -> Dict[str, Distribution]:
        """The five that begin at ``number``, and all waits."""
        return named([self.one(number + place) for place in range(len(MEASURES))])
