"""One reading: what a collector knows at one moment, ready for any publisher.

A reading is a set of tables, one per entity of the catalogue. Rows are plain tuples, because a host with a
thousand domains has tens of thousands of figures and a publisher must format them all at every interval.
"""
import functools
import os
from itertools import chain
from operator import itemgetter
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

__all__ = ("Who", "Row", "Reading", "IMPOSSIBLE", "possible")

#: No figure is as large: it was never counted, and backends that keep 64 bits with a sign cannot hold it. In every form that
#: is published it is absent, as what is not known.
IMPOSSIBLE = 1 << 63


class Who:
    """A domain as publishers name it. One object per life of a domain and name: publishers keep what they made of it.

    :ivar name: ``str``, any text at all; publishers escape it.
    :ivar uuid: ``str`` of 36 characters, lower case, or None where nothing on the host can give one.
    :ivar domid: ``int`` or None.
    :ivar generation: ``int``, 0 for the first life seen under this identity.
    :ivar shared: True while another live domain bears the same name.
    """

    __slots__ = ("name", "uuid", "domid", "generation", "shared")

    def __init__(self, name: str, uuid: Optional[str] = None, domid: Optional[int] = None, generation: int = 0,
                 shared: bool = False) -> None:
        self.name = name
        self.uuid = uuid
        self.domid = domid
        self.generation = generation
        self.shared = shared

    def __repr__(self) -> str:
        return "Who(%r, uuid=%r, domid=%r, generation=%r)" % (self.name, self.uuid, self.domid, self.generation)


#: (who, labels, values): ``who`` is None for what belongs to no domain; ``labels`` are the entity's own label
#: values (str), ``values`` its figures, both in the catalogue's order. A figure that is not known is None.
Row = Tuple[Optional[Who], Tuple[str, ...], Tuple[Any, ...]]


class Reading(NamedTuple):
    time_ns: int    # one wall-clock stamp for all of it, ns since the epoch
    tables: Dict[str, List[Row]]    # entity name -> rows


_VALUES = itemgetter(2)
_ABI = 1


@functools.lru_cache(maxsize=None)
def all_possible(path: Optional[str] = None) -> Any:
    """``check(rows)`` by compiled code (reading.c): not 0 where each figure of a list of rows is possible. None: there is none.

    :param path: of another object (tests).
    """
    import ctypes       # dear at a start that needs no figures

    from xenmeter.core.compiled import load
    library = load(os.path.dirname(os.path.abspath(__file__)), "reading", _ABI, path, objects=True)
    if library is None:
        return None
    check = library.xenmeter_reading_possible
    check.restype, check.argtypes = ctypes.c_int64, (ctypes.py_object,)
    return check


def possible(reading: Reading) -> Tuple[Reading, int]:
    """The reading without impossible figures, which become None, and how many there were; mostly the reading itself."""
    tables, number, check = {}, 0, all_possible()
    for name, rows in reading.tables.items():
        try:
            if check is not None and check(rows):
                continue
            if max(filter(None, chain.from_iterable(map(_VALUES, rows))), default=0) < IMPOSSIBLE:
                continue
        except TypeError:
            pass    # histograms
        kept: List[Row] = []
        for row in rows:
            values = [None if isinstance(value, int) and not -IMPOSSIBLE <= value < IMPOSSIBLE else value for value in row[2]]
            lost = values.count(None) - row[2].count(None)
            number += lost
            kept.append((row[0], row[1], tuple(values)) if lost else row)
        tables[name] = kept
    return (Reading(reading.time_ns, dict(reading.tables, **tables)), number) if number else (reading, 0)
