"""Faults: calls that fail, signals at random moments, a xenstored that hangs, restarts or talks rubbish, clocks that step.

Four programs read one host: an endpoint, execd, collectd and the baker, each with faults of its own at the same time. Their
clocks are ours: after a fault the host goes on, an interval at a time, until figures are right again. How long the machine
takes for that is no part of the judgement.
"""
import errno
import pathlib
import random
import signal
import statistics
import time

from endure.clocks import build_clock
from endure.held import Held
from endure.model import Host
from endure.subjects import KINDS, Baker, InCollectd
from helpers.fake_xenstored import Hangup
from fuzz.objects import build_objects
from tools.compiler import build_shared

HERE = pathlib.Path(__file__).resolve().parent
SIZE, MOST = 50, 120
#: Intervals that may be missing, in which a fault is and those that come after it; after a clock that was set back by a little,
#: rates must be right again first (core.timeline).
BACK, SET_BACK = 3, 40
#: Intervals more, after which nobody hopes any more.
GIVEN_UP = 6
#: For how long an interval's figures are waited for: so many times what it took of late where nothing was wrong; at least and at
#: most these seconds of the machine's.
PATIENCE, LEAST, MOST_S = 20, 1.0, 20.0
#: Lines that a fault may cost: what is wrong, and that it is over; once for each thing that stopped.
LINES = 3
CALLS = {"read": (errno.EIO, errno.EINTR, errno.ENOMEM), "write": (errno.ENOSPC, errno.EAGAIN, errno.EINTR, errno.EIO, -1),
         "open": (errno.EMFILE, errno.ENOMEM, errno.EIO, errno.EINTR), "socket": (errno.EMFILE, errno.ENOMEM),
         "connect": (errno.EAGAIN, errno.ECONNREFUSED), "recv": (errno.EIO, errno.ENOMEM, errno.EINTR),
         "send": (errno.EIO, errno.ENOMEM, errno.EAGAIN, -1), "accept": (errno.EMFILE, errno.ENOMEM, errno.ECONNABORTED),
         "mmap": (errno.ENOMEM, errno.EAGAIN), "ioctl": (errno.EIO, errno.ENOMEM, errno.EINTR, errno.EFAULT),
         "poll": (errno.ENOMEM, errno.EINTR), "thread": (errno.EAGAIN,), "ftruncate": (errno.EIO, errno.EINTR),
         "fallocate": (errno.ENOSPC, errno.EIO, errno.EINTR), "rename": (errno.ENOSPC, errno.EIO), "unlink": (errno.EIO,),
         "fchmod": (errno.EIO,), "stat": (errno.EIO, errno.ENOMEM), "opendir": (errno.EMFILE, errno.ENOMEM)}
#: Calls of the baker's that only a new file needs.
_OF_NEW_FILES = {"fallocate", "rename", "fchmod", "mmap", "open", "ftruncate"}
#: What ends a program for good reason, for somebody to start it anew: a trace that cannot be read on, a stdout without room.
ENDS = {("baker", "read: EIO"), ("baker", "read: ENOMEM"), ("execd xentop", "write: EIO"), ("execd xentop", "write: ENOSPC")}


class Bench:
    """What the programs share: the host, and the libraries."""

    def __init__(self, folder, seed):
        self.folder = folder
        self.chance = random.Random(seed)
        self.clock_library = build_clock(folder)
        self.failing = build_shared(HERE / "failing.c", folder / "failing.so", "-w", "-ldl")
        build_objects(folder)
        self.subjects = []
        self.host = Host(folder, SIZE, MOST, seed, 2, lambda: self.now())
        self.lost, self.ends = [], []
        self._took = [0.25]

    def now(self):
        """The clock of those that read the host; theirs go alike."""
        return self.subjects[0].clock.now() if self.subjects else time.time()

    def begin(self):
        for kind in KINDS:
            self.subjects.append(kind(self))
        assert not self.settle(self.subjects, 30)[1], [(one.name, one.errors[-3:]) for one in self.subjects]
        self.held = {one.name: Held(one.name, one.pid) for one in self.subjects}

    def interval(self, watched):
        """One interval of the host; which of the watched ones have figures of it, all right and up."""
        self.host.advance()
        for subject in self.subjects:
            subject.step()
        self.host.store.quiet(0.02, 2)
        waiting, well = list(watched), []
        began = time.monotonic()
        until = began + min(MOST_S, max(LEAST, PATIENCE * statistics.median(self._took)))
        while waiting and time.monotonic() < until:
            for subject in list(waiting):
                fine = subject.alive() and subject.look()
                if fine:
                    well.append(subject)
                if fine or subject.down or not subject.alive():
                    waiting.remove(subject)
            if waiting:
                time.sleep(0.02)
        if len(well) == len(self.subjects):
            self._took = [*self._took[-20:], time.monotonic() - began]
        return well

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

    def judge(self, bench, faults, act=lambda: None):
        """Let faults be, all of them at once, and see how they pass.

        :param faults: subject -> what it is, for people; :param act: called when lines so far are counted.
        """
        subjects = list(faults)
        before = {one.name: len(one.errors) for one in subjects}
        act()
        missing, lost = bench.settle(subjects, self.back + Baker.behind + GIVEN_UP)
        for one in subjects:
            self.done += 1
            if one in lost:
                ended = not one.alive()
                (bench.ends if ended and (one.name, faults[one]) in ENDS else self.lost).append("%s, %s (%s)" % (
                    one.name, faults[one], "ended: %s" % one.errors[-1:] if ended else "not back"))
                one.again()
                bench.settle([one])
                bench.held[one.name] = Held(one.name, one.pid)
                continue
            said = len(one.errors) - before[one.name]
            self.longest = max(self.longest, missing[one.name] - one.behind)
            if said > LINES:
                self.loud.append("%s, %s: %d lines" % (one.name, faults[one], said))
            if missing[one.name] > self.back + one.behind:
                self.late.append("%s, %s: %d" % (one.name, faults[one], missing[one.name]))
            bench.held[one.name].look(0)

    def tell(self, results):
        results.figure("%s: faults; not well again after them" % self.what, "%d; %d%s" % (
            self.done, len(self.lost), "".join(": " + text for text in self.lost[:3])), "none", not self.lost)
        results.figure("%s: intervals without figures beyond the usual delay, most%s" % (
            self.what, "".join("; " + text for text in self.late[:3])), self.longest, "at most %d" % self.back, not self.late)
        results.figure("%s: more than %d lines in the log" % (self.what, LINES), "%d%s" % (
            len(self.loud), "".join(": " + text for text in self.loud[:3])), "never", not self.loud)


