"""A small Xen that knows the truth: SMP scheduling, migration, hotplug, domid reuse, rings that overflow.

Two steps. ``Machine`` makes the events and keeps, per life and vCPU, the true intervals. ``Tracer`` stores them the
way ``xen/common/trace.c`` does, in rings of limited size read in passes, and so decides what gets lost.
"""
import random
from collections import defaultdict

from helpers import encoding
from xenmeter.xentrace.engine import records
from xenmeter.xentrace.engine.records import BLOCKED, IDLE_DOMAIN, OFFLINE, RUNNABLE, RUNNING

KHZ = 2596120


class Machine:
    """:ivar events: (tsc, pcpu, record bytes), ascending.

    :ivar intervals: (domid, generation, vcpu) -> [(state, from)].
    :ivar lives: (domid, generation) -> [begin or None, end or None] in TSC.
    :ivar awake: the pCPUs on which anything happens; all of them, unless a test says otherwise between steps.
    """

    def __init__(self, seed, pcpus=2, domains=3, vcpus=2, steps=400, churn=False, start=10 ** 9):
        self.random = random.Random(seed)
        self.tsc = start
        self.events = []
        self.intervals = {}
        self.moves = []                     # (tsc, life and vcpu, old, new, pcpu)
        self.grants = defaultdict(int)
        self.lives = {}
        self.generation = defaultdict(int)
        self.running = [None] * pcpus       # None: idle
        self.pcpus = pcpus
        self.awake = range(pcpus)
        self.idle = [[(RUNNING, start)] for _ in range(pcpus)]
        for domid in range(domains):
            self._create(domid, self.random.randint(1, vcpus), [RUNNABLE, BLOCKED, BLOCKED, OFFLINE])
        for _ in range(steps):
            self.step(churn)

    # -- the machine -------------------------------------------------------------------------------------------
    def _create(self, domid, vcpus, states, begin=None):
        life = (domid, self.generation[domid])
        self.lives[life] = [begin, None]
        for vcpu in range(vcpus):
            self.intervals[life + (vcpu,)] = [(self.random.choice(states), begin or self.tsc)]

    def tick(self, most=20000):
        self.tsc += self.random.randint(1, most)
        return self.tsc

    def emit(self, pcpu, event, words, timed=True):
        self.events.append((self.tsc, pcpu, encoding.encode(event, words, self.tsc if timed else None)))

    def change(self, pcpu, who, new):
        old = self.state(who)
        self.tick(2000)
        if isinstance(who, int):
            self.idle[who].append((new, self.tsc))
            domid, vcpu = IDLE_DOMAIN, who
        else:
            self.intervals[who].append((new, self.tsc))
            self.moves.append((self.tsc, who, old, new, pcpu))
            domid, vcpu = who[0], who[2]
        self.events.append((self.tsc, pcpu, encoding.runstate(self.tsc, domid, vcpu, old, new)))

    def state(self, who):
        return (self.idle[who] if isinstance(who, int) else self.intervals[who])[-1][0]

    def live(self, *states):
        return [who for who, past in self.intervals.items() if self.lives[who[:2]][1] is None and past[-1][0] in states]

    def step(self, churn):
        self.tick(200000)
        choose = self.random.random()
        pcpu = self.random.choice(self.awake)
        if choose < 0.5:
            self.schedule(pcpu)
        elif choose < 0.7:
            self.one_of((BLOCKED,), pcpu, (RUNNABLE, RUNNABLE, RUNNABLE, OFFLINE))
        elif choose < 0.76:
            self.one_of((OFFLINE,), pcpu, (RUNNABLE,))
        elif choose < 0.78:
            self.one_of((RUNNABLE,), pcpu, (OFFLINE,))
        elif choose < 0.84:
            domid = self.random.choice(list(self.lives))
            if self.lives[domid][1] is None:
                place = self.random.randrange(3)
                self.grants[domid + (place,)] += 1
                self.emit(pcpu, records.GRANT_MAP + place, [domid[0]])
        elif choose < 0.88:
            self.emit(pcpu, 0x00082003, [14, 0], timed=False)
        elif choose < 0.93:
            self.emit(pcpu, self.random.choice([0x00022203, 0x0020100D, 0x0FFFF123]), [1, 2, 3, 4])
        elif choose < 0.97:
            if self.running[pcpu] is not None:
                domid, _, vcpu = self.running[pcpu]
                self.events.append((self.tsc, pcpu, encoding.continue_running(self.tsc, domid, vcpu)))
        elif churn:
            self.churn(pcpu)

    def one_of(self, states, pcpu, targets):
        found = self.live(*states)
        if found:
            self.change(pcpu, self.random.choice(found), self.random.choice(targets))

    def schedule(self, pcpu):
        """What runs on ``pcpu`` goes, something else comes; records of both on that pCPU, as in Xen."""
        waiting = self.live(RUNNABLE)
        capped = self.live(OFFLINE) if self.random.random() < 0.05 else []     # credit2's cap: offline to running
        queue = waiting + capped + ([None] if self.running[pcpu] is not None else [])
        if not queue:
            return
        following = self.random.choice(queue)
        self.leave(pcpu, self.random.choice((RUNNABLE, BLOCKED, BLOCKED, OFFLINE)))
        if following is None:
            self.change(pcpu, pcpu, RUNNING)
        else:
            self.change(pcpu, following, RUNNING)
        self.running[pcpu] = following

    def leave(self, pcpu, new):
        if self.running[pcpu] is None:
            self.change(pcpu, pcpu, RUNNABLE)
        else:
            self.change(pcpu, self.running[pcpu], new)

    def churn(self, pcpu):
        """A domain ends, or one begins, under a domid that may have been used before."""
        alive = [life for life, (_, end) in self.lives.items() if end is None and life[0]]
        if alive and self.random.random() < 0.5:
            life = self.random.choice(alive)
            for number, who in enumerate(self.running):
                if who is not None and who[:2] == life:
                    self.leave(number, OFFLINE)
                    self.change(number, number, RUNNING)
                    self.running[number] = None
            for who in [who for who in self.live(RUNNABLE, BLOCKED) if who[:2] == life]:
                self.change(pcpu, who, OFFLINE)
            self.tick()
            self.emit(pcpu, records.DOM0_DOM_REM, [life[0]])
            self.lives[life][1] = self.tsc
        else:
            free = [domid for domid in range(1, 8) if all(one[0] != domid for one in alive)]
            if free:
                domid = self.random.choice(free)
                if (domid, self.generation[domid]) in self.lives:
                    self.generation[domid] += 1
                self.tick()
                self.emit(pcpu, records.DOM0_DOM_ADD, [domid])
                self._create(domid, self.random.randint(1, 3), [OFFLINE], self.tsc)

    # -- the truth ---------------------------------------------------------------------------------------------
    def truth(self, who, first, last, khz=KHZ):
        """ns in each of the four states between two TSCs, in the vCPU's life."""
        begin, end = self.lives[who[:2]]
        low, high = max(first, begin or first), min(last, end or last)
        sums = [0, 0, 0, 0]
        for (state, since), (_, until) in zip(self.intervals[who], self.intervals[who][1:] + [(None, high)]):
            since, until = max(since, low), min(until, high)
            if until > since:
                sums[state] += ns(until, first, khz) - ns(since, first, khz)
        state, since = self.intervals[who][0]
        if since > low:      # before its first interval it was in the same state
            sums[state] += ns(min(since, high), first, khz) - ns(low, first, khz)
        return sums


