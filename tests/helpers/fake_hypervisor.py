"""A hypervisor for tests: builds fake_hypervisor.c and writes the state that it shows. See fake_hypervisor.h.

    with FakeHypervisor(path, [Domain(0), Domain(7, vcpus=[Vcpu(cpu_time=5)])]) as xen:
        xen.preload(...)        # the environment of a process that then finds /dev/xen/privcmd
        xen.library             # the object in place of libxencall.so.1 and libxenforeignmemory.so.1
"""
import ctypes
import hashlib
import mmap
import os
import pathlib
import struct

from tools.compiler import build_shared

HERE = pathlib.Path(__file__).resolve().parent

BUILD = HERE.parents[1] / "build" / "fakes"
VARIABLE = "FAKE_HYPERVISOR"
FOREVER = 0xffffffff
ANY = -1
PAGE = 4096

HEAD = struct.Struct("<22I2Q2Q4Q16s")
FAULT = struct.Struct("<3i2I2iI")
VCPU = struct.Struct("<6I6Q")
DOMAIN = struct.Struct("<HHIIIQQIIQIIIIQ11Q16sHHIQ")
FAULTS, PCPUS, STATES, NODES = 16, 256, 8, 4
COUNTED = 4 * 22 + 8 * 4        # of hypercalls in fake_state


def build():
    """The shared object; made once per version of its source."""
    sources = [HERE / "fake_hypervisor.c", HERE / "fake_hypervisor.h"]
    mark = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:16]
    target = BUILD / ("fake_hypervisor-%s.so" % mark)
    if not target.exists():
        BUILD.mkdir(parents=True, exist_ok=True)
        part = BUILD / ("part-%d.so" % os.getpid())
        build_shared(sources[0], part, "-Wall")
        part.rename(target)
    return target


class Vcpu:
    def __init__(self, online=1, blocked=0, running=0, cpu=0, state=0, cpu_time=0, entry=0, times=(0, 0, 0, 0), exists=1):
        self.values = (exists, online, blocked, running, cpu, state, cpu_time, entry) + tuple(times)


class Domain:
    """``stats`` are the bytes of its statistics pages, or None; ``runstate`` is (state, entry time, six times), and where
    ``runstate_words`` says so three means; ``cap`` is percent, ``affinity`` bits of the pCPUs on which its vCPUs may run."""

    def __init__(self, domid, vcpus=None, handle=None, flags=0, tot_pages=0, max_pages=0, stats=None, runstate=None,
                 ssidref=0, cpupool=0, unique_id=None, grants=(1, 64), weight=256, cap=0, affinity=0xf):
        self.domid = domid
        self.unique_id = 1000 + domid if unique_id is None else unique_id
        self.vcpus = [Vcpu()] if vcpus is None else vcpus
        self.handle = bytes(16) if domid == 0 and handle is None else handle or struct.pack(">12xI", domid)
        self.flags, self.tot_pages, self.max_pages = flags, tot_pages, max_pages
        self.grants = grants    # frames, and how many it may have
        self.stats, self.runstate, self.ssidref, self.cpupool = stats, runstate, ssidref, cpupool
        self.weight, self.cap, self.affinity = weight, cap, affinity


