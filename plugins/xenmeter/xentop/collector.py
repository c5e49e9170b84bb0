"""The collector of source ``auto``, and of a recording, which is of either source."""
from typing import Any, Optional, Tuple

from xenmeter.core import source
from xenmeter.core.bases import Bases
from xenmeter.core.identity import Lives
from xenmeter.core.reading import Reading
from xenmeter.core.select import Wanted
from xenmeter.xentop.direct.collector import DirectCollector
from xenmeter.xentop.samples import DirectSample
from xenmeter.xentop.text.collector import Collector

__all__ = ("EitherCollector",)


class EitherCollector(source.Collector):
    """A sample of either source goes to that source's own collector."""

    def __init__(self, wanted: Optional[Wanted] = None, by_number: bool = False) -> None:
        super().__init__()
        self._direct = DirectCollector(wanted, by_number)
        self._text = Collector(wanted, by_number)
        self._last: source.Collector = self._text

    @property
    def kept(self) -> Optional[Tuple[Lives, str]]:
        return self._last.kept

    def use(self, bases: Bases) -> None:
        self._direct.use(bases)
        self._text.use(bases)

    def collect(self, sample: Any) -> Reading:
        self._last = self._direct if isinstance(sample, DirectSample) else self._text
        try:
            return self._last.collect(sample)
        finally:
            self.errors, self.trouble, self.notices = self._last.errors, self._last.trouble, self._last.notices
