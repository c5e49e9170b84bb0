"""The bundle for XCP-ng 8.3 and its RPM: installed, upgraded and taken away in a fresh system that knows a systemctl, run with
Python 3.6 where the machine has one."""
import os
import re
import shutil
import subprocess
import tarfile

import pytest

import build
from helpers.paths import FIXTURES
from helpers.systemd219 import SYSTEMD_219
from tools import chroot
from tools.pythons import interpreters

pytestmark = pytest.mark.xdist_group("packages: xcp-ng")

CASE = FIXTURES / "xentop" / "credit2-2pcpu-joined-b-d1-i3-fnxvr"
UNITS = ("xenmeter-baker.service", "xenmeter-serve@.service", "xenmeter-textfile@.service")
#: What rpm 4.11 of EL 7 knows (its lib/rpmds.c), as far as a package can ask for it.
RPM_4_11 = {"CompressedFileNames", "PayloadFilesHavePrefix", "FileDigests", "PartialHardlinkSets", "BuiltinLuaScripts",
            "PayloadIsXz", "PayloadIsBzip2", "PayloadIsLzma", "VersionedDependencies", "ScriptletInterpreterArgs"}
SYSTEMCTL = """#!/bin/sh
echo "$@" >> /asked
case $* in *list-units*) echo 'xenmeter-serve@xentop.service loaded active running Endpoint' ;; esac
"""


@pytest.fixture(scope="module")
def made(source, system, tmp_path_factory):
    """Name's ending -> path, of what the build gives."""
    return {re.sub(r"^.*?((?:\.tar)?\.\w+|SHA256SUMS)$", r"\1", path.name): path
            for path in build.xcp_ng(source, tmp_path_factory.mktemp("xcp-ng"), system)}


@pytest.fixture(scope="module")
def unpacked(made, tmp_path_factory):
    """The bundle's folder."""
    folder = tmp_path_factory.mktemp("unpacked")
    with tarfile.open(str(made[".tar.gz"])) as archive:
        archive.extractall(str(folder))
    (top,) = folder.iterdir()
    return top


@pytest.fixture
def dom0(unpacked):
    """A fresh system with Python and rpm, a systemctl that notes what it is asked, and the bundle at /bundle."""
    with chroot.fresh("xcp-ng", ("python3", "rpm", "cpio", "sudo")) as system:
        shutil.copytree(str(unpacked), str(system.path("/bundle")))
        system.run("mkdir", "-p", "/run/systemd/system", "/etc/telegraf/telegraf.d")
        system.path("/usr/bin/systemctl").write_text(SYSTEMCTL)
        system.path("/usr/bin/systemctl").chmod(0o755)
        yield system


def asked(system):
    path = system.path("/asked")
    lines = path.read_text().splitlines() if path.exists() else []
    path.write_text("")
    return lines


def ours(system):
    """Files of ours that are there."""
    told = system.run("sh", "-c", "find /opt /usr/bin /usr/lib/systemd /etc /run -name '*xenmeter*' -o -path '*/xenmeter/*' | "
                      "grep -v __pycache__ || :").stdout
    return set(told.split())


def test_it_installs_upgrades_and_goes(dom0, source):
    before = ours(dom0)
    told = dom0.run("/bundle/install.sh").stdout
    assert told == "xenmeter: installed. Now: xenmeter check --install\n"
    assert [line for line in asked(dom0) if "restart" not in line and "list-units" not in line] == ["daemon-reload"]
    assert dom0.run("xenmeter", "--version").stdout == "xenmeter %s\n" % source.version
    assert dom0.run("getent", "group", "xenmeter", check=False).returncode == 0
    dom0.path("/etc/sysconfig/xenmeter").write_text("XENMETER_SERVE_OPTIONS=\"--listen 10.0.0.1\"\n")
    dom0.path("/opt/xenmeter/lib/xenmeter/gone.py").write_text("")
    told = dom0.run("/bundle/install.sh").stdout
    assert "/etc/sysconfig/xenmeter stays as it is; the new one is /opt/xenmeter/share/xenmeter.default" in told
    assert "10.0.0.1" in dom0.path("/etc/sysconfig/xenmeter").read_text()
    assert not dom0.path("/opt/xenmeter/lib/xenmeter/gone.py").exists(), "what an older release had goes"
    assert {"try-restart xenmeter-baker.service", "try-restart xenmeter-serve@xentop.service"} <= set(asked(dom0))
    told = dom0.run("/opt/xenmeter/install.sh", "--uninstall").stdout
    assert "/etc/sysconfig/xenmeter stays: it has been changed" in told and "removed" in told
    assert {"--quiet stop xenmeter-baker.service", "--quiet disable xenmeter-serve@xentop.service"} <= set(asked(dom0))
    assert ours(dom0) - before == {"/etc/sysconfig/xenmeter"}
    failed = dom0.run("/bundle/install.sh", "--uninstall", check=False)
    assert (failed.returncode, failed.stdout) == (1, "xenmeter: there is no /opt/xenmeter: nothing to remove\n")


