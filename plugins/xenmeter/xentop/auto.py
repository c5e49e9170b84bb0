"""Source ``auto`` of the xentop plugin: Xen and dom0 themselves where a reading of them works, else the xentop program."""
import threading
from typing import Any, Callable, Iterator, Optional

from xenmeter.core.errors import NotXen, SourceError, XenmeterError
from xenmeter.core.retry import persistent
from xenmeter.core.source import Report, Source

__all__ = ("LiveAuto",)


class LiveAuto(Source):
    """Samples of whichever source gives the first one; it is kept to, whatever happens later, for as long as this lives.

    The direct source counts CPU time in ns where the text has whole seconds, so to change over later would make counters
    fall. Where neither works both are tried again, with growing pauses.

    :param direct: ``direct()`` gives a LiveDirect; :param text: ``text()`` gives a LiveXentop.
    """

    def __init__(self, direct: Callable[[], Source], text: Callable[[], Source]) -> None:
        self._direct = direct
        self._text = text
        self._chosen: Optional[Source] = None

    @property
    def cpu_ns(self) -> int:
        return 0 if self._chosen is None else self._chosen.cpu_ns

    @property
    def children_ns(self) -> int:
        return 0 if self._chosen is None else self._chosen.children_ns

    @property
    def hypercalls(self) -> Optional[int]:
        return None if self._chosen is None else self._chosen.hypercalls

    @property
    def skipped(self) -> Optional[str]:
        return None if self._chosen is None else self._chosen.skipped

    def samples(self, stop: threading.Event, report: Report) -> Iterator[Any]:
        """Samples until ``stop``; what goes wrong is reported, and tried again after a pause."""
        def run(stop: threading.Event) -> Iterator[Any]:
            return self._chosen.samples(stop, report) if self._chosen is not None else self._choose(stop, report)
        return persistent(run, stop, report)

    def _choose(self, stop: threading.Event, report: Report) -> Iterator[Any]:
        def fail(error: XenmeterError) -> None:
            """Until there is a sample an error ends the trial."""
            if self._chosen is None:
                raise error
            report(error)
        reasons = []
        for make in (self._direct, self._text):
            source = make()
            try:
                for sample in source.samples(stop, fail):
                    self._chosen = source
                    yield sample
                return
            except SourceError as error:
                if self._chosen is not None:
                    raise
                reasons.append(error)
        first, second = reasons
        if isinstance(first, NotXen) and isinstance(second, NotXen):
            raise first     # both say that there is no Xen: once is enough, in our words, not in those of xentop's wrapper
        raise type(second)("%s; and source direct: %s" % (second, first))
