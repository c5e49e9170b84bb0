"""What the endpoint shows: the newest readings of one or several plugins in each form that is asked for, made once."""
import gzip
import sys
import threading
import time
from typing import Any, Dict, List, Optional, Sequence, Tuple

from xenmeter.core import meter
from xenmeter.core.clock import now_ns
from xenmeter.core.errors import XenmeterError
from xenmeter.core.log import LogOnce
from xenmeter.core.pipeline import Pipeline
from xenmeter.core.reading import Reading
from xenmeter.front.daemons.hostpage import HostPage, Part
from xenmeter.publish.openmetrics import END, Exposition

__all__ = ("Exposed", "OPENMETRICS", "TEXT", "HTML")

#: The forms of a page.
OPENMETRICS, TEXT, HTML = "openmetrics", "text", "html"

#: Of gzip: a higher level costs dom0 twice the time and saves a fifth more.
LEVEL = 1

#: Seconds for which a page with nothing new in it is shown again.
FRESH = 1.0


class _Shown:
    """One plugin's newest reading."""

    def __init__(self, pipeline: Pipeline, alone: bool) -> None:
        self.pipeline = pipeline
        self.exposition = pipeline.publisher = Exposition([pipeline.plugin.catalogue], pipeline.groups)
        self.reading: Optional[Reading] = None
        self.before: Optional[Reading] = None       # the one before it, for people, who want to see what happens now
        speaker = "" if alone else pipeline.plugin.name + ": "
        self._sayings = LogOnce(lambda level, text: sys.stderr.write("xenmeter: %s%s\n" % (speaker, text)))

    def take(self, only_look: bool = False) -> Tuple[Any, ...]:
        """What has come; what is returned changes when what is to be shown does. ``only_look``: a recording that goes a sample
        further each time that it is asked is left where it is."""
        pipeline = self.pipeline
        if not (only_look and pipeline.stepwise and self.reading is not None):
            for sample in pipeline.take():
                self.before, self.reading = self.reading, pipeline.collect(sample)
        self._sayings.about(pipeline)
        return self.reading, pipeline.error is None, pipeline.hangs(), pipeline.ended

    def readings(self) -> Tuple[Optional[Reading], Reading]:
        """The plugin's reading and the meter's own. None while the source is down, it is stale or a recording has come to its
        end: old figures must not look like new ones."""
        pipeline = self.pipeline
        if pipeline.ended:
            pipeline.meter.up = False
        own = pipeline.own(now_ns())
        if pipeline.hangs() or pipeline.ended:
            self.reading = self.before = None
        return (None if pipeline.error is not None else self.reading), own


class Exposed:
    """All who ask are given the same bytes. :param pipelines: of the plugins that are shown, each once."""

    def __init__(self, pipelines: Sequence[Pipeline]) -> None:
        self._shown = [_Shown(pipeline, len(pipelines) == 1) for pipeline in pipelines]
        self._meters = Exposition([meter.CATALOGUE])
        self._host = HostPage(pipelines)
        self._lock = threading.Lock()
        self._pages: Dict[Tuple[str, bool], bytes] = {}   # (form, gzip?)
        self._of: Any = None     # what they show
        self._until = 0.0           # monotonic

    def start(self, front: str) -> None:
        """Open the sources. What can never work here raises where it is alone; beside others it is said, and they go on."""
        failed = 0
        for shown in self._shown:
            try:
                shown.pipeline.start(keep=1, front=front)
            except XenmeterError as error:
                failed += 1
                if failed == len(self._shown):
                    raise
                sys.stderr.write("xenmeter: %s: %s\n" % (shown.pipeline.plugin.name, error))

    def page(self, form: str, packed: bool = False) -> bytes:
        """:param form: OPENMETRICS, TEXT or HTML; :param packed: by gzip."""
        with self._lock:
            of = [shown.take(form == HTML) for shown in self._shown]
            if of != self._of or time.monotonic() > self._until:
                self._pages.clear()
                self._of, self._until = of, time.monotonic() + FRESH
            if (form, packed) not in self._pages:
                if (form, False) not in self._pages:
                    self._pages[form, False] = self._made(form)
                if packed:
                    self._pages[form, True] = gzip.compress(self._pages[form, False], LEVEL)
            return self._pages[form, packed]

    def end(self) -> None:
        """No page is being made while the counters are kept; one that is asked for later has the last figures."""
        with self._lock:
            for shown in self._shown:
                shown.pipeline.stop()

    def _made(self, form: str) -> bytes:
        told = [shown.readings() for shown in self._shown]
        if form == HTML:
            return self._host.render([Part(shown.pipeline, reading, shown.before)
                                      for shown, (reading, _) in zip(self._shown, told)])
        openmetrics = form == OPENMETRICS
        bodies = [shown.exposition.body([reading], openmetrics)
                  for shown, (reading, _) in zip(self._shown, told) if reading is not None]
        bodies.append(self._meters.body(_once([own for _, own in told]), openmetrics))
        return b"".join(bodies) + (END if openmetrics else b"")


def _once(own: List[Reading]) -> List[Reading]:
    """The meters' readings; the program's version is told by the first alone."""
    return own[:1] + [Reading(one.time_ns, {name: rows for name, rows in one.tables.items() if name != "build"})
                      for one in own[1:]]
