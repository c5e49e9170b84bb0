"""Faults: calls that fail, signals at random moments, a xenstored that hangs, restarts or talks rubbish, clocks that step; and
storms of all of them (storms.py).

Eleven programs read one host: endpoints, execd with each source, a textfile's writer, collectd, and bakers of a stream and of
rings; those that read a baker's file have one of their own. Each has faults of its own at the same time. Their clocks are
ours: after a fault the host goes on, an interval at a time, until figures are right again. How long the machine takes for
that is no part of the judgement.
"""
import functools
import itertools
import pathlib
import signal
import time

from endure.bench import BACK, MOST, SIZE, Bench, Tally
from endure.calls import CASES, cut, named
from endure.held import Held
from endure.readers import Read
from endure.storms import storms
from endure.subjects import INTERVAL, InCollectd
from helpers.fake_xenstored import Hangup

#: Seconds by which a clock is set back by a little, and intervals that may be missing then: until three times as much has passed
#: rates could not be right (core.timeline), and as many more as after every fault.
LITTLE = 45
SET_BACK = 3 * LITTLE // INTERVAL + 1 + BACK
#: A third of the programs is stopped, or killed, at once.
AT_A_TIME = 3
#: Calls that were told to fail, of which a third must have: with fewer it is chance.
FAIR = 60


def _while(cases, until):
    """Those that there is time for; one at least."""
    for number, case in enumerate(cases):
        if number and time.monotonic() > until:
            return
        yield case


