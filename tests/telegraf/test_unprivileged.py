"""Telegraf as its own user: the real sudo with the documented lines, and a root baker whose file a group may read.

The installed machine is an overlay over this one, which needs root and a kernel that allows it; where that is not to be
had, what can be tried without it still is: sudo's own check of its files, and the group with setpriv.
"""
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

import pytest
from helpers.lineprotocol import parse
from helpers.stage import HOST, Running, TOP, readings, source_of
from helpers.telegraf_stage import CONF, KHZ, adapted, environment, own_command, shipped, unpacked
from tools import provision
from tools.telegraf_daemon import Telegraf, telegraf_program

pytestmark = [pytest.mark.daemon, pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")]

HERE = pathlib.Path(__file__).resolve().parent
USER = ["setpriv", "--reuid", "64999", "--regid", "64999", "--inh-caps=-all"]
PACKAGED = sorted((TOP / "packaging" / "sudoers").glob("*"))


def documented():
    """The lines for sudoers in the heads of our files."""
    lines = []
    for name in ("xentop", "vcpu"):
        lines += re.findall(r"^  ##   (telegraf ALL=.*|Defaults!.*)$", shipped(name), re.M)
    assert len(lines) == 4
    return "\n".join(lines) + "\n"


def sudoers_files(folder):
    (folder / "documented").write_text(documented())
    return [folder / "documented"] + PACKAGED


@pytest.fixture
def shared():
    """A folder that another user reaches, which pytest's own are not."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="xenmeter-"))
    folder.chmod(0o755)
    (folder / "run").mkdir(mode=0o755)
    (folder / "site.d").mkdir()
    for path in CONF.glob("*.conf"):
        shutil.copy(str(path), str(folder / "site.d"))
    yield folder
    shutil.rmtree(str(folder))


@pytest.fixture
def baker(shared, tmp_path):
    """root's, with a group that may read."""
    with Running("baker", "--source", unpacked(tmp_path), "--shared", shared / "run" / "baker", "--cpu-khz", KHZ, "--stay",
                 "--shared-group", "daemon") as running:
        running.wait_err(rb"baking into")
        yield shared / "run" / "baker"


def other_root(shared, xentop, sudoers, *command):
    """The words that run a command as telegraf on the machine with everything installed."""
    provision.ensure("sudo")
    sudo_root = provision.root_of("sudo")
    return ["unshare", "-m", "--propagation", "private", "sh", TOP / "tests" / "helpers" / "other_root.sh", shared, sudo_root,
            TOP / "plugins" / "xenmeter", telegraf_program(), xentop.bin / "xentop", sudoers, *command]


def needs_overlay(shared, xentop, sudoers):
    ran = subprocess.run([str(word) for word in other_root(shared, xentop, sudoers, "id", "-un")], check=False, timeout=60,
                         stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if re.search(r"^(mount|unshare): ", ran.stderr, re.M):
        pytest.skip("no overlay here: " + ran.stderr.splitlines()[0])
    assert (ran.returncode, ran.stdout) == (0, "telegraf\n"), ran.stderr


def test_sudo_takes_the_files(tmp_path):
    provision.ensure("sudo")
    root = provision.root_of("sudo")
    for path in sudoers_files(tmp_path):
        for text, good in ((path.read_text(), True), (path.read_text() + "telegraf ALL=(root NOPASSWD: x\n", False)):
            (tmp_path / "checked").write_text(text)
            ran = subprocess.run([str(root / "usr/sbin/visudo"), "-c", "-s", "-f", str(tmp_path / "checked")], check=False,
                                 env=dict(os.environ, LD_LIBRARY_PATH=str(root / "usr/libexec/sudo")), timeout=30,
                                 stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            assert (ran.returncode == 0) == good, ran.stdout


def test_as_installed_all_three_plugins_measure(shared, xentop, baker, tmp_path):
    """The shipped files byte for byte, in telegraf.d, under telegraf's user."""
    sudoers = sudoers_files(tmp_path)[-1]
    needs_overlay(shared, xentop, sudoers)
    (shared / "telegraf").mkdir()
    os.chown(str(shared / "telegraf"), 64999, 64999)
    program = other_root(shared, xentop, sudoers, "/usr/bin/telegraf", "--config-directory", "/etc/telegraf/telegraf.d")
    running = Telegraf(shared / "telegraf", "", environment(), program=program)
    with running:
        running.wait_output(rb"^xen_domain,", 1, 60)
        running.wait_output(rb"^xen_sched,", 1, 60)
        running.wait_output(rb"^xenmeter,host=testhost,plugin=vcpu ", 1, 60)
        lines, log = parse(running.output()), running.log_text()
    names = {tags["domain"] for measurement, tags, _, _ in lines if measurement == "xen_domain"}
    assert names == {one["name"] for one in readings("--source", source_of(HOST))[0]["domains"]}
    assert [own_command(name)[0] for name in ("xentop", "xentrace", "vcpu")] == ["sudo", "/usr/bin/xenmeter", "sudo"]
    # vcpu got as far as root does on a machine that has no Xen
    complaints = [line for line in running.complaints() if "skip_processors" not in line]
    assert len(complaints) == 1 and "there is no /dev/xen/privcmd" in complaints[0], log
    xentop.wait_gone()


@pytest.mark.parametrize("arguments", [["execd", "xentop", "--source", "/etc/shadow"], ["record", "/tmp/x"], ["baker"],
                                       ["execd", "xentrace"]])
def test_sudo_refuses_every_other_command(shared, xentop, tmp_path, arguments):
    for sudoers in sudoers_files(tmp_path):
        needs_overlay(shared, xentop, sudoers)
        words = other_root(shared, xentop, sudoers, "/usr/bin/sudo", "-n", "/usr/bin/xenmeter", *arguments)
        ran = subprocess.run([str(word) for word in words], check=False, timeout=60, stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert ran.returncode == 1 and ran.stdout == "" and re.match("sudo: a password is required|Sorry", ran.stderr)


ASK = """
import json, socket, sys
client = socket.socket(socket.AF_UNIX)
client.connect(sys.argv[1])
stream = client.makefile("rwb")
stream.write(b'{"get": "status"}\\n')
stream.flush()
print(json.loads(stream.readline().decode())["records"])
"""


@pytest.mark.parametrize("groups, allowed", [("daemon", True), ("nogroup", False)])
def test_the_bakers_socket_is_the_groups_too(baker, groups, allowed):
    words = USER + ["--groups", groups, "/usr/bin/python3", "-c", ASK, str(baker) + ".sock"]
    ran = subprocess.run(words, check=False, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                         timeout=30, text=True)
    if allowed:
        assert ran.returncode == 0 and int(ran.stdout) >= 0, ran.stderr
    else:
        assert ran.returncode == 1 and "PermissionError" in ran.stderr


@pytest.mark.parametrize("groups, allowed", [("daemon", True), ("nogroup", False)])
def test_the_bakers_group_and_nobody_else(shared, baker, groups, allowed):
    """With setpriv: no overlay is needed for this part."""
    shutil.copytree(str(TOP / "plugins" / "xenmeter"), str(shared / "python" / "xenmeter"),
                    ignore=shutil.ignore_patterns("__pycache__"))
    binary = shutil.copy(telegraf_program(), str(shared / "telegraf.bin"))
    (shared / "telegraf").mkdir()
    os.chown(str(shared / "telegraf"), 64999, 64999)
    text = adapted("xentrace", "--shared", baker, "--source", "baker")
    text = re.sub(r'command = \["[^"]*"', 'command = ["/usr/bin/python3"', text)
    env = environment(PYTHONPATH=str(shared / "python"))
    with Telegraf(shared / "telegraf", text, env, program=USER + ["--groups", groups, binary]) as running:
        if allowed:
            running.wait_output(rb"^xen_sched,", 1, 40)
            assert running.complaints() == []
        else:
            running.wait_log("E! .*xenmeter: .*" + re.escape(str(baker)), 40)
            running.wait_output(rb"^xenmeter,host=testhost,plugin=xentrace .*up=0i", 1, 40)
            assert b"xen_sched" not in running.output()
            (line,) = [line for line in running.complaints() if "xenmeter: " in line]
            assert "may not" in line or "ermission" in line or "root" in line, line
    assert running.process.returncode == 0
