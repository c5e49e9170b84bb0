"""The engine: bytes in, figures out, at any moment.

File or pipe: ``feed`` any pieces of the stream. Live rings: ``feed_rings`` what those held that held something, then
``pass_done``. The figures do not depend on the pieces.
"""
from xenmeter.xentrace.engine import compiled
from xenmeter.xentrace.engine.accounts import Accounts
from xenmeter.xentrace.engine.causing import CausedAccounts
from xenmeter.xentrace.engine.core import Core
from xenmeter.xentrace.engine.hot import PythonCore
from xenmeter.xentrace.engine.layout import (G_BACKWARDS, G_BASE, G_BORDER, G_CUT, G_DMAX, G_DRAIN_AT, G_HURT, G_KHZ, G_LATE,
                                             G_LEFT, G_MAXT, G_MINT, G_NOW, G_NOWT, G_NPCPU, G_PENDING, G_PREV, G_PREVMAX,
                                             G_QUIET, G_RECORDS, G_REF_T, G_RESYNC, G_SAFE, G_SIZE, G_SKIP, G_SKIPPED, G_START,
                                             G_TWICE, G_WILD, G_WILDS, P_BEFORE, P_BYTES, P_CSTATE, P_FULL, P_HELD, P_LAST,
                                             P_LOST, P_LOST_BEFORE, P_NUMBER, P_OCCUPANT, P_RECORDS, P_SIZE, RESTED, S_PENDING,
                                             S_UNKNOWN, V_SEEN, V_SINCE, V_STATE)
from xenmeter.xentrace.engine.picture import Picture
from xenmeter.xentrace.engine.scan import begin_pass
from xenmeter.xentrace.engine.seams import older, window
from xenmeter.xentrace.engine.sections import mute_section, trace_section
from xenmeter.xentrace.engine.fullrings import FullRings
from xenmeter.xentrace.engine.store import PythonStore, Store
from xenmeter.xentrace.engine.stream import PATIENCE, Stream
from xenmeter.xentrace.engine.windows import Windows

__all__ = ("Engine",)


