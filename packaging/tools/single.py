#!/usr/bin/env python3
"""Makes of a wheel the one file that Python runs: single.py WHEEL FILE

A zip archive with a first line that says who reads it. Its times are SOURCE_DATE_EPOCH's: the same wheel, the same bytes.
Compiled parts stay in it as they are; core/shipped.py says how they are loaded.
"""
import os
import pathlib
import sys
import time
import zipfile

#: -E and -s: root's environment and home do not choose what root runs.
FIRST_LINE = b"#!/usr/bin/python3 -Es\n"
MAIN = '''\
"""xenmeter as one file. Python 2 and 3.5 read this much, too."""
import sys

if sys.version_info < (3, 6):
    sys.exit("xenmeter: this wants Python 3.6 or newer, not %d.%d; run it by another one: python3.6 xenmeter.pyz"
             % tuple(sys.version_info[:2]))

import os

# absolute, for what is imported after the working directory has changed
sys.path[0] = os.path.dirname(os.path.abspath(__file__))

from xenmeter.front.cli import main

sys.exit(main())
'''


def contents(wheel):
    """(name, bytes) of what goes in, in order."""
    with zipfile.ZipFile(str(wheel)) as opened:
        yield "__main__.py", MAIN.encode("ascii")
        for name in sorted(opened.namelist()):
            top, _, rest = name.partition("/")
            if top == "xenmeter":
                yield name, opened.read(name)
            elif top.endswith(".dist-info") and rest.rpartition("/")[2] == "LICENSE":
                yield "LICENSE", opened.read(name)


def make(wheel, target, epoch):
    """Writes the file, which may be run."""
    moment = time.gmtime(max(epoch, 315532800))[:6]     # zip knows no time before 1980
    with open(str(target), "wb") as file:
        file.write(FIRST_LINE)
        with zipfile.ZipFile(file, "w") as archive:
            for name, data in contents(wheel):
                entry = zipfile.ZipInfo(name, moment)
                entry.compress_type, entry.external_attr, entry.create_system = zipfile.ZIP_DEFLATED, 0o644 << 16, 3
                archive.writestr(entry, data)
    os.chmod(str(target), 0o755)


if __name__ == "__main__":
    make(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), int(os.environ["SOURCE_DATE_EPOCH"]))
