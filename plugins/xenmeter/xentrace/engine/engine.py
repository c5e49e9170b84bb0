"""The engine: bytes in, figures out, at any moment.

File or pipe: ``feed`` any pieces of the stream. Live rings: ``feed_ring`` what a pCPU's ring held, for every pCPU that
held something, then ``pass_done``. The figures do not depend on the pieces.
"""
from xenmeter.xentrace.engine import compiled
from xenmeter.xentrace.engine.accounts import Accounts
from xenmeter.xentrace.engine.causing import CausedAccounts
from xenmeter.xentrace.engine.hot import PythonCore, PythonStore
from xenmeter.xentrace.engine.layout import (DRAIN, ENGINE, GARBAGE, HURT, G_BACKWARDS, G_BASE, G_BORDER, G_CUR, G_CUT, G_DMAX,
                                             G_DRAIN_AT, G_KHZ, G_LATE, G_LEFT, G_MAXT, G_MINT, G_NOW, G_NOWT, G_NPCPU,
                                             G_PENDING, G_POS, G_PREV, G_PREVMAX, G_LOOKED, G_ORIGIN, G_QUIET, G_RECORDS,
                                             G_REF_T, G_RESYNC, G_SAFE, G_SKIP, G_SKIPPED, G_WILD, NEW_PCPU, PCPU, P_CSTATE,
                                             P_FULL, P_HELD, P_LAST, P_NUMBER, P_OCCUPANT, S_PENDING, S_UNKNOWN, V_SINCE,
                                             V_STATE, SEAM)
from xenmeter.xentrace.engine.readout import readout
from xenmeter.xentrace.engine.records import CPU_CHANGE_HEADER
from xenmeter.xentrace.engine.scan import begin_pass, plausible
from xenmeter.xentrace.engine.seams import interrupted, older, pass_at, silent_until, window
from xenmeter.xentrace.engine.fullrings import FullRings
from xenmeter.xentrace.engine.windows import Windows

__all__ = ("Engine",)

#: Entries that are let pile up before a file's are merged: pCPUs that lag behind by less are in order exactly.
PATIENCE = 32768
#: More than any record and any window's header.
_PIECE = 256
_MAGIC = CPU_CHANGE_HEADER.to_bytes(4, "little")