class Engine(Stream):
    """:param cpu_khz: TSC rate of the host in kHz (``physinfo.cpu_khz``).

    :param windows: lengths of the windows, ns; :param history: how many closed windows of each length are kept;
        None: all (``windows.MOST``).
    :param per_vcpu: histograms per vCPU (and per domain, merged), or per domain only.
    :param core: ``"compiled"``, ``"python"``, or None for what there is.
    :param make_windows: ``make_windows(accounts)`` gives the windows, in the place of those of fixed lengths.
    :param tap: ``tap(core, g)`` gives what stands in the core's place: it may look on as entries are accounted.
    :param causes: whether to keep who made whom wait (``causing.CausedAccounts``).
    """

    def __init__(self, cpu_khz, windows=(), history=600, per_vcpu=True, core=None, make_windows=None, tap=None, causes=False):
        if cpu_khz <= 0:
            raise ValueError("cpu_khz must be more than 0")
        self.compiled = compiled.available() if core is None else core == "compiled"
        store = Store() if self.compiled else PythonStore()
        self.g = g = store.row(G_SIZE)
        g[G_KHZ] = cpu_khz
        # 2**59 ns are 18 years; stamps beyond cannot be right, and would overflow the sums.
        g[G_DMAX] = min((1 << 59) * cpu_khz // 1000000, 1 << 62)
        self.core = (Core if self.compiled else PythonCore)(g, store)
        if tap is not None:
            self.core = tap(self.core, g)
        make = make_windows or (lambda accounts: Windows(accounts, windows, history))
        self.accounts = (CausedAccounts if causes else Accounts)(g, store, make, per_vcpu)
        Stream.__init__(self)
        self._store = store
        self._teller = None
        self._truncated = 0
        self._finished = False
        g[G_QUIET] = cpu_khz * 1000         # a second
        self._listen()

    def _listen(self):
        """Nothing was heard yet of any pCPU: at the beginning, and after a rest."""
        g = self.g
        for place in (G_PREV, G_MAXT, G_MINT, G_PREVMAX, G_SAFE, G_BASE, G_REF_T):
            g[place] = -1
        for place in (G_PENDING, G_LEFT, G_SKIP, G_WILDS, G_TWICE, G_HURT):
            g[place] = 0
        g[G_DRAIN_AT] = PATIENCE
        self._based = False         # whether the time that is accounted has a TSC
        self._full = FullRings(g, 16 * PATIENCE)
        for row in self.core.rows.values():
            row[P_LAST] = row[P_HELD] = -1
            row[P_BYTES] = row[P_BEFORE] = row[P_FULL] = row[P_RECORDS] = 0

    def rest(self):
        """Nothing is recorded from now on: what waits is left out, and the next record that comes goes on from this moment."""
        self.core.forget()
        self.accounts.rest(self.g[G_NOW])
        self.accounts.damage.rest()
        self._listen()

    # -- live rings ------------------------------------------------------------------------------------------------
    def feed_rings(self, pass_, full=None):
        """Whole records out of pCPUs' rings; what lies on both sides of a ring's end in one piece or in two.

        :param pass_: (pCPU, bytes) of each. :param full: pCPUs whose rings were full when they were read, None: whoever read
            them cannot tell.
        """
        core, g = self.core, self.g
        windows, done = core.windows(pass_), 0
        numbers = core.numbers(windows)
        for pcpu in sorted(set(numbers) - core.rows.keys()):
            self._new_pcpu(pcpu)
        self._full.speak(core.rows, numbers)
        while True:
            done = core.scan_rings(windows, done)
            if done == len(windows):
                break
            if g[G_LEFT] or g[G_SKIP]:
                g[G_CUT] += 1
                g[G_LEFT] = g[G_SKIP] = 0
            self.accounts.damage.found(False)
            done += 1
        self._full.read(core.rows, numbers, core.filled(windows) if full is None else [pcpu in full for pcpu in numbers])

    def other_recording(self, pass_):
        """Asked of each pass of a stream, before its windows are fed: whether it is another recording's, older than what was
        fed, and not to be added to it. Little is looked at where nothing is out of the ordinary."""
        if not self.core.odd(self.core.windows(pass_)):
            return False
        windows = [window(pcpu, memoryview(data)[:len(data) & ~3].cast("I")) for pcpu, data in pass_]
        if older(windows, self.core.rows):
            return True
        self._look_for_silence(windows)
        return False

    def skipped(self, places, size):
        """Whoever split a stream into rings has found so many damaged places in all, and has left out so many bytes."""
        if places > self.g[G_RESYNC]:
            self.accounts.damage.found(False)
        self.g[G_RESYNC], self.g[G_SKIPPED] = places, size

    def silence(self, pcpu):
        """The pCPU is at work, as the hypervisor counts, and its ring stays empty."""
        if pcpu not in self.core.rows:
            self._new_pcpu(pcpu)
        self.accounts.silence(self.g[G_NOW], pcpu)

    def ahead_ns(self):
        """(time of the newest record, which need not be accounted yet, None where nothing is; when the next window ends)"""
        g = self.g
        return (g[G_MAXT] - g[G_BASE]) * 1000000 // g[G_KHZ] if self._based else None, g[G_BORDER]

    def pass_done(self, known_ns=-1):
        """Every ring has been read once more: account what no ring can contradict any longer.

        :param known_ns: whoever read them knows that all up to then has come; nothing is accounted for that beyond the newest
            record.
        """
        g = self.g
        begin_pass(g)
        if known_ns >= 0 and self._based:
            g[G_SAFE] = max(g[G_SAFE], min(g[G_MAXT], g[G_BASE] + known_ns * g[G_KHZ] // 1000000))
        limit, presumed = self._full.after_pass()
        for tsc, ends, pcpu in presumed:
            self._account(tsc)
            self.accounts.presume(g[G_NOW], pcpu, ends)
        self._account(limit)

    def _account(self, tsc):
        """All that is not later than ``tsc``, to which nothing is to be added."""
        if tsc >= 0:
            self._drain(tsc)
            self._advance(tsc)

    def _advance(self, tsc):
        """Nothing earlier than ``tsc`` is to come: windows may close."""
        g = self.g
        if tsc > g[G_NOWT] and tsc - g[G_BASE] <= g[G_DMAX]:
            g[G_NOWT] = tsc
            g[G_NOW] = (tsc - g[G_BASE]) * 1000000 // g[G_KHZ]
            if g[G_NOW] >= g[G_BORDER]:
                self.accounts.windows.cross(g[G_NOW])

    # -- both ------------------------------------------------------------------------------------------------------
    def _new_pcpu(self, number):
        row = self._store.row(P_SIZE)
        row[P_NUMBER] = number
        row[P_LAST] = row[P_OCCUPANT] = row[P_CSTATE] = row[P_HELD] = -1
        self.core.new_pcpu(number, row)
        self.accounts.add_pcpu(number, row)
        self.g[G_NPCPU] += 1

    def _drain(self, limit):
        g = self.g
        if limit < 0 and g[G_MAXT] >= 0:
            return
        if not self._based:
            self._based = True
            g[G_START] = g[G_NOWT] = max(0, g[G_MINT])
            g[G_BASE] = g[G_START] - -(-g[G_NOW] * g[G_KHZ] // 1000000)
        self.accounts.damage.look()
        self.core.drain(limit, self.accounts)

    def finish(self, windows=True):
        """The stream has ended: account all of it. Returns the figures over the whole span.

        :param windows: whether those of all closed windows too; ``Windows.told`` gives them one by one.
        """
        self.end()
        return self.snapshot(windows)

    def end(self):
        """The stream has ended: account all of it."""
        if not self._finished:
            self._finished = True
            if self._more:
                self._more = False
                self._walk(self._tail, 0, True)
            self._truncated = int(bool(self._tail or self.g[G_LEFT] or self.g[G_SKIP]))
            self.core.bear_out()
            self.accounts.damage.end(min([row[P_LAST] for row in self.core.rows.values()] or [-1]), bool(self._truncated))
            self._drain(self.g[G_MAXT])
            self._advance(self.g[G_MAXT])
            for vcpu in list(self.accounts.vcpus.values()):
                if vcpu.row[V_STATE] == S_PENDING and vcpu.row[V_SEEN] != RESTED:
                    self.accounts.resolve(vcpu, S_UNKNOWN, vcpu.row[V_SINCE], self.g[G_NOW])

    def snapshot(self, windows=True):
        """The figures up to the last moment that is accounted, open states included, as plain records in the order of domid,
        generation and number; none of them is changed. ``"histograms"`` hold Distributions.
        """
        now = self.g[G_NOW]
        picture = Picture(self.sections(now), self.teller().cells)
        figures = {name: picture[name] for name in ("trace", "pcpus", "vcpus", "domains")}
        figures["windows"] = self.accounts.windows.records(now) if windows and self.accounts.scheduled else []
        self.accounts.tell(figures, now)
        return figures

    def trace(self):
        """How far to trust the rest: plain counts."""
        g = self.g
        kinds = {"resynchronised": g[G_RESYNC], "cut_windows": g[G_CUT], "truncated": self._truncated,
                 "backwards": g[G_BACKWARDS], "wild_stamps": g[G_WILD], "late": g[G_LATE],
                 "contradictions": self.accounts.disorder, "interruptions": self._interruptions,
                 "left_out": int(self._left_out_from is not None)}
        rows = self.accounts.pcpus.values()
        return {"records": g[G_RECORDS], "cpu_khz": g[G_KHZ], "skipped_bytes": g[G_SKIPPED], "anomaly_kinds": kinds,
                "anomalies": sum(kinds.values()), "span_ns": g[G_NOW], "left_out_from": self._left_out_from,
                "damaged_from": self.accounts.damage.first, "mute": sorted(self.accounts.mute), "pcpus": len(rows),
                "lost_records": sum([row[P_LOST] for row in rows]), "lost_before": sum([row[P_LOST_BEFORE] for row in rows])}

    def sections(self, now):
        """Of a picture of the accounts at ``now``: all but windows and causes. :param now: a border, or the last moment."""
        trace, teller = dict(self.trace(), span_ns=now), self.teller()
        return [trace_section(trace), mute_section(trace), teller.pcpus(now)] + teller.cumulative(now)

    def teller(self):
        """What makes the sections of pictures of these accounts, and keeps their histograms in its ``cells``."""
        if self._teller is None:
            self._teller = self._store.teller(self.accounts)
        return self._teller

    def close(self):
        """Give back the compiled loop's queues."""
        self.core.close()
