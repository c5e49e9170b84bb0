"""A guest for tests: page tables, stacks, tasks and modules in frames of its own, laid out as a processor and Linux do it, and a
hypervisor that tells its vCPUs' registers and CPU time.
"""
import struct

from helpers import kernel_image as made
from xenmeter.core.errors import DomainGone
from xenmeter.xen import structs

PAGE = 4096
GS, TASK, STACK = 0xffff888000000000, 0xffff888000100000, 0xffff888000200000
MODULE, MODULE_TEXT, TABLES = 0xffffffffc0002000, 0xffffffffc0000000, 0xffffffffc0010000
USER_STACK, USER_TEXT = 0x7ffd00000000, 0x401000
MM, AREAS, TREE, HEAP = 0xffff888000300000, 0xffff888000310000, 0xffff888000400000, 0x1000000
REGISTERS = [field[0] for field in structs.VCPU_CONTEXT.fields]
#: What the module's one function is called, and where it lies in the module.
MODULE_FUNCTION, MODULE_AT = "blkif_queue_request", 0x100


class Memory:
    """Frames, and the tables that lead to them. It is a mapper, too: the address of a mapped frame is its number."""

    def __init__(self, levels=4):
        self.pages = {}
        self.levels = levels
        self.open = {}
        self.copied = []    # frames
        self.refuse = None
        self._next = 0x100

    def new(self):
        self._next += 1
        self.pages[self._next] = bytearray(PAGE)
        return self._next

    def put(self, root, address, data, large=0):
        """Bytes at an address, with the tables for it. :param large: 0, or the shift of a large page that they are in."""
        while data:
            frame, begin = self._frame(root, address, large), address % PAGE
            part = data[:PAGE - begin]
            self.pages[frame][begin:begin + len(part)] = part
            address, data = address + len(part), data[len(part):]

    def _frame(self, root, address, large):
        table = root
        for shift in (48, 39, 30, 21, 12)[5 - self.levels:]:
            at = (address >> shift & 511) * 8
            entry, = struct.unpack_from("<Q", self.pages[table], at)
            if not entry:
                if shift == large:
                    first = self._next + 0x40000 & -(1 << shift - 12)
                    self._next = first + (1 << shift - 12)
                    entry = first << 12 | 0xe7
                else:
                    entry = self.new() << 12 | 0x67
                struct.pack_into("<Q", self.pages[table], at, entry)
            table = entry >> 12 & 0xffffffffff
            if shift == large:
                table += address >> 12 & (1 << shift - 12) - 1
                self.pages.setdefault(table, bytearray(PAGE))
                return table
        return table

    def map(self, domid, frame):
        if self.refuse is not None:
            raise self.refuse
        if frame not in self.pages:
            raise OSError(22, "Invalid argument")
        self.open[frame] = self.open.get(frame, 0) + 1
        return frame

    def copy(self, domid, frames):
        if self.refuse is not None:
            raise self.refuse
        self.copied += frames
        return [bytes(self.pages[frame]) if frame in self.pages else None for frame in frames]

    def protect(self, root, address, size, bits):
        """The last entries of an address's pages get these bits besides, and lose that of writing."""
        for page in range(address & -PAGE, address + size, PAGE):
            table = root
            for shift in (48, 39, 30, 21, 12)[5 - self.levels:]:
                at = (page >> shift & 511) * 8
                entry, = struct.unpack_from("<Q", self.pages[table], at)
                if shift == 12 and entry:
                    struct.pack_into("<Q", self.pages[table], at, entry & ~2 | bits)
                table = entry >> 12 & 0xffffffffff
                if not entry:
                    break

    def unmap(self, address):
        self.open[address] -= 1
        if not self.open[address]:
            del self.open[address]

    def view(self, address):
        return memoryview(self.pages[address])

    def close(self):
        assert not self.open, "pages stay mapped"