def ns(tsc, first, khz=KHZ):
    return (tsc - first) * 1000000 // khz


class Ring:
    """``struct t_buf``: see ``__trace_var`` in xen/common/trace.c (4.17)."""

    def __init__(self, size, rng):
        self.size = size
        self.random = rng
        self.prod = 0
        self.held = b""
        self.lost = 0
        self.first_lost = None
        self.stored = 0
        self.stamps = []        # every TSC that is in a record of the ring

    def to_wrap(self):
        return self.size - self.prod % self.size

    def write(self, record, tsc, running):
        """Store it, or count it as lost. :param running: domid << 16 | vcpu that runs there now."""
        left = self.size - len(self.held)
        wrap = self.to_wrap()
        need = 0
        if self.lost:
            if 28 > wrap:
                need += wrap
                wrap = self.size
            need += 28
            wrap -= 28
            wrap = wrap or self.size
        if len(record) > wrap:
            need += wrap
        need += len(record)
        if need > left:
            if not self.lost:
                self.first_lost = tsc
            self.lost += 1
            return False
        if self.lost:
            self._put(encoding.lost(tsc, self.lost, running >> 16, running & 0xFFFF, self.first_lost), tsc)
            self.stamps.append(tsc)
            self.lost = 0
        if record[3] & 0x80:
            self.stamps.append(tsc)
        self._put(record, tsc)
        self.stored += 1
        return True

    def _put(self, record, tsc):
        wrap = self.to_wrap()
        if len(record) > wrap:
            garbage = [self.random.getrandbits(32) for _ in range(8)]
            words = wrap // 4 - 1
            filler = encoding.wrap(garbage[:words]) if words <= 7 else encoding.wrap(garbage[:words - 2], tsc)
            assert len(filler) == wrap
            if words > 7:
                self.stamps.append(tsc)
            self.held += filler
            self.prod += wrap
        self.held += record
        self.prod += len(record)

    def read(self):
        held, self.held = self.held, b""
        return held


