#!/usr/bin/env python3
"""A dom0 to try things in: `shell.py start` boots one and keeps it for an hour, `shell.py COMMAND ...` runs in it.

Every command takes the checkout's plugins, conf.d and tests/lab/inside along, as they are now, to /code.
"""
import io
import pathlib
import struct
import sys
import tarfile
import time

if not __package__:
    sys.path[0] = str(pathlib.Path(__file__).resolve().parents[1])

from lab import image, packages, run
from lab.machine import Machine
from lab.paths import BUILD
from lab.releases import MAIN

MAIL = BUILD / "mail.raw"
HEAD = struct.Struct("<8sqq")
MAGIC = b"LABMAIL1"
HALF = 8 << 20
SECONDS = 5400


def start(xen=""):
    with MAIL.open("wb") as file:
        file.truncate(2 * HALF)
    made = image.build(run.say)
    machine = Machine(made, BUILD / "shell", run.say, xen=xen, disks=[MAIL])
    outcome = machine.run(run.stage_code(BUILD / "shell-code", made.python), "shell", SECONDS)
    return outcome.complaint


def command(text):
    """Run it; the status of the command is the result."""
    archive = io.BytesIO()
    code = run.stage_code(BUILD / "shell-code", packages.tree(MAIN, "dom0"))
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for folder in ("plugins", "conf.d", "lab"):
            tar.add(str(code / folder), folder)
        info = tarfile.TarInfo("command")
        info.size = len(text.encode())
        tar.addfile(info, io.BytesIO(text.encode()))
    data = archive.getvalue()
    with MAIL.open("r+b") as file:
        _, number, _ = HEAD.unpack(file.read(HEAD.size))
        file.seek(HEAD.size)
        file.write(data)
        file.seek(0)
        file.write(HEAD.pack(MAGIC, number + 1, len(data)))
        file.flush()
        while text != "off":
            file.seek(HALF)
            _, answered, length = HEAD.unpack(file.read(HEAD.size))
            if answered == number + 1:
                break
            time.sleep(0.2)
            file.seek(0, 2)     # drops what Python has buffered
        else:
            return 0
        answer = file.read(length).decode("utf-8", "replace")
    print(answer, end="")
    return int(answer.rpartition("[status ")[2].partition("]")[0])


if __name__ == "__main__":
    if sys.argv[1:2] == ["start"]:
        sys.exit(start(" ".join(sys.argv[2:])))
    sys.exit(command(" ".join(sys.argv[1:])))
