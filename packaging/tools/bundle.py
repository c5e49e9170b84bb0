#!/usr/bin/env python3
"""Lays out the bundle for XCP-ng of a wheel: bundle.py WHEEL FOLDER, in the source tree

FOLDER gets install.sh and what it installs: below xenmeter/ all that goes to /opt/xenmeter, with the units as systemd 219 knows
them. Its SHA256SUMS is of all the rest.
"""
import hashlib
import os
import pathlib
import shutil
import subprocess
import sys
import zipfile

COMMAND = """\
#!/usr/bin/python3 -Es
import os
import sys

sys.path[0] = os.path.join(os.path.dirname(os.path.dirname(os.path.realpath(__file__))), "lib")
from xenmeter.front.cli import main
sys.exit(main())
"""
UNITS = ("xenmeter-baker.service", "xenmeter-serve@.service", "xenmeter-textfile@.service", "serve-xentrace.conf")


def library(wheel, folder):
    """The package, with its compiled parts."""
    with zipfile.ZipFile(str(wheel)) as archive:
        archive.extractall(str(folder), [name for name in archive.namelist() if name.startswith("xenmeter/")])


def units(folder):
    """systemd's units, as its version 219 knows them."""
    folder.mkdir(parents=True)
    for name in UNITS:
        made = subprocess.run(["sed", "-f", "packaging/systemd/219.sed", "packaging/systemd/" + name], check=True,
                              stdout=subprocess.PIPE).stdout
        (folder / name).write_bytes(made)


def documents(share):
    """Manual pages, and the files that are for other daemons."""
    manuals = share / "man" / "man1"
    manuals.mkdir(parents=True)
    subprocess.run([sys.executable, "packaging/tools/man.py", str(manuals)], check=True,
                   env=dict(os.environ, PYTHONPATH="plugins"))
    for name in ("telegraf", "prometheus", "grafana"):
        shutil.copytree("conf.d/" + name, str(share / name), ignore=shutil.ignore_patterns("*.png", "*.md"))
    shutil.copytree("packaging/sudoers", str(share / "sudoers"))
    shutil.copy("packaging/systemd/telegraf-xenmeter.conf", str(share / "telegraf-xenmeter.conf"))
    shutil.copy("packaging/xenmeter.default", str(share / "xenmeter.default"))


def sums(folder):
    """What sha256sum -c reads."""
    files = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    return "".join("%s  %s\n" % (hashlib.sha256((folder / name).read_bytes()).hexdigest(), name) for name in files)


def main():
    wheel, folder = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    opt = folder / "xenmeter"
    library(wheel, opt / "lib")
    units(opt / "share" / "systemd")
    documents(opt / "share")
    (opt / "bin").mkdir()
    (opt / "bin" / "xenmeter").write_text(COMMAND)
    (opt / "bin" / "xenmeter").chmod(0o755)
    for name in ("packaging/xcp-ng/install.sh", "packaging/xcp-ng/README.md", "LICENSE"):
        shutil.copy(name, str(folder / os.path.basename(name)))
    (folder / "install.sh").chmod(0o755)
    (folder / "SHA256SUMS").write_text(sums(folder))


if __name__ == "__main__":
    main()
