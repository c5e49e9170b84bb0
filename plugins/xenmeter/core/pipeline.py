"""A plugin at work, the same in every front: its source's samples, its collector's readings, the meter's figures."""
import os
import threading
import time
from typing import Any, Callable, Dict, Iterator, List, Optional

from xenmeter.core import meter as meters
from xenmeter.core.bases import Bases, open_bases
from xenmeter.core.clock import ahead_ns, now_ns
from xenmeter.core.errors import XenmeterError
from xenmeter.core.feed import Feed
from xenmeter.core.plugin import Plugin
from xenmeter.core.quiet_gc import quiet_gc
from xenmeter.core.reading import Reading
from xenmeter.core.select import unfit
from xenmeter.core.source import Publisher, Source
from xenmeter.core.timeline import Timeline
from xenmeter.core.times import parse_time

__all__ = ("Pipeline",)

#: Seconds beyond three intervals after which a source that says nothing hangs.
SLACK = 5


class Pipeline:
    """From options to readings; opens nothing before :meth:`start`.

    A live source, or a recording at a pace, is read ahead in a thread. A recording without a pace is taken one sample
    at a time, so that nothing of it is lost whatever the asker's own pace is.

    :param stamped: whether the figures are told with their times; else none are held back while the clock is set.
    :ivar ended: True when no sample will come any more.
    :ivar publisher: who writes the readings; its ``duplicates`` are told with the meter's figures.
    """

    def __init__(self, plugin: Plugin, options: Any, stamped: bool = True) -> None:
        self.plugin = plugin
        self.options = options
        self.groups = set(options.group) | {"meter"}
        self.catalogues = [plugin.catalogue, meters.CATALOGUE]
        self._of_domains = "domain" in plugin.catalogue.entities
        self.meter = meters.Meter(plugin.name, self._of_domains)
        self.ended = False
        self.publisher = Publisher()
        self._collector = plugin.make_collector(options)
        self._source: Optional[Source] = None
        self._feed: Optional[Feed] = None
        self._steps: Optional[Iterator[Any]] = None
        self._recorded = False
        self._stop = threading.Event()
        self._error: Optional[XenmeterError] = None
        self._unusable: Optional[XenmeterError] = None     # why the newest sample gave no figures
        self._keeps_all = True
        self._unfit = False     # the newest sample has no domain that the filters leave
        self._stamped = stamped
        self._timeline = Timeline()
        self._own_times = Timeline()
        self._remark: Optional[str] = None   # what the newest sample says of itself
        self._bases: Optional[Bases] = None
        self._not_kept: Optional[str] = None   # why there are none
        self._idle: List[str] = []       # options that have no effect on this source
        if getattr(options, "start", ""):
            parse_time(options.start)   # what cannot be read is told, whatever the source

    def start(self, keep: int = 16, notify: Optional[Callable[[], None]] = None, front: str = "") -> None:
        """Open the source; raises XenmeterError where that cannot ever work. See :class:`core.feed.Feed` for the rest.

        :param front: for whom what devices have counted is kept over a restart (core.bases); empty: it is not.
        """
        source = self._source = self.plugin.open_source(self.options)
        source.histograms = self._collector.histograms
        self._recorded = source.recorded
        self._timeline = source.timeline or self._timeline
        if front and not self._recorded and self._collector.kept is not None:
            self._keep(front)
        if not self._recorded:
            self._idle = ["%s is for recordings: source %s is live, its figures have the time of now" % (
                name, self.options.source) for name in ("start", "pace") if getattr(self.options, name, None)]
        if source.stepwise:
            self._steps = source.samples(self._stop, self._report)
        else:
            self._keeps_all = keep > 1      # who keeps one wants the newest alone
            self._feed = Feed(source.samples, keep, notify, None if self._recorded else self.options.interval,
                              self._takes)
            self._feed.start()

    def spare_histograms(self) -> None:
        """The form that is made of the readings has no histograms, nor what is told of two of them: they need not be there."""
        self._collector.histograms = False

    def _keep(self, front: str) -> None:
        if self.options.source == "-":
            return      # nobody knows which host's figures come next
        name = "%s-%s" % (front, self.plugin.name)
        if os.path.exists(self.options.source):     # a FIFO: another host's figures
            import hashlib
            name += "-" + hashlib.sha256(os.path.abspath(self.options.source).encode("utf-8", "surrogateescape")).hexdigest()[:8]
        self._bases, self._not_kept = open_bases(name)
        if self._bases is not None:
            self._collector.use(self._bases)

    def _takes(self, sample: Any) -> bool:
        """Whether a sample that has just come is told. What is recorded was asked already."""
        return self._recorded or self._timeline.takes(sample.time_ns, sample.time_ns - ahead_ns()) or not self._stamped

    @property
    def stepwise(self) -> bool:
        return self._steps is not None

    def take(self, timeout: float = 0.0) -> List[Any]:
        """The samples that wait (a recording: the next one); waits for the first at most ``timeout`` seconds."""
        if self._steps is not None:
            try:
                sample = next(self._steps, None)
            except XenmeterError as error:
                self._report(error)
                sample = None
            self.ended = self.ended or sample is None
            return self._noted([] if sample is None else [sample])
        feed = self._feed
        if feed is None:
            return []       # not started
        samples = []
        sample = feed.take(timeout)
        while sample is not None:
            samples.append(sample)
            sample = feed.take()
        self.ended = feed.ended and not samples
        return self._noted(samples)

    @property
    def children_ns(self) -> int:
        """CPU time of processes that the source has started, ns: what is not in this process's own."""
        return 0 if self._source is None else self._source.children_ns

    def ask(self) -> None:
        """A live source that polls takes a reading now; another one comes when it comes."""
        if self._feed is not None and not self._recorded:
            self._feed.ask()

    def _noted(self, samples: List[Any]) -> List[Any]:
        if samples:
            self._remark = samples[-1].remark
        return samples

    @property
    def error(self) -> Optional[XenmeterError]:
        """What is wrong with the source now, None while samples come."""
        return (self._error if self._feed is None else self._feed.error) or self._unusable

    def hangs(self) -> bool:
        """True when a live source should have spoken and has not; it has not said why either."""
        if self._feed is None or self._source is None or self._recorded:
            return False
        interval = max(1, self.options.interval, self._source.pace_s)
        return time.monotonic() - self._feed.heard > SLACK + 3 * interval

    def collect(self, sample: Any) -> Reading:
        """The reading of a sample; an empty one where its figures cannot be used, which ``error`` tells until others can."""
        reading = self.usable(self.reading, sample)
        return Reading(sample.time_ns, {}) if reading is None else reading

    def reading(self, sample: Any) -> Reading:
        """The reading of a sample, for what :meth:`usable` is given: it raises whatever is wrong with the sample."""
        with quiet_gc:
            reading = self.meter.collect(self._collector.collect, sample)
        kept = self._collector.kept
        if self._bases is not None and kept is not None:
            self._bases.after(*kept)
        self._unfit = self._of_domains and not reading.tables.get("domain") and not self._collector.trouble
        return reading

    def usable(self, make: Callable[[Any], Any], sample: Any) -> Any:
        """What ``make`` makes of a sample; None where it cannot, which ``error`` tells until it can again."""
        try:
            made = make(sample)
            self._unusable = None
            return made
        except XenmeterError as error:
            self._unusable = error
        except Exception as error:      # one sample, or one fault of ours, must not be the end
            self._unusable = XenmeterError("a sample cannot be used: %s: %.200s" % (type(error).__name__, error))
        self.meter.error("fault")
        self.meter.up = False
        return None

    def own(self, time_ns: int) -> Reading:
        """The meter's own reading, with a sample's time."""
        self._own_times.tell(time_ns, time_ns - ahead_ns())
        return self._own(time_ns)

    def own_now(self) -> Optional[Reading]:
        """The meter's own reading with the time of now, where no sample comes; None while times of now are not told."""
        time_ns = now_ns()
        if not self._own_times.takes(time_ns, time_ns - ahead_ns()) and self._stamped:
            return None
        return self._own(time_ns)

    def _own(self, time_ns: int) -> Reading:
        if self.error is not None or self.hangs():
            self.meter.up = False
        cpu_ns, hypercalls = (0, None) if self._source is None else (self._source.cpu_ns, self._source.hypercalls)
        return self.meter.reading(time_ns, cpu_ns, self._errors(), hypercalls)

    def _errors(self) -> Dict[str, int]:
        """The collector's counts; and ``overrun``, samples that gave way before anybody took them, ``duplicate``, rows that a
        publisher left out since another one has their series, and ``clock_set``, how often the clock was set."""
        errors = dict(self._collector.errors)
        for kind, number in (("overrun", self._feed.overrun if self._feed is not None and self._keeps_all else 0),
                             ("duplicate", self.publisher.duplicates), ("clock_set", self._timeline.steps)):
            if number:
                errors[kind] = errors.get(kind, 0) + number
        return errors

    def remarks(self) -> List[str]:
        """What could not be used or is missing, for the log: one line each."""
        skipped, note = (None, None) if self._source is None else (self._source.skipped, self._source.note)
        left_out = skipped and "left out lines that are none of %s's; the first: %s" % (self.plugin.name, skipped)
        about_sample = sorted({text for text in (self._remark, self._collector.trouble, self._timeline.remark, note) if text})
        filters = unfit(self.options) if self._unfit else None
        remarks = self._idle + [filters, left_out] + about_sample + self._collector.notices + [
            self._not_kept, self._bases and self._bases.remark]
        return [text for text in remarks if text]

    def stop(self, timeout: float = 2.0) -> None:
        self._stop.set()
        if self._feed is not None:
            self._feed.stop(timeout)
        kept = self._collector.kept
        if self._bases is not None and kept is not None:
            self._bases.close(*kept)
            self._bases = None

    def _report(self, error: XenmeterError) -> None:
        self._error = error
