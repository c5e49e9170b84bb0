"""Rows for tests, without spelling all columns, and hypothesis' idea of what xentop may print."""
from hypothesis import strategies as st

from xenmeter.xentop.text.records import Columns, DomainRow, Iteration, Net, Vbd


def row(name, state=b"--b---", nets=(), disks=(), vcpu=((0, 1),), announced=None, **columns):
    """A row whose sums are those of its devices, unless told otherwise."""
    known = not any(vbd.rd is None for vbd in disks)
    values = dict(
        cpu_seconds=1, cpu_permille=5, mem_kib=131072, mem_permille=31, maxmem_kib=132096, maxmem_permille=31,
        vcpus=len(vcpu or ()) or 1, nets=len(nets) if announced is None else announced,
        nettx_kib=sum(net.tx_bytes for net in nets) >> 10,
        netrx_kib=sum(net.rx_bytes for net in nets) >> 10, vbds=len(disks), ssid=0)
    for column, field in (("vbd_oo", "oo"), ("vbd_rd", "rd"), ("vbd_wr", "wr"), ("vbd_rsect", "rsect"),
                          ("vbd_wsect", "wsect")):
        figures = [getattr(vbd, field) for vbd in disks]
        values[column] = sum(figures) if known and None not in figures else None
    values.update(columns)
    made = DomainRow(name, state, Columns(**values))
    made.vcpu_seconds = None if vcpu is None else list(vcpu)
    made.networks = list(nets)
    made.vbds = list(disks)
    return made


def net(index=0, rx=1000, tx=2000):
    return Net(index, rx, 11, 12, 13, tx, 21, 22, 23)


def disk(dev=51712, reads=10, writes=20, type_="BlkBack"):
    return Vbd(type_, dev, 1, reads, writes, reads * 8, writes * 8)


def dead_disk(dev=51712):
    return Vbd("BlkBack", dev, None, None, None, None, None)


#: Names as xenstore takes them: any bytes but NUL; those that look like xentop's own lines among them. Leading blanks
#: cannot be told from padding.
names = st.one_of(
    st.sampled_from([b"Net0 RX:", b"VBD", b"no limit", b"--b---", b"a --b--- 1", b"NAME  STATE", b"VCPUs(sec): ", b"n/a -",
                     b"Domain-0", b"x" * 200, "gäst-ünï-日本".encode(), b"tail ", b"0 0 0", b"123", b"a\tb", b"\xff\xfe",
                     b"x -----r          1    0.0", b"Physical CPU Usage:"]),
    st.binary(min_size=0, max_size=40).map(lambda name: name.replace(b"\0", b"").replace(b"\n", b"").lstrip(b" ")),
    st.text(max_size=20).map(lambda name: name.replace("\0", "").replace("\n", "").encode(
        "utf-8", "surrogatepass").lstrip(b" ")))
numbers = st.one_of(st.integers(0, 3000), st.integers(0, 2 ** 64 - 1))
states = st.tuples(*[st.sampled_from([letter, "-"]) for letter in "dsbcpr"]).map(lambda s: "".join(s).encode())


@st.composite
def rows(draw):
    nets = [Net(index, *draw(st.tuples(*[numbers] * 8))) for index in range(draw(st.integers(0, 3)))]
    disks = draw(st.lists(st.builds(
        lambda type_, dev, counters: Vbd(type_, dev, *(counters or [None] * 5)),
        st.sampled_from(["BlkBack", "BlkTap", "Tapdisk3", "Unidentified"]), st.integers(0, 2 ** 32 - 1),
        st.one_of(st.none(), st.lists(numbers, min_size=5, max_size=5))), max_size=3))
    ids = sorted(draw(st.one_of(st.sets(st.integers(0, 300), max_size=12), st.sets(st.integers(0, 30), max_size=25))))
    made = row(draw(names), draw(states), nets, disks, [(vcpu, draw(numbers)) for vcpu in ids],
               cpu_seconds=draw(numbers), cpu_permille=draw(st.one_of(st.none(), numbers)), mem_kib=draw(numbers),
               mem_permille=draw(st.integers(0, 1000)), vcpus=draw(st.integers(0, 512)), ssid=draw(st.integers(0, 2 ** 31)))
    if draw(st.booleans()):
        made.columns = made.columns._replace(maxmem_kib=None, maxmem_permille=None)
    return made


def without_sectors(iteration):
    """As Xen 3.1 to 4.0 print it: whose disks can all be read."""
    for one in iteration.rows:
        one.columns = one.columns._replace(vbd_rsect=None, vbd_wsect=None, **{
            name: getattr(one.columns, name) or 0 for name in ("vbd_oo", "vbd_rd", "vbd_wr")})
        one.vbds = [vbd._replace(rsect=None, wsect=None, oo=vbd.oo or 0, rd=vbd.rd or 0, wr=vbd.wr or 0) for vbd in one.vbds]
    return iteration


@st.composite
def iterations(draw, with_pcpus=False):
    """One iteration in the order in which xentop sorts: by name, whatever the case of the letters. dom0 is always in it."""
    dom0 = draw(rows())
    dom0.name = b"Domain-0"
    guests = [guest for guest in draw(st.lists(rows(), max_size=3)) if guest.name.lower() != b"domain-0"]
    found = sorted([dom0] + guests, key=lambda row: row.name.lower())
    pcpus = draw(st.lists(st.tuples(st.integers(0, 200), st.integers(0, 1000)), max_size=3)) if with_pcpus else None
    return Iteration(found, pcpus)


def streams(count):
    """What one xentop prints: all iterations with the -p table, or none."""
    return st.booleans().flatmap(lambda pcpus: st.lists(iterations(pcpus), min_size=count, max_size=count))
