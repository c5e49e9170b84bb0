"""A model of a host's machines and the domains that Xen has of them: starts, pauses, ends that linger, migrations within the
host as xl and xenopsd make them, and such that fail and leave their end behind."""
import uuid as uuids

from hypothesis import strategies as st

from xenmeter.xen import structs
from xenmeter.xen.domains import DomainDirectory
from xenmeter.xen.storedump import DumpStore

BLOCKED, RUNNING = 1 << 4, 1 << 5
OPERATIONS = ("start", "kill", "reap", "pause", "unpause", "run", "xl", "xapi", "switch", "finish", "fail", "leave",
              "xl_arrive", "xapi_arrive")


class Domain:
    def __init__(self, domid, uuid, name, flags):
        self.domid, self.uuid, self.name, self.flags = domid, uuid, name, flags
        self.told = {}          # nodes below /vm/UUID
        self.cpu_ns = 0

    def info(self):
        layout = structs.domaininfo(112)
        return layout.unpack(layout.pack(domain=self.domid, handle=uuids.UUID(self.uuid).bytes, flags=self.flags,
                                         cpu_time=self.cpu_ns))

    def nodes(self):
        """What xenstore has of it; a domain that is dying has lost its name."""
        if self.name is None:
            return {}
        vm = "/vm/" + self.uuid
        found = {"/local/domain/%d/name" % self.domid: self.name, "/local/domain/%d/vm" % self.domid: vm}
        found.update({"%s/%s" % (vm, node): value for node, value in self.told.items()})
        return {path.encode(): value.encode() for path, value in found.items()}


class Machine:
    """One virtual machine; ``live`` is the domain that it is now, ``coming`` the other end of a migration."""

    def __init__(self, host, number):
        self.host = host
        self.uuid = str(uuids.UUID(int=0x814c8b22d896bc76a4210000000000000000 % 2 ** 128 | number << 64 | 0xafce8e8a538))
        self.name = "web%d" % number
        self.live = self.coming = None
        self.how = ""
        self.rest = []          # what lingers

    @property
    def domains(self):
        return [domain for domain in (self.live, self.coming) if domain is not None] + self.rest

    def start(self):
        if self.live is None:
            self.live = Domain(self.host.next_domid(), self.uuid, self.name, BLOCKED)

    def kill(self):
        if self.live is not None and self.coming is None:
            self._linger(self.live)
            self.live = None

    def _linger(self, domain):
        domain.flags, domain.name = structs.DYING | structs.PAUSED, None
        self.rest.append(domain)

    def reap(self):
        self.rest = [domain for domain in self.rest if not domain.flags & structs.DYING]

    def pause(self):
        if self.live is not None:
            self.live.flags = structs.PAUSED

    def unpause(self):
        if self.live is not None and not self.live.flags & structs.SHUTDOWN:
            self.live.flags = BLOCKED

    def run(self):
        if self.live is not None and self.live.flags & (BLOCKED | RUNNING):
            self.live.cpu_ns += 7 * 10 ** 9
            self.live.flags = RUNNING

    def _begin(self, how, uuid, name):
        if self.live is not None and self.coming is None:
            self.how = how
            self.coming = Domain(self.host.next_domid(), uuid, name, structs.PAUSED)

    def xl(self):
        self._begin("xl", self.uuid, self.name + "--incoming")

    def xapi(self):
        self._begin("xapi", self.uuid[:24] + "000000000001", self.name)
        if self.coming is not None and self.how == "xapi":
            self.coming.told = {"final-uuid": self.uuid}

    def leave(self):
        """It fails to go, is started elsewhere, and comes back beside what it left."""
        self.xl()
        self.fail()
        self.kill()
        self.start()

    def xl_arrive(self):
        if self.live is None:
            self.live = Domain(self.host.next_domid(), self.uuid, self.name + "--incoming", structs.PAUSED)

    def xapi_arrive(self):
        if self.live is None:
            self.live = Domain(self.host.next_domid(), self.uuid[:24] + "000000000001", self.name, structs.PAUSED)
            self.live.told = {"final-uuid": self.uuid}

    def switch(self):
        if self.coming is not None:
            self.live.flags = structs.SHUTDOWN | 2 << 16
            if self.how == "xl":
                self.live.name = self.name + "--migratedaway"
            else:
                self.live.uuid, self.live.told = self.uuid[:24] + "000000000000", {"origin-uuid": self.uuid}

    def finish(self):
        if self.coming is not None and self.live.flags & structs.SHUTDOWN:
            self._linger(self.live)
            self.live, self.coming = self.coming, None
        if self.coming is None and self.live is not None:
            self.live.uuid, self.live.name, self.live.told, self.live.flags = self.uuid, self.name, {}, RUNNING
            self.live.cpu_ns += 10 ** 9

    def fail(self):
        """Its end stays, paused under the machine's own UUID and name."""
        if self.coming is not None and not self.live.flags & structs.SHUTDOWN:
            self.coming.uuid, self.coming.name, self.coming.told = self.uuid, self.name, {}
            self.rest.append(self.coming)
            self.coming = None


class Host:
    """All machines, and xenstore's word on them (also as source direct's names)."""

    def __init__(self, machines=2):
        self.domid = 0
        self.clock = 0.0
        self.machines = [Machine(self, number + 1) for number in range(machines)]
        self.store = DumpStore({})
        self.directory = DomainDirectory(self.store, clock=lambda: self.clock)

    def next_domid(self):
        self.domid = self.domid % 0x7fef + 1
        return self.domid

    @property
    def domains(self):
        return sorted((domain for machine in self.machines for domain in machine.domains), key=lambda one: one.domid)

    def snapshot(self):
        nodes = {b"/local/domain/0/name": b"Domain-0"}
        for domain in self.domains:
            nodes.update(domain.nodes())
        self.store.replace(nodes)
        return self.directory.snapshot()

    def again(self, domids):
        return self.snapshot()


#: What happens, one after the other: (which machine, what).
histories = st.lists(st.tuples(st.integers(0, 1), st.sampled_from(OPERATIONS)), max_size=40)


def readings(history):
    """A host after each step of a history."""
    host = Host()
    for number, operation in history:
        getattr(host.machines[number], operation)()
        host.clock += 10
        yield host


def runs(machine):
    return machine.live is not None and bool(machine.live.flags & (BLOCKED | RUNNING))