def _calls(bench, seconds, results):
    """Each kind of call, with each way to fail, at a random one of the next calls, in each program; while there is time."""
    tally, chance = Tally("calls that fail"), bench.chance
    cases = [(name, error) for name, errors in CALLS.items() for error in errors]
    queues = {one: chance.sample(cases, len(cases)) for one in bench.subjects}
    until, rounds = time.monotonic() + seconds, 0
    while (time.monotonic() < until or rounds < 10) and rounds < 10 * len(cases):
        faults, cut = {}, False
        for one in bench.subjects:
            name, error = queues[one][rounds % len(cases)]
            faults[one] = "%s: %s" % (name, "short" if error < 0 else errno.errorcode[error])
            one.fail(name, chance.choice((1, 1, 2, 3, 5, 9)), error)
            cut |= isinstance(one, Baker) and name in _OF_NEW_FILES

        def act():
            if cut:     # somebody cuts the baker's file: another one takes its place
                with open(bench.folder / "baker", "r+b") as file:
                    file.truncate(100)
            if rounds % 5 == 4:
                bench.host.resize(chance.choice((SIZE, MOST)))
        tally.judge(bench, faults, act)
        rounds += 1
    for one in bench.subjects:
        one.plan.write_text("")
    tally.tell(results)
    hit = sum(one.came_true() for one in bench.subjects)
    results.figure("calls that fail: came true", hit, "at least a third", hit >= tally.done // 3)


def _signals(bench, seconds, results):
    """Stopped and continued, and killed and started anew, at random moments."""
    tally, chance = Tally("signals"), bench.chance
    until, done = time.monotonic() + seconds, 0
    while time.monotonic() < until or done < 2 * len(bench.subjects):
        one = bench.subjects[done // 2 % len(bench.subjects)]

        def stopped():
            time.sleep(chance.random() * 0.05)
            one.signal(signal.SIGSTOP)
            for _ in range(chance.randrange(1, 4)):
                bench.interval([other for other in bench.subjects if other is not one])
            one.signal(signal.SIGCONT)

        def killed():
            one.step()
            time.sleep(chance.random() * 0.05)
            one.again()
            bench.held[one.name] = Held(one.name, one.pid)
        tally.judge(bench, {one: "SIGKILL" if done % 2 else "SIGSTOP"}, killed if done % 2 else stopped)
        done += 1
    tally.tell(results)


def _xenstored(bench, results):
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
    for what, act in (("hangs", hangs), ("restarts", store.hang_up), ("rubbish", rubbish), ("half answers", half)):
        tally.judge(bench, dict.fromkeys(bench.subjects, what), act)
    tally.tell(results)


def _clocks(bench, results):
    """The wall clock is set, far and near, back and forth; and put right again. collectd itself takes no value that is older than
    the last one of its series, for as long as that lasts: it sees a clock that is set forward alone."""
    tally = Tally("clocks that step", SET_BACK)
    for seconds in (3600, 0, -3600, 0, -45, 0):
        subjects = [one for one in bench.subjects if seconds > 0 or not isinstance(one, InCollectd)]

        def act():
            for one in subjects:
                one.clock.set_wall(seconds)
        tally.judge(bench, dict.fromkeys(subjects, "set to %+d s" % seconds), act)
    tally.tell(results)


def _tell(bench, results):
    for one in bench.subjects:
        results.figure("%s: wrong figures" % one.name, "%d%s" % (len(one.wrong), "".join("; " + text for text in one.wrong[:2])),
                       "0", not one.wrong)
    results.figure("programs that ended by what broke their source or stdout for good", "%d%s" % (
        len(bench.ends), "".join("; " + text for text in bench.ends[:2])))
    for held in bench.held.values():
        if len(held.readings) > 6:
            for column, what, unit in ((1, "memory, MiB", 1 << 20), (2, "descriptors", 1)):
                first, last = held.readings[2][column] / unit, held.readings[-1][column] / unit
                results.figure("%s: %s, first and last" % (held.name, what), "%.1f, %.1f" % (first, last), "10 % more",
                               last <= first * 1.1 + 2)


def run(folder, seconds, seed, results):
    bench = Bench(folder, seed)
    with bench.host.store:
        try:
            bench.begin()
            _calls(bench, seconds * 0.6, results)
            _signals(bench, seconds * 0.1, results)
            _xenstored(bench, results)
            _clocks(bench, results)
            _tell(bench, results)
        finally:
            for subject in bench.subjects:
                subject.end()
