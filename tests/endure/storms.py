"""Storms: several calls of each program fail at once, while programs are stopped and killed, xenstored hangs and clocks are set.

What strikes whom is chance's, by the run's seed: of the calls pairs or random sets; some programs are stopped, others killed;
xenstored hangs, restarts, talks rubbish or half a message; the file of the readers' baker is cut; wall clocks are set. A storm
ends by what happens, not after a time: no call fails any more, xenstored answers, who was stopped goes on, who was killed is
started anew. From then on the rules are those of a single fault.
"""
import functools
import random
import signal
import time

from endure.bench import MOST, SIZE, Tally
from endure.calls import cut, named
from endure.held import Held
from endure.readers import Read
from endure.subjects import InCollectd
from helpers.fake_xenstored import Hangup

#: Calls of each program that fail: every other storm has pairs, the others up to so many; and at which of the next calls.
MANY, PLACES = 6, (1, 1, 2, 3, 5, 9)
#: Intervals that a storm lasts.
INTERVALS = 2
#: Storms and the calls told to fail in them, of which at least one in so many must have: with fewer it is chance.
FAIR, CAME = 4, 5
#: Seconds by which a wall clock is set: so many that nobody mistakes a stamp that was made before for one of now. collectd itself
#: takes no value that is older than the last one of its series.
FORWARD, BACK = 3600, -3600


class Storm:
    """:param number: from 0."""

    def __init__(self, bench, number):
        self._bench, self.came, self._stirred = bench, {}, {}
        self._chance = random.Random("storm %d of %d" % (number, bench.seed))   # the same, however much time other faults had
        chance, subjects = self._chance, bench.subjects
        self.plans = {one: [(name, chance.choice(PLACES), error) for name, error in chance.sample(
            one.cases, 2 if number % 2 == 0 else chance.randrange(3, MANY + 1))] for one in subjects}
        hurt = chance.sample(subjects, len(subjects) // 2)
        self._killed, self._stopped = hurt[:chance.randrange(3)], hurt[2:2 + chance.randrange(4)]
        self._store = chance.choice((None, *self._STORES))
        self._set = chance.sample(subjects, chance.choice((0, 3)))
        if any(isinstance(one, Read) for one in self._set):     # one clock for all of them
            self._set += [one for one in subjects if isinstance(one, Read) and one not in self._set]
        self._cuts, self._resizes = chance.random() < 0.3, chance.random() < 0.3

    # -- xenstored -----------------------------------------------------------------------------------------------------
    def _hangs(self, _kind, _path, reply):
        time.sleep(1)
        return reply

    def _rubbish(self, _kind, _path, _reply):
        return bytes(self._chance.randrange(256) for _ in range(self._chance.randrange(1, 200)))

    def _half(self, _kind, _path, reply):
        raise Hangup(reply[:self._chance.randrange(len(reply))])

    _STORES = {"hangs": _hangs, "talks rubbish": _rubbish, "answers by half": _half, "restarts": None}

    # -- what happens --------------------------------------------------------------------------------------------------
    def told(self, one):
        """What strikes a program, for people."""
        told = ["%s (%d)" % (named(name, error), place) for name, place, error in self.plans[one]]
        told += ["killed"] * (one in self._killed) + ["stopped"] * (one in self._stopped) + ["clock set"] * (one in self._set)
        return ", ".join(told + ["xenstored %s" % self._store] * bool(self._store) + ["file cut"] * self._cuts)

    def struck(self, one):
        """What has struck it: the calls that did fail, and all else."""
        others = {"stopped": one in self._stopped, "clock set": one in self._set, "xenstored": self._store,
                  "xenstored restarts": self._store not in (None, "restarts"),      # at the end, whatever else it did
                  "file cut": self._cuts}
        return self.came[one] + self._stirred[one] + [what for what, is_so in others.items() if is_so]

    def rage(self):
        bench, chance = self._bench, self._chance
        before = {one: len(one.failed()) for one in bench.subjects}
        for one, plan in self.plans.items():
            one.fail(plan)
            self._stirred[one] = one.stir([name for name, _, _ in plan])
        self._break()
        for _ in range(INTERVALS):
            bench.interval([one for one in bench.subjects if not one.stopped])
        bench.advance()
        time.sleep(chance.random() * 0.05)
        self._mend()
        for one in bench.subjects:
            self.came[one] = [named(*call) for call in one.failed()[before[one]:]]

    def _break(self):
        bench, chance = self._bench, self._chance
        if self._store:
            make = self._STORES[self._store]
            bench.host.store.fault = make and functools.partial(make, self)
            bench.host.store.hang_up()
        if self._cuts:
            cut(bench.steady.shared)
        if self._resizes:
            bench.host.resize(chance.choice((SIZE, MOST)))
        bench.set_walls({one: one.clock.set + (FORWARD if isinstance(one, (InCollectd, Read)) else chance.choice((FORWARD, BACK)))
                         for one in self._set})
        for number, those in ((signal.SIGKILL, self._killed), (signal.SIGSTOP, self._stopped)):
            for one in those:
                time.sleep(chance.random() * 0.05)
                if one.alive():
                    one.signal(number)
                one.stopped = True

    def _mend(self):
        bench = self._bench
        bench.host.store.fault = None
        if self._store:
            bench.host.store.hang_up()
        for one in bench.subjects:
            one.fail([])
        for one in self._stopped:
            if one.alive():
                one.signal(signal.SIGCONT)
        for one in self._killed:
            one.again()
            bench.held[one.name] = Held(one.name, one.pid)
        for one in bench.subjects:
            one.stopped = False


def storms(bench, numbers, results):
    """:param numbers: from 0 on, as long as there is time."""
    tally, told, came, number = Tally("storms"), 0, 0, -1
    for number in numbers:
        storm = Storm(bench, number)
        tally.judge(bench, {one: "storm %d: %s" % (number, storm.told(one)) for one in bench.subjects}, storm.rage, storm.struck)
        told += sum(map(len, storm.plans.values()))
        came += sum(map(len, storm.came.values()))
    tally.tell(results, FAIR * len(bench.subjects))
    results.figure("storms: how many; calls told to fail in them", "%d; %d" % (number + 1, told))
    if number + 1 >= FAIR:
        results.figure("storms: calls that failed", came, "one in %d" % CAME, came * CAME >= told)
    else:
        results.figure("storms: calls that failed", came, "some", came > 0)
