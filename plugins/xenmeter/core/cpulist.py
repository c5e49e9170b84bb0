"""Sets of pCPUs as people write them: ``all``, ``0-3,7``."""
import re
from typing import Iterable, List, Optional, Set

from xenmeter.core.errors import BadOption

__all__ = ("parse_cpus", "format_cpus", "LARGEST")

#: More than any Xen can be built for.
LARGEST = 16383
_PART = re.compile(r"\s*(\d{1,5})\s*(?:-\s*(\d{1,5})\s*)?\Z")


def parse_cpus(text: str, shown: str) -> Optional[List[int]]:
    """The numbers, ascending, each once; None for ``all``. BadOption, which names the option ``shown``, for what is no list."""
    if text.strip().lower() == "all":
        return None
    numbers: Set[int] = set()
    for part in text.split(","):
        match = _PART.match(part)
        first, last = (int(match.group(1)), int(match.group(2) or match.group(1))) if match else (1, 0)
        if not first <= last <= LARGEST:
            raise BadOption("%s: %r is not what it takes: all, or a list like 0-3,7" % (shown, text))
        numbers.update(range(first, last + 1))
    return sorted(numbers)


def format_cpus(cpus: Optional[Iterable[int]]) -> str:
    """The shortest list; ``all`` for None."""
    if cpus is None:
        return "all"
    runs: List[List[int]] = []
    for cpu in sorted(set(cpus)):
        if runs and runs[-1][1] == cpu - 1:
            runs[-1][1] = cpu
        else:
            runs.append([cpu, cpu])
    return ",".join("%d" % first if first == last else "%d-%d" % (first, last) for first, last in runs)
