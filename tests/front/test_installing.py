"""What `xenmeter check --install` finds on a host, and what its commands bring: hosts are folders, commands run below them."""
import json
import os
import re
import subprocess

import pytest

from xenmeter.front import hostfiles, installing
from xenmeter.front.cli import main

PROGRAMS = {"collectd": "/usr/sbin/collectd", "telegraf": "/usr/bin/telegraf", "sudo": "/usr/bin/sudo",
            "node_exporter": "/usr/bin/node_exporter"}


class Place:
    """A host below a folder."""

    def __init__(self, folder):
        self.folder = folder
        self.programs = {}

    def put(self, path, text="x"):
        target = self.folder / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
        return self

    def has(self, *names):
        self.programs.update({name: PROGRAMS.get(name, "/usr/bin/" + name) for name in names})
        return self

    def steps(self, backend):
        """[(what is missing, commands)]"""
        found = {name: wanted for name, _, wanted in installing.steps(hostfiles.Host(str(self.folder), self.programs.get))}
        return [tuple(step) for step in found[backend]]

    def run(self, steps, *without):
        """The commands, below the folder: what begins with one of ``without`` is left out, and must be there."""
        for _, commands in steps:
            for command in commands:
                if not command.startswith(without):
                    moved = re.sub(r"(?<![\w.])/(?=etc/|usr/(?!s)|var/)", str(self.folder) + "/", command)
                    subprocess.run(["sh", "-euc", moved], check=True)


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path / "host")


def debian(place):
    return place.has("apt-get").put("/var/lib/dpkg/info/xenmeter.list").put("/usr/lib/python3/dist-packages/xenmeter/__init__.py")


def test_a_bare_debian(place):
    debian(place).put("/run/systemd/system/x")
    assert place.steps("collectd") == [
        ("collectd is not installed", ("apt-get install collectd",)),
        ("collectd's folder has no file of ours; in the folder of the packages", ("apt-get install ./collectd-xenmeter_*.deb",)),
        ("then it must read its files again", ("systemctl restart collectd",))]
    assert place.steps("prometheus") == [
        ("xenmeter-serve@all is not switched on", ("systemctl enable --now xenmeter-serve@all",))]
    assert place.steps("baker") == [("xenmeter-baker is not switched on", ("systemctl enable --now xenmeter-baker",))]
    assert [commands for _, commands in place.steps("node_exporter")] == [
        ("apt-get install prometheus-node-exporter",), ("mkdir -p /var/lib/prometheus/node-exporter",),
        ("systemctl enable --now xenmeter-textfile@xentop",)]
    telegraf = place.steps("telegraf")
    assert telegraf[0][0].startswith("telegraf is not installed") and telegraf[1][1] == ("apt-get install sudo",)


def test_all_that_is_there_is_ready(place):
    debian(place).has("collectd", "telegraf", "sudo", "prometheus-node-exporter", "xenmeter").put(
        "/usr/lib/collectd/python.so").put("/etc/collectd/collectd.conf.d/xenmeter-xentop.conf",
                                           'LoadPlugin python\n<Plugin python>\n  Import "xenmeter.collectd.xentop"\n')
    place.put("/usr/bin/xenmeter").put("/etc/telegraf/telegraf.d/x.conf", 'command = ["/usr/bin/xenmeter", "execd", "xentop"]\n')
    place.put("/etc/sudoers.d/x", "Cmnd_Alias X = /usr/bin/xenmeter execd xentop, /usr/bin/xenmeter execd vcpu\n")
    place.put("/var/lib/prometheus/node-exporter/x")
    for unit in ("serve@all", "textfile@vcpu", "baker"):
        place.put("/etc/systemd/system/multi-user.target.wants/xenmeter-%s.service" % unit)
    for backend in ("collectd", "telegraf", "prometheus", "node_exporter", "baker"):
        assert place.steps(backend) == [], backend


def test_comments_are_no_settings(place):
    debian(place).has("collectd", "telegraf", "sudo").put("/usr/lib/collectd/python.so").put("/usr/bin/xenmeter")
    place.put("/etc/collectd/collectd.conf.d/x.conf", '#  Import "xenmeter.collectd.xentop"\n')
    place.put("/etc/telegraf/telegraf.d/x.conf", '# command = ["/usr/bin/xenmeter", "execd", "xentop"]\n')
    place.put("/etc/sudoers.d/x", "# /usr/bin/xenmeter execd xentop\n")
    assert len(place.steps("collectd")) == 2 and "no file of ours and sudo has no lines" in place.steps("telegraf")[0][0]


def test_a_collectd_that_embeds_python_2(place):
    place.has("collectd", "yum").put("/usr/lib64/collectd/python.so", "..libpython2.7.so.1.0..")
    place.put("/opt/xenmeter/install.sh")
    [(what, commands)] = place.steps("collectd")
    assert "embeds Python 2" in what and commands == ()


def test_without_its_python_plugin(place):
    place.has("collectd", "dnf").put("/usr/lib/systemd/system/xenmeter-baker.service")
    assert place.steps("collectd")[:2] == [
        ("collectd's Python plugin is not installed", ("dnf install collectd collectd-python",)),
        ("collectd's folder has no file of ours; in the folder of the packages", ("dnf install ./collectd-xenmeter-*.rpm",))]


