"""The baker at work: passes from a source through the engine into the shared file. What it answers when asked is in asked.py."""
import threading
import time
from typing import Any, Callable, List, Optional, Sequence

from xenmeter.core import profiling
from xenmeter.core.clock import Sleep, now_ns, steady_ns
from xenmeter.core.errors import SourceError
from xenmeter.core.log import Hourly
from xenmeter.xentrace.baker.asked import Asked
from xenmeter.xentrace.baker.directory import Directory
from xenmeter.xentrace.baker.document import Words
from xenmeter.xentrace.engine.windowed import Baking
from xenmeter.xentrace.engine.loss import ELSEWHERE
from xenmeter.xentrace.baker.writing import Writer
from xenmeter.xentrace.baker.pace import Pace
from xenmeter.xentrace.baker.rings import Rings

__all__ = ("Bakery", "BEAT_NS", "HISTORY")

#: Closed windows of each length that are kept for readers that come late.
HISTORY = 600
#: The shared file's heart beats at least this often; sources give a pass, be it an empty one, every second or two.
BEAT_NS = 5 * 10 ** 9


class Bakery(Asked):
    """:param source: has ``passes(stop)``, ``full`` and ``splitter`` (or None), ``about()`` and ``close()``.

    :param names: ``names()`` gives a snapshot of xenstore, None where there is none, or raises SourceError.
    :param governor: bounds the cost of a source that has ``rest()`` and ``resume()``; None: it never rests.
    :param remark: what to know about all figures, or None. :param watch: ``mute.Watch`` of a source that reads this host.
    :param alive: called several times a second for as long as all is well; :param say: takes lines for the log.
    :param causes: how many of what made a domain wait are told by name; 0: nobody keeps it.
    """

    def __init__(self, source: Any, cpu_khz: int, windows: Sequence[int], writer: Optional[Writer], names: Any,
                 per_vcpu: bool = False, governor: Any = None, remark: Optional[str] = None, alive: Any = lambda: None,
                 say: Any = lambda text: None, watch: Any = None, causes: int = 0) -> None:
        self._source = source
        self._writer = writer
        self._directory = Directory(names)
        self._governor = governor
        self._given = remark
        self._remark = remark       # with what there is to say of this moment
        self._alive = alive
        self._say = say
        self._watch = watch
        self._mute: set = set()     # pCPUs that the log has told to be mute
        self._contradicted = False      # that records contradict each other without end was told
        self._lost = 0          # records, of those that the log tells
        self._hourly = Hourly()
        self._pace = Pace(cpu_khz) if isinstance(source, Rings) else None       # others do not sleep as long as we say
        self._sleep = Sleep()
        self._rest_told = False
        self._resting_s = 0     # of each round, as the log tells it
        self._awake_at = 0.0    # monotonic: the end of the present rest, or of the last one
        self._baking = Baking(cpu_khz, windows, HISTORY, per_vcpu, newest=True, causes=causes)
        self._until_ns = 1          # up to the first border
        self._judged = False        # whether what is observed has been weighed against what it may cost
        self._lock = threading.Lock()       # held by whoever changes the accounts
        self._finished = False
        self._told: Any = None      # the newest picture, its time and its names
        self._words = Words()

    def run(self, stop: threading.Event) -> None:
        """Until the source ends or ``stop`` is set; what the source holds is accounted to its end."""
        for pass_ in self._source.passes(stop):
            if self._pace is not None and self._sleep.over():
                self._wake()        # what was read is of two times
            elif pass_ is not None:
                with self._lock:
                    self._feed(pass_)
            span_ns = self._publish()
            self._beat()
            if self._pace is not None:
                self._source.pause_s = self._pace.looked(steady_ns(), *self._baking.engine.ahead_ns())
            if self._governor is not None and span_ns >= self._until_ns:
                self._consider(span_ns, stop)
        with self._lock:
            self._baking.finish()
            self._finished = True
        self._publish()

    def idle(self, stop: threading.Event) -> None:
        """The source has ended, and its figures stay to be read until ``stop`` is set."""
        while not stop.wait(BEAT_NS / 5e9):
            self._beat()

    def _beat(self) -> None:
        self._alive()
        self._written(lambda writer: writer.beat())

    def _feed(self, pass_: List[Any]) -> None:
        engine, full = self._baking.engine, self._source.full
        splitter = self._source.splitter
        if splitter is not None and engine.other_recording(pass_):
            raise SourceError("the stamps are older than before: another boot's trace follows, or the same one again; bake each "
                              "by itself")
        engine.feed_rings(pass_, full)
        if splitter is not None:
            engine.skipped(splitter.damaged, splitter.skipped)
        engine.pass_done(-1 if self._pace is None else self._pace.known_ns(self._source.began_ns))
        self._look(pass_)

    def _look(self, pass_: List[Any]) -> None:
        """Whether a pCPU works and writes nothing, or one that did writes again."""
        engine = self._baking.engine
        for pcpu in self._watch.look(pass_, engine) if self._watch is not None else ():
            engine.silence(pcpu)
            if pcpu not in self._mute:
                self._mute.add(pcpu)
                self._say("pCPU %d is at work, as Xen counts, and writes no trace records: what may run there is told as "
                          "unknown. So it is after cpu-offline and cpu-online; booting the host anew mends it" % pcpu)
        if ELSEWHERE in engine.accounts.mute and not self._contradicted:
            self._contradicted = True
            self._say("records of vCPUs contradict each other again and again: a pCPU at work writes no records, or the pCPUs' "
                      "clocks (TSC) disagree; meanwhile only running vCPUs are known")
        for pcpu in sorted(self._mute - engine.accounts.mute):
            self._mute.discard(pcpu)
            self._say("pCPU %d writes trace records again" % pcpu)

    def _publish(self) -> int:
        """The newest figures; of windows that ended meanwhile the newest of each length. Gives the time observed up to the last
        border, 0 where no window has ended."""
        if not self._baking.taken:
            return 0
        picture = self._baking.taken.pop()
        time_ns, names = now_ns(), self._directory.names(self._baking.engine.accounts.windows.changes)
        self._remark = profiling.beside(self._given)
        if self._governor is not None:
            picture.observe(self._governor.elapsed_ns())
        self._told = picture, time_ns, names
        self._tell_losses(picture.lost_records)
        self._written(lambda writer: writer.write(self._words.parts(picture, names, self._remark), time_ns, picture.cells))
        return picture.span_ns

    def _written(self, change: Callable[[Writer], None]) -> None:
        """What cannot be written now is said, and the next document is tried again: the figures themselves go on."""
        if self._writer is None:
            return
        try:
            change(self._writer)
        except SourceError as error:
            self._tell("%s; what is read is old until there is room" % error)

    def _consider(self, span_ns: int, stop: threading.Event) -> None:
        """An observation is complete: rest if it cost more than it may, and let another one go on with the figures. Nothing is
        scaled: what happens meanwhile is in no figure, and ``observed`` says how much time that is."""
        rest_ns = self._governor.rest_ns() if self._judged else 0
        self._judged = True         # up to the first border all domains and vCPUs become known, which costs something once
        self._tell_rest(-(-rest_ns // 10 ** 9))
        if rest_ns:
            span_ns = self._leave_off()
            self._wait(rest_ns, stop)
            self._go_on(span_ns)
        self._until_ns = span_ns + self._governor.observation_ns
        self._governor.begin()

    def _wake(self) -> None:
        """The host has slept. Its TSC may have begun again at 0 meanwhile, or gone on: as after a rest what comes is added to
        what there is, and the time between is in nothing."""
        self._go_on(self._leave_off())
        self._say("the host has slept: the figures go on from now")

    def _leave_off(self) -> int:
        """The time that was observed up to now, ns."""
        with self._lock:
            self._source.rest()
            if self._told is not None:      # what it was told in is used for what follows
                self._told = (self._told[0].frozen(),) + self._told[1:]
            span_ns = self._baking.rest()
            for pcpu in sorted(self._mute):
                self._baking.engine.silence(pcpu)
        self._directory.note_lives()
        return span_ns

    def _go_on(self, span_ns: int) -> None:
        self._source.resume()
        with self._lock:
            if self._governor is not None:
                self._baking.engine.accounts.windows.offset = self._governor.elapsed_ns() - span_ns
            self._directory.leave_behind(self._baking.engine.accounts, span_ns)
        if self._watch is not None:
            self._watch.begin()

    def _tell_losses(self, lost: int) -> None:
        if lost > self._lost and self._tell(
                "Xen has lost %d records, its rings were full; the time that they leave unknown is told as such. "
                "--buffer-pages makes larger rings, after the next boot" % (lost - self._lost)):
            self._lost = lost

    def _tell(self, text: str) -> bool:
        """A line for the log, unless one of its kind was there within the hour."""
        may = self._hourly.may(text)
        if may:
            self._say(text)
        return may

    def _tell_rest(self, rest_s: int) -> None:
        """Once when it begins, once when it has ended, not again within the hour: xen_trace_observed_ratio tells it."""
        if rest_s and not self._resting_s:
            self._rest_told = self._tell("the events cost more than --share allows: after %d s observed it rests, %d s this time"
                                         % (self._governor.observation_ns // 10 ** 9, rest_s))
        elif self._resting_s and not rest_s and self._rest_told:
            self._say("the events cost no more than --share allows: it observes without a rest")
        self._resting_s = rest_s

    def _wait(self, rest_ns: int, stop: threading.Event) -> None:
        until = self._awake_at = time.monotonic() + rest_ns / 1e9
        while not stop.is_set() and time.monotonic() < until:
            stop.wait(min(1.0, max(0.0, until - time.monotonic())))
            self._beat()

    def close(self) -> None:
        self._source.close()
        if self._writer is not None:
            self._writer.close()
        self._baking.close()
