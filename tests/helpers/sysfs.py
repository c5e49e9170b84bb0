"""What dom0's kernel says of its vifs and disks."""
import pathlib

HEADER = (
    b"Inter-|   Receive                                                |  Transmit\n"
    b" face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls"
    b" carrier compressed\n")


def net_dev(*names):
    return HEADER + b"".join(b"%s: %d 2 3 4 0 0 0 0 %d 6 7 8 0 0 0 0\n" % (name.encode(), number, number + 1)
                             for number, name in enumerate(names))


def disk(root, name, *counters):
    folder = pathlib.Path(str(root)) / name / "statistics"
    folder.mkdir(parents=True)
    for file, counter in zip(("oo_req", "rd_req", "wr_req", "rd_sect", "wr_sect"), counters):
        (folder / file).write_bytes(counter if isinstance(counter, bytes) else b"%d\n" % counter)


def block(root, number, name, *stat, whole=None):
    """A block device ``name`` with its ``stat``, known by its ``number`` below ``root``; a partition of ``whole``, or a disk."""
    place = pathlib.Path(str(root)).parent / "devices" / (whole or "") / name
    (place / "holders").mkdir(parents=True, exist_ok=True)
    (place / "dev").write_text(number + "\n")
    if whole:
        (place / "partition").write_text("1\n")
    (place / "stat").write_text(" ".join("%8d" % one for one in stat) + "\n")
    pathlib.Path(str(root)).mkdir(exist_ok=True)
    link = pathlib.Path(str(root)) / number
    if not link.is_symlink():
        link.symlink_to(place)
    return place


def process(proc, number, name, ticks, start=1, kernel=True):
    """A line of /proc/NUMBER/stat; ``ticks`` of CPU time, half of them in the kernel."""
    folder = pathlib.Path(str(proc)) / str(number)
    folder.mkdir(parents=True, exist_ok=True)
    fields = [b"S", b"2"] + [b"0"] * 4 + [b"%d" % (0x208040 if kernel else 0x400000)] + [b"0"] * 4
    fields += [b"%d" % (ticks - ticks // 2), b"%d" % (ticks // 2)] + [b"0"] * 6 + [b"%d" % start] + [b"0"] * 30
    (folder / "stat").write_bytes(b"%d (%s) " % (number, name) + b" ".join(fields) + b"\n")
    return folder