def test_the_bundle_has_its_own_way(place):
    place.has("telegraf", "sudo", "yum").put("/opt/xenmeter/install.sh").put("/usr/bin/xenmeter")
    assert place.steps("telegraf")[0][1] == ("/opt/xenmeter/install.sh --telegraf",)
    assert "/etc/sysconfig/xenmeter" in place.put("/etc/sysconfig/xenmeter", "XENMETER_TEXTFILE_DIRECTORY=/srv/t\n").steps(
        "node_exporter")[1][0]
    assert place.steps("node_exporter")[1][1] == ("mkdir -p /srv/t",)


def test_openrc(place):
    place.has("apk").put("/sbin/openrc-run").put("/etc/init.d/xenmeter-serve")
    assert place.steps("prometheus")[0][1] == ("rc-update add xenmeter-serve default", "rc-service xenmeter-serve start")
    assert place.steps("node_exporter")[-1][1] == ("rc-update add xenmeter-textfile default",
                                                   "rc-service xenmeter-textfile start")
    place.put("/etc/runlevels/default/xenmeter-serve.vcpu")
    assert place.steps("prometheus") == []


@pytest.fixture
def by_pip(place, monkeypatch, tmp_path):
    """An installation without conf.d and services, whose library lies where no daemon looks."""
    monkeypatch.setattr(hostfiles, "library", lambda: str(tmp_path / "env" / "lib"))
    (tmp_path / "env" / "lib").mkdir(parents=True)
    place.has("collectd", "telegraf", "sudo", "xenmeter", "apt-get").put("/usr/lib/collectd/python.so").put(
        "/etc/collectd/collectd.conf.d/other.conf").put("/etc/telegraf/telegraf.d/other.conf").put("/etc/sudoers.d/other").put(
        "/usr/bin/other")
    return place


@pytest.mark.parametrize("conf", [False, True], ids=["none came along", "conf.d came along"])
def test_its_commands_bring_what_is_missing(by_pip, conf, tmp_path):
    if conf:
        top = os.path.join(os.path.dirname(__file__), "..", "..", "conf.d")
        os.symlink(os.path.realpath(top), str(tmp_path / "env" / "conf.d"))
    by_pip.programs["xenmeter"] = "/usr/local/bin/xenmeter"
    by_pip.put("/usr/local/bin/xenmeter")
    for backend in ("collectd", "telegraf"):
        steps = by_pip.steps(backend)
        assert steps[-1] == ("then it must read its files again", ("systemctl restart " + backend,))
        by_pip.run(steps, "systemctl")
        assert by_pip.steps(backend) == [], backend
    files = by_pip.folder / "etc/collectd/collectd.conf.d"
    assert sorted(path.name for path in files.glob("xenmeter-*")) == ["xenmeter-%s.conf" % name
                                                                     for name in ("vcpu", "xentop", "xentrace")]
    for path in files.glob("xenmeter-*"):
        assert '  ModulePath "%s"\n' % (tmp_path / "env" / "lib") in path.read_text(), "each says where we are"
    assert (by_pip.folder / "etc/sudoers.d/xenmeter-telegraf").stat().st_mode & 0o777 == 0o440
    assert by_pip.steps("prometheus") == [(
        "there are no services with this installation (of pip, or the one file): take a package; or until the next boot",
        ("systemd-run --unit=xenmeter-serve /usr/local/bin/xenmeter serve all",))]


def test_the_one_file_is_none_for_collectd(by_pip, monkeypatch, tmp_path):
    (tmp_path / "xenmeter.pyz").write_bytes(b"")
    monkeypatch.setattr(hostfiles, "library", lambda: str(tmp_path / "xenmeter.pyz"))
    assert ("collectd cannot import from the one file %s: take a package, or pip" % (tmp_path / "xenmeter.pyz"), ()) in \
        by_pip.steps("collectd")


def test_the_command_tells_it(place, monkeypatch, capsys):
    debian(place).put("/run/systemd/system/x")
    host = hostfiles.Host(str(place.folder), place.programs.get)
    monkeypatch.setattr(hostfiles, "Host", lambda: host)
    assert main(["check", "--install"]) == 3
    told = capsys.readouterr().out
    assert re.search(r"^prometheus +no +xenmeter-serve@all is not switched on\n +systemctl enable --now xenmeter-serve@all$",
                     told, re.MULTILINE)
    assert told.count("This is no Xen dom0") == 1
    place.put("/proc/xen/capabilities", "control_d\n")
    assert main(["check", "--install"]) == 3
    assert "dom0" not in capsys.readouterr().out
    assert main(["check", "--install", "--format", "json"]) == 3
    told = json.loads(capsys.readouterr().out)
    assert told["dom0"] is True
    assert {one["backend"]: one["ready"] for one in told["backends"]} == dict.fromkeys(
        ("collectd", "telegraf", "prometheus", "node_exporter", "baker"), False)
    assert told["backends"][2]["missing"] == [{"missing": "xenmeter-serve@all is not switched on",
                                               "commands": ["systemctl enable --now xenmeter-serve@all"]}]
    place.put("/etc/systemd/system/multi-user.target.wants/xenmeter-serve@all.service")
    assert main(["check", "--install"]) == 0
    assert re.search(r"^prometheus +yes +Prometheus asks the endpoint$", capsys.readouterr().out, re.MULTILINE)
