"""Commands from outside, one after the other, for whoever works on the lab: see tests/lab/shell.py.

They come over a raw disk that both sides read and write past their caches: a head (magic, number, length) and a tar
archive of fresh code with the command in it; the answer lies in the second half.
"""
import io
import mmap
import os
import pathlib
import struct
import subprocess
import tarfile
import time

from lab.inside import dom0

HEAD = struct.Struct("<8sqq")
MAGIC = b"LABMAIL1"
HALF = 8 << 20


def run():
    disk = next(path for path in pathlib.Path("/sys/block").glob("sd*") if int((path / "size").read_text()) == HALF // 256)
    fd = os.open("/dev/" + disk.name, os.O_RDWR | os.O_DIRECT)
    page = mmap.mmap(-1, HALF)
    done = 0
    dom0.mark("shell ready")
    while True:
        os.preadv(fd, [memoryview(page)[:4096]], 0)
        magic, number, length = HEAD.unpack_from(page, 0)
        if magic != MAGIC or number <= done:
            time.sleep(0.3)
            continue
        os.preadv(fd, [memoryview(page)[:_whole(HEAD.size + length)]], 0)
        with tarfile.open(fileobj=io.BytesIO(page[HEAD.size:HEAD.size + length])) as archive:
            archive.extractall("/code")
        done = number
        if pathlib.Path("/code/command").read_text() == "off":
            return
        ran = subprocess.run(["timeout", "-k", "5", "150", "bash", "/code/command"], check=False,
                             stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=dom0.ENVIRONMENT)
        answer = (ran.stdout + b"[status %d]\n" % ran.returncode)[-HALF + 4096:]
        page[:HEAD.size + len(answer)] = HEAD.pack(MAGIC, number, len(answer)) + answer
        rest = _whole(HEAD.size + len(answer))
        os.pwritev(fd, [memoryview(page)[4096:rest]], HALF + 4096) if rest > 4096 else None
        os.pwritev(fd, [memoryview(page)[:4096]], HALF)


def _whole(size):
    return (size + 4095) & -4096
