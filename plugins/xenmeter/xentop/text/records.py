"""What one iteration of ``xentop -b`` says, as records. Numbers are as printed: no unit is converted here.

Source: tools/xentop/xentop.c and tools/libs/stat of Xen; columns, order and minimum widths are the same from 4.1 to 4.23, and
those of 3.1 to 4.0 lack the sectors alone.
"""
from typing import List, NamedTuple, Optional, Tuple

__all__ = ("SECTOR", "Columns", "Net", "Vbd", "DomainRow", "Iteration")

#: VBD_RSECT and VBD_WSECT count units of 512 bytes, whatever the disk's own sector size (blkback, tapdisk).
SECTOR = 512


class Columns(NamedTuple):
    """The 17 numbers of a domain row. Percentages are in tenths of a percent (as printed, "40.8" is 408)."""

    cpu_seconds: int    # CPU(sec): whole seconds
    cpu_permille: Optional[int]    # CPU(%): of one pCPU; None for inf, nan and what is negative
    mem_kib: int
    mem_permille: int
    maxmem_kib: Optional[int]    # None: "no limit"
    maxmem_permille: Optional[int]    # None: "n/a"
    vcpus: int
    nets: int
    nettx_kib: int    # dom0's side: what the guest received
    netrx_kib: int    # dom0's side: what the guest sent
    vbds: int
    vbd_oo: Optional[int]    # these five None: "-", no device could be read (since Xen 4.13)
    vbd_rd: Optional[int]
    vbd_wr: Optional[int]
    vbd_rsect: Optional[int]    # these two None: Xen 3.1 to 4.0
    vbd_wsect: Optional[int]
    ssid: int


class Net(NamedTuple):
    """A ``NetN`` line; dom0's side, as printed."""

    index: int  # type: ignore[assignment]    # the key of the mirror's JSON
    rx_bytes: int
    rx_packets: int
    rx_errors: int
    rx_drops: int
    tx_bytes: int
    tx_packets: int
    tx_errors: int
    tx_drops: int


class Vbd(NamedTuple):
    """A ``VBD`` line; ``dev`` is xenstore's virtual device number (51712 is xvda). The counters are None on a device error,
    those of sectors in what Xen 3.1 to 4.0 print.
    """

    type: str
    dev: int
    oo: Optional[int]
    rd: Optional[int]
    wr: Optional[int]
    rsect: Optional[int]
    wsect: Optional[int]


class DomainRow:
    """One domain row with the lines that follow it.

    :ivar name: ``bytes`` as printed, without leading blanks (xentop pads with them).
    :ivar state: ``bytes``, six letters ``dsbcpr`` or ``-``.
    :ivar columns: :class:`Columns`.
    :ivar vcpu_seconds: list of (vCPU id, whole seconds), or None without a ``VCPUs(sec)`` line.
    :ivar networks: list of :class:`Net`; :ivar vbds: list of :class:`Vbd`.
    """

    __slots__ = ("name", "state", "columns", "vcpu_seconds", "networks", "vbds")

    def __init__(self, name: bytes, state: bytes, columns: Columns, vcpu_seconds: Optional[List[Tuple[int, int]]] = None,
                 networks: Optional[List[Net]] = None, vbds: Optional[List[Vbd]] = None) -> None:
        self.name = name
        self.state = state
        self.columns = columns
        self.vcpu_seconds = vcpu_seconds
        self.networks = [] if networks is None else networks
        self.vbds = [] if vbds is None else vbds

    def renamed(self, name: bytes) -> "DomainRow":
        """The same figures under another name."""
        return DomainRow(name, self.state, self.columns, self.vcpu_seconds, self.networks, self.vbds)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DomainRow) and all(getattr(self, name) == getattr(other, name) for name in self.__slots__)

    def __repr__(self) -> str:
        return "DomainRow(%s)" % ", ".join("%s=%r" % (name, getattr(self, name)) for name in self.__slots__)


class Iteration:
    """All that xentop printed at one wake-up.

    :ivar rows: list of :class:`DomainRow`, in the order printed.
    :ivar pcpus: list of (pCPU id, tenths of a percent) of the ``-p`` table (Xen 4.21), or None.
    :ivar skipped: ``int``, lines in it, or just before it, that were none of xentop's; its figures may lack something.
        A header that did not come counts as one: the iteration is the rest of the one before.
    """

    __slots__ = ("rows", "pcpus", "skipped")

    def __init__(self, rows: Optional[List[DomainRow]] = None, pcpus: Optional[List[Tuple[int, int]]] = None,
                 skipped: int = 0) -> None:
        self.rows = [] if rows is None else rows
        self.pcpus = pcpus
        self.skipped = skipped

    @property
    def without_rates(self) -> bool:
        """No domain has a CPU(%) but 0.0, as in the first iteration of each xentop, where that means nothing. (In a later one
        dom0 itself uses more, or the host does nothing at all.)"""
        return not any([row.columns.cpu_permille for row in self.rows])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Iteration) and all(
            getattr(self, name) == getattr(other, name) for name in self.__slots__)

    def __repr__(self) -> str:
        return "Iteration(%d rows, pcpus=%r, skipped=%d)" % (len(self.rows), self.pcpus, self.skipped)