@pytest.mark.parametrize("umask", ["077", "000"])
def test_whatever_roots_umask_all_read_and_only_root_writes(dom0, umask):
    """Telegraf's user and that of serve@xentrace run it; and dom0s are made hard by a umask."""
    dom0.run("sh", "-c", "umask %s; /bundle/install.sh --telegraf" % umask)
    told = dom0.run("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "xenmeter", "metrics", check=False)
    assert told.returncode == 0, told.stdout
    wrong = dom0.run("sh", "-c", "find /opt/xenmeter /usr/lib/systemd/system /etc/telegraf /etc/sysconfig ! -type l "
                     r"\( -perm /022 -o ! -perm -444 \)").stdout
    assert wrong == ""


def test_telegrafs_files_come_and_go(dom0):
    before = ours(dom0)
    dom0.run("/bundle/install.sh", "--telegraf")
    files = {path for path in ours(dom0) if "telegraf" in path and not path.startswith("/opt/")}
    assert files == {"/etc/telegraf/telegraf.d/xenmeter-%s.conf" % name for name in ("xentop", "vcpu", "xentrace")} | {
        "/etc/sudoers.d/xenmeter-telegraf", "/etc/systemd/system/telegraf.service.d/xenmeter.conf"}
    assert dom0.path("/etc/sudoers.d/xenmeter-telegraf").stat().st_mode & 0o777 == 0o440
    assert dom0.run("visudo", "-c", check=False).returncode == 0
    dom0.run("/opt/xenmeter/install.sh", "--no-telegraf")
    assert not [path for path in ours(dom0) if "telegraf" in path and not path.startswith("/opt/")]
    dom0.run("/opt/xenmeter/install.sh", "--telegraf")
    dom0.run("/opt/xenmeter/install.sh", "--uninstall")
    assert ours(dom0) == before


def test_what_stands_in_the_way_is_said(dom0):
    for spoil, says in (
            ("echo more >> /bundle/xenmeter/bin/xenmeter", "this bundle is not whole: unpack it anew"),
            ("touch /usr/bin/xenmeter", "/usr/bin/xenmeter is another installation's"),
            ("mv /usr/bin/python3 /usr/bin/python", "there is no /usr/bin/python3")):
        dom0.run("sh", "-c", "cp -a /bundle /kept; " + spoil)
        failed = dom0.run("/bundle/install.sh", check=False)
        assert failed.returncode == 1 and says in failed.stdout and not dom0.path("/opt/xenmeter").exists(), failed.stdout
        dom0.run("sh", "-c", "rm -rf /bundle /usr/bin/xenmeter; mv /kept /bundle; [ ! -e /usr/bin/python ] || "
                 "mv /usr/bin/python /usr/bin/python3")
    assert dom0.run("/bundle/install.sh", "--unistall", check=False).returncode == 2
    told = dom0.run("/bundle/install.sh", "--help").stdout
    assert "--uninstall" in told and "--telegraf" in told and "set -eu" not in told


def test_the_rpm_is_the_same_files_and_goes_whole(dom0, made, source):
    name = made[".rpm"].name
    shutil.copy(str(made[".rpm"]), str(dom0.path("/")))
    before = ours(dom0)
    dom0.run("rpm", "-i", "--nodeps", "/" + name)
    assert dom0.run("xenmeter", "--version").stdout == "xenmeter %s\n" % source.version
    of_rpm = ours(dom0)
    failed = dom0.run("/opt/xenmeter/install.sh", "--uninstall", check=False)
    assert (failed.returncode, failed.stdout) == (1, "xenmeter: this was installed by rpm: rpm -e xenmeter-opt\n")
    dom0.run("/opt/xenmeter/install.sh", "--telegraf")
    asked(dom0)
    dom0.run("rpm", "-e", "xenmeter-opt")
    assert "stop xenmeter-baker.service" in asked(dom0) and ours(dom0) == before
    dom0.run("/bundle/install.sh")
    assert ours(dom0) == of_rpm


def test_the_rpm_is_one_that_rpm_4_11_reads(made, system, source):
    shutil.copy(str(made[".rpm"]), str(system.path("/opt.rpm")))

    def told(*words):
        return system.run("rpm", "-qp", *words, "/opt.rpm").stdout
    assert told("--queryformat", "%{NAME} %{VERSION} %{ARCH} %{PAYLOADCOMPRESSOR} %{FILEDIGESTALGO}") == \
        "xenmeter-opt %s noarch gzip 8" % source.version
    needs = told("--requires").splitlines()
    assert {word for line in needs for word in re.findall(r"^rpmlib\((\w+)\)", line)} <= RPM_4_11
    assert {line for line in needs if not line.startswith("rpmlib(")} == {"/usr/bin/python3", "/bin/sh", "shadow-utils"}
    assert told("--conflicts").split() == ["xenmeter"] and told("--configfiles").split() == ["/etc/sysconfig/xenmeter"]


def test_the_digests_are_those_of_the_files(made, unpacked):
    for folder, count in ((made["SHA256SUMS"].parent, 2), (unpacked, 100)):
        listed = (folder / "SHA256SUMS").read_text().splitlines()
        assert len(listed) >= count
        subprocess.run(["sha256sum", "-c", "--quiet", "SHA256SUMS"], cwd=str(folder), check=True)
    held = {str(path.relative_to(unpacked)) for path in unpacked.rglob("*") if path.is_file()}
    assert {line.split("  ")[1] for line in listed} == held - {"SHA256SUMS"}


@pytest.mark.parametrize("unit", (*UNITS, "serve-xentrace.conf"))
def test_the_units_say_what_systemd_219_knows(unpacked, unit):
    text = (unpacked / "xenmeter" / "share" / "systemd" / unit).read_text()
    told = [(name, value) for name, value in re.findall(r"^(\w+)=(.*)$", text, re.MULTILINE) if value]
    assert {name for name, _ in told} <= SYSTEMD_219
    assert dict(told).get("Type", "notify") in ("simple", "notify")
    assert dict(told).get("User", "root") == "root", "a user that only DynamicUser= makes is none there"
    assert not [value for _, value in told if value.startswith(("@", "~@"))], "219 knows no groups of calls"


@pytest.mark.parametrize("version", sorted(interpreters())[:1], ids=lambda version: "%d.%d" % version)
def test_the_oldest_python_runs_it_with_its_compiled_parts(version, unpacked):
    command = unpacked / "xenmeter" / "bin" / "xenmeter"
    python = str(interpreters()[version])
    environment = {"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"}
    played = subprocess.run([python, str(command), "xentop", "--source", str(CASE), "--format", "json", "--interval", "1",
                             "--start", "2026-01-01"], stdout=subprocess.PIPE, cwd="/", env=environment, check=True)
    assert played.stdout == (CASE / "expected.jsonl").read_bytes()
    probe = "import xenmeter.xentrace.engine.compiled as c; print(c.available())"
    told = subprocess.run([python, "-c", probe], stdout=subprocess.PIPE, text=True, check=True,
                          env=dict(environment, PYTHONPATH=str(unpacked / "xenmeter" / "lib")))
    assert told.stdout == "True\n"


def test_the_same_commit_gives_the_same_bytes(made, source, system, tmp_path):
    again = build.xcp_ng(source, tmp_path, system)
    assert len(again) == 3
    for path in again:
        (first,) = [one for one in made.values() if one.name == path.name]
        assert first.read_bytes() == path.read_bytes(), path.name
    (elsewhere,) = build.bundle(source, tmp_path / "more", system, place="/elsewhere/and/deeper")
    assert elsewhere.read_bytes() == made[".tar.gz"].read_bytes()
