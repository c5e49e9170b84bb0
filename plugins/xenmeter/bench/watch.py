"""The plugins at work while a command runs: readings before, meanwhile and after, as snapshots."""
import resource
import time
from typing import Any, Callable, Dict, List, Optional, Tuple

from xenmeter.bench.ledger import Snapshot, snapshot
from xenmeter.bench.runner import Interrupted
from xenmeter.core.errors import SourceError, XenmeterError
from xenmeter.core.reading import Reading

__all__ = ("Watch",)

#: Snapshots that are kept of one run: when there are more, each second one goes. Phases of a long run are cut less finely.
_MOST = 512


class Watch:
    """:param pipelines: started pipelines by the name of their plugin; one that never speaks is left out, and told.

    :param missing: why others could not be started; :ivar missing: all plugins that have no figures here, with the reason.
    """

    def __init__(self, pipelines: Dict[str, Any], missing: Optional[Dict[str, str]] = None) -> None:
        self._pipelines = dict(pipelines)
        self._catalogues = {name: pipeline.plugin.catalogue for name, pipeline in pipelines.items()}
        self._newest: Dict[str, Reading] = {}
        self._kept: List[Snapshot] = []
        self._stride = 1
        self._seen = 0
        self.missing: Dict[str, str] = dict(missing or {})

    @property
    def settled(self) -> bool:
        """Whether every plugin has figures, or has said why it has none."""
        return all(name in self._newest for name in self._pipelines)

    def look(self, timeout: float = 0.0) -> bool:
        """Takes what has come; True when something had."""
        came = False
        for name in list(self._pipelines):
            pipeline = self._pipelines[name]
            for sample in pipeline.take(timeout):
                self._newest[name] = pipeline.collect(sample)
                came = True
            if name not in self._newest and (pipeline.error is not None or pipeline.ended):
                self.missing[name] = str(pipeline.error or "its source has ended")
                pipeline.stop()
                del self._pipelines[name]
        if not self._pipelines:
            raise SourceError("nothing can be measured here: " + "; ".join(
                "%s: %s" % (name, why) for name, why in sorted(self.missing.items())))
        if came and len(self._newest) == len(self._pipelines):
            self._keep(self.now())
        return came

    def now(self) -> Snapshot:
        """The newest reading of every plugin."""
        return snapshot(self._newest, self._catalogues)

    def after(self, time_ns: int, patience: float, stopped: Callable[[], bool] = lambda: False) -> Snapshot:
        """Waits until every plugin has a reading of this moment or later.

        :raises SourceError: one has none within ``patience`` seconds; Interrupted: ``stopped`` said so.
        """
        deadline = time.monotonic() + patience
        while True:
            late = sorted(name for name in self._pipelines
                          if name not in self._newest or self._newest[name].time_ns < time_ns)
            if not late and self._newest:
                return self.now()
            for name in late:
                self._pipelines[name].ask()
            if stopped():
                raise Interrupted
            if time.monotonic() >= deadline:
                raise SourceError("no new reading of %s for %g s" % (" and ".join(late), patience))
            self.look(0.05)

    def cost_ns(self) -> int:
        """CPU time of watching so far: of this process, and of what its sources have started."""
        used = resource.getrusage(resource.RUSAGE_SELF)
        return int((used.ru_utime + used.ru_stime) * 1000000) * 1000 + sum(
            pipeline.children_ns for pipeline in self._pipelines.values())

    def forget(self) -> None:
        """A run begins: the snapshots kept so far are another's."""
        self._kept, self._stride, self._seen = [], 1, 0

    def between(self, first_ns: int, last_ns: int) -> Optional[Tuple[Snapshot, Snapshot]]:
        """The kept snapshots nearest to both moments; None where they are the same one."""
        if not self._kept:
            return None
        first = min(self._kept, key=lambda kept: abs(_moment(kept) - first_ns))
        last = min(self._kept, key=lambda kept: abs(_moment(kept) - last_ns))
        return (first, last) if _moment(first) < _moment(last) else None

    def stop(self) -> None:
        for pipeline in self._pipelines.values():
            try:
                pipeline.stop()
            except XenmeterError:
                pass

    def _keep(self, kept: Snapshot) -> None:
        if self._seen % self._stride == 0:
            self._kept.append(kept)
        self._seen += 1
        if len(self._kept) > _MOST:
            self._kept = self._kept[::2]
            self._stride *= 2


def _moment(kept: Snapshot) -> int:
    """When the CPU times of a snapshot were read."""
    return kept.times.get("xentop", max(kept.times.values()))
