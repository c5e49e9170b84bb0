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
