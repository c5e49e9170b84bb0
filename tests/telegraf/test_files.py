"""The files of conf.d/telegraf as they are shipped, read by the real Telegraf."""
import subprocess

import pytest
from helpers.telegraf_stage import CONF, NAMES, adapted, environment, live, own_command, shipped
from tools.telegraf_daemon import Telegraf, telegraf, telegraf_program

pytestmark = pytest.mark.daemon

FILES = sorted(CONF.glob("*.conf"))


def test_there_is_one_for_each_plugin():
    assert {path.stem for path in FILES} >= set(NAMES)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_telegraf_checks_the_shipped_file(path):
    ran = telegraf("config", "check", "--config", path)
    assert ran.returncode == 0 and "E!" not in ran.stdout, ran.stdout


def test_telegraf_checks_the_whole_folder_as_telegraf_d(tmp_path):
    (tmp_path / "telegraf.conf").write_text("[agent]\n[[outputs.file]]\n")
    ran = telegraf("config", "check", "--config", tmp_path / "telegraf.conf", "--config-directory", CONF)
    assert ran.returncode == 0 and "E!" not in ran.stdout, ran.stdout


def test_the_check_would_see_a_wrong_key(tmp_path):
    (tmp_path / "x.conf").write_text(shipped("xentop").replace("restart_delay", "restart_dlay"))
    ran = telegraf("config", "check", "--config", tmp_path / "x.conf")
    assert ran.returncode != 0 and "restart_dlay" in ran.stdout


@pytest.mark.parametrize("name", NAMES)
def test_the_command_is_one_that_sudoers_can_name(name):
    """No option in it: the line for sudoers in the file's head is the same, word by word, and has no wildcard."""
    words = own_command(name)
    assert words[-3:] == ["/usr/bin/xenmeter", "execd", name]
    if words[0] == "sudo":
        assert "##   telegraf ALL=(root) NOPASSWD: %s\n" % " ".join(words[2:]) in shipped(name)
        assert words[:2] == ["sudo", "-n"]


@pytest.mark.parametrize("name", NAMES)
def test_telegrafs_own_test_mode_shows_metrics(tmp_path, xentop, name):
    """`telegraf --test --test-wait`, which is what people try first."""
    measurement = {"xentop": "xen_domain", "xentrace": "xen_sched", "vcpu": "xen_vcpu"}[name]
    wanted = {"> %s," % measurement, "> xenmeter,host="}
    with live(name, tmp_path, xentop) as (arguments, env):
        (tmp_path / "x.conf").write_text(adapted(name, *arguments, mode="none"))
        with subprocess.Popen(["setpriv", "--pdeathsig", "KILL", telegraf_program(), "--config", str(tmp_path / "x.conf"),
                               "--test", "--test-wait", "60"], env=env, stdin=subprocess.DEVNULL, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as running:
            said = []
            for line in running.stdout:     # to its end after 60 s, unless all has come
                said.append(line)
                wanted = {start for start in wanted if not line.startswith(start)}
                if not wanted:
                    break
            running.terminate()
            said.append(running.stdout.read())
    assert not wanted, "".join(said)


@pytest.mark.parametrize("name", NAMES)
def test_a_wrong_option_is_one_line_in_telegrafs_log(tmp_path, name):
    with Telegraf(tmp_path, adapted(name, "--intervall", 3), environment()) as running:
        running.wait_log("xenmeter: ", 40)
        lines = [line for line in running.log_text().splitlines() if "xenmeter: " in line]
    assert lines and all(" E! [inputs.execd] xenmeter: " in line and "--interval" in line for line in lines), lines