class Guest:
    """A small kernel's guest. ``stacks`` and registers are set by the test."""

    def __init__(self, levels=4, build_id=made.BUILD_ID, slide=0):
        self.memory = Memory(levels)
        self.root = self.memory.new()
        self.user_root = self.memory.new()
        self.put(made.NOTES + slide, made.notes_section(build_id))
        if slide:       # a note of an address moves with the kernel
            self.put(made.NOTES + slide + 20, b"MORE")
        self.put(GS + made.CURRENT, struct.pack("<Q", TASK))
        self.task(77, b"nginx")
        self.put_module(slide)

    def put(self, address, data, large=0):
        self.memory.put(self.root, address, data, large)

    def task(self, number, name):
        self.put(TASK + 2416, struct.pack("<II", number + 1, number))
        self.put(TASK + 2976, name.ljust(16, b"\0")[:16])

    def put_module(self, slide):
        """One module in the ring, with a symbol and an unwind table."""
        head, module = made.MODULES + slide, MODULE
        self.put(head, struct.pack("<QQ", module + 8, module + 8))
        self.put(module + 8, struct.pack("<QQ", head, head))
        self.put(module + 24, b"xen_blkfront\0")
        self.put(module + 320, struct.pack("<QI", MODULE_TEXT, 0x1000))
        self.put(module + 544, struct.pack("<Q", TABLES))
        self.put(TABLES, struct.pack("<QIIQ", TABLES + 0x100, 3, 0, TABLES + 0x200))
        symbols = struct.pack("<IBBHQQ", 0, 0, 0, 0, 0, 0) + struct.pack(
            "<IBBHQQ", 1, 2, 0, 5, MODULE_TEXT + MODULE_AT, 16) + struct.pack("<IBBHQQ", 99, 2, 0, 0, 0, 0)
        self.put(TABLES + 0x100, symbols)
        self.put(TABLES + 0x200, b"\0" + MODULE_FUNCTION.encode() + b"\0")
        rows = [(MODULE_TEXT, 8, 0, made.SP, 0, made.CALL), (MODULE_TEXT + MODULE_AT, 24, 0, made.SP, 0, made.CALL)]
        ips, entries = made.orc_sections(rows, at=TABLES + 0x400)
        self.put(TABLES + 0x400, ips)
        self.put(TABLES + 0x500, entries)
        self.put(module + 480, struct.pack("<IIQQ", len(rows), 0, TABLES + 0x400, TABLES + 0x500))

    def put_kernel(self, late=False, slide=0, build_id=made.BUILD_ID):
        """Its image, as it lies in memory once it has booted."""
        for address, data in made.in_memory(late, slide, build_id):
            self.put(address, data)

    def put_mappings(self, rows, late=False):
        """What the task has mapped: (begin, end, file's name or None, first byte in the file), by ascending address; and a vdso
        where a row's name is b"vdso"."""
        self.put(TASK + 2272, struct.pack("<Q", MM))
        self.put(MM + 200, struct.pack("<QQQ", HEAP, HEAP + 0x2000, USER_STACK))
        areas = []
        for number, (begin, end, name, first) in enumerate(rows):
            area, file = AREAS + 0x400 * number, AREAS + 0x400 * number + 0x200
            areas.append(area)
            self.put(area, struct.pack("<QQQ", begin, end, area + 0x400 if number + 1 < len(rows) else 0))
            self.put(area + 152, struct.pack("<QQ", first // PAGE, file if name not in (None, b"vdso") else 0))
            if name == b"vdso":
                self.put(MM + 232, struct.pack("<QQQQ", 6, 4096, 33, begin))
            elif name is not None:
                self.put(file + 24, struct.pack("<Q", file + 0x40))
                self.put(file + 0x40 + 40, struct.pack("<Q", file + 0x100))
                self.put(file + 0x100, name + b"\0")
        self.put(MM, struct.pack("<Q", areas[0]))
        if late:
            self._put_tree(rows, areas)

    def _put_tree(self, rows, areas):
        """A root that knows gaps over leaves of two mappings each: pivots are last addresses, and nothing lies between them."""
        leaves = []
        for at in range(0, len(rows), 2):
            node = TREE + 0x100 * (1 + at // 2)
            pivots, slots = [], []
            for (begin, end, _, _), area in zip(rows[at:at + 2], areas[at:at + 2]):
                pivots += [begin - 1, end - 1]
                slots += [0, area]
            leaves.append((pivots[-1], node | 1 << 3))
            self.put(node + 8, struct.pack("<%dQ" % len(pivots), *pivots))
            self.put(node + 128, struct.pack("<%dQ" % (len(slots) + 1), *slots, 0))
        self.put(TREE + 8, struct.pack("<%dQ" % (len(leaves) - 1), *[last for last, _ in leaves[:-1]]))
        self.put(TREE + 80, struct.pack("<%dQ" % len(leaves), *[node for _, node in leaves]))
        self.put(MM + 64 + 8, struct.pack("<Q", TREE | 3 << 3 | 2))

    def stack(self, frames, sp=STACK + 0x3e00):
        """A kernel's stack: the innermost first, each a function's name; (rip, rsp)."""
        words = b""
        for name in frames[1:]:
            words += bytes(16) + struct.pack("<Q", self.at(name) + 8)
        self.put(sp, words + bytes(16))
        return {"rip": self.at(frames[0]) + 3, "rsp": sp}

    @staticmethod
    def at(name):
        return MODULE_TEXT + MODULE_AT if name == MODULE_FUNCTION else made.AT[name]

    def context(self, kernel=True, **registers):
        values = dict.fromkeys(REGISTERS, 0)
        values.update(flags=structs.IN_KERNEL if kernel else 0, cr3=self.root << 12, cr1=self.user_root << 12, gs_base_kernel=GS,
                      cr0=1 << 31, cr4=1 << 5 | (1 << 12 if self.memory.levels == 5 else 0), cs=0x10 if kernel else 0x33)
        values.update(registers)
        return structs.VCPU_CONTEXT.tuple(**values)


class Xen:
    """A hypervisor with guests whose vCPUs do as the test says. :ivar paused: (domid, vcpu) of each pause."""

    def __init__(self, guests, flags=0):
        self.guests = guests        # domid -> list of vCPUs: each a dict with cpu_time and context
        self.flags = flags
        self.paused = []
        self.width = 64
        self.asked = 0

    @property
    def hypercalls(self):
        return self.asked + len(self.paused)

    def domains(self):
        fields = [field[0] for field in structs.domaininfo(112).fields]
        return [structs.domaininfo(112).tuple(**dict(dict.fromkeys(fields, 0), domain=domid, flags=self.flags, handle=bytes(16),
                                                     max_vcpu_id=len(vcpus) - 1)) for domid, vcpus in sorted(self.guests.items())]

    def domain(self, domid):
        vcpus = self._vcpus(domid)
        info, = [info for info in self.domains() if info.domain == domid]
        return info._replace(cpu_time=sum(vcpu["cpu_time"] for vcpu in vcpus if vcpu is not None))

    def _vcpus(self, domid):
        if domid not in self.guests:
            raise DomainGone("domain %d: the domain is gone" % domid)
        return self.guests[domid]

    def address_size(self, domid):
        return self.width

    def vcpu(self, domid, number):
        self.asked += 1
        vcpus = self._vcpus(domid)
        if number >= len(vcpus) or vcpus[number] is None:
            return None
        return structs.GETVCPUINFO.tuple(**dict(dict.fromkeys([field[0] for field in structs.GETVCPUINFO.fields], 0), vcpu=number,
                                                online=1, blocked=vcpus[number].get("blocked", 0),
                                                running=vcpus[number].get("running", 0),
                                                cpu_time=vcpus[number]["cpu_time"]))

    def context(self, domid, number):
        self._vcpus(domid)
        self.paused.append((domid, number))
        return self.guests[domid][number]["context"]

    def close(self):
        pass
