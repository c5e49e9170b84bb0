"""How full the grant tables of domains are: each shared page, as of a disk's or network's ring, takes an entry of the guest's
table, and a guest whose table is full can share no more: its disks and networks freeze.

GNTTABOP_query_size (``grant_table.h``, a stable call) tells dom0 of any domain how many frames of 4 KiB its table has, each with
512 entries (256 of version 2), and how many it may have. It takes one struct a call, so a thousand calls go in one trap
(xen.multicall). A table grows as the guest needs it, and never shrinks.
"""
import errno
from typing import Any, Dict, List, Optional, Sequence, Tuple

from xenmeter.xen import structs

__all__ = ("GrantFrames",)

_LAYOUT = structs.GNTTAB_QUERY_SIZE
_BEFORE, _AFTER = (structs.GNTTABOP_QUERY_SIZE,), (1,)


class GrantFrames:
    """:param xen: ``xen.hypervisor.Hypervisor``.

    :ivar refused: why Xen does not tell, in a few words; None while it does.
    """

    def __init__(self, xen: Any) -> None:
        self._multicall = xen.multicall
        self._domids: List[int] = []
        self._data = b""
        self.refused: Optional[str] = None

    def ask(self, domids: Sequence[int]) -> Dict[int, Tuple[int, int]]:
        """(frames, most frames) of each domain that is there, by domid."""
        if self.refused is not None or not domids:
            return {}
        if domids != self._domids:
            self._data = b"".join([_LAYOUT.pack(dom=domid) for domid in domids])
            self._domids = list(domids)
        results, answers = self._multicall.each(structs.HYPERCALL_GRANT_TABLE, _LAYOUT.size, self._data, _BEFORE, _AFTER)
        if results[0] in (-errno.ENOSYS, -errno.EPERM, -errno.EOPNOTSUPP):
            self.refused = "Xen does not let it be asked: error %d" % -results[0]
            return {}
        told = _LAYOUT.unpack_array(answers, len(domids))
        # one that has no table yet, or no more, has none to fill
        return {domid: (one.nr_frames, one.max_nr_frames) for domid, result, one in zip(domids, results, told)
                if not result and not one.status and one.max_nr_frames}