def _calls(bench, until, results):
    """Each kind of call, with each way to fail, at a random one of the next calls, in each program; while there is time."""
    tally, chance = Tally("calls that fail"), bench.chance
    queues = {one: chance.sample(one.cases, len(one.cases)) for one in bench.subjects}
    before = {one: len(one.failed()) for one in bench.subjects}
    for rounds in _while(range(10 * len(CASES)), until):
        plans, stirred = {one: queues[one][rounds % len(queues[one])] for one in bench.subjects}, {}
        for one, (name, error) in plans.items():
            one.fail([(name, chance.choice((1, 1, 2, 3, 5, 9)), error)])

        def act():
            for one, (name, _) in plans.items():
                stirred[one] = one.stir([name])
            if rounds % 5 == 4:
                bench.host.resize(chance.choice((SIZE, MOST)))
        tally.judge(bench, {one: named(*plan) for one, plan in plans.items()}, act,
                    lambda one: [named(*plans[one]), *stirred[one]])
    for one in bench.subjects:
        one.fail([])
    tally.tell(results, len(bench.subjects) * 10)
    hit = sum(len(one.failed()) - before[one] for one in bench.subjects)
    if tally.done >= FAIR:
        results.figure("calls that fail: came true", hit, "at least a third", hit >= tally.done // 3)


def _signals(bench, until, results):
    """Stopped and continued, and killed and started anew, at random moments; some at a time."""
    tally, chance = Tally("signals"), bench.chance
    rounds = []
    for _ in range(50):
        for kill in (False, True):
            left = chance.sample(bench.subjects, len(bench.subjects))
            rounds += [(kill, left[at::AT_A_TIME]) for at in range(AT_A_TIME)]
    for kill, those in _while(rounds, until):
        def stopped():
            for one in those:
                time.sleep(chance.random() * 0.05)
                one.signal(signal.SIGSTOP)
                one.stopped = True
            for _ in range(chance.randrange(1, 4)):
                bench.interval([other for other in bench.subjects if other not in those])
            for one in those:
                one.signal(signal.SIGCONT)
                one.stopped = False

        def killed():
            bench.advance()
            for one in those:
                time.sleep(chance.random() * 0.05)
                one.again()
                bench.held[one.name] = Held(one.name, one.pid)
        tally.judge(bench, dict.fromkeys(those, "SIGKILL" if kill else "SIGSTOP"), killed if kill else stopped)
    tally.tell(results, 2 * len(bench.subjects))


def _baker(bench, until, results):
    """What happens to a baker's file: the baker is killed, or stopped; somebody cuts it, writes into it or takes it away."""
    tally, steady, chance = Tally("the baker's file"), bench.steady, bench.chance
    readers = [one for one in bench.subjects if isinstance(one, Read)]
    path = pathlib.Path(steady.shared)

    def stopped():
        steady.signal(signal.SIGSTOP)
        steady.stopped = True
        for _ in range(3):
            bench.interval([])
        steady.signal(signal.SIGCONT)
        steady.stopped = False

    def shortened():
        cut(path, chance.choice((0, 100, 5000)))

    def written():
        with open(str(path), "r+b") as file:
            file.seek(4096)
            file.write(bytes(chance.randrange(256) for _ in range(3000)))

    def damaged():
        """Its head: the baker, which looks at its length alone, must be started anew."""
        with open(str(path), "r+b") as file:
            file.write(bytes(chance.randrange(256) for _ in range(200)))
        bench.interval([])
        steady.again()

    def taken():
        path.unlink()
        for _ in range(2):
            bench.interval([])
        steady.again()
    cases = ("killed", steady.again), ("stopped", stopped), ("cut", shortened), ("written to", written), ("damaged", damaged), (
        "taken away", taken)
    for what, act in _while(chance.sample(cases, len(cases)) * 9, until):
        tally.judge(bench, dict.fromkeys(readers, what), act)
    tally.tell(results, len(cases) * len(readers))


def _xenstored(bench, until, results):
    tally, store, chance = Tally("xenstored"), bench.host.store, bench.chance

    def while_it(fault, intervals=3):
        store.fault = fault
        for _ in range(intervals):
            bench.interval([])
        store.fault = None

    def hangs():
        while_it(lambda kind, path, reply: time.sleep(1) or reply)

    def rubbish():
        while_it(lambda kind, path, reply: bytes(chance.randrange(256) for _ in range(chance.randrange(1, 200))))
        store.hang_up()

    def half():
        def fault(kind, path, reply):
            raise Hangup(reply[:chance.randrange(len(reply))])
        while_it(fault)
    cases = ("hangs", hangs), ("restarts", store.hang_up), ("rubbish", rubbish), ("half answers", half)
    for what, act in _while(cases, until):
        tally.judge(bench, dict.fromkeys(bench.subjects, what), act)
    tally.tell(results, len(cases) * len(bench.subjects))


def _clocks(bench, until, results):
    """The wall clock is set, far and near, back and forth; and put right again. collectd itself takes no value that is older than
    the last one of its series, for as long as that lasts: it sees a clock that is set forward alone."""
    tally, back = Tally("clocks that step"), Tally("clocks set back by a little", SET_BACK)
    for aside in _while((3600, -3600, -LITTLE), until):
        for seconds in (aside, 0):
            subjects = [one for one in bench.subjects if seconds > 0 or not isinstance(one, InCollectd)]
            asides, of = dict.fromkeys(subjects, seconds), back if seconds == -LITTLE else tally
            of.judge(bench, dict.fromkeys(subjects, "set to %+d s" % seconds), functools.partial(bench.set_walls, asides))
    tally.tell(results, 5 * (len(bench.subjects) - 2) + 2)
    back.tell(results, len(bench.subjects) - 2)


def _storms(bench, until, results):
    storms(bench, _while(itertools.count(), until), results)


def _tell(bench, results):
    for one in bench.subjects:
        results.figure("%s: wrong figures" % one.name, "%d%s" % (len(one.wrong), "".join("; " + text for text in one.wrong[:2])),
                       "0", not one.wrong)
    results.figure("programs that ended by what broke their source or stdout for good", "%d%s" % (
        len(bench.ends), "".join("; " + text for text in bench.ends[:2])))
    for held in bench.held.values():
        if len(held.readings) > 6:
            for column, what, unit in ((1, "memory, MiB", 1 << 20), (2, "descriptors", 1)):
                first, last = (reading / unit for reading in held.first_and_last(column))
                results.figure("%s: %s, first and last" % (held.name, what), "%.1f, %.1f" % (first, last), "10 % more",
                               last <= first * 1.1 + 2)


#: What it does, each until that part of its time is over.
PARTS = (0.16, _signals), (0.27, _baker), (0.38, _xenstored), (0.51, _clocks), (0.75, _calls), (1, _storms)


def run(folder, seconds, seed, results):
    until = time.monotonic() + seconds
    bench = Bench(folder, seed)
    with bench.host.store:
        try:
            bench.begin()
            began, seconds = time.monotonic(), until - time.monotonic()
            for share, part in PARTS:
                part(bench, began + seconds * share, results)
            _tell(bench, results)
        finally:
            bench.end()
