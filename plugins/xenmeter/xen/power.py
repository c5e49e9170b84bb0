"""P-states, C-states and temperatures of pCPUs, without a trace: sysctl get_pmstat, and MSRs by platform_op resource_op.

Xen has P-states where it drives the clock (``cpufreq=xen``) with a driver that counts them, not with HWP or amd-cppc; C-states
where dom0 has handed it the ACPI tables. It lets dom0 read the MSRs of Intel's thermometers since 4.22, and in XCP-ng's backport.
Each question is asked of all pCPUs at once (xen.multicall); Xen interrupts each pCPU for its MSRs, and none for the rest.
"""
import errno
import os
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

from xenmeter.xen import hoststructs as layouts
from xenmeter.xen import structs

__all__ = ("Power", "PcpuPower", "State")

#: Of C-states Xen knows 8 at most (ACPI_PROCESSOR_MAX_POWER); of P-states 255 fit into what tells their number.
MOST_C, MOST_P = 8, 255
#: MSR_TEMPERATURE_TARGET, MSR_IA32_THERM_STATUS, MSR_PACKAGE_THERM_STATUS: without the first the others say nothing.
MSRS = (0x1a2, 0x19c, 0x1b1)
_READING_VALID = 1 << 31


class State(NamedTuple):
    """A P- or C-state. ``mhz`` is None of a C-state."""

    mhz: Optional[int]
    time_ns: int
    entries: int


class PcpuPower(NamedTuple):
    """What is known of one pCPU; None: it is not."""

    pstates: Optional[List[State]]
    cstates: Optional[List[State]]
    celsius: Optional[int]
    package_celsius: Optional[int]


