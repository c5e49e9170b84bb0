"""A host whose domains come and go: the model, and what it shows to a faked hypervisor and xenstored.

Every figure says whose it is and of when: a vCPU's running time is ``serial << 24 | step`` ns, serial being that of the
domain's life. So a reader's figure is right or wrong whatever the moment it was read at.
"""
import collections
import random
import struct
import threading
import time
import uuid

from helpers.fake_hypervisor import DOMAIN, FakeHypervisor, Domain
from helpers.fake_xenstored import HEADER, WATCH, FakeXenstored, watch_event

#: Beginnings of names: what guests' owners, and people with less good in mind, call domains.
NAMES = (b"web", b"Domain-0", b"db=1,host=x y", b'quote"\\', b"\xff\xfe\x80", b"\x1b[2J", "\u202eevil\u2066".encode(),
b"=cmd|' /C calc'!A0",
         b"</script><b>", b"a\nxen_domain,uuid=x cpu_time_ns=1i", b"{}\t\r", b"x" * 300, b"NAME  STATE   CPU(sec)",
         "\U0001f4a3".encode(),
         b"a/../../b", b"%s%n", b"~", b"")
STEP_BITS = 24
FIRST_DOMID, LAST_DOMID = 1, 0x7fef
#: Where a domain of the fake hypervisor has its UUID: the only bytes in it.
(_HANDLE,) = [place for place, value in enumerate(DOMAIN.unpack(bytes(DOMAIN.size))) if value == bytes(16)]


class Life:
    """One domain from its creation to its end."""

    __slots__ = ("serial", "domid", "key", "name", "slot", "born", "record")

    def __init__(self, serial, domid, name, slot, born):
        self.serial, self.domid, self.slot, self.born = serial, domid, slot, born
        handle = (0xe0000000 + serial) << 96 | 0x4000 << 64 | serial
        self.key = "%08x-0000-4000-%04x-%012x" % (0xe0000000 + serial, serial >> 48, serial & (1 << 48) - 1)
        self.name = name
        self.record = _record(domid, 0x20, 1 << 15, slot, serial, handle.to_bytes(16, "big"))


