"""The programs that faults happen to, one host for all of them, and what a fault may cost: intervals, lines, nothing for ever."""
import concurrent.futures
import os
import random
import statistics
import time

from endure.held import Held, rests
from endure.model import Host
from endure.programs import heart, wait_for
from endure.readers import CollectdBaked, ExecdBaked, Read, ServeBaked, Steady
from endure.subjects import Baker, Execd, InCollectd, RingBaker, Serve, ServeVcpu, Textfile
from endure.texts import CollectdText, ExecdText

SIZE, MOST = 50, 120
#: What faults happen to; the readers of a baker's file have a baker of their own, so that theirs are theirs alone.
KINDS = (Serve, ServeVcpu, Execd, Textfile, Baker, InCollectd, ServeBaked, ExecdBaked, CollectdBaked, ExecdText, RingBaker,
         CollectdText)
#: Intervals that may be missing: that in which a fault is, and those that come after it.
BACK = 2
#: Intervals more, after which nobody hopes any more.
GIVEN_UP = 6
#: For how long an interval's figures are waited for: so many times what it took of late where nothing was wrong, but no longer
#: than so many times that or what the first program took now; at least these seconds of the machine's, more where many wait
#: for each of its CPUs, and at most so many.
PATIENCE, USUAL, SLOWER, LEAST, MOST_S = 20, 5, 10, 2.5, 20.0
START_S = 180
#: What says itself that it is down is not waited for when it was found at rest so many times in a row, each 20 ms after the
#: other: by then it has seen that its clock has jumped.
AT_REST = 5
#: Seconds for which a program is given time to come to rest before its clock jumps.
REST_S = 1
#: Lines that a fault may cost, which say what is wrong. That it has passed is another one, for whoever watches a log, and there
#: is at most one of it for each of those.
LINES, OVER = 1, "samples come again"
#: What ends a program for good reason, for somebody to start it anew: a trace that cannot be read on, a stdout without room.
ENDS = {("baker", "read: EIO"), *((kind.name, "write: " + error) for kind in (
    Execd, ExecdBaked, ExecdText) for error in ("EIO", "ENOSPC"))}


class Bench:
    """What the programs share: the host, and the libraries."""

    def __init__(self, folder, seed):
        self.folder = folder
        self.seed, self.chance = seed, random.Random(seed)
        self.subjects, self.steady = [], None
        self.host = Host(folder, SIZE, MOST, seed, 2, lambda: self.now())
        self.lost, self.ends = [], []
        self._pool = concurrent.futures.ThreadPoolExecutor(len(KINDS))  # a program is killed when the thread ends that began it
        self._took = [MOST_S / USUAL]       # nobody knows yet

    def end(self):
        for subject in [*self.subjects, *filter(None, [self.steady])]:
            subject.end()
        self._pool.shutdown()

    def now(self):
        """The clock of those that read the host; theirs go alike."""
        return self.subjects[0].clock.now() if self.subjects else time.time()

    def begin(self):
        self.steady = Steady(self)
        wait_for(lambda: heart(self.steady.shared), START_S)
        self.subjects = list(self._pool.map(lambda kind: kind(self), KINDS))    # each waits until its program has begun
        lost = self.settle(self.subjects, 30)[1]
        assert not lost, [(one.name, one.errors[-3:]) for one in lost]
        self.held = {one.name: Held(one.name, one.pid) for one in self.subjects}

    def set_walls(self, asides):
        """:param asides: subject -> seconds by which its wall clock is beside the true time from now on.

        A host has one clock: who reads the baker's file has the baker's, and all of them are set where one is. collectd, which
        takes no value that is older than the last one of its series, is started anew where that is set back.
        """
        for one in asides:
            if one.alive():
                one.look()      # what has come by now has stamps of before
        readers = [one for one in self.subjects if isinstance(one, Read)]
        shared = [asides[one] for one in readers if one in asides][:1]
        for one in [self.steady, *readers] if shared else ():
            back = shared[0] < one.clock.set
            one.clock.set_wall(shared[0])
            if back and isinstance(one, InCollectd):
                one.again()
                self.held[one.name] = Held(one.name, one.pid)
        for one in set(asides) - set(readers):
            one.clock.set_wall(asides[one])

    def advance(self):
        """An interval of the host, and of all clocks: none of them jumps while its program reads, or waits for xenstored."""
        self.host.advance()
        self.host.store.quiet(0.05, 2)
        self.steady.step()
        for subject in self.subjects:
            wait_for(lambda: subject.stopped or not subject.alive() or rests(subject.pid), REST_S)      # noqa: B023 - called here
            subject.step()

    def interval(self, watched):
        """One interval of the host; which of the watched ones have figures of it, all right and up."""
        self.advance()
        self.host.store.quiet(0.02, 2)
        waiting, well = [one for one in self.subjects if not one.stopped], []
        resting = dict.fromkeys(waiting, 0)
        began, usual = time.monotonic(), statistics.median(self._took)
        least = min(MOST_S, LEAST * max(1, os.getloadavg()[0] / (os.cpu_count() or 1)))
        until = began + min(MOST_S, max(least, PATIENCE * usual))
        while set(waiting) & set(watched) and time.monotonic() < until:
            for subject in list(waiting):
                fine = subject.alive() and subject.look()
                if fine and not well:
                    until = min(until, began + max(least, USUAL * usual, SLOWER * (time.monotonic() - began)))
                if fine:
                    well.append(subject)
                resting[subject] = resting[subject] + 1 if subject.down and subject.alive() and rests(subject.pid) else 0
                if fine or resting[subject] >= AT_REST or not subject.alive():
                    waiting.remove(subject)
            if waiting:
                time.sleep(0.02)
        if len(well) == len(self.subjects):
            self._took = [*self._took[-20:], time.monotonic() - began]
        return [one for one in well if one in watched]

    def settle(self, subjects, most=30):
        """Intervals until each is well twice in a row: (missing ones by name, those that never were)."""
        missing, good = dict.fromkeys((one.name for one in subjects), 0), dict.fromkeys((one.name for one in subjects), 0)
        left = list(subjects)
        for _ in range(most):
            well = self.interval(left)
            for one in left:
                good[one.name] = good[one.name] + 1 if one in well else 0
                missing[one.name] += one not in well
            left = [one for one in left if good[one.name] < 2 and one.alive()]
            if not left:
                break
        return missing, [one for one in subjects if good[one.name] < 2]