class Power:
    """:param xen: ``xen.hypervisor.Hypervisor``.

    :ivar refused: why Xen does not tell of ``pstates``, ``cstates`` or ``temperature``, in a few words.
    """

    def __init__(self, xen: Any) -> None:
        self._xen = xen
        self._pcpus = 0
        self._p = 0         # P-states that there is room for
        self._buffer: Any = None
        self.refused: Dict[str, str] = {}

    def ask(self, pcpus: int) -> List[PcpuPower]:
        """Of each pCPU by its id; ``pcpus``: how many ids there are."""
        if pcpus != self._pcpus:
            self._make_room(pcpus)
        none: List[Any] = [None] * pcpus
        pstates = none if "pstates" in self.refused else self._pstates()
        cstates = none if "cstates" in self.refused else self._cstates()
        temperatures = [(None, None)] * pcpus if "temperature" in self.refused else self._temperatures()
        return [PcpuPower(p, c, *t) for p, c, t in zip(pstates, cstates, temperatures)]

    def close(self) -> None:
        if self._buffer is not None:
            self._xen.free(self._buffer)
        self._buffer, self._pcpus = None, 0

    def _make_room(self, pcpus: int) -> None:
        """One buffer for all that Xen writes: per pCPU its P-states, C-states' entries and times, and MSRs; behind it what is not
        looked at, the changes from one P-state to the other."""
        self.close()
        self.refused = {}
        results, answers = self._sysctls(layouts.PXSTAT, [
            {"type": layouts.GET_MAX_PX, "cpuid": pcpu} for pcpu in range(pcpus)])
        self._note("pstates", results)
        self._p = max([answer.total for result, answer in zip(results, answers) if not result] or [0])
        self._c_at = pcpus * self._p * layouts.PX.size
        self._msrs_at = self._c_at + pcpus * MOST_C * 16
        self._rest_at = self._msrs_at + pcpus * len(MSRS) * layouts.RESOURCE_ENTRY.size
        self._buffer = self._xen.allocate(self._rest_at + 8 * self._p * self._p)
        self._pcpus = pcpus

    def _sysctls(self, layout: Any, questions: List[Dict[str, int]]) -> Tuple[List[int], List[Any]]:
        version = self._xen.interface_versions()[0]
        data = b"".join([layout.pack(cmd=layouts.SYSCTL_GET_PMSTAT, interface_version=version, **question)
                         for question in questions])
        results, answers = self._xen.multicall.each(structs.HYPERCALL_SYSCTL, layout.size, data)
        return results, layout.unpack_array(answers, len(questions))

    def _note(self, what: str, results: List[int]) -> None:
        """Why there is none, where no pCPU has any. One that is offline is answered by EINVAL."""
        if all([result < 0 for result in results]):
            codes = [-result for result in results if result != -errno.EINVAL] or [errno.EINVAL]
            self.refused[what] = "Xen answers: %s" % os.strerror(codes[0])

    def _pstates(self) -> List[Optional[List[State]]]:
        layout = layouts.PX
        room = self._p * layout.size
        results, answers = self._sysctls(layouts.PXSTAT, [
            {"type": layouts.GET_PXSTAT, "cpuid": pcpu, "total": self._p, "trans_pt": self._buffer.address + self._rest_at,
             "pt": self._buffer.address + pcpu * room} for pcpu in range(self._pcpus)])
        self._note("pstates", results)
        return [None if result else [State(one.freq, one.residency, one.count) for one in layout.unpack_array(
            self._buffer.view[pcpu * room:(pcpu + 1) * room], min(answer.total, self._p))]
            for pcpu, (result, answer) in enumerate(zip(results, answers))]

    def _cstates(self) -> List[Optional[List[State]]]:
        begins = [self._c_at + pcpu * MOST_C * 16 for pcpu in range(self._pcpus)]
        results, answers = self._sysctls(layouts.CXSTAT, [
            {"type": layouts.GET_CXSTAT, "cpuid": pcpu, "nr": MOST_C, "triggers": self._buffer.address + at,
             "residencies": self._buffer.address + at + 8 * MOST_C} for pcpu, at in enumerate(begins)])
        self._note("cstates", results)
        if "cstates" not in self.refused and not any([answer.nr for result, answer in zip(results, answers) if not result]):
            self.refused["cstates"] = "Xen has been told of none"
        found: List[Optional[List[State]]] = []
        for result, answer, at in zip(results, answers, begins):
            words = self._buffer.view[at:at + 16 * MOST_C].cast("Q").tolist()
            number = min(answer.nr, MOST_C)
            found.append(None if result or not number else [
                State(None, time_ns, entries) for entries, time_ns in zip(words[:number], words[MOST_C:MOST_C + number])])
        return found

    def _temperatures(self) -> List[Tuple[Optional[int], Optional[int]]]:
        layout = layouts.RESOURCE_ENTRY
        image = b"".join([layout.pack(idx=msr) for msr in MSRS])
        end = self._msrs_at + self._pcpus * len(image)
        self._buffer.view[self._msrs_at:end] = image * self._pcpus
        results, _ = self._xen.multicall.each(layouts.HYPERCALL_PLATFORM, layouts.RESOURCE_OP.size, b"".join([
            layouts.RESOURCE_OP.pack(cmd=layouts.PLATFORM_RESOURCE_OP, interface_version=layouts.PLATFORM_VERSION, cpu=pcpu,
                                     nr_entries=len(MSRS), entries=self._buffer.address + self._msrs_at + pcpu * len(image))
            for pcpu in range(self._pcpus)]))
        if max(results) <= 0:       # no MSR of any pCPU
            codes = [-result for result in results if result not in (0, -errno.ENODEV)]
            self.refused["temperature"] = (
                "Xen answers: %s" % os.strerror(codes[0]) if codes else "Xen lets no thermometer be read")
        told = layout.unpack_array(self._buffer.view[self._msrs_at:end], self._pcpus * len(MSRS))
        return [_celsius(result, *[one.val for one in told[len(MSRS) * pcpu:len(MSRS) * (pcpu + 1)]])
                for pcpu, result in enumerate(results)]


def _celsius(done: int, target: int, core: int, package: int) -> Tuple[Optional[int], Optional[int]]:
    """Of the core and of its package; ``done``: how many MSRs were read. Bits 16 to 22 are degrees below the target's."""
    most = target >> 16 & 0xff
    if done < 2 or not most:
        return None, None
    return (most - (core >> 16 & 0x7f) if core & _READING_VALID else None,
            most - (package >> 16 & 0x7f) if done > 2 else None)
