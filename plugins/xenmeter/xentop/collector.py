"""The collector of source ``auto``, and of a recording, which is of either source."""
from typing import Any, Callable, Dict, Optional, Tuple

from xenmeter.core import source
from xenmeter.core.bases import Bases
from xenmeter.core.identity import Lives
from xenmeter.core.reading import Reading
from xenmeter.core.select import Wanted
from xenmeter.xentop.samples import DirectSample

__all__ = ("EitherCollector",)


class EitherCollector(source.Collector):
    """A sample of either source goes to that source's own collector."""

    def __init__(self, wanted: Optional[Wanted] = None, by_number: bool = False) -> None:
        super().__init__()
        self._wanted = wanted
        self._by_number = by_number
        self._bases: Optional[Bases] = None
        self._made: Dict[bool, source.Collector] = {}       # of direct samples, or of the text's, as soon as there is one
        self._kept: Tuple[Lives, str] = (Lives(), "")       # of the last sample

    @property
    def kept(self) -> Optional[Tuple[Lives, str]]:
        return self._kept

    def use(self, bases: Bases) -> None:
        self._bases = bases
        for collector in self._made.values():
            collector.use(bases)

    def _of(self, direct: bool) -> source.Collector:
        if direct not in self._made:
            self._made[direct] = _collector(direct)(self._wanted, self._by_number)
            if self._bases is not None:
                self._made[direct].use(self._bases)
        return self._made[direct]

    def collect(self, sample: Any) -> Reading:
        collector = self._of(isinstance(sample, DirectSample))
        self._kept = collector.kept or self._kept
        try:
            return collector.collect(sample)
        finally:
            self.errors, self.trouble, self.notices = collector.errors, collector.trouble, collector.notices


def _collector(direct: bool) -> Callable[[Optional[Wanted], bool], source.Collector]:
    """A host needs one of the two: the other is not imported."""
    if direct:
        from xenmeter.xentop.direct.collector import DirectCollector
        return DirectCollector
    from xenmeter.xentop.text.collector import Collector
    return Collector