class Tally:
    """What became of faults of one kind."""

    def __init__(self, what, back=BACK):
        self.what, self.back = what, back
        self.done, self.longest = 0, 0
        self.lost, self.loud, self.late = [], [], []

    def judge(self, bench, faults, act=lambda: None, struck=lambda one: ()):
        """Let faults be, all of them at once, and see how they pass.

        :param faults: subject -> what it is, for people; :param act: called when lines so far are counted.
        :param struck: what came of it, where that is several: each may cost its lines, and be what ends a program.
        """
        subjects = list(faults)
        before = {one.name: len(one.errors) for one in subjects}
        right = {one.name: len(one.wrong) for one in subjects}
        act()
        missing, lost = bench.settle(subjects, self.back + Baker.behind + GIVEN_UP)
        for one in subjects:
            self.done += 1
            one.wrong[right[one.name]:] = ["%s (%s)" % (text, faults[one]) for text in one.wrong[right[one.name]:]]
            came = struck(one) or [faults[one]]
            if one in lost:
                ended = not one.alive()
                (bench.ends if ended and any((one.name, fault) in ENDS for fault in came) else self.lost).append("%s, %s (%s)" % (
                    one.name, faults[one], "ended: %s" % one.errors[-1:] if ended else "not back: %s" % one.errors[-2:]))
                one.again()
                bench.settle([one])
                bench.held[one.name] = Held(one.name, one.pid)
                continue
            said = [line for line in one.errors[before[one.name]:] if not one.is_aside(line)]
            wrong = [line for line in said if OVER not in line]
            self.longest = max(self.longest, missing[one.name] - one.behind)
            if len(wrong) > LINES * len(set(came)) or len(said) - len(wrong) > max(1, len(wrong)):
                self.loud.append("%s, %s: %d lines: %s" % (one.name, faults[one], len(said), " | ".join(said)))
            if missing[one.name] > self.back + one.behind:
                self.late.append("%s, %s: %d" % (one.name, faults[one], missing[one.name]))
            bench.held[one.name].look(len(bench.host.lives))

    def tell(self, results, least):
        """:param least: faults below which there was no time for all of them."""
        if self.done < least:
            results.figure("%s: no time for all of them" % self.what, "%d of %d" % (self.done, least))
        results.figure("%s: faults; not well again after them" % self.what, "%d; %d%s" % (
            self.done, len(self.lost), "".join(": " + text for text in self.lost[:3])), "none", not self.lost)
        results.figure("%s: intervals without figures beyond the usual delay, most%s" % (
            self.what, "".join("; " + text for text in self.late[:3])), self.longest, "at most %d" % self.back, not self.late)
        results.figure("%s: more than %d line in the log, and that it is over" % (self.what, LINES), "%d%s" % (
            len(self.loud), "".join(": " + text for text in self.loud[:3])), "never", not self.loud)
