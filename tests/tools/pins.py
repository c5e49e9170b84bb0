#!/usr/bin/env python3
"""Write down the versions and hashes of the Python libraries that tests, tools and extras take: pins.py [--upgrade]

For each requirements/NAME.in beside this file NAME.txt, and packaging/requirements/NAME.txt for each extra of the library
itself: all that is needed for every Python from OLDEST_FOR_TESTS on, each at one version. Versions that stand there stay, unless
--upgrade. uv resolves; it is pinned the same way. pip refuses whatever has another hash (--require-hashes).
"""
import argparse
import configparser
import pathlib
import shutil
import subprocess
import sys
import tempfile

if not __package__:
    sys.path[0] = str(pathlib.Path(__file__).resolve().parents[1])

from tools import provision, pythons
from tools.debian import ProvisionError

TOP = pathlib.Path(__file__).resolve().parents[2]
EXTRAS = TOP / "packaging" / "requirements"
#: Extras that people install for what the commands do; the others are for tests, and in tests.txt.
FOR_PEOPLE = ("report",)
HEAD = "# Written by `make pins` from {}: do not edit.\n"


def sources():
    """[(what is asked for as text, where it comes from, the pinned file)], those that others are bound to first."""
    found = [(path.read_text(), path, path.with_suffix(".txt")) for path in sorted(pythons.REQUIREMENTS.glob("*.in"))]
    for name, text in extras().items():
        if name in FOR_PEOPLE:
            found.append((text, TOP / "setup.cfg", EXTRAS / (name + ".txt")))
    return found


def extras():
    """What setup.cfg says that each extra needs."""
    config = configparser.ConfigParser()
    config.read(str(TOP / "setup.cfg"))
    return {name: text.strip() + "\n" for name, text in config["options.extras_require"].items()}


def pin(text, origin, pinned, upgrade):
    """The text of a pinned file."""
    with tempfile.TemporaryDirectory(prefix="xenmeter-pins-") as folder:
        shutil.copytree(str(pythons.REQUIREMENTS), folder, dirs_exist_ok=True)
        wanted = pathlib.Path(folder, "wanted.in")
        wanted.write_text(text)
        made = pathlib.Path(folder, "made.txt")
        if pinned.exists() and not upgrade:
            shutil.copy(str(pinned), str(made))
        bound = [] if origin.parent == pythons.REQUIREMENTS else ["--constraints", str(pythons.pinned("tests"))]
        command = [provision.python_of("pins"), "-m", "uv", "pip", "compile", "--quiet", "--universal", "--generate-hashes",
                   "--no-header", "--no-annotate", "--no-config", "--fork-strategy", "fewest",
                   "--python-version", "%d.%d" % pythons.OLDEST_FOR_TESTS, *["--upgrade"] * upgrade, *bound,
                   "--output-file", str(made), str(wanted)]
        ran = subprocess.run(command, check=False, cwd=folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if ran.returncode:
            raise ProvisionError(f"uv finds no versions for {origin.name}: {' '.join(ran.stdout.split())}")
        return HEAD.format(origin.relative_to(TOP)) + made.read_text()


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--upgrade", action="store_true", help="take the newest versions, not those that stand there")
    options = parser.parse_args()
    try:
        provision.ensure("pins")
        for text, origin, pinned in sources():
            pinned.parent.mkdir(exist_ok=True)
            pinned.write_text(pin(text, origin, pinned, options.upgrade))
            print(pinned.relative_to(TOP))
    except ProvisionError as error:
        print("pins:", error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