class FakeHypervisor:
    """The state, in a file. Domains may be changed and given to :meth:`show` again; pages are live.

    :param room: how many domains it can hold. The other keywords are fields of ``struct fake_state``.
    """

    DEFAULTS = dict(open_error=0, sysctl=0x15, domctl=0x15, xen_version=4 << 16 | 17, domaininfo_size=112,
                    physinfo_long=1, own_domid=0, pcpus=4, cpu_khz=2500000, scheduler=6, size_quirk=1, size_query=1,
                    resource_ioctl=1, buffer_device=1, runstate_domctl=0, unique_ids=0, multicall=1, total_pages=1 << 20,
                    free_pages=1 << 18, runstate_words=8, vcpu_runstates=0, extra=b".5-fake", idle=(10, 20, 30, 40),
                    px=(), cx=(), msrs=(),
                    nodes=(((1 << 32), (1 << 30)),), places=((0, 0, 0), (0, 0, 0), (1, 0, 0), (1, 0, 0)))

    def __init__(self, path, domains, room=4096, **fields):
        assert not set(fields) - set(self.DEFAULTS), fields
        self.path = str(path)
        self.fields = dict(self.DEFAULTS, **fields)
        self.faults = []
        self.library = str(build() or "")
        self.domains_at = self.domains_at_first = 16384
        self.vcpus_at = self.domains_at + room * DOMAIN.size
        self.pages_at = (self.vcpus_at + 65536 * VCPU.size + PAGE - 1) // PAGE * PAGE
        self.size = self.pages_at + 2600 * PAGE
        self._file = open(self.path, "w+b")
        self._file.truncate(self.size)
        self.memory = mmap.mmap(self._file.fileno(), self.size)
        self.stats_at = {}
        self._free = self.pages_at
        self.show(domains)

    def show(self, domains):
        """Write the whole state; pages of statistics go where they were."""
        self.domains = sorted(domains, key=lambda domain: domain.domid)
        first = 0
        for number, domain in enumerate(self.domains):
            frames = self._write_stats(domain)
            runstate = (tuple(domain.runstate or ()) + (0,) * 11)[:11]
            DOMAIN.pack_into(
                self.memory, self.domains_at + number * DOMAIN.size, domain.domid, 0, domain.flags, domain.ssidref,
                domain.cpupool, domain.tot_pages, domain.max_pages, len(domain.vcpus) - 1 & 0xffffffff, first,
                self.stats_at.get(domain.domid, 0), frames, *domain.grants, 0, domain.unique_id,
                *(runstate + (domain.handle, domain.weight, domain.cap, 0, domain.affinity)))
            for vcpu in domain.vcpus:
                VCPU.pack_into(self.memory, self.vcpus_at + first * VCPU.size, *vcpu.values)
                first += 1
        self._write_head()

    def _write_stats(self, domain):
        if domain.stats is None:
            return 0
        frames = (len(domain.stats) + PAGE - 1) // PAGE
        if domain.domid not in self.stats_at:
            self.stats_at[domain.domid] = self._free
            self._free += frames * PAGE
        at = self.stats_at[domain.domid]
        self.memory[at:at + len(domain.stats)] = domain.stats
        return frames

    def _write_head(self):
        f = self.fields
        counted = self.memory[COUNTED:COUNTED + 32]
        HEAD.pack_into(
            self.memory, 0, 0x46414b45, f["open_error"], f["sysctl"], f["domctl"], f["xen_version"],
            f["domaininfo_size"], f["physinfo_long"], f["own_domid"], len(self.domains), f["pcpus"], f["cpu_khz"],
            f["scheduler"], f["size_quirk"], f["size_query"], f["resource_ioctl"], f["buffer_device"],
            f["runstate_domctl"], len(self.faults), f["unique_ids"], f["multicall"], f["runstate_words"], f["vcpu_runstates"],
            f["total_pages"], f["free_pages"], self.domains_at, self.vcpus_at,
            0, 0, 0, 0, f["extra"])
        self.memory[COUNTED:COUNTED + 32] = counted
        for number, fault in enumerate(self.faults):
            FAULT.pack_into(self.memory, HEAD.size + number * FAULT.size, *fault)
        at = HEAD.size + FAULTS * FAULT.size
        struct.pack_into("<%dQ" % len(f["idle"]), self.memory, at, *f["idle"])
        at += 8 * PCPUS
        struct.pack_into("<4I", self.memory, at, len(f["px"]), len(f["cx"]), len(f["msrs"]), len(f["nodes"]))
        at += 16
        for rows, room, words in ((f["px"], STATES, 3), (f["cx"], STATES, 2), ((f["msrs"],), 1, 3), (f["nodes"], NODES, 2)):
            for number, row in enumerate(rows):
                struct.pack_into("<%dQ" % len(row), self.memory, at + 8 * words * number, *row)
            at += 8 * words * room
        for number, place in enumerate(f["places"]):
            struct.pack_into("<3I", self.memory, at + 12 * number, *place)

    def flip(self, domains_at, number):
        """The table of domains is another one from now on: the word that says so changes at once."""
        self.domains_at = domains_at
        struct.pack_into("<I", self.memory, 32, number)
        memoryview(self.memory).cast("Q")[(COUNTED - 16) // 8] = domains_at

    def fault(self, op=ANY, cmd=ANY, domid=ANY, skip=0, times=FOREVER, error=0, kill=-1):
        """From now on: calls like this fail with ``error`` (errno), or ``kill`` a domain first."""
        self.faults.append((op, cmd, domid, skip, times, error, kill, 0))
        assert len(self.faults) <= FAULTS
        self._write_head()

    def set(self, **fields):
        self.fields.update(fields)
        self._write_head()

    def _counts(self):
        return struct.unpack_from("<4Q", self.memory, COUNTED)

    @property
    def hypercalls(self):
        return self._counts()[0]

    @property
    def resource_calls(self):
        return self._counts()[1]

    @property
    def mapped(self):
        return self._counts()[2]

    @property
    def buffers(self):
        return self._counts()[3]

    def stats(self, domid):
        """The domain's statistics pages, live and writable."""
        frames = [domain for domain in self.domains if domain.domid == domid][0].stats
        return memoryview(self.memory)[self.stats_at[domid]:self.stats_at[domid] + (len(frames) + PAGE - 1) // PAGE * PAGE]

    def preload(self, **extra):
        """The environment of a process in which this hypervisor's devices exist."""
        return dict(os.environ, LD_PRELOAD=self.library, **dict({VARIABLE: self.path}, **extra))

    def __enter__(self):
        os.environ[VARIABLE] = self.path
        return self

    def __exit__(self, *_):
        ctypes.CDLL(self.library).fake_detach()
        os.environ.pop(VARIABLE, None)
        self._file.close()