class Tracer:
    """:ivar passes: per pass [(pcpu, bytes)], ascending pCPU.

    :ivar stored, untold: records stored, and lost without a marker.
    :ivar first, last: the TSCs that bound the span.

    :param every: events between two passes on the average; :param size: bytes of a ring.
    """

    def __init__(self, machine, every=50, size=4088, seed=0):
        rng = random.Random(seed)
        self.rings = [Ring(size, rng) for _ in range(machine.pcpus)]
        self.passes = []
        self.emitted = len(machine.events)
        # What runs on a pCPU: from the idle vCPUs' and vCPUs' own records.
        running = [IDLE_DOMAIN << 16 | number for number in range(machine.pcpus)]
        position = 0
        reading = None
        pause = rng.randint(1, 2 * every)
        while position < len(machine.events):
            if reading is None and pause <= 0:
                reading, done = 0, []
            if reading is not None:
                held = self.rings[reading].read()
                if held:
                    done.append((reading, held))
                reading += 1
                if reading == machine.pcpus:
                    self.passes.append(done)
                    reading, pause = None, rng.randint(1, 2 * every)
            for tsc, pcpu, record in machine.events[position:position + rng.randint(1, 3)]:
                position += 1
                pause -= 1
                self._store(running, tsc, pcpu, record)
        for _ in range(2):
            # The end, as xentrace does it: a last scan, then one more.
            if reading is not None:
                for number in range(reading, machine.pcpus):
                    held = self.rings[number].read()
                    if held:
                        done.append((number, held))
                self.passes.append(done)
                reading = None
            self.passes.append([(number, ring.read()) for number, ring in enumerate(self.rings) if ring.held])
        self.untold = sum(ring.lost for ring in self.rings)
        stamps = [tsc for ring in self.rings for tsc in ring.stamps]
        self.first, self.last = min(stamps or [0]), max(stamps or [0])
        self.stored = sum(ring.stored for ring in self.rings)

    def _store(self, running, tsc, pcpu, record):
        header = int.from_bytes(record[:4], "little")
        kind = records.classify(header)[1]
        self.rings[pcpu].write(record, tsc, running[pcpu])
        if 0 <= kind < 16 and kind & 3 == RUNNING:
            running[pcpu] = int.from_bytes(record[12:16], "little")

    def stream(self):
        return b"".join(records.window(pcpu, held) for done in self.passes for pcpu, held in done)