class Host:
    """:param size: domains beside dom0; :param most: at the peak.
    :param now: the clock that its readers have, seconds since 1970.

    :ivar step: how often it has changed; :ivar lives: those alive by UUID, as text; :ivar dead: UUID -> step of its end.
    """

    def __init__(self, folder, size, most, seed, reborn_per_step, now=time.time):
        self.chance = random.Random(seed)
        self.step = 0
        self._now = now
        self._times = [now()]       # when each step began
        self.lives = {}
        self.dead = {}
        self.born = 0
        self._size = size
        self._reborn = reborn_per_step
        self._room = most + 1
        self._domid = FIRST_DOMID
        self._slots = collections.deque(range(2 * self._room, 0, -1))
        self.xen = FakeHypervisor(str(folder / "xen"), [Domain(0)], room=2 * self._room + 2)
        self._words = memoryview(self.xen.memory).cast("Q")
        self._table, self._dom0 = 0, _record(0, pages=1 << 18)
        self.store = Store(self.xenstore_nodes(Life(0, 0, b"Domain-0", 0, 0)), str(folder / "store"))
        self._taken = set()
        self._cooling = collections.deque()     # (step, domid) of those that have ended
        self.resize(size)

    # -- what happens ------------------------------------------------------------------------------------------------
    def resize(self, size):
        """So many domains from now on."""
        self._size = size
        before = dict(self.lives)
        for key in self.chance.sample(sorted(self.lives), max(0, len(self.lives) - size)):
            self._end(key)
        while len(self.lives) < size:
            self._begin()
        self._show(before)

    def advance(self, times=1):
        """A step: so many times some domains are reborn, and every counter goes on; domids of those alive after each time.

        Who is born and ends within a step was there between two readings: nobody is ever shown it, but by a trace.
        """
        self.step += 1
        self._times.append(self._now())
        while self._cooling and self._cooling[0][0] < self.step - 2:    # in no reading that goes on now it is two domains'
            self._taken.discard(self._cooling.popleft()[1])
        before, present = dict(self.lives), []
        for _ in range(times):
            for key in self.chance.sample(sorted(self.lives), min(self._reborn, len(self.lives))):
                self._end(key)
                self._begin()
            present.append({life.domid for life in self.lives.values()})
        if self.step % 100 == 0:
            self.dead = {key: step for key, step in self.dead.items() if step >= self.step - 1000}
        self._show(before)
        return present

    def _begin(self):
        self.born += 1
        while self._domid in self._taken:
            self._domid = self._domid % LAST_DOMID + 1
        life = Life(self.born, self._domid, self.chance.choice(NAMES) + self.chance.choice((b"", b"-%d" % self.born)) or b"x",
                    self._slots.pop(), self.step)
        self._domid = self._domid % LAST_DOMID + 1
        self._taken.add(life.domid)
        self.lives[life.key] = life
        at = self.xen.vcpus_at + life.slot * 72
        struct.pack_into("<6I6Q", self.xen.memory, at, 1, 1, 0, 1, life.domid % 4, 0, 0, 0, 0, 0, 0, 0)

    def _end(self, key):
        self.dead[key] = self.step      # first: who looks meanwhile finds it in one of the two
        life = self.lives.pop(key)
        self._cooling.append((self.step, life.domid))
        self._slots.appendleft(life.slot)

    def _show(self, before):
        """The hypervisor's list changes at once, as it does under Xen's lock: a second table, then the word that says which.

        :param before: lives as they were shown last.
        """
        self.store.change([life for key, life in before.items() if key not in self.lives],
                          [self.xenstore_nodes(life) for key, life in self.lives.items() if key not in before])
        for life in self.lives.values():
            self._words[(self.xen.vcpus_at + life.slot * 72 + 24) // 8] = life.serial << STEP_BITS | self.step
        memory, at = self.xen.memory, self.xen.domains_at_first + (1 - self._table) * self._room * DOMAIN.size
        lives = sorted(self.lives.values(), key=lambda one: one.domid)
        shown = b"".join([self._dom0, *(life.record for life in lives)])
        memory[at:at + self._room * DOMAIN.size] = shown + _GONE * (self._room - len(shown) // DOMAIN.size)
        self._table = 1 - self._table
        self.xen.flip(at, self._room)
        self.store.fire(b"@introduceDomain")
        self.store.fire(b"@releaseDomain")

    @staticmethod
    def xenstore_nodes(life):
        vm = b"/vm/" + life.key.encode()
        base = b"/local/domain/%d/" % life.domid
        nodes = {base + b"name": life.name}
        if life.domid:
            nodes.update({base + b"vm": vm, vm + b"/start_time": b"%d.00" % (1795192454 + life.serial),
                          b"/local/domain/0/backend/vif/%d/0/state" % life.domid: b"4",
                          b"/local/domain/0/backend/vbd/%d/51712/dev" % life.domid: b"xvda"})
        return nodes

    # -- what may be said of it --------------------------------------------------------------------------------------
    def wrong(self, key, value, patience, at=None):
        """Why a figure is wrong, or None.

        :param key: UUID; :param value: running time, ns; :param patience: seconds for which it may be old.
        :param at: when it is said to be of; None: now.
        """
        since = (self._now() if at is None else at) - patience
        serial, step = value >> STEP_BITS, value & (1 << STEP_BITS) - 1
        life = self.lives.get(key)
        if life is None:
            ended = self.dead.get(key)
            if ended is None:
                return "nobody had the UUID %s of late (life %d, step %d of %d)" % (key, serial, step, self.step)
            if self._is_past(ended, since):
                return "%s ended %d steps ago" % (key, self.step - ended)
            return None if uuid.UUID(key).int & (1 << 64) - 1 == serial else "%s has the figures of life %d" % (key, serial)
        if serial != life.serial:
            return "%s is life %d and has the figures of %d" % (key, life.serial, serial)
        if step > self.step or self._is_past(step + 1, since):
            return "%s has figures of step %d at step %d" % (key, step, self.step)
        return None

    @staticmethod
    def step_of(value):
        """The step that a running time is of."""
        return value & (1 << STEP_BITS) - 1

    def _is_past(self, step, since):
        """Whether a step began before that."""
        return step < len(self._times) and self._times[step] < since


def _record(domid, flags=0, pages=0, slot=0, serial=0, handle=bytes(16), is_gone=0):
    """A domain as the fake hypervisor has it: of one vCPU, without pages of statistics, grants and a runstate of its own."""
    values = list(DOMAIN.unpack(bytes(DOMAIN.size)))       # whatever else it comes to have is 0
    values[:3], values[5:7], values[8], values[14] = (domid, is_gone, flags), (pages, 2 * pages), slot, serial
    values[_HANDLE] = handle
    return DOMAIN.pack(*values)


#: In the place of a domain where there is none.
_GONE = _record(0xffff, is_gone=1)


class Store(FakeXenstored):
    """Nodes come and go without the whole being made anew, and what comes together is answered together.

    :ivar heard: when it was asked last, by the monotonic clock.
    """

    def __init__(self, nodes, path):
        super().__init__(nodes, path)
        self.lock = threading.RLock()
        self.heard = 0.0

    def serve(self, read, write):
        """As the base class's, unless there is a fault to be played: a week has more requests than a list should hold."""
        buffer = b""
        while True:
            data = read(1 << 18)
            if not data:
                return
            buffer += data
            if self.fault is not None:
                held = iter([buffer])
                return super().serve(lambda size: next(held, None) or read(size), write)
            at, replies = 0, []
            with self.lock:
                while len(buffer) - at >= HEADER.size:
                    kind, req_id, _, length = HEADER.unpack_from(buffer, at)
                    if len(buffer) - at < HEADER.size + length:
                        break
                    payload = buffer[at + HEADER.size:at + HEADER.size + length]
                    at += HEADER.size + length
                    replies.append(self.answer(kind, req_id, payload))
                    if kind == WATCH:
                        path, token = payload.split(b"\0")[:2]
                        self._watches.append((write, path, token))
                        replies.append(watch_event(path, token))
                write(b"".join(replies))
            buffer = buffer[at:]
            self.heard = time.monotonic()

    def quiet(self, seconds, most):
        """Wait until nobody has asked for so long; at most as long as ``most``."""
        until = time.monotonic() + most
        while time.monotonic() < min(until, self.heard + seconds):
            time.sleep(seconds / 4)

    def change(self, ended, added):
        """:param ended: lives; :param added: nodes of each new one."""
        with self.lock:
            for life in ended:
                self._forget(life)
            for nodes in added:
                self._add(nodes)
            self.generation += 1

    def _add(self, nodes):
        for path, value in nodes.items():
            self.values[path] = value
            while path != b"/":
                parent, _, name = path.rpartition(b"/")
                path = parent or b"/"
                known = path in self.children
                self.children.setdefault(path, {})[name] = None
                if known:       # and so are those above it
                    break
                self.values.setdefault(path, b"")

    def _forget(self, life):
        for top in (b"/local/domain/%d" % life.domid, b"/vm/" + life.key.encode(),
                    b"/local/domain/0/backend/vif/%d" % life.domid, b"/local/domain/0/backend/vbd/%d" % life.domid):
            self._remove(top)
            parent, _, name = top.rpartition(b"/")
            self.children.get(parent, {}).pop(name, None)

    def _remove(self, path):
        for name in self.children.pop(path, {}):
            self._remove(path + b"/" + name)
        self.values.pop(path, None)

    def fire(self, path=b"@releaseDomain"):
        try:
            return super().fire(path)
        except OSError:
            self._watches[:] = [watch for watch in self._watches if watch[1] != path]   # its reader is gone
            return 0
