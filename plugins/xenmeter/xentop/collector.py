"""The collector of source ``auto``, and of a recording, which is of either source."""
from typing import Any, List, Optional

from xenmeter.core.reading import Reading
from xenmeter.xentop.direct.collector import DirectCollector
from xenmeter.xentop.samples import DirectSample
from xenmeter.xentop.text.collector import Collector

__all__ = ("EitherCollector",)


class EitherCollector:
    """The collector of what ``auto`` gives: a sample of either source goes to that source's own collector."""

    def __init__(self, wanted: Any = None, by_number: bool = False) -> None:
        self._direct = DirectCollector(wanted, by_number)
        self._text = Collector(wanted, by_number)
        self._last: Any = self._text

    @property
    def errors(self) -> Any:
        return self._last.errors

    @property
    def trouble(self) -> Optional[str]:
        return self._last.trouble

    @property
    def notices(self) -> List[str]:
        return self._last.notices

    def use(self, bases: Any) -> None:
        self._direct.use(bases)
        self._text.use(bases)

    @property
    def kept(self) -> Any:
        return self._last.kept

    def collect(self, sample: Any) -> Reading:
        self._last = self._direct if isinstance(sample, DirectSample) else self._text
        return self._last.collect(sample)