class Engine:
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
        store = compiled.Store() if self.compiled else PythonStore()
        self.g = g = store.row(ENGINE["SIZE"])
        g[G_KHZ] = cpu_khz
        g[G_PREV] = g[G_MAXT] = g[G_MINT] = g[G_PREVMAX] = g[G_SAFE] = g[G_BASE] = g[G_REF_T] = -1
        g[G_DRAIN_AT] = PATIENCE
        # 2**59 ns are 18 years; stamps beyond cannot be right, and would overflow the sums.
        g[G_DMAX] = min((1 << 59) * cpu_khz // 1000000, 1 << 62)
        self.core = (compiled.Core if self.compiled else PythonCore)(g, store)
        if tap is not None:
            self.core = tap(self.core, g)
        make = make_windows or (lambda accounts: Windows(accounts, windows, history))
        self.accounts = (CausedAccounts if causes else Accounts)(g, store, make, per_vcpu)
        self._store = store
        self._tail = b""
        self._skipping = False
        self._truncated = 0
        self._finished = False
        self._full = FullRings(g, 16 * PATIENCE)
        g[G_QUIET] = cpu_khz * 1000         # a second
        self.given = 0              # bytes of the stream so far
        self._more = False          # whether what is left waits for the rest of a pass
        self._interruptions = 0
        self._left_out_from = None  # the byte at which another trace begins

    # -- a stream --------------------------------------------------------------------------------------------------
    def feed(self, data):
        """The next bytes of a recording or pipe, of any length."""
        if self._left_out_from is not None:
            return
        self.given += len(data)
        tail = self._tail
        if self._more:
            self._more = False
            self._walk(tail + bytes(data), 0)
        elif tail:
            # What was left is less than a record: a piece that surely completes it, and the rest without a copy.
            self.given -= max(0, len(data) - _PIECE)
            self._walk(tail + bytes(data[:_PIECE]), 0)
            if len(data) <= _PIECE or self._left_out_from is not None:
                return
            self.given += len(data) - _PIECE
            if self._more:
                self._more = False
                self._walk(self._tail + bytes(data[_PIECE:]), 0)
            else:
                self._walk(data, _PIECE - len(self._tail))
        else:
            self._walk(data, 0)

    def _walk(self, data, position, final=False):
        end = len(data)
        while True:
            if self._skipping:
                position = self._resynchronise(data, position)
                if self._skipping:
                    break
            self.g[G_ORIGIN] = self.given - end
            answer = self.core.scan(data, position, end)
            position = self.g[G_POS]
            if answer == DRAIN:
                self._settle()
            elif answer == NEW_PCPU:
                self._new_pcpu(self.g[G_CUR])
            elif answer == GARBAGE:
                self.g[G_RESYNC] += 1
                self._skipping = True
                self.accounts.damage.found()
            elif answer == HURT:
                self.accounts.damage.found()
            elif answer == SEAM:
                if not self._look(data, position, final):
                    break
            else:
                break
        self._tail = b"" if self._left_out_from is not None else bytes(data[position:])

    def _look(self, data, position, final):
        """A window that may be another recording's: False where it is, or where more of the pass is needed to know."""
        windows = pass_at(data, position, final)
        if windows is None:
            self._more = True
            return False
        rows = self.core.rows
        if older(windows, rows):
            self._left_out_from = self.given - len(data) + position
            return False
        self._look_for_silence(windows)
        self.g[G_LOOKED] = 1
        return True

    def _look_for_silence(self, windows):
        """A time in which nothing was recorded, and not because the host slept, is unknown."""
        until = silent_until(windows, self.g, self.g[G_QUIET])
        if until is not None:
            self._drain(self.g[G_MAXT])
            if interrupted(windows, self.accounts):
                self._interrupt(until)

    def _interrupt(self, until):
        """From the last record of all to the TSC ``until`` nothing was recorded: as if each pCPU had lost all of it."""
        self._interruptions += 1
        self._account(self.g[G_MAXT])
        for ends in (False, True):
            for pcpu in sorted(self.core.rows):
                self.accounts.presume(self.g[G_NOW], pcpu, ends)
            self._account(until)

    def _resynchronise(self, data, position):
        """Go to the next place that can be a window's header; as far as that is sure, the bytes before are dropped."""
        start = position
        while True:
            at = data.find(_MAGIC, position)
            if at < 0:
                position = max(position, len(data) - 3)
                break
            if at + 12 > len(data):
                position = at
                break
            if plausible(data, at):
                self._skipping = False
                position = at
                break
            position = at + 1
        self.g[G_SKIPPED] += position - start
        return position

    def _settle(self):
        """Merge what is safe, and more than that only when a pCPU's silence would make the queues grow for ever."""
        g = self.g
        lasts = [row[P_LAST] for row in self.core.rows.values()]
        self._drain(min(g[G_SAFE], min(lasts) - 1))
        if g[G_PENDING] >= 4 * PATIENCE:
            full = [row[P_LAST] - 1 for row in self.core.rows.values() if row[P_FULL]]
            self._drain(min([g[G_SAFE]] + full))
        if g[G_PENDING] >= 16 * PATIENCE:
            self._drain(g[G_SAFE])
        if g[G_PENDING] >= 64 * PATIENCE:
            self._drain(g[G_MAXT])
        g[G_DRAIN_AT] = g[G_PENDING] + PATIENCE

    # -- live rings ------------------------------------------------------------------------------------------------
    def feed_ring(self, pcpu, data, full=None):
        """Whole records out of one pCPU's ring; what lies on both sides of the ring's end in one piece or in two.

        :param full: whether the ring was full when it was read, None: whoever read it cannot tell.
        """
        self.feed_rings([(pcpu, data)], None if full is None else {pcpu} if full else ())

    def feed_rings(self, pass_, full=None):
        """The same of several. :param full: those that were full, None: it is not known."""
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

    def pass_done(self):
        """Every ring has been read once more: account what no ring can contradict any longer."""
        g = self.g
        begin_pass(g)
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
        row = self._store.row(PCPU["SIZE"])
        row[P_NUMBER] = number
        row[P_LAST] = row[P_OCCUPANT] = row[P_CSTATE] = row[P_HELD] = -1
        self.core.new_pcpu(number, row)
        self.accounts.add_pcpu(number, row)
        self.g[G_NPCPU] += 1

    def _drain(self, limit):
        g = self.g
        if limit < 0 and g[G_MAXT] >= 0:
            return
        if g[G_BASE] < 0:
            g[G_BASE] = g[G_NOWT] = max(0, g[G_MINT])
        self.accounts.damage.look()
        self.core.drain(limit, self.accounts)

    def finish(self, windows=True):
        """The stream has ended: account all of it. Returns the figures over the whole span.

        :param windows: whether those of all closed windows too; ``readout.windows_of`` gives them one by one.
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
                if vcpu.row[V_STATE] == S_PENDING:
                    self.accounts.resolve(vcpu, S_UNKNOWN, vcpu.row[V_SINCE], self.g[G_NOW])

    def snapshot(self, windows=True):
        """The figures up to the last moment that is accounted, open states included; changes nothing."""
        figures = readout(self.accounts, self.g[G_NOW], self.trace(), windows=windows)
        self.accounts.tell(figures, self.g[G_NOW])
        return figures

    def longest_waits(self):
        """The longest waits that are over, with who had the pCPU meanwhile; none where nobody keeps it."""
        return self.accounts.longest_waits()

    def trace(self):
        """How far to trust the rest: plain counts."""
        g = self.g
        kinds = {"resynchronised": g[G_RESYNC], "cut_windows": g[G_CUT], "truncated": self._truncated,
                 "backwards": g[G_BACKWARDS], "wild_stamps": g[G_WILD], "late": g[G_LATE],
                 "contradictions": self.accounts.disorder, "interruptions": self._interruptions,
                 "left_out": int(self._left_out_from is not None)}
        return {"records": g[G_RECORDS], "cpu_khz": g[G_KHZ], "skipped_bytes": g[G_SKIPPED], "anomaly_kinds": kinds,
                "anomalies": sum(kinds.values()), "span_ns": g[G_NOW], "left_out_from": self._left_out_from,
                "damaged_from": self.accounts.damage.first,
                "mute": sorted(self.accounts.mute)}

    def teller(self):
        """What makes the sections of pictures of these accounts, and keeps their histograms in its ``cells``."""
        return self._store.teller(self.accounts)

    def close(self):
        """Give back the compiled loop's queues."""
        self.core.close()
