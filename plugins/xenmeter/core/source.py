"""The seams of a plugin: what a source, a collector, a form of the output and a publisher are to those that use them.

A **sample** is whatever a source gives and its own collector understands: a named tuple with ``time_ns``, the wall clock's time
of what is in it in ns since the epoch, and ``remark``, what its source says of itself in one line, or None.
"""
import abc
import threading
from typing import Any, BinaryIO, Callable, Dict, Iterator, List, Optional, Tuple

from xenmeter.core.bases import Bases
from xenmeter.core.errors import XenmeterError
from xenmeter.core.identity import Lives
from xenmeter.core.reading import Reading
from xenmeter.core.timeline import Timeline

__all__ = ("Source", "RecordedSource", "Collector", "Format", "Mirror", "SampleMirror", "ReadingMirror",
           "Publisher", "Report")

#: What a source calls with whatever goes wrong while it goes on trying.
Report = Callable[[XenmeterError], None]


class Source(abc.ABC):
    """Where samples come from: the only code that opens, maps, runs or listens, and that not before ``samples`` is iterated.

    What follows are properties here and plain attributes where a source has more to say: a class that sets one of them in an
    instance has it in its own body first.
    """

    #: Whether the samples' histograms are wanted; where they are not, a source may leave them out.
    histograms = True

    @abc.abstractmethod
    def samples(self, stop: threading.Event, report: Report) -> Iterator[Any]:
        """Samples until there are no more, or soon after ``stop`` is set.

        Called once, or anew after a fault of ours where the source is live. A live source that waits for its next reading by
        ``stop.wait`` takes it early when it is asked to (core.stopping.Wakeable). What was opened is closed when the generator
        ends or is closed. What goes wrong while it goes on trying is reported, and an XenmeterError is raised where trying is
        in vain.
        """

    @property
    def recorded(self) -> bool:
        """Whether the samples are of the past, and go with the times that stand in them."""
        return False

    @property
    def stepwise(self) -> bool:
        """Whether it is taken sample by sample as the asker likes; else a thread reads it ahead."""
        return False

    @property
    def skipped(self) -> Optional[str]:
        """What was left out first as none of the source's lines, as text to show; None: nothing."""
        return None

    @property
    def cpu_ns(self) -> int:
        """What reading has cost this host so far: CPU time of its thread and its children, ns. A recording's is not told."""
        return 0

    @property
    def children_ns(self) -> int:
        """CPU time of the processes that it has started, ns: what is not in this process's own."""
        return 0

    @property
    def hypercalls(self) -> Optional[int]:
        """How many were made so far; None for what makes none."""
        return None

    @property
    def timeline(self) -> Optional[Timeline]:
        """Of the samples' times, where the source itself holds back what the clock's setting makes wrong."""
        return None

    @property
    def pace_s(self) -> float:
        """Seconds between samples, as far as that was seen; 0: as asked."""
        return 0.0

    @property
    def note(self) -> Optional[str]:
        """What there is to say of the source itself now, in one line; or None."""
        return None

    @property
    def undated_ns(self) -> Optional[int]:
        """Of a recording of which nobody knows when it was made: the time that its first sample is given; else None."""
        return None


class RecordedSource(Source):
    """A source of the past.

    :param pace: 0 plays at once, 1 in the recording's own time, 10 ten times as fast.
    :ivar watch: ``watch(stream)`` gives the stream back with somebody looking on at how far it is read; may be set until
        ``samples`` is called.
    """

    recorded = True
    stepwise = True
    skipped: Optional[str] = None

    def __init__(self, pace: float) -> None:
        self.stepwise = pace == 0
        self.watch: Callable[[BinaryIO], BinaryIO] = lambda stream: stream


class Collector(abc.ABC):
    """Samples to readings, keeping what lasts between them: whose figures they are, counters that never fall.

    :ivar errors: kind -> how often so far, for ``xenmeter_errors_total``.
    :ivar trouble: why the last reading lacks something, in one line; None where it lacks nothing.
    :ivar notices: what else to say of the last reading in the log, one line each.
    :ivar histograms: whether histograms are wanted, and what is told of two of them; False spares them.
    """

    def __init__(self) -> None:
        self.histograms = True
        self.errors: Dict[str, int] = {}
        self.trouble: Optional[str] = None
        self.notices: List[str] = []

    @abc.abstractmethod
    def collect(self, sample: Any) -> Reading:
        """The reading of one sample. An XenmeterError, or any fault, costs this reading alone."""

    @property
    def kept(self) -> Optional[Tuple[Lives, str]]:
        """The lives whose devices' counters are worth keeping over a restart, and the source that they are of; None: none are."""
        return None

    def use(self, bases: Bases) -> None:    # noqa: B027 - most have nothing to keep
        """Go on with what ``bases`` has kept; called at most once, before the first sample, where ``kept`` is not None."""


class Format(abc.ABC):
    """Samples to bytes of one form."""

    @property
    def trouble(self) -> Optional[str]:
        """Why the last sample lacks something, in one line, where no collector tells it; None: it lacks nothing."""
        return None

    def header(self) -> bytes:
        """What comes first, once."""
        return b""

    @abc.abstractmethod
    def sample(self, sample: Any) -> bytes:
        """The bytes of one sample."""

    def own_only(self) -> bytes:
        """Where no sample comes: the meter's own figures now, which say that the source is down; or nothing."""
        return b""


class Mirror:
    """A plugin's own form, made with the plugin's options.

    :ivar trouble: why the last sample lacks something, in one line, where nobody else tells it; None: it lacks nothing.
    """

    trouble: Optional[str] = None

    def header(self) -> bytes:
        """What comes first, once."""
        return b""


class SampleMirror(Mirror, abc.ABC):
    """What the source said, in the source's own words."""

    @abc.abstractmethod
    def sample(self, sample: Any) -> bytes:
        """The bytes of one sample."""


class ReadingMirror(Mirror, abc.ABC):
    """What the collector made of a sample."""

    @abc.abstractmethod
    def reading(self, sample: Any, reading: Reading) -> bytes:
        """The bytes of one reading, beside the sample that it was made from."""


class Publisher:
    """Readings to bytes or values; made once from the catalogues.

    :ivar duplicates: rows left out so far because another one has their series.
    """

    duplicates = 0
